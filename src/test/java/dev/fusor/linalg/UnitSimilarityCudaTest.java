package dev.fusor.linalg;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.linalg.UnitSimilarityCuda.Pair;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static dev.fusor.linalg.UnitSimilarityTest.bits;
import static dev.fusor.linalg.UnitSimilarityTest.define;
import static dev.fusor.linalg.UnitSimilarityTest.permuted;
import static dev.fusor.linalg.UnitSimilarityTest.shaped;
import static dev.fusor.linalg.UnitSimilarityTest.shuffled;
import static dev.fusor.linalg.UnitSimilarityTest.units;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition, bit for bit. */
@RequiresCuda
class UnitSimilarityCudaTest extends CudaTensors {
    /** How chunks of columns are packed and multiplied. */
    private enum Passes {
        ALL_APART(1 << 28, Integer.MAX_VALUE), ONE_BY_ONE_APART(0, Integer.MAX_VALUE), ALL_IN_PLACE(1 << 28, 0),
        SOME_IN_PLACE(
                600_000, 0);

        private final long workspaceBytes;
        private final int blocks;

        Passes(long workspaceBytes, int blocks) {
            this.workspaceBytes = workspaceBytes;
            this.blocks = blocks;
        }
    }

    /** The same units of a copy of their tensor. */
    private Units there(Units host, int shift, int[]... orders) {
        Tensor tensor = host.source().tensor();
        Tensor copy = Tensor.of(there(tensor, shift).data(), tensor.dtype(), tensor.shape());
        PermutedView view = orders.length == 0 ? PermutedView.of(copy) : PermutedView.of(copy, orders);
        return new Units(view, host.axis(), host.start(), host.count(), host.block());
    }

    private Tensor random(int countA, int countB, int shift) {
        Tensor sums = there(Tensors.random(DType.F32, (long) countA * countB, 3, null, 1), shift);
        return Tensor.of(sums.data(), DType.F32, Shape.of(countA, countB));
    }

