package dev.fusor.reduce;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.reduce.ReductionCuda.Kind;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition, bit for bit. */
@RequiresCuda
class ReductionCudaTest extends CudaTensors {
    /** The bits of numbers of 8 bytes, those of every NaN the same. */
    private static long[] bits(double... numbers) {
        return DoubleStream.of(numbers).mapToLong(Double::doubleToLongBits).toArray();
    }

    private long[] bits(Kind kind, MemorySegment results) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(results.byteSize(), 8);
            stream.download(results, host);
            stream.synchronize();
            long[] numbers = host.toArray(JAVA_LONG);
            return kind == Kind.NON_FINITE
                    ? numbers
                    : bits(LongStream.of(numbers).mapToDouble(Double::longBitsToDouble).toArray());
        }
    }

    private static long[] define(Kind kind, List<Tensor> item) {
        Tensor a = item.getFirst();
        Tensor b = item.getLast();
        return switch (kind) {
            case DOT, SUM_OF_SQUARES -> bits(ReductionTest.define(a, b));
            case SUM -> bits(ReductionTest.define(a, ReductionTest.ones((int) a.elements())));
            case PRODUCTS ->
                bits(ReductionTest.define(a, b), ReductionTest.define(a, a), ReductionTest.define(b, b));
            case NON_FINITE -> {
                long nan = 0;
                long infinite = 0;
                for (long i = 0; i < a.elements(); i++) {
                    nan += Double.isNaN(Elements.get(a, i)) ? 1 : 0;
                    infinite += Double.isInfinite(Elements.get(a, i)) ? 1 : 0;
                }
                yield new long[]{nan, infinite};
            }
        };
    }

    private void check(Kind kind, List<List<Tensor>> hosts, int shift) {
        List<List<Tensor>> items = hosts.stream()
                .map(host -> host.stream().map(tensor -> there(tensor, shift)).toList()).toList();
        try (ReductionCuda reduction = ReductionCuda.prepare(stream, kind, items)) {
            reduction.run();
            long[] found = bits(kind, reduction.results());
            reduction.run();
            assertThat(bits(kind, reduction.results())).as("run again").isEqualTo(found);
            for (int i = 0; i < hosts.size(); i++) {
                long[] item = LongStream.of(found).skip((long) i * kind.results()).limit(kind.results()).toArray();
                assertThat(item)
                        .as("%s of item %d, %s, shift %d, seed %d", kind, i, hosts.get(i), shift, Tensors.SEED)
                        .isEqualTo(define(kind, hosts.get(i)));
            }
        }
    }

    private static List<Tensor> random(Kind kind, DType type, int length, int seed) {
        Tensor a = Tensors.random(type, length, seed, null, 1);
        return kind.tensors() == 1 ? List.of(a) : List.of(a, Tensors.random(type, length, seed + 1, null, 1));
    }

    @ParameterizedTest
    @EnumSource
    void agreesWithTheDefinitionForEveryTypeAtAwkwardLengths(Kind kind) {
        for (DType type : CudaFormats.ALL) {
            List<List<Tensor>> items = new ArrayList<>();
            for (int length : new int[]{0, 1, 7, 8, 9, 31, 32, 63, 64, 65, 511, 513, 4095, 4096, 4097, 8192, 12_289}) {
                items.add(random(kind, type, length, length));
            }
            check(kind, items, 0);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {131_071, 131_072, 131_073, 135_168, 4_325_376 + 4097})
    void tilesAreFoldedAsTheDefinitionSays(int length) {
        check(Kind.PRODUCTS, List.of(random(Kind.PRODUCTS, DType.F8_E5M2, length, 1)), 0);
    }

    @Test
    void tensorsMayStartAtAnyElement() {
        for (DType type : CudaFormats.ALL) {
            for (int shift : new int[]{1, 2, 3, 4, 8}) {
                check(Kind.DOT, List.of(random(Kind.DOT, type, 5000, shift)), shift);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void anyBitsAreCountedAndSummed(DType type) {
        List<List<Tensor>> items = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            items.add(List.of(Tensors.anyBits(type, 5001 - i, i)));
        }
        check(Kind.NON_FINITE, items, 0);
        check(Kind.SUM, items, 0);
        check(Kind.SUM, List.of(List.of(Tensors.of(type, -0.0)), List.of(Tensors.of(type, 1, -1))), 0);
        check(Kind.SUM_OF_SQUARES, items, 1);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 31, 32, 33, 1023, 1024, 1025, 32_769})
    void anyNumberOfPartialResultsIsFoldedByNeighbours(int count) {
        double[] first = new SplittableRandom(Tensors.SEED).doubles(count).toArray();
        double[] second = new SplittableRandom(Tensors.SEED + 1).doubles(33).toArray();
        try (ReductionPartials partials = Kind.SUM.partials(stream, count, 33);
                Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate((count + 33) * 8L, 8);
            host.asSlice(0, count * 8L).copyFrom(MemorySegment.ofArray(first));
            host.asSlice(count * 8L).copyFrom(MemorySegment.ofArray(second));
            stream.upload(host, partials.segment().asSlice(0, host.byteSize()));
            partials.fold();
            assertThat(bits(Kind.SUM, partials.results())).as("seed %d", Tensors.SEED)
                    .isEqualTo(bits(ReductionTest.fold(first), ReductionTest.fold(second)));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {4096, 8192, 131_072, 1 << 20})
    void rangesGiveTheBitsOfTheWholeInAnyOrder(int rangeElements) {
        int length = 40 * 4096 + 100;
        List<Tensor> hosts = List.of(Tensors.random(DType.F8_E4M3, length, 1, null, 1),
                Tensors.random(DType.F8_E4M3, length, 2, null, 1));
        List<Tensor> tensors = hosts.stream().map(host -> there(host, 0)).toList();
        try (RangedReductionCuda reduction = new RangedReductionCuda(stream, Kind.PRODUCTS, DType.F8_E4M3, length,
                rangeElements)) {
            for (long from = (length - 1L) / rangeElements * rangeElements; from >= 0; from -= rangeElements) {
                long start = from;
                reduction.add(from, tensors.stream()
                        .map(tensor -> tensor.slice(start, Math.min(rangeElements, length - start))).toList());
            }
            reduction.fold();
            assertThat(bits(Kind.PRODUCTS, reduction.results())).isEqualTo(define(Kind.PRODUCTS, hosts));
        }
        try (RangedReductionCuda none = new RangedReductionCuda(stream, Kind.DOT, DType.F32, 0, rangeElements)) {
            none.fold();
            assertThat(bits(Kind.DOT, none.results())).containsExactly(0);
        }
    }

    /** A tensor so long that an element's number takes more than 32 bits: what is not read need not be there. */
    @Test
    void tilesMayLieBeyondTwoToThe31() {
        long from = (1L << 32) + (1L << 31);
        Tensor host = Tensors.random(DType.F16, 300, 1, null, 1);
        Tensor input = there(host, 0);
        try (Arena arena = Arena.ofConfined();
                CudaMemory memory = CudaMemory.allocate(stream, 24 + 8 + 8);
                CudaLaunch launch = device.kernel("reduce/reduction_f16", "sum").prepare(8, 8, 8, 8, 8)) {
            MemorySegment table = arena.allocate(memory.segment().byteSize(), 8);
            table.set(JAVA_LONG, 0, from);
            table.set(JAVA_INT, 16, 300);
            table.set(JAVA_LONG, 24, input.data().address() - 2 * from);
            stream.upload(table, memory.segment());
            launch.grid(1).block(256, 0).set(0, memory.segment()).set(1, 1L).set(2, memory.segment().asSlice(24))
                    .set(3, memory.segment().asSlice(32)).set(4, 1L).on(stream);
            assertThat(bits(Kind.SUM, memory.segment().asSlice(32))).isEqualTo(define(Kind.SUM, List.of(host)));
        }
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor three = there(Tensors.zeros(DType.F32, 3), 0);
        Tensor four = there(Tensors.zeros(DType.F32, 4), 0);
        Tensor wide = there(Tensors.zeros(DType.F64, 3), 0);
        String one = "SUM on a device takes 1 tensors for each item, of equal length and all of one type of [F32, F16, BF16, F8_E4M3, F8_E5M2]; got %s where %s was wanted";
        refused(Kind.SUM, List.of(List.of(three, three)), one.formatted("[F32 [3], F32 [3]]", "F32"));
        refused(Kind.SUM, List.of(List.of()), one.formatted("[]", "null"));
        refused(Kind.SUM, List.of(List.of(wide)), one.formatted("[F64 [3]]", "F64"));
        refused(Kind.DOT, List.of(List.of(three, three), List.of(three, four)), one.replace("SUM", "DOT")
                .replace("1 tensors", "2 tensors").formatted("[F32 [3], F32 [4]]", "F32"));
        refused(Kind.SUM, List.of(), "a launch of reductions takes at least 1 item, got none");
        refused(Kind.SUM, List.of(List.of(Tensors.zeros(DType.F32, 3))),
                "wanted device memory, got host memory of 12 bytes: copy it to the device first, by CudaStream.upload");
        Tensor odd = Tensor.of(four.data().asSlice(1, 12), DType.F32, Shape.of(3));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ReductionCuda.prepare(stream, Kind.SUM, List.of(List.of(odd))))
                .withMessageStartingWith("on a device elements lie at multiples of their size, got F32 [3] at address");

        assertThatIllegalArgumentException()
                .isThrownBy(() -> new RangedReductionCuda(stream, Kind.SUM, DType.F32, 5, 1000))
                .withMessage(
                        "tensors of 0 elements or more are reduced in ranges of a power of two of elements, 4096 at least; got 5 in ranges of 1000");
        try (RangedReductionCuda ranged = new RangedReductionCuda(stream, Kind.SUM, DType.F32, 5000, 4096)) {
            assertThatIllegalArgumentException().isThrownBy(() -> ranged.add(0, List.of(four)))
                    .withMessage("5000 elements come in ranges of 4096, got 4 from element 0");
            assertThatIllegalArgumentException().isThrownBy(() -> ranged.add(904, List.of(four)))
                    .withMessage("5000 elements come in ranges of 4096, got 4 from element 904");
        }
    }

    private void refused(Kind kind, List<List<Tensor>> items, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> ReductionCuda.prepare(stream, kind, items))
                .withMessage(message);
    }
}
