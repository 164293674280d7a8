package dev.fusor.reduce;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Floats;
import dev.fusor.simd.Scratch;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;

import static dev.fusor.simd.Scratch.ELEMENTS;

/** The fixed tree on the CPU. Its lanes lie in an array of doubles, which plain loops take along as vectors. */
final class ReductionCpu implements Reduction {
    private static final int CHUNKS_PER_TASK = 32;

    private final CpuDevice device;

    ReductionCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public double dot(TensorSource a, TensorSource b) {
        if (a.elements() != b.elements() || !a.dtype().isArithmetic() || !b.dtype().isArithmetic()) {
            throw new IllegalArgumentException("a dot product takes tensors of arithmetic types and equal length, got "
                    + a.dtype() + " " + a.shape() + " and " + b.dtype() + " " + b.shape());
        }
        long length = a.elements();
        if (length == 0) {
            return 0;
        }
        double[] sums = new double[Math.toIntExact((length + CHUNK - 1) / CHUNK)];
        long perTask = (long) CHUNK * CHUNKS_PER_TASK;
        device.run((length + perTask - 1) / perTask, task -> {
            long from = task * perTask;
            long count = Math.min(perTask, length - from);
            Tensor x = a.slice(from, count);
            Tensor y = a == b ? x : b.slice(from, count);
            for (long i = 0; i < count; i += CHUNK) {
                sums[(int) ((from + i) / CHUNK)] = chunk(x, y, i, (int) Math.min(CHUNK, count - i));
            }
        });
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
        return sums[0];
    }

    private static double chunk(Tensor x, Tensor y, long from, int count) {
        Scratch scratch = Scratch.mine();
        double[] lanes = scratch.doubles(0);
        for (int l = 0; l < LANES; l++) {
            lanes[l] = 0;
        }
        boolean wide = x.dtype() == DType.F64 || y.dtype() == DType.F64;
        for (int i = 0; i < count; i += ELEMENTS) {
            int n = Math.min(ELEMENTS, count - i);
            if (wide) {
                double[] a = scratch.doubles(1);
                double[] b = scratch.doubles(2);
                Elements.load(x, from + i, a, n);
                Elements.load(y, from + i, b, n);
                for (int j = 0; j < n; j++) {
                    lanes[j % LANES] = Math.fma(a[j], b[j], lanes[j % LANES]);
                }
            } else {
                float[] a = scratch.floats(0);
                float[] b = x == y ? a : scratch.floats(1);
                Floats.load(x, from + i, a, n);
                if (a != b) {
                    Floats.load(y, from + i, b, n);
                }
                addProducts(a, b, n, lanes);
            }
        }
        for (int half = LANES / 2; half > 0; half /= 2) {
            for (int l = 0; l < half; l++) {
                lanes[l] += lanes[l + half];
            }
        }
        return lanes[0];
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
}
