package dev.fusor.align;

import dev.fusor.assign.LinearAssignment;
import dev.fusor.assign.Sinkhorn;
import dev.fusor.device.CpuDevice;
import dev.fusor.linalg.UnitSimilarity;
import dev.fusor.linalg.Units;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;

/**
 * What units of one layer become in another of any width: each unit of the other is a weighted mean of these, its weights a column of
 * an optimal transport plan between uniform masses (OTFusion, Singh and Jaggi 2020,
 * <a href="https://arxiv.org/abs/1910.05653">arXiv:1910.05653</a>).
 *
 * <p>A map is F32 of shape [units, units of the other], and its columns have the sum 1: the plan times the number of the other's
 * units. Rows have a sum of that number over the number of units, exactly or as well as Sinkhorn converged.
 */
public final class TransportMap {
    /** Sides of the assignment that an exact plan is found by. */
    private static final int LARGEST_EXACT = 16_384;

    private final CpuDevice device;
    private final Tensor weights;

    private TransportMap(CpuDevice device, Tensor weights) {
        this.device = device;
        this.weights = weights;
    }

    /**
     * {@return the map of least cost} Masses are cut into equal parts, as many as the least common multiple of both numbers of
     * units, and assigned; a weight is a number of parts over the parts of a unit of the other. Where both sides have as many units it is
     * the assignment. It takes 4 bytes for each pair of parts while it is computed.
     *
     * @param device computes it
     * @param costs of shape [units, units of the other], F32
     * @throws IllegalArgumentException if costs are of another type or rank, have no units, or are NaN or infinite, or if there are more
     * than 16,384 parts
     */
    public static TransportMap exact(CpuDevice device, Tensor costs) {
        check(costs);
        long from = costs.shape().extent(0);
        long to = costs.shape().extent(1);
        long parts = from / gcd(from, to) * to;
        if (parts > LARGEST_EXACT) {
            throw new IllegalArgumentException(
                    "an exact plan from %d to %d units has %d parts, more than %d: take an entropic one".formatted(from,
                            to, parts, LARGEST_EXACT));
        }
        Tensor weights = Tensor.allocate(Arena.ofAuto(), DType.F32, from, to);
        int ofRow = (int) (parts / from);
        int ofColumn = (int) (parts / to);
        try (Arena arena = Arena.ofShared()) {
            Tensor cut = Tensor.allocate(arena, DType.F32, parts, parts);
            device.run(parts, row -> {
                for (long column = 0; column < parts; column++) {
                    Elements.set(cut, row * parts + column, Elements.get(costs, row / ofRow * to + column / ofColumn));
                }
            });
            int[] columns = LinearAssignment.on(device).solve(cut, LinearAssignment.Goal.MINIMISE).columns();
            int[] counts = new int[(int) (from * to)];
            for (int row = 0; row < columns.length; row++) {
                counts[row / ofRow * (int) to + columns[row] / ofColumn]++;
            }
            for (int i = 0; i < counts.length; i++) {
                Elements.set(weights, i, (double) counts[i] / ofColumn);
            }
        }
        return new TransportMap(device, weights);
    }

    /**
     * {@return the map of least cost with an entropy}
     *
     * @param device computes it
     * @param costs of shape [units, units of the other], F32
     * @param settings of {@link Sinkhorn}, whose tolerance is of a total mass of the number of the other's units
     * @throws IllegalArgumentException if costs are of another type or rank, have no units, or are NaN or infinite, or overflow divided
     * by the regularisation
     */
    public static TransportMap entropic(CpuDevice device, Tensor costs, Sinkhorn.Settings settings) {
        check(costs);
        double[] rows = new double[(int) costs.shape().extent(0)];
        double[] columns = new double[(int) costs.shape().extent(1)];
        Arrays.fill(rows, (double) columns.length / rows.length);
        Arrays.fill(columns, 1);
        Tensor weights = Tensor.allocate(Arena.ofAuto(), DType.F32, rows.length, columns.length);
        Sinkhorn.on(device).solve(costs, rows, columns, settings, weights);
        return new TransportMap(device, weights);
    }

    private static void check(Tensor costs) {
        if (costs.dtype() != DType.F32 || costs.shape().rank() != 2 || costs.elements() == 0) {
            throw new IllegalArgumentException(
                    "costs are F32 of shape [units, units of the other], 1 or more each, got " + costs);
        }
    }

    private static long gcd(long a, long b) {
        return b == 0 ? a : gcd(b, a % b);
    }

