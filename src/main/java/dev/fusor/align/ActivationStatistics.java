package dev.fusor.align;

import dev.fusor.assign.LinearAssignment;
import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.linalg.UnitSimilarity;
import dev.fusor.linalg.UnitSimilarityCuda.Pair;
import dev.fusor.linalg.Units;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * How the units of two models answer the same inputs, batch by batch: means, deviations, moments and correlations, and the
 * permutation that these ask for (Li et al. 2016, <a href="https://arxiv.org/abs/1511.07543">arXiv:1511.07543</a>; activation
 * matching of <a href="https://arxiv.org/abs/2209.04836">arXiv:2209.04836</a>, section 3.1).
 *
 * <p>Activations are taken relative to an origin, the mean of each unit over the first batch, so that sums in float32 do not
 * drown deviations in means: the float64 sum in the order of rows, over their number, rounded to float32. A shifted activation
 * is rounded to float32; its sums and sums of squares are float64, in the order of rows; products of units are those of
 * {@link UnitSimilarity} with rows for columns, batch after batch. From these, for unit i and unit j, origins o and p, sums d
 * and e, squares q and r, products s over n rows, all in float64 in the order of the formulas:
 *
 * <pre>
 * mean         o + d / n
 * variance     (q - d d / n) / n, at least 0
 * moment       ((s + o e) + p d) / n + o p
 * correlation  (s - d e / n) / (sqrt(q - d d / n) sqrt(r - e e / n)), 0 where a unit does not vary
 * </pre>
 *
 * <p>Not for several threads at once.
 */
public final class ActivationStatistics {
    private final CpuDevice device;
    /** Where products are computed, or null for the CPU. */
    private final CudaStream stream;
    private final Side first;
    private final Side second;
    private final Tensor products;
    private long rows;

    /** What units are matched by. */
    public enum Measure {
        /** The mean of the products of activations. */
        MOMENT,
        /** Pearson's correlation. */
        CORRELATION
    }

    /**
     * Statistics of no rows.
     *
     * @param device computes them
     * @param firstUnits of the model that stays, 1 or more
     * @param secondUnits of the other, 1 or more
     * @throws IllegalArgumentException if a number is less than 1
     */
    public ActivationStatistics(CpuDevice device, int firstUnits, int secondUnits) {
        this(device, null, firstUnits, secondUnits);
    }

    /**
     * Statistics of no rows, whose products are computed on a CUDA device, to the same bits. Each batch and the products so far are
     * copied there, so batches of some thousand rows serve it best. 1024 units and more are also matched there.
     *
     * @param device computes the rest
     * @param stream of the CUDA device, used by one thread at a time; null for the CPU alone
     * @param firstUnits of the model that stays, 1 or more
     * @param secondUnits of the other, 1 or more
     * @throws IllegalArgumentException if a number is less than 1
     */
    public ActivationStatistics(CpuDevice device, CudaStream stream, int firstUnits, int secondUnits) {
        if (firstUnits < 1 || secondUnits < 1) {
            throw new IllegalArgumentException(
                    "activations are of 1 or more units, got %d and %d".formatted(firstUnits, secondUnits));
        }
        this.device = device;
        this.stream = stream;
        this.first = new Side(firstUnits);
        this.second = new Side(secondUnits);
        this.products = Tensor.allocate(Arena.ofAuto(), DType.F32, firstUnits, secondUnits);
    }

    /**
     * Adds a batch: the same inputs in the rows of both. Positions of a sequence or an image are rows of their own.
     *
     * @param ofFirst activations of the model that stays, [rows, units], of an arithmetic type
     * @param ofSecond activations of the other, [rows, units]
     * @throws IllegalArgumentException if shapes or types are others
     */
    public void add(Tensor ofFirst, Tensor ofSecond) {
        first.check(ofFirst);
        second.check(ofSecond);
        long batch = ofFirst.shape().extent(0);
        if (ofSecond.shape().extent(0) != batch) {
            throw new IllegalArgumentException(
                    "activations of two models have a row for each input, got %s and %s".formatted(ofFirst, ofSecond));
        }
        if (batch == 0) {
            return;
        }
        accumulate(first.shifted(ofFirst), second.shifted(ofSecond));
        rows += batch;
    }

    private void accumulate(Tensor a, Tensor b) {
        if (stream == null) {
            UnitSimilarity.on(device).accumulate(Units.along(a, 1), Units.along(b, 1), products);
            return;
        }
        try (CudaSimilarity there = CudaSimilarity.of(stream, products)) {
            there.accumulate(a, b, (x, y) -> new Pair(Units.along(x, 1), Units.along(y, 1)));
            there.fetch(products);
        }
    }

    /** {@return how many rows were added} */
    public long rows() {
        return rows;
    }

    /**
     * {@return the permutation of the second model's units with the greatest sum of similarities} Place i is taken by the unit
     * that answers as unit i of the first model does.
     *
     * @param measure what is summed
     * @throws IllegalStateException if nothing was added
     * @throws IllegalArgumentException if the models have unequal numbers of units, or an activation was NaN or infinite
     */
    public int[] match(Measure measure) {
        return match(measure, CudaSimilarity.FEWEST_ASSIGNED);
    }

