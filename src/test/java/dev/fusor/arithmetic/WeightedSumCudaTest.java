package dev.fusor.arithmetic;

import dev.fusor.arithmetic.WeightedSumCuda.Item;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition, bit for bit. */
@RequiresCuda
class WeightedSumCudaTest extends CudaTensors {
    private static final List<DType> TYPES = List.of(DType.F32, DType.F16, DType.BF16, DType.F8_E4M3, DType.F8_E5M2);

    private static double[] weights(int count, int row) {
        return IntStream.range(0, count).mapToDouble(m -> (m % 2 == 0 ? 0.3 : -0.7) * (m + 1 + row)).toArray();
    }

    /** One item of random bits, at a shift of each tensor, to several outputs. */
    private void check(DType input, DType output, int models, int outputs, boolean onBase, int length, double divisor,
            int... shifts) {
        List<Tensor> hosts = new ArrayList<>();
        List<Tensor> inputs = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            hosts.add(m % 2 == 0
                    ? Tensors.anyBits(input, length, m)
                    : Tensors.random(input, length, m, null, 1));
            inputs.add(there(hosts.get(m), shifts[m % shifts.length]));
        }
        Tensor hostBase = onBase ? Tensors.random(input, length, 77, null, 1) : null;
        Tensor base = onBase ? there(hostBase, shifts[0]) : null;
        List<Tensor> outs = new ArrayList<>();
        double[][] rows = new double[outputs][];
        double[] divisors = new double[outputs];
        for (int k = 0; k < outputs; k++) {
            outs.add(there(output, length, shifts[shifts.length - 1]));
            rows[k] = weights(models, k);
            divisors[k] = k == 0 ? divisor : k + 0.7;
        }
        try (WeightedSumCuda sum = WeightedSumCuda
                .prepare(stream, List.of(new Item(base, inputs, outs, rows, divisors)))) {
            sum.run();
        }
        for (int k = 0; k < outputs; k++) {
            Tensor result = back(outs.get(k));
            assertThat(Tensors.bytes(result))
                    .as("%d of %s to output %d of %s, %d elements, base %s, divisor %s, shifts %s, seed %d", models,
                            input, k, output, length, onBase, divisors[k], Arrays.toString(shifts), Tensors.SEED)
                    .isEqualTo(
                            Tensors.bytes(WeightedSumTest.define(hostBase, hosts, rows[k], divisors[k], result)));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void agreesWithTheDefinitionForEveryTypeAndNumberOfModels(DType input) {
        for (DType output : TYPES) {
            for (int models : new int[]{1, 2, 3, 4, 5, 8, 9, 17}) {
                check(input, output, models, 1, false, 300, 1, 0);
                check(input, output, models, 1, true, 300, -2.7, 0);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7, 8, 9, 15, 16, 17, 255, 256, 257, 2047, 2048, 2049, 4095, 4096, 4097, 32_767, 32_768,
        32_769, 65_544})
    void agreesWithTheDefinitionAtAwkwardLengths(int length) {
        check(DType.BF16, DType.BF16, 2, 1, false, length, 1, 0);
        check(DType.F8_E4M3, DType.F32, 3, 1, true, length, 3, 0);
        check(DType.F32, DType.F16, 5, 1, false, length, 0.3, 0);
    }

    @Test
    void oneReadServesManyOutputs() {
        for (int models : new int[]{1, 2, 4, 8, 9}) {
            check(DType.BF16, DType.BF16, models, 16, true, 2100, 2, 0);
            check(DType.F8_E5M2, DType.F16, models, 2, false, 2100, 1, 0);
        }
    }

    @Test
    void tensorsMayStartAtAnyElement() {
        for (DType type : TYPES) {
            check(type, type, 3, 1, true, 3000, 1.5, 1); // the first tile ends where vectors begin
            check(type, DType.F32, 2, 2, false, 3000, 1, 3);
            check(type, type, 3, 1, true, 3000, 1.5, 0, 1, 2); // they begin nowhere
        }
    }

    /** Sums from the least to the largest, and divisors that have no reciprocal among others. */
    @Test
    void everyQuotientIsRoundedOnce() {
        float[] sums = {0x1p-149f, 0x1.8p-140f, 0x1p-126f, 0x1.fffffep-91f, 0x1p-90f, 0x1.234568p-89f, 1, 3, 0x1p100f,
            0x1.000002p100f, Float.MAX_VALUE, Float.POSITIVE_INFINITY, Float.NaN, 0, -0f};
        Tensor host = Tensors.zeros(DType.F32, 64 * 64);
        for (int i = 0; i < host.elements(); i++) {
            float sum = sums[i / 64 % sums.length];
            host.data().setAtIndex(JAVA_FLOAT, i,
                    Float.intBitsToFloat(Float.floatToRawIntBits(sum) + (Float.isFinite(sum) ? i % 64 : 0))
                            * (i % 3 == 0 ? -1 : 1));
        }
        Tensor input = there(host, 0);
        for (double divisor : new double[]{3, -0.7, 1 / 3.0, Math.nextDown(2f), 0x1p20, 0x1.8p20, 0x1p-21, 1e30, 1e-40,
            0, Double.POSITIVE_INFINITY, Double.NaN}) {
            Tensor out = there(DType.F32, host.elements(), 0);
            try (WeightedSumCuda sum = WeightedSumCuda.prepare(stream,
                    List.of(Item.of(null, List.of(input), new double[]{1}, divisor, out)))) {
                sum.run();
            }
            assertThat(Tensors.bytes(back(out))).as("divided by %s", divisor).isEqualTo(Tensors
                    .bytes(WeightedSumTest.define(null, List.of(host), new double[]{1}, divisor, host)));
        }
    }

    @Test
    void manyTensorsGoInOneLaunchWhichRunsAgainOnNewData() {
        int[] lengths = {0, 5, 40_000, 1, 700, 32_768};
        List<Item> items = new ArrayList<>();
        List<List<Tensor>> inputs = new ArrayList<>();
        List<Tensor> outs = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            List<Tensor> models = List.of(there(DType.BF16, lengths[i], 0), there(DType.BF16, lengths[i], 0));
            Tensor out = there(DType.BF16, lengths[i], 0);
            inputs.add(models);
            outs.add(out);
            items.add(Item.of(i % 2 == 0 ? null : models.getFirst(), models, weights(2, i), i + 1, out));
        }
        try (WeightedSumCuda sum = WeightedSumCuda.prepare(stream, items)) {
            for (int round = 0; round < 2; round++) {
                List<List<Tensor>> hosts = new ArrayList<>();
                for (int i = 0; i < lengths.length; i++) {
                    List<Tensor> models = List.of(Tensors.random(DType.BF16, lengths[i], round * 100 + i, null, 1),
                            Tensors.random(DType.BF16, lengths[i], round * 100 + 50 + i, null, 1));
                    stream.upload(models.get(0).data(), inputs.get(i).get(0).data());
                    stream.upload(models.get(1).data(), inputs.get(i).get(1).data());
                    hosts.add(models);
                }
                sum.run();
                for (int i = 0; i < lengths.length; i++) {
                    Tensor base = i % 2 == 0 ? null : hosts.get(i).getFirst();
                    Tensor result = back(outs.get(i));
                    assertThat(Tensors.bytes(result)).as("item %d, round %d, seed %d", i, round, Tensors.SEED)
                            .isEqualTo(Tensors
                                    .bytes(WeightedSumTest.define(base, hosts.get(i), weights(2, i), i + 1, result)));
                }
            }
        }
    }

    /** Tensors so long that an element's number takes more than 32 bits: what is not read need not be there. */
    @Test
    void tilesMayLieBeyondTwoToThe31() {
        long from = (1L << 32) + (1L << 31);
        Tensor host = Tensors.random(DType.BF16, 300, 1, null, 1);
        Tensor input = there(host, 0);
        Tensor out = there(DType.F32, 300, 0);
        try (Arena arena = Arena.ofConfined();
                CudaMemory tables = CudaMemory.allocate(stream, 16 + 3 * 8 + 8 + 8);
                CudaLaunch launch = device.kernel("arithmetic/weighted_sum_bf16", "weighted_sum_2")
                        .prepare(8, 8, 8, 8, 8, 4, 4, 4)) {
            MemorySegment table = arena.allocate(tables.segment().byteSize(), 8);
            table.set(JAVA_LONG, 0, from);
            table.set(JAVA_INT, 8, 300);
            table.setAtIndex(JAVA_LONG, 2, input.data().address() - 2 * from);
            table.setAtIndex(JAVA_LONG, 4, out.data().address() - 4 * from);
            table.setAtIndex(JAVA_DOUBLE, 5, 1.0);
            table.setAtIndex(JAVA_FLOAT, 12, 0.3f);
            table.setAtIndex(JAVA_FLOAT, 13, 1f);
            stream.upload(table, tables.segment());
            launch.grid(1).block(256, 0).set(0, tables.segment()).set(1, 1L).set(2, tables.segment().asSlice(16))
                    .set(3, tables.segment().asSlice(48)).set(4, tables.segment().asSlice(40)).set(5, 1).set(6, 1)
                    .set(7, CudaFormats.number(DType.F32)).on(stream);
        }
        Tensor result = back(out);
        assertThat(Tensors.bytes(result)).isEqualTo(
                Tensors.bytes(WeightedSumTest.define(null, List.of(host), new double[]{0.3}, 1, result)));
    }

    @Test
    void theOutputMayBeAnInput() {
        Tensor host = Tensors.random(DType.F16, 5000, 1, null, 1);
        Tensor other = Tensors.random(DType.F16, 5000, 2, null, 1);
        Tensor both = there(host, 0);
        try (WeightedSumCuda sum = WeightedSumCuda.prepare(stream, List.of(
                Item.of(null, List.of(both, there(other, 0)), new double[]{0.5, 0.25}, 0.75, both)))) {
            sum.run();
        }
        assertThat(Tensors.bytes(back(both))).isEqualTo(Tensors.bytes(
                WeightedSumTest.define(null, List.of(host, other), new double[]{0.5, 0.25}, 0.75, host)));
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor three = there(DType.F32, 3, 0);
        Tensor four = there(DType.F32, 4, 0);
        Tensor wide = there(DType.F64, 3, 0);
        Tensor host = Tensors.zeros(DType.F32, 3);
        double[] one = {1};
        String wanted = "a weighted sum on a device takes inputs of one type and outputs of one, each one of [F32, F16, BF16, F8_E4M3, F8_E5M2], and of equal length; got %s where %s of 3 elements was wanted";

        refused(Item.of(null, List.of(four), one, 1, three), wanted.formatted("F32 [4]", "F32"));
        refused(Item.of(null, List.of(wide), one, 1, three), wanted.formatted("F64 [3]", "F64"));
        refused(Item.of(there(DType.BF16, 3, 0), List.of(three), one, 1, three),
                wanted.formatted("BF16 [3]", "F32"));
        refused(Item.of(null, List.of(host), one, 1, three),
                "wanted device memory, got host memory of 12 bytes: copy it to the device first, by CudaStream.upload");
        refused(Item.of(null, List.of(three), new double[]{1, 2}, 1, three),
                "a weighted sum takes a weight for each of 1 models and a divisor, for each of 1 outputs");
        assertThatIllegalArgumentException().isThrownBy(() -> WeightedSumCuda.prepare(stream, List.of()))
                .withMessage("a launch of weighted sums takes at least 1 item, got none");
        assertThatIllegalArgumentException().isThrownBy(() -> WeightedSumCuda.prepare(stream,
                List.of(Item.of(null, List.of(three), one, 1, three),
                        Item.of(null, List.of(three, three), new double[]{1, 1}, 1, three))))
                .withMessage(
                        "the items of a launch have as many models and outputs each, at least 1, got 2 and 1 after 1 and 1");
        Tensor odd = Tensor.of(four.data().asSlice(1, 12), DType.F32, Shape.of(3));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> WeightedSumCuda.prepare(stream,
                        List.of(Item.of(null, List.of(odd), one, 1, three))))
                .withMessageStartingWith("on a device elements lie at multiples of their size, got F32 [3] at address");
    }

    private void refused(Item item, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> WeightedSumCuda.prepare(stream, List.of(item)))
                .withMessage(message);
    }
}
