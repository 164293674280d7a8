package dev.fusor.linalg;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class UnitSimilarityTest {
    private static final long SEED = Tensors.SEED;

    @ParameterizedTest
    @CsvSource({"0,3,5", "3,0,5", "3,4,0", "1,1,1", "5,7,255", "6,64,256", "7,65,257", "121,63,513", "130,257,300",
        "2,3,70000"})
    void agreesWithTheDefinitionAtAwkwardSizes(int rows, int columns, int depth) {
        for (DType type : new DType[]{DType.F32, DType.BF16, DType.F16, DType.F8_E5M2, DType.F64}) {
            Units a = units(Tensors.random(type, (long) rows * depth, 1, null, 1), 0, rows, depth);
            Units b = units(Tensors.random(DType.F32, (long) columns * depth, 2, null, 1), 0, columns, depth);
            assertDefined(a, b, 1, "a " + type);
            assertDefined(b, a, 3, "b " + type);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void doesNotDependOnTheNumberOfThreads(int threads) {
        Units a = units(Tensors.random(DType.BF16, 130 * 300, 1, null, 1), 0, 130, 300);
        Units b = units(Tensors.random(DType.F16, 300 * 257, 2, null, 1), 1, 300, 257);
        assertDefined(a, b, threads, "rows and columns");
        assertDefined(b, a, threads, "columns and rows");
    }

    @Test
    void unitsLieAlongAnyAxisInBlocksFromAnyEntry() {
        Tensor a = shaped(Tensors.random(DType.F32, 7 * 40 * 9, 1, null, 1), 7, 40, 9);
        Tensor b = shaped(Tensors.random(DType.BF16, 7 * 40 * 9, 2, null, 1), 7, 40, 9);
        for (int axis = 0; axis < 3; axis++) {
            int extent = (int) a.shape().extent(axis);
            for (int block = 1; block <= 3; block++) {
                for (int start : new int[]{0, 1}) {
                    int count = (extent - start) / block;
                    assertDefined(new Units(PermutedView.of(a), axis, start, count, block),
                            new Units(PermutedView.of(b), axis, start, count, block), 2,
                            "axis %d, block %d, start %d".formatted(axis, block, start));
                }
            }
        }
    }

    @Test
    void otherAxesArePermutedAsTheyAreRead() {
        for (DType type : new DType[]{DType.F32, DType.BF16, DType.F16}) {
            Tensor a = shaped(Tensors.random(type, 12 * 90 * 5, 1, null, 1), 12, 90, 5);
            Tensor b = shaped(Tensors.random(type, 12 * 90 * 5, 2, null, 1), 12, 90, 5);
            for (int axis = 0; axis < 3; axis++) {
                int[][] orders = new int[3][];
                for (int other = 0; other < 3; other++) {
                    orders[other] = other == axis ? null : shuffled((int) b.shape().extent(other));
                }
                int count = (int) a.shape().extent(axis);
                assertEqual(Units.along(a, axis), new Units(PermutedView.of(b, orders), axis, 0, count, 1),
                        Units.along(permuted(b, orders), axis), 2, type + ", axis " + axis);
            }
        }
    }

    @Test
    void anyBitsGiveOneNaNOrWhatTheDefinitionGives() {
        for (DType type : new DType[]{DType.F32, DType.BF16, DType.F16}) {
            Units a = units(misaligned(Tensors.anyBits(type, 40 * 19, 1)), 0, 40, 19);
            Units b = units(misaligned(Tensors.anyBits(type, 70 * 19, 2)), 0, 70, 19);
            assertDefined(a, b, 2, "any bits of " + type);
        }
    }

    @Test
    void aNaNTouchesOnlyItsOwnUnit() {
        Tensor a = shaped(Tensors.of(DType.F32, 1, Double.NaN, 1, 1), 2, 2);
        Tensor sums = zeros(2, 2);
        try (CpuDevice device = CpuDevice.open(1)) {
            UnitSimilarity.on(device).accumulate(Units.along(a, 0),
                    Units.along(shaped(Tensors.of(DType.F32, 1, 2, 3, 4),
                            2, 2), 0),
                    sums);
        }
        assertThat(Tensors.values(sums)).containsExactly(Double.NaN, Double.NaN, 3, 7);
    }

    @Test
    void tensorsAddUp() {
        Tensor a = shaped(Tensors.of(DType.F32, 1, 2, 3, 4), 2, 2);
        Tensor sums = zeros(2, 2);
        try (CpuDevice device = CpuDevice.open(1)) {
            UnitSimilarity.on(device).accumulate(Units.along(a, 0), Units.along(a, 0), sums);
            UnitSimilarity.on(device).accumulate(Units.along(a, 1), Units.along(a, 1), sums);
        }
        assertThat(Tensors.values(sums)).containsExactly(5 + 10, 11 + 14, 11 + 14, 25 + 20);
    }

    @Test
    void wrongUnitsAreNamed() {
        Tensor a = shaped(Tensors.zeros(DType.F32, 6), 2, 3);
        Tensor integers = shaped(Tensors.zeros(DType.I32, 6), 2, 3);
        PermutedView plain = PermutedView.of(a);
        assertThatThrownBy(() -> new Units(plain, 2, 0, 1, 1)).isInstanceOf(IllegalArgumentException.class)
                .hasMessage("1 units of 1 entries each from entry 0 of axis 2 do not lie in F32 [2, 3]");
        assertThatThrownBy(() -> new Units(plain, 1, 1, 3, 1)).hasMessageContaining("3 units of 1 entries");
        assertThatThrownBy(() -> new Units(plain, 1, 0, 2, 2)).hasMessageContaining("2 units of 2 entries");
        assertThatThrownBy(() -> new Units(plain, 1, 0, 2, Long.MAX_VALUE)).hasMessageContaining("2 units of");
        assertThatThrownBy(() -> new Units(PermutedView.of(a, null, new int[]{2, 0, 1}), 1, 0, 3, 1))
                .hasMessage("units lie along axis 1 of F32 [2, 3], which therefore is not permuted");
        assertThatThrownBy(() -> PermutedView.of(a, new int[]{0, 1})).isInstanceOf(IllegalArgumentException.class)
                .hasMessage("F32 [2, 3] takes 2 orders, one for each axis, got 1");
        assertThatThrownBy(() -> PermutedView.of(a, null, new int[]{0, 1}))
                .hasMessage("axis 1 of F32 [2, 3] takes an order of its extent, got 2 entries");
        assertThatThrownBy(() -> PermutedView.of(a, null, new int[]{0, 1, 1}))
                .hasMessage("an order of axis 1 of F32 [2, 3] holds each of its entries once, got 1 at 2");
        try (CpuDevice device = CpuDevice.open(2); Arena mine = Arena.ofConfined()) {
            UnitSimilarity similarity = UnitSimilarity.on(device);
            assertThatThrownBy(() -> similarity.accumulate(Units.along(a, 0), Units.along(a, 1), zeros(2, 3)))
                    .hasMessage("units are alike in as many columns, got 3 of F32 [2, 3] and 2 of F32 [2, 3]");
            assertThatThrownBy(() -> similarity.accumulate(Units.along(a, 0), Units.along(a, 0), zeros(2, 3)))
                    .hasMessage("similarities of 2 and 2 units are F32 [2, 2], got F32 [2, 3]");
            assertThatThrownBy(
                    () -> similarity.accumulate(Units.along(integers, 0), Units.along(a, 0), zeros(2, 2)))
                    .hasMessage("similarities take units of an arithmetic type, got I32 [2, 3]");
            Tensor many = shaped(Tensors.zeros(DType.F8_E5M2, (1 << 22) + 1), (1 << 22) + 1, 1);
            Tensor one = shaped(Tensors.zeros(DType.F32, 1), 1, 1);
            assertThatThrownBy(() -> similarity.accumulate(Units.along(many, 0), Units.along(one, 0),
                    zeros((1 << 22) + 1, 1)))
                    .hasMessage("similarities are of up to 4194304 units, got 4194305 and 1");
            assertThatThrownBy(() -> similarity.accumulate(Units.along(a, 0), Units.along(a, 0),
                    Tensor.allocate(mine, DType.F32, 2, 2))).hasMessageContaining("wanted a shared or automatic one");
        }
    }

    private static void assertDefined(Units a, Units b, int threads, String what) {
        assertEqual(a, b, b, threads, what);
    }

    /** Computes onto random numbers and compares bits with the definition, which has a copy of b without permuted axes. */
    private static void assertEqual(Units a, Units b, Units plain, int threads, String what) {
        Tensor sums = shaped(misaligned(Tensors.random(DType.F32, (long) a.count() * b.count(), 3, null, 1)),
                a.count(), b.count());
        int[] wanted = define(a, plain, sums);
        try (CpuDevice device = CpuDevice.open(threads)) {
            UnitSimilarity.on(device).accumulate(a, b, sums);
        }
        assertThat(bits(sums)).as("%s, %d threads, seed %d", what, threads, SEED).isEqualTo(wanted);
    }

    /** Element by element. */
    static int[] define(Units a, Units b, Tensor sums) {
        float[][] x = matrix(a);
        float[][] y = matrix(b);
        int[] bits = new int[a.count() * b.count()];
        for (int i = 0; i < a.count(); i++) {
            for (int j = 0; j < b.count(); j++) {
                float sum = (float) Elements.get(sums, (long) i * b.count() + j);
                for (int from = 0; from < x[i].length; from += 256) {
                    float chunk = 0;
                    for (int k = from; k < Math.min(from + 256, x[i].length); k++) {
                        chunk = Math.fma(x[i][k], y[j][k], chunk);
                    }
                    sum += chunk;
                }
                bits[i * b.count() + j] = Float.floatToIntBits(sum);
            }
        }
        return bits;
    }

    /** All elements in row-major order, each put at the end of its unit. */
    private static float[][] matrix(Units units) {
        Tensor tensor = units.source().tensor();
        List<List<Float>> rows = new ArrayList<>();
        for (int unit = 0; unit < units.count(); unit++) {
            rows.add(new ArrayList<>());
        }
        for (long element = 0; element < tensor.elements(); element++) {
            long entry = coordinates(tensor.shape(), element)[units.axis()] - units.start();
            if (entry >= 0 && entry < units.count() * units.block()) {
                rows.get((int) (entry / units.block())).add((float) Elements.get(tensor, element));
            }
        }
        float[][] matrix = new float[rows.size()][];
        Arrays.setAll(matrix, unit -> {
            float[] row = new float[rows.get(unit).size()];
            for (int k = 0; k < row.length; k++) {
                row[k] = rows.get(unit).get(k);
            }
            return row;
        });
        return matrix;
    }

    private static long[] coordinates(Shape shape, long element) {
        long[] coordinates = new long[shape.rank()];
        for (int axis = shape.rank() - 1; axis >= 0; axis--) {
            coordinates[axis] = element % shape.extent(axis);
            element /= shape.extent(axis);
        }
        return coordinates;
    }

    /** Element [i, j, ..] is element [orders[0][i], orders[1][j], ..] of a tensor. */
    static Tensor permuted(Tensor tensor, int[][] orders) {
        Tensor out = shaped(Tensors.zeros(tensor.dtype(), tensor.elements()), tensor.shape().toArray());
        for (long element = 0; element < tensor.elements(); element++) {
            long[] at = coordinates(tensor.shape(), element);
            long from = 0;
            for (int axis = 0; axis < orders.length; axis++) {
                from = from * tensor.shape().extent(axis)
                        + (orders[axis] == null ? at[axis] : orders[axis][(int) at[axis]]);
            }
            Elements.set(out, element, Elements.get(tensor, from));
        }
        return out;
    }

    static Units units(Tensor flat, int axis, long rows, long columns) {
        return Units.along(shaped(flat, rows, columns), axis);
    }

    static Tensor shaped(Tensor flat, long... extents) {
        return Tensor.of(flat.data(), flat.dtype(), Shape.of(extents));
    }

    private static Tensor zeros(long... extents) {
        return Tensor.allocate(Arena.ofAuto(), DType.F32, extents);
    }

    private static Tensor misaligned(Tensor tensor) {
        Tensor copy = Tensors.misaligned(tensor.dtype(), tensor.elements());
        copy.data().copyFrom(tensor.data());
        return copy;
    }

    static int[] shuffled(int length) {
        List<Integer> order = new ArrayList<>(IntStream.range(0, length).boxed().toList());
        Collections.shuffle(order, new Random(SEED + length));
        return order.stream().mapToInt(Integer::intValue).toArray();
    }

    static int[] bits(Tensor tensor) {
        int[] bits = new int[(int) tensor.elements()];
        Arrays.setAll(bits, i -> Float.floatToRawIntBits(
                tensor.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i)));
        return bits;
    }
}
