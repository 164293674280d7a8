package dev.fusor.assign;

import dev.fusor.assign.LinearAssignment.Goal;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

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

    /** Side of the squares in which a matrix is transposed: both fit the first-level cache. */
    private static final int TILE = 32;

    static CostMatrix of(Tensor costs, Goal goal, int rows, int columns) {
        return new CostMatrix(costs.data(), costs.dtype(), goal == Goal.MAXIMISE, rows, columns);
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
