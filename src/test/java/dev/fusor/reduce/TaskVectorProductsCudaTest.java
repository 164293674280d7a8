package dev.fusor.reduce;

import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.reduce.TaskVectorProductsCuda.Item;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition, bit for bit. */
@RequiresCuda
class TaskVectorProductsCudaTest extends CudaTensors {
    /** The bits of numbers, those of every NaN the same. */
    private static long[] bits(DoubleStream numbers) {
        return numbers.mapToLong(Double::doubleToLongBits).toArray();
    }

    private long[] bits(MemorySegment results) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(results.byteSize(), 8);
            stream.download(results, host);
            stream.synchronize();
            return bits(DoubleStream.of(host.toArray(JAVA_DOUBLE)));
        }
    }

    private static long[] define(Item item) {
        return bits(item.models().stream().mapToDouble(model -> {
            Tensor taskVector = Tensors.zeros(DType.F64, model.elements());
            for (long i = 0; i < model.elements(); i++) {
                double x = Elements.get(model, i);
                Elements.set(taskVector, i, item.base() == null ? x : x - Elements.get(item.base(), i));
            }
            return ReductionTest.define(item.gradient(), taskVector);
        }));
    }

    private Item there(Item host, int shift) {
        return new Item(there(host.gradient(), shift), host.base() == null ? null : there(host.base(), shift),
                host.models().stream().map(model -> there(model, shift)).toList());
    }

    private void check(List<Item> hosts, int shift) {
        List<Item> items = hosts.stream().map(host -> there(host, shift)).toList();
        try (TaskVectorProductsCuda products = TaskVectorProductsCuda.prepare(stream, items)) {
            products.run();
            long[] found = bits(products.results());
            products.run();
            assertThat(bits(products.results())).as("run again").isEqualTo(found);
            int models = hosts.getFirst().models().size();
            for (int i = 0; i < hosts.size(); i++) {
                assertThat(IntStream.range(i * models, (i + 1) * models).mapToLong(m -> found[m]).toArray())
                        .as("item %d, %s, shift %d, seed %d", i, hosts.get(i), shift, Tensors.SEED)
                        .isEqualTo(define(hosts.get(i)));
            }
        }
    }

    private static Item random(DType type, DType gradientType, int length, int models, boolean based) {
        Tensor base = Tensors.random(type, length, 2, null, 1);
        return new Item(Tensors.random(gradientType, length, 1, null, 1), based ? base : null,
                IntStream.range(0, models).mapToObj(m -> Tensors.random(type, length, 10 + m, base, 0.1)).toList());
    }

    @ParameterizedTest
    @CsvSource({"F32,F32,3", "BF16,BF16,1", "BF16,F32,2", "BF16,BF16,9", "F16,F16,8", "F16,F32,17", "F32,F32,64"})
    void agreesWithTheDefinitionAtAwkwardLengths(DType type, DType gradientType, int models) {
        List<Item> items = new ArrayList<>();
        for (int length : new int[]{0, 1, 2, 63, 64, 65, 127, 128, 255, 257, 4095, 4096, 4097, 12_289}) {
            items.add(random(type, gradientType, length, models, length % 3 != 0));
        }
        check(items, 0);
    }

    @Test
    void tilesAreFoldedAsTheDefinitionSays() {
        List<Item> items = new ArrayList<>();
        for (int length : new int[]{131_071, 131_072, 131_073, 300_000}) {
            items.add(random(DType.BF16, DType.BF16, length, 2, true));
        }
        check(items, 0);
    }

    @ParameterizedTest
    @CsvSource({"F32,F32", "BF16,BF16", "F16,F32"})
    void tensorsMayStartAtAnyElement(DType type, DType gradientType) {
        check(List.of(random(type, gradientType, 5000, 3, true)), 1);
        Item host = random(type, gradientType, 5000, 2, true);
        Item mixed = new Item(there(host.gradient(), 0), there(host.base(), 2),
                List.of(there(host.models().getFirst(), 0), there(host.models().getLast(), 3)));
        try (TaskVectorProductsCuda products = TaskVectorProductsCuda.prepare(stream, List.of(mixed))) {
            products.run();
            assertThat(bits(products.results())).as("seed %d", Tensors.SEED).isEqualTo(define(host));
        }
    }

    @ParameterizedTest
    @CsvSource({"F32", "F16", "BF16"})
    void anyBitsAreMultiplied(DType type) {
        Item host = new Item(Tensors.anyBits(type, 32, 1), Tensors.anyBits(type, 32, 2),
                IntStream.range(0, 5).mapToObj(m -> Tensors.anyBits(type, 32, 3 + m)).toList());
        check(IntStream.range(0, 32).mapToObj(i -> new Item(host.gradient().slice(i, 1), host.base().slice(i, 1),
                host.models().stream().map(model -> model.slice(i, 1)).toList())).toList(), 0);
    }

    /** A tensor so long that an element's number takes more than 32 bits: what is not read need not be there. */
    @Test
    void tilesMayLieBeyondTwoToThe31() {
        long from = (1L << 32) + (1L << 31);
        Item host = random(DType.F16, DType.F16, 300, 1, true);
        Item item = there(host, 0);
        try (Arena arena = Arena.ofConfined();
                CudaMemory memory = CudaMemory.allocate(stream, 24 + 3 * 8 + 8);
                CudaLaunch launch = device.kernel("reduce/task_vector_products_f16", "task_vector_products").prepare(8,
                        8, 8, 8, 8, 4)) {
            MemorySegment table = arena.allocate(memory.segment().byteSize(), 8);
            table.set(JAVA_LONG, 0, from);
            table.set(JAVA_INT, 16, 300);
            List<Tensor> tensors = List.of(item.gradient(), item.base(), item.models().getFirst());
            for (int t = 0; t < 3; t++) {
                table.set(JAVA_LONG, 24 + 8L * t, tensors.get(t).data().address() - 2 * from);
            }
            stream.upload(table, memory.segment());
            launch.grid(1).block(256, 0).set(0, memory.segment()).set(1, 1L).set(2, memory.segment().asSlice(24))
                    .set(3, memory.segment().asSlice(48)).set(4, 1L).set(5, 1).on(stream);
            assertThat(bits(memory.segment().asSlice(48, 8))).isEqualTo(define(host));
        }
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor f32 = there(Tensors.zeros(DType.F32, 3), 0);
        Tensor bf16 = there(Tensors.zeros(DType.BF16, 3), 0);
        Tensor four = there(Tensors.zeros(DType.F32, 4), 0);
        Tensor f64 = there(Tensors.zeros(DType.F64, 3), 0);
        refused(List.of(), "a launch of task vector products takes at least 1 item, got none");
        refused(List.of(new Item(f32, f32, List.of())),
                "take 1 to 64 models, as many for each item; got 0 where the first item has 0");
        refused(List.of(new Item(f32, f32, List.of(f32)), new Item(f32, f32, List.of(f32, f32))),
                "got 2 where the first item has 1");
        refused(List.of(new Item(f32, four, List.of(f32))), "got F32 [4] where F32 of 3 elements was wanted");
        refused(List.of(new Item(f32, f32, List.of(bf16))), "got F32 [3] where BF16 of 3 elements was wanted");
        refused(List.of(new Item(bf16, null, List.of(f32))), "gradients of that type or F32");
        refused(List.of(new Item(f64, null, List.of(f64))), "one type of [F32, F16, BF16]");
        refused(List.of(new Item(Tensors.zeros(DType.F32, 3), null, List.of(f32))),
                "wanted device memory, got host memory");
    }

    private void refused(List<Item> items, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> TaskVectorProductsCuda.prepare(stream, items))
                .withMessageContaining(message);
    }
}
