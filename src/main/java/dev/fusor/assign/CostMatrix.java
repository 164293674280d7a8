package dev.fusor.assign;

import dev.fusor.assign.LinearAssignment.Goal;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Costs as the solver sees them: the least sum is wanted, +infinity forbids.
 *
 * @param data the elements, row by row
 * @param type F32, F64, I32 or I64
 * @param negated whether the costs are the negated elements
 * @param rows how many
 * @param columns how many
 */
record CostMatrix(MemorySegment data, DType type, boolean negated, int rows, int columns) {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * No number on the way exceeds this, times the rows and one, times the largest cost C, where nothing is forbidden, as of integers. A
     * bid sets a dual to c_ij - c_ik + v_k - epsilon, where k may be an unassigned column, whose dual is as the phase found it: so a
     * phase lowers the least dual by at most 2 C + epsilon. Before the first epsilon duals fall by at most 4 C; it is at most 64 C, and
     * where there is one there are three rows. All bids leave duals above -103 C, paths above -105 C; a distance is below 107 C, what
     * it is compared by below 320 C. With expected duals of rows C is the largest cost and the largest of them together: bids and paths
     * would be the same if each had been taken off its row.
     */
    private static final double LONGEST_SUM = 128;

    /**
     * Where pairs are forbidden it is this, times the square of the rows and one, times C. Of n rows, 3 n bids leave duals above
     * -(6 n + 1) C; the first epsilon is at most 16 (6 n + 2) C, and 16 n bids with it and with each that follows leave duals above
     * -(2048 n^2 + 900 n + 1) C. A distance is an alternating sum of at most 2 n + 1 costs less one dual, what it is compared by such
     * a distance and a dual more.
     */
    private static final double LONGEST_SUM_OF_REALS = 4096;

    private static final double EXACT_INTEGERS = 0x1p53;

    /** Side of the squares in which a matrix is transposed: both fit the first-level cache. */
    private static final int TILE = 32;

    /**
     * Checks a type and a shape.
     *
     * @param costs of problems
     * @param wanted the shapes that may be, for the message
     * @param fits whether the shape is one of them
     */
    static void check(Tensor costs, String wanted, boolean fits) {
        DType type = costs.dtype();
        boolean known = type == DType.F32 || type == DType.F64 || type == DType.I32 || type == DType.I64;
        if (!known || !fits) {
            throw new IllegalArgumentException(
                    "costs are F32, F64, I32 or I64 of shape %s, got %s".formatted(wanted, costs));
        }
        for (int axis = 0; axis < costs.shape().rank(); axis++) {
            if (costs.shape().extent(axis) > Integer.MAX_VALUE - 64) {
                throw new IllegalArgumentException("costs have fewer than 2^31 - 64 rows or columns, got " + costs);
            }
        }
    }

    /** {@return the costs of one problem, by the last two axes of a tensor} */
    static CostMatrix of(Tensor costs, Goal goal) {
        int rank = costs.shape().rank();
        return new CostMatrix(costs.data(), costs.dtype(), goal == Goal.MAXIMISE,
                (int) costs.shape().extent(rank - 2), (int) costs.shape().extent(rank - 1));
    }

    /** {@return the largest magnitude that a cost may have} */
    double mostMagnitude() {
        double lines = Math.min(rows, columns) + 1.0;
        return integers()
                ? EXACT_INTEGERS / (LONGEST_SUM * lines)
                : Double.MAX_VALUE / (LONGEST_SUM_OF_REALS * lines * lines);
    }

    /** {@return expected duals of rows, checked, for the costs after negation} */
    double[] expected(double[] rowDuals) {
        if (rowDuals.length != rows) {
            throw new IllegalArgumentException("an assignment of %d rows takes as many expected duals, got %d"
                    .formatted(rows, rowDuals.length));
        }
        for (int i = 0; i < rows; i++) {
            double dual = rowDuals[i];
            if (!Double.isFinite(dual) || integers() && dual != Math.rint(dual)) {
                throw new IllegalArgumentException("the expected dual of row %d is %s: wanted %s".formatted(i, dual,
                        integers() ? "whole numbers, as costs are" : "finite numbers"));
            }
        }
        return Arrays.stream(rowDuals).map(dual -> negated ? 0.0 - dual : dual).toArray();
    }

    /** {@return the largest magnitude of expected duals} */
    static double largest(double[] expected) {
        return Arrays.stream(expected).map(Math::abs).max().orElse(0);
    }

    boolean integers() {
        return type == DType.I32 || type == DType.I64;
    }

    long offset(int row) {
        return (long) row * columns * (type.bits() / 8);
    }

    double at(int row, int column) {
        long index = (long) row * columns + column;
        double cost = switch (type) {
            case F32 -> data.get(FLOAT, 4 * index);
            case F64 -> data.get(DOUBLE, 8 * index);
            case I32 -> data.get(INT, 4 * index);
            default -> data.get(LONG, 8 * index);
        };
        return negated ? -cost : cost;
    }

    /** Widens costs of a row. */
    void load(int row, int from, double[] costs, int count) {
        long first = (long) row * columns + from;
        switch (type) {
            case F32 -> {
                for (int j = 0; j < count; j++) {
                    costs[j] = data.get(FLOAT, 4 * (first + j));
                }
            }
            case F64 -> MemorySegment.copy(data, DOUBLE, 8 * first, costs, 0, count);
            case I32 -> {
                for (int j = 0; j < count; j++) {
                    costs[j] = data.get(INT, 4 * (first + j));
                }
            }
            default -> {
                for (int j = 0; j < count; j++) {
                    costs[j] = data.get(LONG, 8 * (first + j));
                }
            }
        }
        if (negated) {
            for (int j = 0; j < count; j++) {
                costs[j] = -costs[j];
            }
        }
    }

    /** A copy with rows for columns. */
    CostMatrix transposed(Arena arena, Passes passes) {
        CostMatrix to = new CostMatrix(arena.allocate(data.byteSize(), 64), type, negated, columns, rows);
        boolean wide = type.bits() == 64;
        passes.run((columns + TILE - 1) / TILE, task -> {
            int last = (int) Math.min(columns, (task + 1) * TILE);
            for (int i = 0; i < rows; i += TILE) {
                for (int j = (int) task * TILE; j < last; j++) {
                    for (int k = i; k < Math.min(i + TILE, rows); k++) {
                        long source = (long) k * columns + j;
                        long target = (long) j * rows + k;
                        if (wide) {
                            to.data.set(LONG, 8 * target, data.get(LONG, 8 * source));
                        } else {
                            to.data.set(INT, 4 * target, data.get(INT, 4 * source));
                        }
                    }
                }
            }
        });
        return to;
    }
}
