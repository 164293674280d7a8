package dev.fusor.assign;

import dev.fusor.assign.LinearAssignment.Goal;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class LinearAssignmentTest {
    private static final long SEED = Long.getLong("fusor.seed", System.nanoTime());
    private static final CpuDevice DEVICE = CpuDevice.open(2);
    private static final DType[] TYPES = {DType.F32, DType.F64, DType.I32, DType.I64};

    private final SplittableRandom random = new SplittableRandom(SEED);

    @ParameterizedTest
    @EnumSource
    void noOtherAssignmentIsBetter(Costs family) {
        for (int[] shape : new int[][]{{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 6}, {7, 7}, {8, 8}, {9, 9}, {1, 6},
            {6, 1},
            {2, 9}, {9, 2}, {4, 7}, {7, 4}, {6, 8}, {8, 6}}) {
            for (DType type : TYPES) {
                for (Goal goal : Goal.values()) {
                    double[][] costs = family.make(shape[0], shape[1], random);
                    double best = best(costs, shape[1], goal) * Costs.scale(type);
                    Assignment assignment = solve(type, costs, shape[1], goal);
                    assertThat(assignment.objective()).as(describe(type, costs, shape[1], goal)).isEqualTo(best);
                    check(assignment, type, costs, shape[1], goal);
                }
            }
        }
    }

    @Test
    void withForbiddenPairsItIsTheBestOfTheOthersOrSaysWhichRowsHaveTooFewColumns() {
        int refused = 0;
        for (int problem = 0; problem < 3000; problem++) {
            int n = random.nextInt(1, 7);
            int m = random.nextInt(1, 7);
            Goal goal = random.nextBoolean() ? Goal.MINIMISE : Goal.MAXIMISE;
            double forbidden = goal == Goal.MINIMISE ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
            double[][] costs = Costs.values()[random.nextInt(7)].make(n, m, random);
            double density = random.nextDouble();
            for (double[] row : costs) {
                for (int j = 0; j < m; j++) {
                    row[j] = random.nextDouble() < density ? forbidden : row[j];
                }
            }
            DType type = random.nextBoolean() ? DType.F32 : DType.F64;
            double best = best(costs, m, goal);
            if (best == forbidden) {
                refused++;
                assertThatThrownBy(() -> solve(type, costs, m, goal))
                        .as(describe(type, costs, m, goal))
                        .isInstanceOf(IllegalArgumentException.class)
                        .satisfies(refusal -> assertThat(holds(refusal.getMessage(), costs, m))
                                .as(refusal.getMessage()).isTrue());
            } else {
                Assignment assignment = solve(type, costs, m, goal);
                assertThat(assignment.objective()).as(describe(type, costs, m, goal)).isEqualTo(best);
                check(assignment, type, costs, m, goal);
            }
        }
        assertThat(refused).as("seed %d", SEED).isBetween(300, 2700);
    }

    /** Long enough for shortlists, which must not be seen in what comes out. */
    @ParameterizedTest
    @EnumSource
    void followsItsDefinitionBitForBit(Costs family) {
        for (int[] shape : new int[][]{{3, 63}, {64, 64}, {65, 65}, {100, 130}, {130, 100}, {20, 1023}, {20, 1024},
            {20, 1100},
            {1040, 30}, {1030, 1030}}) {
            DType type = TYPES[random.nextInt(4)];
            Goal goal = random.nextBoolean() ? Goal.MINIMISE : Goal.MAXIMISE;
            double[][] costs = family.make(shape[0], shape[1], random);
            follows(solve(type, costs, shape[1], goal), type, costs, shape[1], goal);
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.5, 0.99})
    void followsItsDefinitionWhereMostPairsAreForbidden(double density) {
        for (int[] shape : new int[][]{{1030, 1030}, {200, 1100}}) {
            double[][] costs = Costs.UNIFORM.make(shape[0], shape[1], random);
            for (int i = 0; i < shape[0]; i++) {
                for (int j = 0; j < shape[1]; j++) {
                    costs[i][j] = i != j && random.nextDouble() < density ? Double.POSITIVE_INFINITY : costs[i][j];
                }
            }
            follows(solve(DType.F32, costs, shape[1], Goal.MINIMISE), DType.F32, costs, shape[1], Goal.MINIMISE);
        }
    }

    /** Any duals that are expected: none of them is right, some are, all are. */
    @ParameterizedTest
    @EnumSource
    void expectedDualsOfRowsLeaveNoOtherAssignmentBetter(Costs family) {
        for (int[] shape : new int[][]{{1, 1}, {2, 2}, {3, 3}, {5, 5}, {8, 8}, {9, 9}, {3, 6}, {6, 3}}) {
            for (DType type : TYPES) {
                for (Goal goal : Goal.values()) {
                    double[][] costs = family.make(shape[0], shape[1], random);
                    Tensor tensor = Costs.tensor(type, costs, shape[1]);
                    double best = best(costs, shape[1], goal) * Costs.scale(type);
                    double[] duals = solve(type, costs, shape[1], goal).rowDuals();
                    for (double right : new double[]{0, 0.7, 1}) {
                        Arrays.setAll(duals, i -> random.nextDouble() < right ? duals[i] : random.nextInt(-5000, 5000));
                        Assignment assignment = LinearAssignment.on(DEVICE).solve(tensor, goal, duals);
                        assertThat(assignment.objective()).as(describe(type, costs, shape[1], goal)).isEqualTo(best);
                        check(assignment, type, costs, shape[1], goal);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void expectedDualsOfRowsAreTakenAsTheDefinitionHasIt(Costs family) {
        for (int[] shape : new int[][]{{33, 33}, {64, 64}, {129, 129}, {30, 70}, {70, 30}, {1030, 1030}}) {
            DType type = TYPES[random.nextInt(4)];
            Goal goal = random.nextBoolean() ? Goal.MINIMISE : Goal.MAXIMISE;
            double[][] costs = family.make(shape[0], shape[1], random);
            double[] duals = solve(type, family.make(shape[0], shape[1], random), shape[1], goal).rowDuals();
            follows(LinearAssignment.on(DEVICE).solve(Costs.tensor(type, costs, shape[1]), goal, duals), type, costs,
                    shape[1], goal, duals);
        }
    }

    @Test
    void expectedDualsThatCannotBeAreNamed() {
        Tensor reals = Tensor.allocate(Arena.ofAuto(), DType.F64, 2, 2);
        Tensor integers = Tensor.allocate(Arena.ofAuto(), DType.I32, 2, 2);
        refusesExpected(reals, "an assignment of 2 rows takes as many expected duals, got 1", 0);
        refusesExpected(reals, "the expected dual of row 1 is NaN: wanted finite numbers", 0, Double.NaN);
        refusesExpected(reals, "the expected dual of row 0 is -Infinity: wanted finite numbers",
                Double.NEGATIVE_INFINITY, 0);
        refusesExpected(integers, "the expected dual of row 1 is 0.5: wanted whole numbers, as costs are", 3, 0.5);
        double most = 0x1p53 / (128 * 3);
        integers.data().set(ValueLayout.JAVA_INT, 4, 5);
        refusesExpected(integers, "the expected duals of rows reach " + Math.rint(most) + ", the costs 5.0: their sums "
                + "would be rounded, wanted up to " + most + " together", 0, -Math.rint(most));
        assertThat(LinearAssignment.on(DEVICE).solve(integers, Goal.MAXIMISE, new double[]{Math.rint(most) - 6, 0})
                .objective()).isEqualTo(5);
    }

    private static void refusesExpected(Tensor costs, String message, double... duals) {
        assertThatThrownBy(() -> LinearAssignment.on(DEVICE).solve(costs, Goal.MINIMISE, duals))
                .isInstanceOf(IllegalArgumentException.class).hasMessage(message);
    }

    /** Sums of such costs are rounded, and costs of either sign cancel. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 8})
    void followsItsDefinitionWhereSumsAreRoundedOnAnyNumberOfThreads(int threads) {
        double[][] costs = new double[1030][1030];
        for (double[] row : costs) {
            Arrays.setAll(row, j -> random.nextGaussian() * Math.exp(5 * random.nextGaussian()));
        }
        try (CpuDevice device = CpuDevice.open(threads)) {
            Assignment assignment = LinearAssignment.on(device).solve(Costs.tensor(DType.F64, costs, 1030),
                    Goal.MINIMISE);
            follows(assignment, DType.F64, costs, 1030, Goal.MINIMISE);
            double magnitude = IntStream.range(0, 1030).mapToDouble(i -> Math.abs(costs[i][assignment.columns()[i]]))
                    .sum();
            assertThat(assignment.certificate().bound()).as("seed %d", SEED).isLessThanOrEqualTo(1e-12 * magnitude);
        }
    }

    @Test
    void manyProblemsAreSolvedAsEachAlone() {
        for (int[] shape : new int[][]{{12, 12}, {5, 20}, {20, 5}, {70, 70}}) {
            double[][] costs = Costs.TIES.make(40 * shape[0], shape[1], random);
            Tensor flat = Costs.tensor(DType.F32, costs, shape[1]);
            List<Assignment> all = LinearAssignment.on(DEVICE).solveAll(
                    Tensor.of(flat.data(), DType.F32, Shape.of(40, shape[0], shape[1])), Goal.MAXIMISE);
            assertThat(all).hasSize(40);
            for (int k = 0; k < 40; k++) {
                double[][] one = Arrays.copyOfRange(costs, k * shape[0], (k + 1) * shape[0]);
                Assignment alone = solve(DType.F32, one, shape[1], Goal.MAXIMISE);
                assertThat(all.get(k).columns()).as("seed %d", SEED).isEqualTo(alone.columns());
                assertThat(all.get(k).rowDuals()).isEqualTo(alone.rowDuals());
                assertThat(all.get(k).columnDuals()).isEqualTo(alone.columnDuals());
                assertThat(all.get(k).certificate()).isEqualTo(alone.certificate());
            }
        }
    }

    @Test
    void equalCostsPairEachRowWithItsOwnColumn() {
        assertThat(solve(DType.F32, Costs.CONSTANT.make(600, 600, random), 600, Goal.MINIMISE).columns())
                .isEqualTo(IntStream.range(0, 600).toArray());
        assertThat(solve(DType.I32, Costs.CONSTANT.make(3, 5, random), 5, Goal.MAXIMISE).columns())
                .containsExactly(0, 1, 2);
        assertThat(solve(DType.I32, Costs.CONSTANT.make(5, 3, random), 3, Goal.MAXIMISE).columns())
                .containsExactly(0, 1, 2, -1, -1);
    }

    @Test
    void noRowsOrNoColumnsHaveNoPairs() {
        for (int[] shape : new int[][]{{0, 0}, {0, 4}, {4, 0}}) {
            Assignment assignment = solve(DType.F64, new double[shape[0]][shape[1]], shape[1], Goal.MINIMISE);
            assertThat(assignment.columns()).isEqualTo(IntStream.generate(() -> -1).limit(shape[0]).toArray());
            assertThat(assignment.rows()).isEqualTo(IntStream.generate(() -> -1).limit(shape[1]).toArray());
            assertThat(assignment.rowDuals()).isEqualTo(new double[shape[0]]);
            assertThat(assignment.columnDuals()).isEqualTo(new double[shape[1]]);
            assertThat(assignment.objective()).isZero();
            assertThat(assignment.certificate()).isEqualTo(new Certificate(0, 0, 0));
        }
        assertThat(LinearAssignment.on(DEVICE).solveAll(Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 3, 3),
                Goal.MINIMISE)).isEmpty();
    }

    @Test
    void whatIsNoCostIsRefusedWithItsPlace() {
        for (int columns : new int[]{4, 70}) {
            double[][] costs = Costs.UNIFORM.make(3, columns, random);
            costs[1][2] = Double.NaN;
            costs[2][0] = Double.NEGATIVE_INFINITY;
            refuses(DType.F32, costs, Goal.MINIMISE, "the cost at [1, 2] is NaN: wanted numbers");
            refuses(DType.F64, costs, Goal.MAXIMISE, "the cost at [1, 2] is NaN: wanted numbers");
            costs[1][2] = 0;
            refuses(DType.F32, costs, Goal.MINIMISE,
                    "the cost at [2, 0] is -Infinity: Infinity forbids a pair when minimising");
            costs[2][0] = Double.POSITIVE_INFINITY;
            refuses(DType.F64, costs, Goal.MAXIMISE,
                    "the cost at [2, 0] is Infinity: -Infinity forbids a pair when maximising");
        }
    }

    @Test
    void sumsThatWouldOverflowOrBeRoundedAreRefusedWithTheirPlace() {
        double[][] costs = new double[3][2];
        costs[2][1] = -0x1p1008;
        solve(DType.F64, costs, 2, Goal.MINIMISE);
        costs[2][1] = -0x1p1009;
        refuses(DType.F64, costs, Goal.MINIMISE, "the cost at [2, 1] is " + -0x1p1009
                + ": sums of such costs would overflow, wanted magnitudes up to " + Double.MAX_VALUE / 36864);

        Tensor integers = Tensor.allocate(Arena.ofAuto(), DType.I64, 1, 1);
        integers.data().set(ValueLayout.JAVA_LONG, 0, 1L << 45);
        assertThat(LinearAssignment.on(DEVICE).solve(integers, Goal.MAXIMISE).objective()).isEqualTo(0x1p45);
        integers.data().set(ValueLayout.JAVA_LONG, 0, Long.MIN_VALUE);
        assertThatThrownBy(() -> LinearAssignment.on(DEVICE).solve(integers, Goal.MAXIMISE))
                .hasMessage("the cost at [0, 0] is " + -0x1p63
                        + ": sums of such costs would be rounded, wanted magnitudes up to " + 0x1p45);
    }

    @Test
    void integersOfFullRangeAreExact() {
        for (int problem = 0; problem < 50; problem++) {
            Tensor costs = Tensor.allocate(Arena.ofAuto(), DType.I32, 7, 7);
            double[][] values = new double[7][7];
            for (int k = 0; k < 49; k++) {
                int value = random.nextInt() | (random.nextBoolean() ? Integer.MIN_VALUE : 1);
                costs.data().setAtIndex(ValueLayout.JAVA_INT, k, value);
                values[k / 7][k % 7] = value;
            }
            assertThat(LinearAssignment.on(DEVICE).solve(costs, Goal.MAXIMISE).objective()).as("seed %d", SEED)
                    .isEqualTo(best(values, 7, Goal.MAXIMISE));
        }
    }

    @Test
    void wrongShapesAndTypesAreNamed() {
        Tensor halves = Tensor.allocate(Arena.ofAuto(), DType.BF16, 3, 3);
        assertThatThrownBy(() -> LinearAssignment.on(DEVICE).solve(halves, Goal.MINIMISE))
                .hasMessage("costs are F32, F64, I32 or I64 of shape [rows, columns], got BF16 [3, 3]");
        Tensor flat = Tensor.allocate(Arena.ofAuto(), DType.F32, 9);
        assertThatThrownBy(() -> LinearAssignment.on(DEVICE).solve(flat, Goal.MINIMISE))
                .hasMessage("costs are F32, F64, I32 or I64 of shape [rows, columns], got F32 [9]");
        assertThatThrownBy(() -> LinearAssignment.on(DEVICE).solveAll(flat, Goal.MINIMISE))
                .hasMessage("costs are F32, F64, I32 or I64 of shape [problems, rows, columns], got F32 [9]");
        try (Arena arena = Arena.ofConfined()) {
            Tensor confined = Tensor.allocate(arena, DType.F32, 2, 2);
            assertThatThrownBy(() -> LinearAssignment.on(DEVICE).solve(confined, Goal.MINIMISE))
                    .hasMessageContaining("wanted a shared or automatic one");
        }
    }

    @Test
    void aRefusalOfOneOfManyProblemsSaysWhich() {
        Tensor costs = Tensor.allocate(Arena.ofAuto(), DType.F32, 3, 2, 2);
        Elements.set(costs, 4 * 2 + 3, Double.NaN);
        assertThatThrownBy(() -> LinearAssignment.on(DEVICE).solveAll(costs, Goal.MINIMISE))
                .hasMessage("problem 2: the cost at [1, 1] is NaN: wanted numbers");
    }

    private static Assignment solve(DType type, double[][] costs, int columns, Goal goal) {
        return LinearAssignment.on(DEVICE).solve(Costs.tensor(type, costs, columns), goal);
    }

    private static void refuses(DType type, double[][] costs, Goal goal, String message) {
        assertThatThrownBy(() -> solve(type, costs, costs[0].length, goal)).hasMessage(message);
    }

    static String describe(DType type, double[][] costs, int columns, Goal goal) {
        return "%s %d x %d, %s, seed %d: %s".formatted(type, costs.length, columns, goal, SEED,
                costs.length * columns > 100 ? "" : Arrays.deepToString(costs));
    }

    /** Tries every assignment; an infinity where each has a forbidden pair. */
    static double best(double[][] costs, int columns, Goal goal) {
        double sign = goal == Goal.MINIMISE ? 1 : -1;
        boolean tall = costs.length > columns;
        double[][] wide = new double[Math.min(costs.length, columns)][Math.max(costs.length, columns)];
        for (int i = 0; i < costs.length; i++) {
            for (int j = 0; j < columns; j++) {
                wide[tall ? j : i][tall ? i : j] = sign * costs[i][j];
            }
        }
        return sign * least(wide, 0, 0);
    }

    private static double least(double[][] wide, int row, int taken) {
        if (row == wide.length) {
            return 0;
        }
        double least = Double.POSITIVE_INFINITY;
        for (int j = 0; j < wide[row].length; j++) {
            if ((taken >> j & 1) == 0 && wide[row][j] < Double.POSITIVE_INFINITY) {
                least = Math.min(least, wide[row][j] + least(wide, row + 1, taken | 1 << j));
            }
        }
        return least;
    }

    /** Pairs, duals, objective and certificate belong together. All numbers are exact here. */
    static void check(Assignment assignment, DType type, double[][] costs, int m, Goal goal) {
        double scale = Costs.scale(type);
        double sign = goal == Goal.MINIMISE ? 1 : -1;
        int n = costs.length;
        int[] columns = assignment.columns();
        int[] rows = assignment.rows();
        double[] u = assignment.rowDuals();
        double[] v = assignment.columnDuals();
        int pairs = 0;
        double sum = 0;
        double worst = 0;
        for (int i = 0; i < n; i++) {
            if (columns[i] >= 0) {
                pairs++;
                sum += costs[i][columns[i]] * scale;
                assertThat(rows[columns[i]]).isEqualTo(i);
            }
            for (int j = 0; j < m; j++) {
                worst = Math.max(worst, sign * (u[i] + v[j] - costs[i][j] * scale));
            }
        }
        double[] larger = n == m ? new double[0] : n > m ? u : v;
        for (double dual : larger) {
            worst = Math.max(worst, sign * dual);
        }
        String which = describe(type, costs, m, goal);
        assertThat(pairs).as(which).isEqualTo(Math.min(n, m));
        assertThat(Arrays.stream(rows).filter(row -> row >= 0).count()).as(which).isEqualTo(pairs);
        assertThat(assignment.objective()).as(which).isEqualTo(sum + 0.0);
        assertThat(Arrays.stream(u).sum() + Arrays.stream(v).sum()).as(which).isEqualTo(sum + 0.0);
        assertThat(worst).as(which).isZero();
        assertThat(assignment.certificate()).as(which).isEqualTo(new Certificate(0, 0, 0));
    }

    static void follows(Assignment assignment, DType type, double[][] costs, int m, Goal goal) {
        follows(assignment, type, costs, m, goal, new double[costs.length]);
    }

    static void follows(Assignment assignment, DType type, double[][] costs, int m, Goal goal, double[] rowDuals) {
        int n = costs.length;
        double sign = goal == Goal.MINIMISE ? 1 : -1;
        boolean tall = n > m;
        double[][] wide = new double[Math.min(n, m)][Math.max(n, m)];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < m; j++) {
                wide[tall ? j : i][tall ? i : j] = sign * costs[i][j] * Costs.scale(type);
            }
        }
        AssignmentDefinition wanted = new AssignmentDefinition(wide, Math.max(n, m), signed(rowDuals, sign),
                type == DType.I32 || type == DType.I64);
        String which = describe(type, costs, m, goal);
        assertThat(tall ? assignment.rows() : assignment.columns()).as(which).isEqualTo(wanted.column);
        assertThat(tall ? assignment.columns() : assignment.rows()).as(which).isEqualTo(wanted.row);
        assertThat(tall ? assignment.columnDuals() : assignment.rowDuals()).as(which).isEqualTo(signed(wanted.u, sign));
        assertThat(tall ? assignment.rowDuals() : assignment.columnDuals()).as(which).isEqualTo(signed(wanted.v, sign));
    }

    private static double[] signed(double[] duals, double sign) {
        return Arrays.stream(duals).map(dual -> sign * dual + 0.0).toArray();
    }

    /** Whether the rows or columns that a message names have as few others as it says. */
    private static boolean holds(String message, double[][] costs, int m) {
        boolean byColumns = message.contains("columns ") && message.contains(" rows between");
        String names = message.substring(message.indexOf(byColumns ? "columns " : "rows ") + (byColumns ? 8 : 5),
                message.indexOf(" can only"));
        int[] lines = Arrays.stream(names.split(", ")).mapToInt(Integer::parseInt).toArray();
        long others = IntStream.range(0, byColumns ? costs.length : m)
                .filter(k -> Arrays.stream(lines)
                        .anyMatch(line -> Double.isFinite(byColumns ? costs[k][line] : costs[line][k])))
                .count();
        return others == lines.length - 1 && message.contains("only go to " + others + " ");
    }
}