    /** Adds to random numbers, twice. */
    private void check(List<Units> a, List<Units> b, Passes passes, int shift, String what) {
        List<Pair> pairs = new ArrayList<>();
        for (int i = 0; i < a.size(); i++) {
            pairs.add(new Pair(there(a.get(i), shift), there(b.get(i), shift)));
        }
        int countA = a.getFirst().count();
        int countB = b.getFirst().count();
        Tensor sums = random(countA, countB, shift);
        Tensor wanted = Tensor.of(back(sums).data(), DType.F32, sums.shape());
        try (UnitSimilarityCuda similarity = UnitSimilarityCuda.prepare(stream, pairs, sums, passes.workspaceBytes,
                passes.blocks)) {
            for (int run = 1; run <= 2; run++) {
                similarity.run();
                for (int i = 0; i < a.size(); i++) {
                    int[] next = define(a.get(i), b.get(i), wanted);
                    for (int element = 0; element < next.length; element++) {
                        Elements.set(wanted, element, Float.intBitsToFloat(next[element]));
                    }
                }
                assertThat(bits(back(sums))).as("%s, %s, run %d, seed %d", what, passes, run, Tensors.SEED)
                        .isEqualTo(bits(wanted));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"0,3,5", "3,0,5", "3,4,0", "1,1,1", "5,7,255", "6,64,256", "127,65,257", "128,128,8", "129,130,9",
        "2,3,2000"})
    void agreesWithTheDefinitionAtAwkwardSizes(int countA, int countB, int columns) {
        Units a = units(Tensors.random(DType.F32, (long) countA * columns, 1, null, 1), 0, countA, columns);
        Units b = units(Tensors.random(DType.F32, (long) countB * columns, 2, null, 1), 0, countB, columns);
        for (Passes passes : Passes.values()) {
            check(List.of(a), List.of(b), passes, passes.ordinal(), columns + " columns");
        }
    }

    @Test
    void everyPairOfTypesAtAnyElementAlongRowsAndColumns() {
        List<Units> all = new ArrayList<>();
        for (DType type : CudaFormats.ALL) {
            all.add(units(Tensors.random(type, 40 * 70, all.size(), null, 1), 0, 40, 70));
            all.add(units(Tensors.random(type, 40 * 70, all.size(), null, 1), 1, 70, 40));
        }
        for (int shift : new int[]{0, 1, 3}) {
            for (int turn = 0; turn < CudaFormats.ALL.size(); turn++) {
                Collections.rotate(all, 2);
                check(all, all.reversed(), Passes.ALL_APART, shift, "turn %d, shift %d".formatted(turn, shift));
            }
        }
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
                    check(List.of(new Units(PermutedView.of(a), axis, start, count, block)),
                            List.of(new Units(PermutedView.of(b), axis, start, count, block)), Passes.ALL_APART, 0,
                            "axis %d, block %d, start %d".formatted(axis, block, start));
                }
            }
        }
    }

    @Test
    void otherAxesArePermutedAsTheyAreRead() {
        Tensor a = shaped(Tensors.random(DType.F16, 12 * 90 * 5, 1, null, 1), 12, 90, 5);
        Tensor b = shaped(Tensors.random(DType.F16, 12 * 90 * 5, 2, null, 1), 12, 90, 5);
        for (int axis = 0; axis < 3; axis++) {
            int[][] orders = new int[3][];
            for (int other = 0; other < 3; other++) {
                orders[other] = other == axis ? null : shuffled((int) b.shape().extent(other));
            }
            Units first = Units.along(a, axis);
            Tensor sums = random(first.count(), first.count(), 0);
            int[] wanted = define(first, Units.along(permuted(b, orders), axis),
                    Tensor.of(back(sums).data(), DType.F32, sums.shape()));
            Pair pair = new Pair(there(first, 0), there(Units.along(b, axis), 0, orders));
            try (UnitSimilarityCuda similarity = UnitSimilarityCuda.prepare(stream, List.of(pair), sums)) {
                similarity.run();
                assertThat(bits(back(sums))).as("axis %d, seed %d", axis, Tensors.SEED).isEqualTo(wanted);
            }
        }
    }

    @Test
    void anyBitsGiveOneNaNOrWhatTheDefinitionGives() {
        for (DType type : CudaFormats.ALL) {
            Units a = units(Tensors.anyBits(type, 40 * 19, 1), 0, 40, 19);
            Units b = units(Tensors.anyBits(type, 70 * 19, 2), 0, 70, 19);
            check(List.of(a), List.of(b), Passes.ALL_APART, 0, "any bits of " + type);
        }
    }

    /** A product that underflows to -0 makes a sum of -0, which columns of padding must not turn into +0. */
    @Test
    void zerosKeepTheirSigns() {
        Units a = units(Tensors.of(DType.F32, -0x1p-149), 0, 1, 1);
        Units b = units(Tensors.of(DType.F32, 0x1p-149), 0, 1, 1);
        Tensor sums = Tensor.of(there(Tensors.of(DType.F32, -0.0), 0).data(), DType.F32, Shape.of(1, 1));
        try (UnitSimilarityCuda similarity = UnitSimilarityCuda.prepare(stream,
                List.of(new Pair(there(a, 0), there(b, 0))), sums)) {
            similarity.run();
            assertThat(bits(back(sums))).containsExactly(0x8000_0000);
        }
    }

    /** Sums of products of small integers are exact in any order. */
    @Test
    void integersGiveTheirExactProduct() {
        int columns = 600;
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        double[][] x = new double[2][];
        for (int side = 0; side < 2; side++) {
            x[side] = random.doubles(130L * columns).map(value -> Math.rint(32 * value - 16)).toArray();
        }
        Units a = units(Tensors.of(DType.BF16, x[0]), 0, 130, columns);
        Units b = units(Tensors.of(DType.F8_E4M3, x[1]), 0, 130, columns);
        Tensor sums = Tensor.of(there(Tensors.zeros(DType.F32, 130 * 130), 0).data(), DType.F32, Shape.of(130, 130));
        try (UnitSimilarityCuda similarity = UnitSimilarityCuda.prepare(stream,
                List.of(new Pair(there(a, 0), there(b, 0))), sums)) {
            similarity.run();
        }
        Tensor found = back(sums);
        for (int element = 0; element < 130 * 130; element++) {
            double exact = 0;
            for (int k = 0; k < columns; k++) {
                exact += x[0][element / 130 * columns + k] * x[1][element % 130 * columns + k];
            }
            assertThat(Elements.get(found, element)).as("element %d, seed %d", element, Tensors.SEED).isEqualTo(exact);
        }
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Units two = there(units(Tensors.zeros(DType.F32, 6), 0, 2, 3), 0);
        Units wide = there(units(Tensors.zeros(DType.F64, 6), 0, 2, 3), 0);
        Tensor sums = Tensor.of(there(DType.F32, 4, 0).data(), DType.F32, Shape.of(2, 2));
        refused(List.of(), sums, "a launch of similarities takes at least 1 pair of units, got none");
        refused(List.of(new Pair(two, wide)), sums,
                "similarities on a device take units of one of [F32, F16, BF16, F8_E4M3, F8_E5M2], got F64 [2, 3]");
        refused(List.of(new Pair(two, two), new Pair(Units.along(two.source().tensor(), 1), two)), sums,
                "units are alike in as many columns, got 2 of F32 [2, 3] and 3 of F32 [2, 3]");
        refused(List.of(new Pair(two, two)), Tensor.of(sums.data(), DType.F32, Shape.of(4, 1)),
                "similarities of 2 and 2 units are F32 [2, 2], got F32 [4, 1]");
        String host = "wanted device memory, got host memory of %d bytes: copy it to the device first, by CudaStream.upload";
        refused(List.of(new Pair(two, units(Tensors.zeros(DType.F32, 6), 0, 2, 3))), sums, host.formatted(24));
        refused(List.of(new Pair(two, two)), shaped(Tensors.zeros(DType.F32, 4), 2, 2), host.formatted(16));
    }

    private void refused(List<Pair> pairs, Tensor sums, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> UnitSimilarityCuda.prepare(stream, pairs, sums))
                .withMessage(message);
    }
}
