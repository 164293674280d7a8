package dev.fusor.simulator;

import dev.fusor.simulator.Simulator.ThreadOrder;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;

/** The simulator's three kernels against their definitions, bit for bit: every variant, every order of threads. */
@RequiresSimulator
class KernelsTest {
    private static final long SEED = Long.getLong("fusor.seed", System.nanoTime());
    private static final int[] LENGTHS = {0, 1, 7, 8, 9, 31, 32, 33, 255, 256, 257, 2047, 2048, 2049, 20_011};
    private static final int[] EDGES = {0x0000, 0x8000, 0x0001, 0x8001, 0x007F, 0x0080, 0x3F80, 0xBF80, 0x7F7F, 0xFF7F,
        0x7F80,
        0xFF80, 0x7FC0, 0x7FFF};

    private final Random random = new Random(SEED);

    private short bf16() {
        return (short) (random.nextInt(4) == 0 ? EDGES[random.nextInt(EDGES.length)] : random.nextInt());
    }

    private static float widened(short code) {
        return Float.intBitsToFloat(code << 16);
    }

    /** To nearest even; what is not a number becomes the one that the conversion gives. */
    private static short rounded(float value) {
        int bits = Float.floatToRawIntBits(value);
        return Float.isNaN(value) ? 0x7FFF : (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
    }

    @ParameterizedTest
    @CsvSource({"sm_75, ASCENDING, 0", "sm_75, RANDOM, 0", "sm_90, ASCENDING, 0", "sm_90, DESCENDING, 0",
        "sm_90, RANDOM, 0", "sm_75, DESCENDING, 2", "sm_90, ASCENDING, 2"})
    void weightedSumRoundsTheFusedSumOnce(String architecture, ThreadOrder order, int misalignment) {
        Simulator.schedule(order, SEED, 2, false);
        int models = 1 + random.nextInt(5);
        try (Cuda cuda = new Cuda()) {
            MemorySegment kernel = cuda.function(cuda.module(Cuda.ptx("weighted_sum", architecture)),
                    "weighted_sum_bf16");
            for (int length : LENGTHS) {
                short[][] values = new short[models][length];
                MemorySegment weights = cuda.arena().allocate(JAVA_FLOAT, models);
                MemorySegment table = cuda.arena().allocate(JAVA_LONG, models);
                for (int m = 0; m < models; m++) {
                    MemorySegment host = cuda.arena().allocate(2L * length + misalignment, 16);
                    for (int i = 0; i < length; i++) {
                        values[m][i] = bf16();
                        host.set(JAVA_SHORT, misalignment + 2L * i, values[m][i]);
                    }
                    weights.setAtIndex(JAVA_FLOAT, m, random.nextFloat() * 4 - 2);
                    table.setAtIndex(JAVA_LONG, m, cuda.copyOf(host) + misalignment);
                }
                long out = cuda.allocate(2L * length + misalignment + 1) + misalignment;
                cuda.run(kernel, 3, 64, 0, cuda.copyOf(table), cuda.copyOf(weights), models, out, (long) length);
                MemorySegment result = cuda.arena().allocate(2L * length, 2);
                cuda.fetch(result, out);
                for (int i = 0; i < length; i++) {
                    float sum = 0;
                    for (int m = 0; m < models; m++) {
                        sum = Math.fma(weights.getAtIndex(JAVA_FLOAT, m), widened(values[m][i]), sum);
                    }
                    assertThat(result.getAtIndex(JAVA_SHORT, i)).as("element %d of %d, seed %d", i, length, SEED)
                            .isEqualTo(rounded(sum));
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"sm_75, ASCENDING", "sm_75, DESCENDING", "sm_90, ASCENDING", "sm_90, RANDOM"})
    void histogramCountsEveryValueOnce(String architecture, ThreadOrder order) {
        Simulator.schedule(order, SEED, 2, false);
        try (Cuda cuda = new Cuda()) {
            MemorySegment kernel = cuda.function(cuda.module(Cuda.ptx("histogram", architecture)), "histogram_f32");
            for (int length : LENGTHS) {
                MemorySegment values = cuda.arena().allocate(4L * length, 4);
                int[] wanted = new int[2048];
                for (int i = 0; i < length; i++) {
                    int bits = random.nextInt(8) == 0 ? EDGES[random.nextInt(EDGES.length)] << 16 : random.nextInt();
                    values.setAtIndex(JAVA_INT, i, bits);
                    wanted[(bits & Integer.MAX_VALUE) >>> 20]++;
                }
                long bins = cuda.allocate(4 * 2048);
                cuda.zero(bins, 4 * 2048);
                cuda.run(kernel, 2, 96, 0, cuda.copyOf(values), (long) length, bins);
                MemorySegment result = cuda.arena().allocate(4 * 2048, 4);
                cuda.fetch(result, bins);
                assertThat(result.toArray(JAVA_INT)).as("length %d, seed %d", length, SEED).isEqualTo(wanted);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"sm_75, ASCENDING", "sm_75, RANDOM", "sm_90, DESCENDING", "sm_90, RANDOM"})
    void blockSumAddsOverTheFixedTree(String architecture, ThreadOrder order) {
        Simulator.schedule(order, SEED, 2, false);
        try (Cuda cuda = new Cuda()) {
            MemorySegment kernel = cuda.function(cuda.module(Cuda.ptx("block_sum", architecture)), "block_sum_f32");
            for (int length : LENGTHS) {
                float[] values = new float[length];
                for (int i = 0; i < length; i++) {
                    values[i] = (float) (random.nextGaussian() * Math.pow(10, random.nextInt(20) - 10));
                }
                int blocks = Math.max(1, (length + 2047) / 2048);
                long arrived = cuda.allocate(4);
                cuda.zero(arrived, 4);
                long sum = cuda.allocate(8);
                cuda.run(kernel, blocks, 256, 0, cuda.copyOf(cuda.arena().allocateFrom(JAVA_FLOAT, values)),
                        (long) length,
                        cuda.allocate(8L * blocks), arrived, sum);
                MemorySegment result = cuda.arena().allocate(JAVA_DOUBLE);
                cuda.fetch(result, sum);
                assertThat(Double.doubleToRawLongBits(result.get(JAVA_DOUBLE, 0)))
                        .as("length %d, seed %d", length, SEED)
                        .isEqualTo(Double.doubleToRawLongBits(treeSum(values, blocks)));
            }
        }
    }

    /** Blocks alone, few and many; rows that some blocks have no turn at. */
    @ParameterizedTest
    @CsvSource({"sm_75, ASCENDING", "sm_90, DESCENDING", "sm_90, RANDOM"})
    void blocksThatMeetSeeWhatTheOthersWrote(String architecture, ThreadOrder order) {
        Simulator.schedule(order, SEED, 2, false);
        try (Cuda cuda = new Cuda()) {
            MemorySegment kernel = cuda.function(cuda.module(Cuda.ptx("meeting", architecture)), "meeting_f32");
            for (int[] shape : new int[][]{{1, 1, 1}, {5, 1, 2}, {1, 7, 1}, {7, 3, 2}, {9, 2, 4}}) {
                int rows = shape[0];
                int blocks = shape[1];
                int count = 2 * blocks;
                MemorySegment values = cuda.arena().allocate(JAVA_FLOAT, rows * count);
                for (int i = 0; i < rows * count; i++) {
                    values.setAtIndex(JAVA_FLOAT, i, random.nextInt(100));
                }
                long arrived = cuda.allocate(4L * rows);
                cuda.zero(arrived, 4L * rows);
                long sums = cuda.allocate(4L * rows);
                for (int run = 0; run < 2; run++) {
                    cuda.runCooperative(kernel, blocks * shape[2], 64, 0, cuda.copyOf(values), rows, blocks,
                            cuda.allocate(4L * rows * count), cuda.allocate(4L * rows * count), arrived, sums);
                }
                MemorySegment found = cuda.arena().allocate(JAVA_FLOAT, rows);
                cuda.fetch(found, sums);
                for (int row = 0; row < rows; row++) {
                    float wanted = 0;
                    for (int i = row * count; i < (row + 1) * count; i++) {
                        wanted += values.getAtIndex(JAVA_FLOAT, i) * values.getAtIndex(JAVA_FLOAT, i);
                    }
                    assertThat(found.getAtIndex(JAVA_FLOAT, row)).as("row %d of %d, %d blocks, seed %d", row, rows,
                            blocks, SEED).isEqualTo(wanted);
                }
            }
        }
    }

    private static double treeSum(float[] values, int blocks) {
        double total = 0;
        for (int b = 0; b < blocks; b++) {
            double[] threads = new double[256];
            for (int i = 0; i < 2048; i++) {
                int at = 2048 * b + i;
                threads[i % 256] += at < values.length ? values[at] : 0;
            }
            double block = 0;
            for (int w = 0; w < 8; w++) {
                for (int half = 16; half > 0; half /= 2) {
                    for (int lane = 0; lane < half; lane++) {
                        threads[32 * w + lane] += threads[32 * w + lane + half];
                    }
                }
                block += threads[32 * w];
            }
            total += block;
        }
        return total;
    }
}
