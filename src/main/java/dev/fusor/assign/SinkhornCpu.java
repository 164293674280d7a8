package dev.fusor.assign;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.FloatMath;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.util.Arrays;

/**
 * Sinkhorn on the CPU. Both updates run down the rows of a matrix, the costs or their transpose, with sums for a block of
 * columns at a time.
 */
final class SinkhornCpu implements Sinkhorn {
    /** Columns of a task: their sums stay in the first-level cache. */
    private static final int BLOCK = 512;

    /** Sums of rows and of columns may differ by this share. */
    private static final double UNBALANCED = 1e-6;

    /** The loops need no constants. */
    private record Form() {}

    private static final Specialised<Form, SinkhornLoop> TEMPLATE = new Specialised<>(MethodHandles.lookup(),
            "SinkhornLanes", SinkhornLoop.class);

    private final CpuDevice device;
    private final SinkhornLoop loop;

    SinkhornCpu(CpuDevice device) {
        this.device = device;
        this.loop = Specialised.available() ? TEMPLATE.of(new Form()) : new SinkhornPlain();
    }

    @Override
    public Outcome solve(Tensor costs, double[] rowSums, double[] columnSums, Settings settings, Tensor plan) {
        checkTensors(costs, plan, rowSums.length, columnSums.length);
        if (rowSums.length == 0 || columnSums.length == 0) {
            return new Outcome(0, 0, true);
        }
        checkSums(rowSums, columnSums);
        float scale = (float) (-1 / settings.regularisation());
        checkCosts(costs, scale);
        try (Arena arena = Arena.ofShared()) {
            Matrix rows = new Matrix(costs.data(), rowSums.length, columnSums.length, scale);
            Matrix columns = rows.transposed(arena);
            float[] u = new float[rowSums.length];
            float[] v = new float[columnSums.length];
            int iterations = 0;
            while (true) {
                float[] logSums = columns.logSums(v);
                double error = iterations == 0 ? Double.POSITIVE_INFINITY : error(rowSums, u, logSums);
                if (error <= settings.tolerance() || iterations == settings.maxIterations()) {
                    rows.plan(u, v, plan.data());
                    return new Outcome(iterations, error, error <= settings.tolerance());
                }
                subtract(rowSums, logSums, u);
                subtract(columnSums, rows.logSums(u), v);
                iterations++;
            }
        }
    }

    private static double error(double[] sums, float[] potentials, float[] logSums) {
        double error = 0;
        for (int i = 0; i < sums.length; i++) {
            error += Math.abs((float) sums[i] - (double) FloatMath.exp(potentials[i] + logSums[i]));
        }
        return error;
    }

    private static void subtract(double[] sums, float[] logSums, float[] potentials) {
        for (int i = 0; i < sums.length; i++) {
            potentials[i] = FloatMath.log((float) sums[i]) - logSums[i];
        }
    }

    private void checkTensors(Tensor costs, Tensor plan, int rows, int columns) {
        if (costs.dtype() != DType.F32 || costs.shape().rank() != 2 || costs.shape().extent(0) != rows
                || costs.shape().extent(1) != columns) {
            throw new IllegalArgumentException(
                    "costs of %d rows and %d columns are F32 [%d, %d], got %s".formatted(rows,
                            columns, rows, columns, costs));
        }
        if (plan.dtype() != DType.F32 || !plan.shape().equals(costs.shape())) {
            throw new IllegalArgumentException(
                    "the plan of costs %s has their type and shape, got %s".formatted(costs, plan));
        }
        if (!device.reaches(costs.data()) || !device.reaches(plan.data())) {
            throw new IllegalArgumentException(
                    "Sinkhorn on %d threads takes memory that all of them may use: wanted a shared or automatic arena, got one of one thread"
                            .formatted(device.threads()));
        }
    }

    private static void checkSums(double[] rowSums, double[] columnSums) {
        double rows = total("row", rowSums);
        double columns = total("column", columnSums);
        if (Math.abs(rows - columns) > UNBALANCED * rows) {
            throw new IllegalArgumentException(
                    "rows and columns of a plan have the same total, got %s and %s".formatted(rows, columns));
        }
    }

    private static double total(String side, double[] sums) {
        double total = 0;
        for (int i = 0; i < sums.length; i++) {
            if (!((float) sums[i] > 0) || (float) sums[i] == Float.POSITIVE_INFINITY) {
                throw new IllegalArgumentException(
                        "the sum of %s %d is a positive float32, got %s".formatted(side, i, sums[i]));
            }
            total += sums[i];
        }
        return total;
    }

    private void checkCosts(Tensor costs, float scale) {
        long columns = costs.shape().extent(1);
        long[] wrong = new long[Math.toIntExact(costs.shape().extent(0))];
        device.run(wrong.length, row -> {
            wrong[(int) row] = -1;
            for (long j = columns - 1; j >= 0; j--) {
                float x = costs.data().get(SinkhornPlain.FLOAT, (row * columns + j) * Float.BYTES) * scale;
                wrong[(int) row] = Float.isFinite(x) ? wrong[(int) row] : j;
            }
        });
        for (int i = 0; i < wrong.length; i++) {
            if (wrong[i] >= 0) {
                throw new IllegalArgumentException(
                        "the cost at [%d, %d] is %s: wanted numbers that are finite in float32, divided by the regularisation too"
                                .formatted(i, wrong[i], Elements.get(costs, i * columns + wrong[i])));
            }
        }
    }

    /** Costs, row by row, and what they are multiplied by. */
    private final class Matrix {
        private final MemorySegment data;
        private final int rows;
        private final int columns;
        private final float scale;

        Matrix(MemorySegment data, int rows, int columns, float scale) {
            this.data = data;
            this.rows = rows;
            this.columns = columns;
            this.scale = scale;
        }

        Matrix transposed(Arena arena) {
            CostMatrix costs = new CostMatrix(data, DType.F32, false, rows, columns);
            return new Matrix(costs.transposed(arena, device::run).data(), columns, rows, scale);
        }

        private long at(int row) {
            return (long) row * columns * Float.BYTES;
        }

        /** {@return the logarithm of the sum down each column of exp(fma(cost, scale, potential of the row))} */
        float[] logSums(float[] potentials) {
            float[] greatest = new float[columns];
            Arrays.fill(greatest, Float.NEGATIVE_INFINITY);
            float[] chunk = new float[columns];
            float[] sums = new float[columns];
            device.run((columns + BLOCK - 1) / BLOCK, task -> {
                int from = (int) task * BLOCK;
                int to = Math.min(from + BLOCK, columns);
                for (int i = 0; i < rows; i++) {
                    loop.raise(data, at(i), scale, potentials[i], greatest, from, to);
                }
                for (int i = 0; i < rows; i++) {
                    loop.add(data, at(i), scale, potentials[i], greatest, chunk, from, to);
                    if (i % CHUNK == CHUNK - 1 || i == rows - 1) {
                        for (int j = from; j < to; j++) {
                            sums[j] += chunk[j];
                            chunk[j] = 0;
                        }
                    }
                }
                for (int j = from; j < to; j++) {
                    sums[j] = greatest[j] + FloatMath.log(sums[j]);
                }
            });
            return sums;
        }

        void plan(float[] u, float[] v, MemorySegment plan) {
            device.run(rows, row -> loop.plan(data, at((int) row), scale, u[(int) row], v, plan, 0, columns));
        }
    }
}