    int[] match(Measure measure, int fewestAssignedThere) {
        if (first.units != second.units) {
            throw new IllegalArgumentException("a permutation matches as many units, got %d and %d"
                    .formatted(first.units, second.units));
        }
        Tensor similarities = similarities(measure);
        if (stream == null || first.units < fewestAssignedThere) {
            return LinearAssignment.on(device).solve(similarities, LinearAssignment.Goal.MAXIMISE).columns();
        }
        try (CudaSimilarity there = CudaSimilarity.of(stream, similarities)) {
            return there.assigned(new double[first.units]).columns();
        }
    }

    /**
     * {@return the moment or the correlation of each pair, rounded to F32, of shape [units of the first, units of the second]}
     *
     * @param measure which
     * @throws IllegalStateException if nothing was added
     * @throws IllegalArgumentException if an activation was NaN or infinite
     */
    public Tensor similarities(Measure measure) {
        checkRows();
        first.checkFinite("first");
        second.checkFinite("second");
        Tensor similarities = Tensor.allocate(Arena.ofAuto(), DType.F32, first.units, second.units);
        device.run(first.units, task -> {
            int i = (int) task;
            for (int j = 0; j < second.units; j++) {
                long at = task * second.units + j;
                double product = Elements.get(products, at);
                Elements.set(similarities, at, measure == Measure.MOMENT
                        ? moment(product, i, j)
                        : correlation(product, i, j));
            }
        });
        return similarities;
    }

    private double moment(double product, int i, int j) {
        double o = first.origin[i];
        double p = second.origin[j];
        return (product + o * second.sums[j] + p * first.sums[i]) / rows + o * p;
    }

    private double correlation(double product, int i, int j) {
        double a = first.scatter(i);
        double b = second.scatter(j);
        return a > 0 && b > 0
                ? (product - first.sums[i] * second.sums[j] / rows) / (Math.sqrt(a) * Math.sqrt(b))
                : 0;
    }

    /**
     * {@return mean and standard deviation of each unit of the model that stays}
     *
     * @throws IllegalStateException if nothing was added
     */
    public UnitStatistics first() {
        checkRows();
        return first.statistics();
    }

    /**
     * {@return mean and standard deviation of each unit of the other}
     *
     * @throws IllegalStateException if nothing was added
     */
    public UnitStatistics second() {
        checkRows();
        return second.statistics();
    }

    private void checkRows() {
        if (rows == 0) {
            throw new IllegalStateException("no activations were added: add at least one row first");
        }
    }

    /** One model. */
    private final class Side {
        private final int units;
        private final float[] origin;
        private final double[] sums;
        private final double[] squares;
        private Tensor shifted;

        Side(int units) {
            this.units = units;
            this.origin = new float[units];
            this.sums = new double[units];
            this.squares = new double[units];
            this.shifted = Tensor.allocate(Arena.ofAuto(), DType.F32, 0, units);
        }

        void check(Tensor batch) {
            if (batch.shape().rank() != 2 || batch.shape().extent(1) != units || !batch.dtype().isArithmetic()) {
                throw new IllegalArgumentException(
                        "activations of %d units are numbers of shape [rows, %d], got %s".formatted(units, units,
                                batch));
            }
        }

        Tensor shifted(Tensor batch) {
            int count = Math.toIntExact(batch.shape().extent(0));
            if (rows == 0) {
                findOrigin(batch, count);
            }
            if (shifted.shape().extent(0) != count) {
                shifted = Tensor.allocate(Arena.ofAuto(), DType.F32, count, units);
            }
            float[] row = new float[units];
            for (int r = 0; r < count; r++) {
                Elements.load(batch, (long) r * units, row, units);
                for (int i = 0; i < units; i++) {
                    row[i] -= origin[i];
                    sums[i] += row[i];
                    squares[i] += (double) row[i] * row[i];
                }
                Elements.store(row, shifted, (long) r * units, units);
            }
            return shifted;
        }

        private void findOrigin(Tensor batch, int count) {
            double[] sum = new double[units];
            float[] row = new float[units];
            for (int r = 0; r < count; r++) {
                Elements.load(batch, (long) r * units, row, units);
                for (int i = 0; i < units; i++) {
                    sum[i] += row[i];
                }
            }
            for (int i = 0; i < units; i++) {
                origin[i] = (float) (sum[i] / count);
            }
        }

        void checkFinite(String model) {
            for (int i = 0; i < units; i++) {
                if (!Double.isFinite(squares[i])) {
                    throw new IllegalArgumentException(
                            "unit %d of the %s model had an activation that is NaN or infinite".formatted(i, model));
                }
            }
        }

        /** The sum of the squares of the deviations from the mean. */
        private double scatter(int i) {
            return squares[i] - sums[i] * sums[i] / rows;
        }

        UnitStatistics statistics() {
            double[] means = new double[units];
            double[] deviations = new double[units];
            for (int i = 0; i < units; i++) {
                means[i] = origin[i] + sums[i] / rows;
                deviations[i] = Math.sqrt(Math.max(0, scatter(i) / rows));
            }
            return new UnitStatistics(means, deviations);
        }
    }
}
