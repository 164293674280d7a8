package dev.fusor.cli;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.BinaryOperator;

/** Looks at long tensors tile by tile on all threads, with results that do not depend on their number. */
final class Tiles {
    private static final int TILE = 1 << 14;
    private static final int TILES_PER_ROUND = 1 << 12;
    private static final ThreadLocal<Numbers> NUMBERS = ThreadLocal.withInitial(Numbers::new);

    private Tiles() {}

    /** Looks at one tile; the numbers are the calling thread's until it returns. */
    @FunctionalInterface
    interface Look<R> {
        R at(long from, int count, Numbers numbers);
    }

    /** Combines what is seen in the order of the tiles. */
    static <R> R reduce(long elements, CpuDevice device, R start, Look<R> look, BinaryOperator<R> plus) {
        long tiles = (elements + TILE - 1) / TILE;
        R sum = start;
        for (long first = 0; first < tiles; first += TILES_PER_ROUND) {
            long round = first;
            int count = (int) Math.min(TILES_PER_ROUND, tiles - first);
            List<R> seen = new ArrayList<>(Collections.nCopies(count, start));
            device.run(count, number -> {
                long from = (round + number) * TILE;
                seen.set((int) number, look.at(from, (int) Math.min(TILE, elements - from), NUMBERS.get()));
            });
            for (R one : seen) {
                sum = plus.apply(sum, one);
            }
        }
        return sum;
    }

    /** Buffers of a thread. */
    static final class Numbers {
        private final float[] narrow = new float[TILE];
        private final double[] wide = new double[TILE];
        private final double[] other = new double[TILE];

        /** The elements of a tile as exact numbers. */
        double[] load(Tensor tensor, long from, int count) {
            return load(tensor, from, count, wide);
        }

        /** Those of a second tensor, to be had at the same time. */
        double[] loadOther(Tensor tensor, long from, int count) {
            return load(tensor, from, count, other);
        }

        private double[] load(Tensor tensor, long from, int count, double[] values) {
            if (tensor.dtype() == DType.F64) {
                Elements.load(tensor, from, values, count);
            } else {
                Elements.load(tensor, from, narrow, count);
                for (int i = 0; i < count; i++) {
                    values[i] = narrow[i];
                }
            }
            return values;
        }
    }
}