    /**
     * {@return the squared Euclidean distances of units, F32 of shape [units of a, units of b]} {@code aa + bb - 2 ab} in float64,
     * at least 0, with ab of {@link UnitSimilarity} in float32.
     *
     * @param device computes them
     * @param a units
     * @param b units of the other, of as many columns
     * @throws IllegalArgumentException if the columns differ, or units are of no arithmetic type
     */
    public static Tensor squaredDistances(CpuDevice device, Units a, Units b) {
        Tensor distances = Tensor.allocate(Arena.ofAuto(), DType.F32, a.count(), b.count());
        UnitSimilarity.on(device).accumulate(a, b, distances);
        double[] aa = a.sumsOfSquares();
        double[] bb = b.sumsOfSquares();
        device.run(a.count(), i -> {
            for (int j = 0; j < b.count(); j++) {
                long at = i * b.count() + j;
                Elements.set(distances, at,
                        Math.max(0, aa[(int) i] + bb[j] - 2 * Elements.get(distances, at)));
            }
        });
        return distances;
    }

    /** {@return the weights: F32 of shape [units, units of the other], not a copy} */
    public Tensor weights() {
        return weights;
    }

    /**
     * {@return a matrix whose rows are the units' as one of the other's rows: the map, transposed, times the matrix, F32}
     *
     * @param matrix of shape [units, columns], of an arithmetic type
     * @throws IllegalArgumentException if shape or type are others
     */
    public Tensor rows(Tensor matrix) {
        return product(Units.along(weights, 1), Units.along(matrix, 1));
    }

    /**
     * {@return a matrix whose columns are the units' as one of the other's columns: the matrix times the map with rows of the sum 1, F32}
     * So a unit's weights are shared out among those that take its place. The paper divides by the masses of the other's units
     * instead, which is the same where widths are equal, and multiplies what a layer takes in by their ratio where they are not.
     *
     * @param matrix of shape [rows, units], of an arithmetic type
     * @throws IllegalArgumentException if shape or type are others
     */
    public Tensor columns(Tensor matrix) {
        Tensor out = product(Units.along(matrix, 0), Units.along(weights, 1));
        double share = (double) weights.shape().extent(0) / weights.shape().extent(1);
        for (long i = 0; share != 1 && i < out.elements(); i++) {
            Elements.set(out, i, share * Elements.get(out, i));
        }
        return out;
    }

    /**
     * {@return a tensor whose units along an axis are as those of the other, F32} What is on the axis before and after them stays.
     *
     * @param tensor of an arithmetic type
     * @param units where they are
     * @param takenIn whether they are shared out, as by {@link #columns}, or become means, as by {@link #rows}
     */
    Tensor along(Tensor tensor, Occurrence units, boolean takenIn) {
        int from = (int) weights.shape().extent(0);
        int to = (int) weights.shape().extent(1);
        long[] extents = tensor.shape().toArray();
        long inner = 1;
        for (int axis = units.axis() + 1; axis < extents.length; axis++) {
            inner *= extents[axis];
        }
        long line = extents[units.axis()] * inner;
        long start = units.start() * inner;
        long block = units.block() * inner;
        long lines = line == 0 ? 0 : tensor.elements() / line;
        extents[units.axis()] += (to - from) * units.block();
        Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, extents);
        long lineOut = line + (to - from) * block;
        Tensor matrix = Tensor.allocate(Arena.ofAuto(), DType.F32, lines * block, from);
        device.run(lines * block, row -> {
            long at = row / block * line + start + row % block;
            for (int unit = 0; unit < from; unit++) {
                Elements.set(matrix, row * from + unit, Elements.get(tensor, at + unit * block));
            }
        });
        Tensor product = takenIn ? columns(matrix) : product(Units.along(matrix, 0), Units.along(weights, 1));
        device.run(lines, number -> {
            long at = number * line;
            long atOut = number * lineOut;
            for (long i = 0; i < start; i++) {
                Elements.set(out, atOut + i, Elements.get(tensor, at + i));
            }
            for (int unit = 0; unit < to; unit++) {
                for (long i = 0; i < block; i++) {
                    Elements.set(out, atOut + start + unit * block + i,
                            Elements.get(product, (number * block + i) * to + unit));
                }
            }
            for (long i = start + from * block; i < line; i++) {
                Elements.set(out, atOut + i + (to - from) * block, Elements.get(tensor, at + i));
            }
        });
        return out;
    }

    private Tensor product(Units a, Units b) {
        Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, a.count(), b.count());
        UnitSimilarity.on(device).accumulate(a, b, out);
        return out;
    }
}
