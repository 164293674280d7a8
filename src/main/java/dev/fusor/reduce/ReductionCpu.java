package dev.fusor.reduce;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Floats;
import dev.fusor.simd.Scratch;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.util.Arrays;
import java.util.List;

import static dev.fusor.simd.Scratch.ELEMENTS;

/** The fixed tree on the CPU. Its lanes lie in arrays of doubles, which plain loops take along as vectors. */
final class ReductionCpu implements Reduction {
    private static final int CHUNKS_PER_TASK = 32;

    private final CpuDevice device;

    /** What is summed up, and into how many sums. */
    private enum Kind {
        DOT(1), SQUARES(1), SUM(1), PRODUCTS(3);

        private final int sums;

        Kind(int sums) {
            this.sums = sums;
        }
    }

    /** Slices of what is summed. */
    private interface Opening {
        Blocks open(long from, long size);
    }

    /** Adds up to {@link Scratch#ELEMENTS} elements to the lanes of each sum, from a multiple of {@link #LANES} on. */
    private interface Blocks {
        void add(long at, int count, double[][] lanes);
    }

    ReductionCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public double dot(TensorSource a, TensorSource b) {
        checkPair(a, b);
        return reduce(Kind.DOT, a, b)[0];
    }

    @Override
    public double sumOfSquares(TensorSource a) {
        checkOne(a);
        return reduce(Kind.SQUARES, a, a)[0];
    }

    @Override
    public double sum(TensorSource a) {
        checkOne(a);
        return reduce(Kind.SUM, a, a)[0];
    }

    @Override
    public Products products(TensorSource a, TensorSource b) {
        checkPair(a, b);
        double[] sums = reduce(Kind.PRODUCTS, a, b);
        return new Products(sums[0], sums[1], sums[2]);
    }

    private static void checkPair(TensorSource a, TensorSource b) {
        if (a.elements() != b.elements() || !a.dtype().isArithmetic() || !b.dtype().isArithmetic()) {
            throw new IllegalArgumentException("a dot product takes tensors of arithmetic types and equal length, got "
                    + a.dtype() + " " + a.shape() + " and " + b.dtype() + " " + b.shape());
        }
    }

    private static void checkOne(TensorSource a) {
        if (!a.dtype().isArithmetic()) {
            throw new IllegalArgumentException(
                    "a sum takes a tensor of an arithmetic type, got " + a.dtype() + " " + a.shape());
        }
    }

    private static double[] reduce(CpuDevice device, int count, long length, Opening opening) {
        double[][] sums = new double[count][Math.toIntExact((length + CHUNK - 1) / CHUNK)];
        long perTask = (long) CHUNK * CHUNKS_PER_TASK;
        device.run((length + perTask - 1) / perTask, task -> {
            long from = task * perTask;
            long size = Math.min(perTask, length - from);
            Blocks blocks = opening.open(from, size);
            for (long i = 0; i < size; i += CHUNK) {
                double[][] lanes = chunk(blocks, count, i, Math.min(i + CHUNK, size));
                for (int k = 0; k < count; k++) {
                    sums[k][(int) ((from + i) / CHUNK)] = fold(lanes[k]);
                }
            }
        });
        double[] roots = new double[count];
        for (int k = 0; k < count; k++) {
            roots[k] = root(sums[k]);
        }
        return roots;
    }

    /** The lanes of one chunk, in the first buffers of the thread. */
    private static double[][] chunk(Blocks blocks, int count, long from, long to) {
        double[][] lanes = new double[count][];
        for (int k = 0; k < count; k++) {
            lanes[k] = Scratch.mine().doubles(k);
            Arrays.fill(lanes[k], 0, LANES, 0);
        }
        for (long i = from; i < to; i += ELEMENTS) {
            blocks.add(i, (int) Math.min(ELEMENTS, to - i), lanes);
        }
        return lanes;
    }

    private double[] reduce(Kind kind, TensorSource a, TensorSource b) {
        return reduce(device, kind.sums, a.elements(), (from, size) -> {
            Tensor x = a.slice(from, size);
            Tensor y = a == b ? x : b.slice(from, size);
            return (at, count, lanes) -> add(kind, x, y, at, count, lanes);
        });
    }

    private static void add(Kind kind, Tensor x, Tensor y, long at, int count, double[][] lanes) {
        Scratch scratch = Scratch.mine();
        if (x.dtype() == DType.F64 || y.dtype() == DType.F64) {
            double[] a = scratch.doubles(kind.sums);
            double[] b = x == y ? a : scratch.doubles(kind.sums + 1);
            Elements.load(x, at, a, count);
            if (a != b) {
                Elements.load(y, at, b, count);
            }
            add(kind, a, b, count, lanes);
        } else {
            float[] a = scratch.floats(0);
            float[] b = x == y ? a : scratch.floats(1);
            Floats.load(x, at, a, count);
            if (a != b) {
                Floats.load(y, at, b, count);
            }
            add(kind, a, b, count, lanes);
        }
    }

