package dev.fusor.reduce;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Floats;
import dev.fusor.simd.Scratch;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;

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

    private double[] reduce(Kind kind, TensorSource a, TensorSource b) {
        long length = a.elements();
        double[][] sums = new double[kind.sums][Math.toIntExact((length + CHUNK - 1) / CHUNK)];
        long perTask = (long) CHUNK * CHUNKS_PER_TASK;
        device.run((length + perTask - 1) / perTask, task -> {
            long from = task * perTask;
            long count = Math.min(perTask, length - from);
            Tensor x = a.slice(from, count);
            Tensor y = a == b ? x : b.slice(from, count);
            for (long i = 0; i < count; i += CHUNK) {
                double[][] lanes = chunk(kind, x, y, i, (int) Math.min(CHUNK, count - i));
                for (int k = 0; k < kind.sums; k++) {
                    sums[k][(int) ((from + i) / CHUNK)] = fold(lanes[k]);
                }
            }
        });
        double[] roots = new double[kind.sums];
        for (int k = 0; k < kind.sums; k++) {
            roots[k] = root(sums[k]);
        }
        return roots;
    }

    /** The lanes of one chunk, in buffers of the thread. */
    private static double[][] chunk(Kind kind, Tensor x, Tensor y, long from, int count) {
        Scratch scratch = Scratch.mine();
        double[][] lanes = {scratch.doubles(0), scratch.doubles(1), scratch.doubles(2)};
        for (double[] lane : lanes) {
            for (int l = 0; l < LANES; l++) {
                lane[l] = 0;
            }
        }
        boolean wide = x.dtype() == DType.F64 || y.dtype() == DType.F64;
        for (int i = 0; i < count; i += ELEMENTS) {
            int n = Math.min(ELEMENTS, count - i);
            if (wide) {
                double[] a = scratch.doubles(3);
                double[] b = x == y ? a : scratch.doubles(4);
                Elements.load(x, from + i, a, n);
                if (a != b) {
                    Elements.load(y, from + i, b, n);
                }
                add(kind, a, b, n, lanes);
            } else {
                float[] a = scratch.floats(0);
                float[] b = x == y ? a : scratch.floats(1);
                Floats.load(x, from + i, a, n);
                if (a != b) {
                    Floats.load(y, from + i, b, n);
                }
                add(kind, a, b, n, lanes);
            }
        }
        return lanes;
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
