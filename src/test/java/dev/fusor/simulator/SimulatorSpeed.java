package dev.fusor.simulator;

import dev.fusor.simulator.Simulator.ThreadOrder;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * How fast the simulator runs its kernels, to know what tests may be asked of it. Nothing fails here:
 * {@code LD_LIBRARY_PATH=target/simulator java -cp ... dev.fusor.simulator.SimulatorSpeed}.
 */
final class SimulatorSpeed {
    private static final int ELEMENTS = 1 << 20;
    private static final int MODELS = 4;
    private static final int ROUNDS = 9;

    private SimulatorSpeed() {}

    /**
     * Prints a table: kernel, variant, worker threads, elements read per microsecond.
     *
     * @param arguments none
     */
    public static void main(String[] arguments) {
        Simulator.modules(NativeBuild.modules(NativeBuild.Variant.PLAIN));
        Random random = new Random(1);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = arena.allocate(JAVA_FLOAT, ELEMENTS);
            for (int i = 0; i < ELEMENTS; i++) {
                values.setAtIndex(JAVA_FLOAT, i, (float) random.nextGaussian());
            }
            for (String architecture : new String[]{"sm_75", "sm_90"}) {
                for (int workers = 1; workers <= 2; workers++) {
                    Simulator.schedule(ThreadOrder.ASCENDING, 1, workers, false);
                    Simulator.reset();
                    try (Cuda cuda = new Cuda()) {
                        print("copy to the device", architecture, workers, ELEMENTS, () -> cuda.copyOf(values));
                        weightedSum(cuda, architecture, workers, values);
                        long in = cuda.copyOf(values);
                        long bins = cuda.allocate(4 * 2048);
                        cuda.zero(bins, 4 * 2048);
                        MemorySegment histogram = cuda.function(cuda.module(Cuda.ptx("histogram", architecture)),
                                "histogram_f32");
                        print("histogram_f32", architecture, workers, ELEMENTS,
                                () -> cuda.run(histogram, 64, 256, 0, in, (long) ELEMENTS, bins));
                        long scratch = cuda.allocate(8 * 513 + 16);
                        cuda.zero(scratch, 16);
                        MemorySegment sum = cuda.function(cuda.module(Cuda.ptx("block_sum", architecture)),
                                "block_sum_f32");
                        print("block_sum_f32", architecture, workers, ELEMENTS,
                                () -> cuda.run(sum, ELEMENTS / 2048, 256, 0,
                                        in, (long) ELEMENTS, scratch + 16, scratch, scratch + 8));
                    }
                }
            }
        }
    }

    private static void weightedSum(Cuda cuda, String architecture, int workers, MemorySegment values) {
        MemorySegment table = cuda.arena().allocate(JAVA_LONG, MODELS);
        for (int m = 0; m < MODELS; m++) {
            table.setAtIndex(JAVA_LONG, m, cuda.copyOf(values.asSlice(0, 2 * ELEMENTS)));
        }
        long models = cuda.copyOf(table);
        long weights = cuda.copyOf(cuda.arena().allocateFrom(JAVA_FLOAT, 0.5f, 0.25f, 0.125f, 0.125f));
        long out = cuda.allocate(2 * ELEMENTS);
        MemorySegment kernel = cuda.function(cuda.module(Cuda.ptx("weighted_sum", architecture)), "weighted_sum_bf16");
        print("weighted_sum_bf16 of 4", architecture, workers, MODELS * ELEMENTS,
                () -> cuda.run(kernel, 64, 256, 0, models, weights, MODELS, out, (long) ELEMENTS));
    }

    private static void print(String what, String architecture, int workers, long elements, Runnable work) {
        double[] seconds = new double[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            long start = System.nanoTime();
            work.run();
            seconds[i] = (System.nanoTime() - start) / 1e9;
        }
        Arrays.sort(seconds);
        System.out.printf("%-24s %s  %d workers  %7.1f elements/us%n", what, architecture, workers,
                elements / seconds[ROUNDS / 2] / 1e6);
    }
}