    @Override
    public double[] taskVectorProducts(TensorSource gradient, TensorSource base,
            List<? extends TensorSource> models) {
        if (base != null) {
            checkPair(gradient, base);
        }
        models.forEach(model -> checkPair(gradient, model));
        return reduce(device, models.size(), gradient.elements(), (from, size) -> {
            Tensor g = gradient.slice(from, size);
            Tensor b = base == null ? null : base.slice(from, size);
            List<Tensor> x = models.stream().map(model -> model.slice(from, size)).toList();
            boolean wide = g.dtype() == DType.F64 || b != null && b.dtype() == DType.F64
                    || x.stream().anyMatch(model -> model.dtype() == DType.F64);
            return wide
                    ? (at, count, lanes) -> addWide(g, b, x, at, count, lanes)
                    : (at, count, lanes) -> addNarrow(g, b, x, at, count, lanes);
        });
    }

    private static void addWide(Tensor gradient, Tensor base, List<Tensor> models, long at, int count,
            double[][] lanes) {
        double[] g = Scratch.mine().doubles(models.size());
        double[] b = Scratch.mine().doubles(models.size() + 1);
        double[] x = Scratch.mine().doubles(models.size() + 2);
        Elements.load(gradient, at, g, count);
        if (base != null) {
            Elements.load(base, at, b, count);
        }
        for (int m = 0; m < models.size(); m++) {
            Elements.load(models.get(m), at, x, count);
            for (int i = 0; i < count; i++) {
                double entry = base == null ? x[i] : x[i] - b[i];
                lanes[m][i % LANES] = Math.fma(g[i], entry, lanes[m][i % LANES]);
            }
        }
    }

    private static void addNarrow(Tensor gradient, Tensor base, List<Tensor> models, long at, int count,
            double[][] lanes) {
        float[] g = Scratch.mine().floats(0);
        float[] b = Scratch.mine().floats(1);
        float[] x = Scratch.mine().floats(2);
        Floats.load(gradient, at, g, count);
        if (base != null) {
            Floats.load(base, at, b, count);
        }
        for (int m = 0; m < models.size(); m++) {
            Floats.load(models.get(m), at, x, count);
            if (base == null) {
                addProducts(g, x, count, lanes[m]);
            } else {
                addProducts(g, x, b, count, lanes[m]);
            }
        }
    }

    private static void add(Kind kind, double[] a, double[] b, int count, double[][] lanes) {
        for (int i = 0; i < count; i++) {
            int l = i % LANES;
            switch (kind) {
                case DOT, SQUARES -> lanes[0][l] = Math.fma(a[i], b[i], lanes[0][l]);
                case SUM -> lanes[0][l] += a[i];
                case PRODUCTS -> {
                    lanes[0][l] = Math.fma(a[i], b[i], lanes[0][l]);
                    lanes[1][l] = Math.fma(a[i], a[i], lanes[1][l]);
                    lanes[2][l] = Math.fma(b[i], b[i], lanes[2][l]);
                }
            }
        }
    }

    private static void add(Kind kind, float[] a, float[] b, int count, double[][] lanes) {
        switch (kind) {
            case DOT, SQUARES -> addProducts(a, b, count, lanes[0]);
            case SUM -> add(a, count, lanes[0]);
            case PRODUCTS -> {
                addProducts(a, b, count, lanes[0]);
                addProducts(a, a, count, lanes[1]);
                addProducts(b, b, count, lanes[2]);
            }
        }
    }

    private static void addProducts(float[] a, float[] b, int count, double[] lanes) {
        int i = 0;
        for (; i + LANES <= count; i += LANES) {
            for (int l = 0; l < LANES; l++) {
                lanes[l] = Math.fma((double) a[i + l], (double) b[i + l], lanes[l]);
            }
        }
        for (int l = 0; i + l < count; l++) {
            lanes[l] = Math.fma((double) a[i + l], (double) b[i + l], lanes[l]);
        }
    }

    private static void addProducts(float[] g, float[] x, float[] base, int count, double[] lanes) {
        int i = 0;
        for (; i + LANES <= count; i += LANES) {
            for (int l = 0; l < LANES; l++) {
                lanes[l] = Math.fma((double) g[i + l], (double) x[i + l] - (double) base[i + l], lanes[l]);
            }
        }
        for (int l = 0; i + l < count; l++) {
            lanes[l] = Math.fma((double) g[i + l], (double) x[i + l] - (double) base[i + l], lanes[l]);
        }
    }

    private static void add(float[] a, int count, double[] lanes) {
        int i = 0;
        for (; i + LANES <= count; i += LANES) {
            for (int l = 0; l < LANES; l++) {
                lanes[l] += a[i + l];
            }
        }
        for (int l = 0; i + l < count; l++) {
            lanes[l] += a[i + l];
        }
    }

    private static double fold(double[] lanes) {
        for (int half = LANES / 2; half > 0; half /= 2) {
            for (int l = 0; l < half; l++) {
                lanes[l] += lanes[l + half];
            }
        }
        return lanes[0];
    }

    private static double root(double[] sums) {
        int left = sums.length;
        while (left > 1) {
            for (int i = 0; i < left / 2; i++) {
                sums[i] = sums[2 * i] + sums[2 * i + 1];
            }
            if (left % 2 == 1) {
                sums[left / 2] = sums[left - 1];
            }
            left = (left + 1) / 2;
        }
        return left == 0 ? 0 : sums[0];
    }
}
