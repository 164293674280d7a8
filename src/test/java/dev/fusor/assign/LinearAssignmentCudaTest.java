package dev.fusor.assign;

import dev.fusor.assign.LinearAssignment.Goal;
import dev.fusor.device.CpuDevice;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/** The kernels against every assignment, the definition and the CPU, bit for bit. */
@RequiresCuda
class LinearAssignmentCudaTest extends CudaTensors {
    private static final long SEED = Long.getLong("fusor.seed", System.nanoTime());
    private static final DType[] TYPES = {DType.F32, DType.F64, DType.I32, DType.I64};
    private static final CpuDevice CPU = CpuDevice.open(1);

    private final SplittableRandom random = new SplittableRandom(SEED);

    @ParameterizedTest
    @EnumSource
    void noOtherAssignmentIsBetter(Goal goal) {
        for (int[] shape : new int[][]{{1, 1}, {2, 2}, {3, 3}, {5, 5}, {7, 7}, {9, 9}, {1, 6}, {6, 1}, {2, 9}, {9, 2},
            {4, 7}, {8, 6}}) {
            for (DType type : TYPES) {
                double[][][] problems = Stream.of(Costs.values())
                        .map(family -> family.make(shape[0], shape[1], random)).toArray(double[][][]::new);
                List<Assignment> found = solve(type, problems, shape[1], goal);
                for (int k = 0; k < problems.length; k++) {
                    double best = LinearAssignmentTest.best(problems[k], shape[1], goal) * Costs.scale(type);
                    assertThat(found.get(k).objective())
                            .as(LinearAssignmentTest.describe(type, problems[k], shape[1], goal))
                            .isEqualTo(best);
                    LinearAssignmentTest.check(found.get(k), type, problems[k], shape[1], goal);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void followsItsDefinitionBitForBit(Costs family) {
        for (int[] shape : new int[][]{{3, 31}, {32, 32}, {33, 33}, {64, 64}, {65, 65}, {40, 70}, {70, 40},
            {6, 1024}, {6, 1025}, {1100, 6}}) {
            DType type = TYPES[random.nextInt(4)];
            Goal goal = random.nextBoolean() ? Goal.MINIMISE : Goal.MAXIMISE;
            double[][] costs = family.make(shape[0], shape[1], random);
            Assignment found = solve(type, new double[][][]{costs}, shape[1], goal).getFirst();
            LinearAssignmentTest.follows(found, type, costs, shape[1], goal);
        }
    }

    /** As large problems are solved, by up to 32 blocks. Points of a square go through all phases; the other families take longer here and nothing else. */
    @ParameterizedTest
    @EnumSource(names = {"UNIFORM", "GAUSSIAN_DOT", "TIES", "CONSTANT", "GEOMETRIC"})
    void blocksThatBidTogetherFollowTheDefinition(Costs family) {
        for (int[] shape : new int[][]{{1, 1}, {2, 3}, {31, 31}, {33, 33}, {34, 70}, {70, 34}}) {
            DType type = TYPES[random.nextInt(4)];
            Goal goal = random.nextBoolean() ? Goal.MINIMISE : Goal.MAXIMISE;
            double[][] costs = family.make(shape[0], shape[1], random);
            try (LinearAssignmentCuda assignment = LinearAssignmentCuda.prepare(stream,
                    there(Costs.tensor(type, costs, shape[1])), goal, 1)) {
                assignment.run();
                LinearAssignmentTest.follows(assignment.fetch().getFirst(), type, costs, shape[1], goal);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, Integer.MAX_VALUE})
    void expectedDualsOfRowsAreTakenAsTheDefinitionHasIt(int fewestTogether) {
        for (int[] shape : new int[][]{{1, 1}, {31, 31}, {65, 65}, {34, 70}, {70, 34}}) {
            DType type = TYPES[random.nextInt(4)];
            Goal goal = random.nextBoolean() ? Goal.MINIMISE : Goal.MAXIMISE;
            double[][] costs = Costs.GEOMETRIC.make(shape[0], shape[1], random);
            double[] duals = solve(type, new double[][][]{Costs.GAUSSIAN_DOT.make(shape[0], shape[1], random)},
                    shape[1], goal).getFirst().rowDuals();
            try (LinearAssignmentCuda assignment = LinearAssignmentCuda.prepare(stream,
                    there(Costs.tensor(type, costs, shape[1])), goal, duals, fewestTogether)) {
                assignment.run();
                LinearAssignmentTest.follows(assignment.fetch().getFirst(), type, costs, shape[1], goal, duals);
            }
        }
    }

    @Test
    void expectedDualsThatCannotBeAreRefusedAsOnTheCpu() {
        Tensor host = Tensor.allocate(Arena.ofAuto(), DType.I32, 2, 2);
        host.data().set(ValueLayout.JAVA_INT, 4, 5);
        Tensor there = there(host);
        double most = 0x1p53 / (128 * 3);
        for (double[] duals : new double[][]{{0}, {0, Double.NaN}, {0.5, 0}, {0, Math.rint(most)}}) {
            String message = assertThatIllegalArgumentException()
                    .isThrownBy(() -> LinearAssignment.on(CPU).solve(host, Goal.MAXIMISE, duals)).actual()
                    .getMessage();
            assertThatIllegalArgumentException().isThrownBy(() -> {
                try (LinearAssignmentCuda assignment = LinearAssignmentCuda.prepare(stream, there, Goal.MAXIMISE,
                        duals)) {
                    assignment.run();
                    assignment.fetch();
                }
            }).withMessage(message);
        }
    }

    @Test
    void blocksThatBidTogetherRefuseAsOne() {
        Tensor host = Costs.tensor(DType.F32, Costs.UNIFORM.make(40, 40, random), 40);
        Tensor there = there(host);
        try (LinearAssignmentCuda assignment = LinearAssignmentCuda.prepare(stream, there, Goal.MINIMISE, 1)) {
            for (double wrong : new double[]{Double.NaN, 7}) {
                Elements.set(host, 39 * 40 + 3, wrong);
                stream.upload(host.data(), there.data());
                assignment.run();
                if (Double.isNaN(wrong)) {
                    assertThatIllegalArgumentException().isThrownBy(assignment::fetch)
                            .withMessage("the cost at [39, 3] is NaN: wanted numbers");
                } else {
                    same(assignment.fetch().getFirst(), LinearAssignment.on(CPU).solve(host, Goal.MINIMISE));
                }
            }
        }
    }

    /** More columns than any block has shared memory for, and one block alone. */
    @Test
    void followsItsDefinitionWhereColumnsAreTooManyForSharedMemory() {
        for (Costs family : new Costs[]{Costs.GEOMETRIC, Costs.RANK_ONE}) {
            double[][] costs = family.make(4, 12_000, random);
            try (LinearAssignmentCuda assignment = LinearAssignmentCuda.prepare(stream,
                    there(Costs.tensor(DType.F32, costs, 12_000)), Goal.MINIMISE, Integer.MAX_VALUE)) {
                assignment.run();
                LinearAssignmentTest.follows(assignment.fetch().getFirst(), DType.F32, costs, 12_000, Goal.MINIMISE);
            }
        }
    }

    /** Sums of such costs are rounded, and costs of either sign cancel: certificates are not zero. */
    @Test
    void certificatesAreThoseOfTheCpuWhereSumsAreRounded() {
        for (int[] shape : new int[][]{{60, 60}, {30, 70}, {70, 30}}) {
            double[][][] problems = new double[3][shape[0]][shape[1]];
            for (double[][] costs : problems) {
                for (double[] row : costs) {
                    Arrays.setAll(row, j -> random.nextGaussian() * Math.exp(5 * random.nextGaussian()));
                }
            }
            for (Goal goal : Goal.values()) {
                same(DType.F64, problems, shape[1], goal);
                same(DType.F32, problems, shape[1], goal);
            }
        }
    }

    @Test
    void withForbiddenPairsItIsTheAssignmentOfTheCpuOrItsRefusal() {
        int refused = 0;
        for (int round = 0; round < 40; round++) {
            int n = random.nextInt(1, 40);
            int m = random.nextInt(1, 40);
            Goal goal = random.nextBoolean() ? Goal.MINIMISE : Goal.MAXIMISE;
            double forbidden = goal == Goal.MINIMISE ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
            double density = round % 2 == 0 ? random.nextDouble(0.3) : random.nextDouble(0.9, 1);
            double[][][] problems = new double[3][][];
            for (int k = 0; k < problems.length; k++) {
                problems[k] = Costs.values()[random.nextInt(7)].make(n, m, random);
                for (double[] row : problems[k]) {
                    for (int j = 0; j < m; j++) {
                        row[j] = random.nextDouble() < density ? forbidden : row[j];
                    }
                }
            }
            refused += same(random.nextBoolean() ? DType.F32 : DType.F64, problems, m, goal) ? 0 : 1;
        }
        assertThat(refused).as("seed %d", SEED).isBetween(5, 35);
    }

    @Test
    void whatIsNoCostIsRefusedAsOnTheCpu() {
        for (int[] shape : new int[][]{{3, 4}, {4, 3}, {3, 70}, {40, 40}}) {
            for (double wrong : new double[]{Double.NaN, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY,
                -0x1p1016}) {
                double[][][] problems = {Costs.UNIFORM.make(shape[0], shape[1], random),
                    Costs.UNIFORM.make(shape[0], shape[1], random)};
                problems[1][2][1] = wrong;
                problems[1][2][2] = wrong;
                same(DType.F64, problems, shape[1], Goal.MINIMISE);
                same(DType.F64, problems, shape[1], Goal.MAXIMISE);
            }
        }
        Tensor integer = Tensor.allocate(Arena.ofAuto(), DType.I64, 1, 1);
        integer.data().set(ValueLayout.JAVA_LONG, 0, Long.MIN_VALUE);
        assertThatThrownBy(() -> solve(integer, Goal.MAXIMISE)).hasMessage("the cost at [0, 0] is " + -0x1p63
                + ": sums of such costs would be rounded, wanted magnitudes up to " + 0x1p45);
        integer.data().set(ValueLayout.JAVA_LONG, 0, 1L << 45);
        assertThat(solve(integer, Goal.MAXIMISE).getFirst().objective()).isEqualTo(0x1p45);
    }

    @Test
    void aRunTakesTheCostsOfItsTimeAndLeavesPairsOnTheDevice() {
        double[][] costs = Costs.TIES.make(20, 12, random);
        Tensor host = Costs.tensor(DType.F32, costs, 12);
        Tensor there = there(host);
        try (LinearAssignmentCuda assignment = LinearAssignmentCuda.prepare(stream, there, Goal.MINIMISE)) {
            for (int round = 0; round < 3; round++) {
                Elements.set(host, random.nextInt(240), random.nextInt(5));
                stream.upload(host.data(), there.data());
                assignment.run();
                Assignment wanted = LinearAssignment.on(CPU).solve(host, Goal.MINIMISE);
                same(assignment.fetch().getFirst(), wanted);
                assertThat(assignment.columns().shape()).isEqualTo(Shape.of(20));
                assertThat(assignment.rows().shape()).isEqualTo(Shape.of(12));
                assertThat(ints(assignment.columns())).isEqualTo(wanted.columns());
                assertThat(ints(assignment.rows())).isEqualTo(wanted.rows());
            }
        }
    }

    @Test
    void noRowsOrNoColumnsHaveNoPairs() {
        for (int[] shape : new int[][]{{2, 0, 0}, {2, 0, 4}, {2, 4, 0}}) {
            Tensor costs = Tensor.allocate(Arena.ofAuto(), DType.F32, shape[0], shape[1], shape[2]);
            List<Assignment> found = solve(costs, Goal.MINIMISE);
            List<Assignment> wanted = LinearAssignment.on(CPU).solveAll(costs, Goal.MINIMISE);
            assertThat(found).hasSize(2);
            same(found.get(0), wanted.get(0));
            same(found.get(1), wanted.get(1));
        }
        assertThat(solve(Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 3, 3), Goal.MINIMISE)).isEmpty();
    }

    @Test
    void wrongShapesTypesAndMemoryAreNamed() {
        Tensor halves = Tensor.allocate(Arena.ofAuto(), DType.BF16, 3, 3);
        assertThatIllegalArgumentException().isThrownBy(
                () -> LinearAssignmentCuda.prepare(stream, halves, Goal.MINIMISE)).withMessage(
                        "costs are F32, F64, I32 or I64 of shape [rows, columns] or [problems, rows, columns], got BF16 [3, 3]");
        Tensor flat = there(DType.F32, 9, 0);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LinearAssignmentCuda.prepare(stream, flat, Goal.MINIMISE))
                .withMessageEndingWith("got F32 [9]");
        Tensor host = Tensor.allocate(Arena.ofAuto(), DType.F32, 3, 3);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LinearAssignmentCuda.prepare(stream, host, Goal.MINIMISE))
                .withMessageContaining("wanted device memory, got host memory of 36 bytes");
    }

    /** Solves them together, one element past an aligned address. */
    private List<Assignment> solve(DType type, double[][][] problems, int columns, Goal goal) {
        return solve(tensor(type, problems, columns), goal);
    }

    private static Tensor tensor(DType type, double[][][] problems, int columns) {
        Tensor flat = Costs.tensor(type, Arrays.stream(problems).flatMap(Arrays::stream).toArray(double[][]::new),
                columns);
        return Tensor.of(flat.data(), type, Shape.of(problems.length, problems[0].length, columns));
    }

    private List<Assignment> solve(Tensor host, Goal goal) {
        try (LinearAssignmentCuda assignment = LinearAssignmentCuda.prepare(stream, there(host), goal)) {
            assignment.run();
            return assignment.fetch();
        }
    }

    private Tensor there(Tensor host) {
        return Tensor.of(there(host, 1).data(), host.dtype(), host.shape());
    }

    /** {@return whether the CPU solved them all, and so did the device; otherwise both said the same} */
    private boolean same(DType type, double[][][] problems, int columns, Goal goal) {
        Tensor host = tensor(type, problems, columns);
        List<Assignment> wanted;
        try {
            wanted = LinearAssignment.on(CPU).solveAll(host, goal);
        } catch (IllegalArgumentException e) {
            assertThatThrownBy(() -> solve(host, goal)).as("seed %d", SEED).isInstanceOf(e.getClass())
                    .hasMessage(e.getMessage());
            return false;
        }
        List<Assignment> found = solve(host, goal);
        for (int k = 0; k < problems.length; k++) {
            same(found.get(k), wanted.get(k));
        }
        return true;
    }

    private static void same(Assignment found, Assignment wanted) {
        assertThat(found.columns()).as("seed %d", SEED).isEqualTo(wanted.columns());
        assertThat(found.rows()).as("seed %d", SEED).isEqualTo(wanted.rows());
        assertThat(found.rowDuals()).as("seed %d", SEED).isEqualTo(wanted.rowDuals());
        assertThat(found.columnDuals()).as("seed %d", SEED).isEqualTo(wanted.columnDuals());
        assertThat(found.objective()).as("seed %d", SEED).isEqualTo(wanted.objective());
        assertThat(found.certificate()).as("seed %d", SEED).isEqualTo(wanted.certificate());
    }

    private int[] ints(Tensor there) {
        return back(there).data().toArray(ValueLayout.JAVA_INT_UNALIGNED);
    }
}
