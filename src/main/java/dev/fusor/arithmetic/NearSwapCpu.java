package dev.fusor.arithmetic;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Floats;
import dev.fusor.simd.Scratch;
import dev.fusor.tensor.Tensor;

import static dev.fusor.simd.Scratch.ELEMENTS;

/** Near swap on the CPU: loops over arrays that the JIT turns into vectors by itself. */
final class NearSwapCpu implements NearSwap {
    private static final long TILE = 1 << 16;

    private final CpuDevice device;

    NearSwapCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public void swap(Tensor base, Tensor x, double t, Tensor out) {
        long length = out.elements();
        for (Tensor tensor : new Tensor[]{base, x, out}) {
            if (tensor.elements() != length || !tensor.dtype().isArithmetic()) {
                throw new IllegalArgumentException(
                        "a near swap takes tensors of arithmetic types and equal length, got %s for an output %s"
                                .formatted(tensor, out));
            }
        }
        device.run((length + TILE - 1) / TILE, tile -> {
            Scratch scratch = Scratch.mine();
            float[] b = scratch.floats(0);
            float[] values = scratch.floats(1);
            long end = Math.min(length, (tile + 1) * TILE);
            for (long from = tile * TILE; from < end; from += ELEMENTS) {
                int count = (int) Math.min(ELEMENTS, end - from);
                Floats.load(base, from, b, count);
                Floats.load(x, from, values, count);
                swap(b, values, (float) t, count);
                Floats.store(values, out, from, count);
            }
        });
    }

    private static void swap(float[] base, float[] values, float t, int count) {
        for (int i = 0; i < count; i++) {
            float delta = values[i] - base[i];
            float weight = Math.min(Math.max(t / Math.max(Math.abs(delta), 1e-6f), 0f), 1f);
            values[i] = Math.fma(weight, delta, base[i]);
        }
    }
}
