package dev.fusor.assign;

import dev.fusor.assign.LinearAssignment.Goal;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** Families of square costs, seeded. */
public enum BenchmarkCosts {
    /** Independent in [0, 1). */
    UNIFORM,
    /** Products of random vectors of 256: the similarities of unrelated units. The greatest sum is wanted. */
    GAUSSIAN_DOT,
    /** Integers from 0 to 99. */
    TIES,
    /** a_i b_j. */
    RANK_ONE,
    /** All the same. */
    CONSTANT,
    /** Distances of random points of a square. */
    GEOMETRIC,
    /** i j. */
    PRODUCT;

    private static final int DIMENSIONS = 256;

    Goal goal() {
        return this == GAUSSIAN_DOT ? Goal.MAXIMISE : Goal.MINIMISE;
    }

    DType type() {
        return this == TIES ? DType.I32 : DType.F32;
    }

    Tensor make(Arena arena, int size) {
        Tensor costs = Tensor.allocate(arena, type(), size, size);
        SplittableRandom random = new SplittableRandom(42);
        float[][] a = points(size, random);
        float[][] b = points(size, random);
        SplittableRandom[] rows = new SplittableRandom[size];
        Arrays.setAll(rows, i -> random.split());
        IntStream.range(0, size).parallel().forEach(i -> {
            for (int j = 0; j < size; j++) {
                long index = (long) i * size + j;
                if (this == TIES) {
                    costs.data().setAtIndex(ValueLayout.JAVA_INT, index, rows[i].nextInt(100));
                } else {
                    costs.data().setAtIndex(ValueLayout.JAVA_FLOAT, index, switch (this) {
                        case UNIFORM -> (float) rows[i].nextDouble();
                        case GAUSSIAN_DOT -> dot(a[i], b[j]);
                        case RANK_ONE -> a[i][0] * b[j][0];
                        case GEOMETRIC -> (float) Math.hypot(a[i][0] - b[j][0], a[i][1] - b[j][1]);
                        case PRODUCT -> (float) i * j;
                        default -> 3;
                    });
                }
            }
        });
        return costs;
    }

    private float[][] points(int size, SplittableRandom random) {
        float[][] points = new float[size][DIMENSIONS];
        for (float[] point : points) {
            for (int k = 0; k < DIMENSIONS; k++) {
                point[k] = (float) (this == GAUSSIAN_DOT ? random.nextGaussian() : random.nextDouble());
            }
        }
        return points;
    }

    private static float dot(float[] a, float[] b) {
        float[] lanes = new float[8];
        for (int k = 0; k < DIMENSIONS; k += 8) {
            for (int l = 0; l < 8; l++) {
                lanes[l] += a[k + l] * b[k + l];
            }
        }
        float sum = 0;
        for (float lane : lanes) {
            sum += lane;
        }
        return sum;
    }

    /**
     * For docs/peers/scipy_assignment.py, with family, size, number of runs and a file: writes the costs into the file, solves them
     * once, so many times more and so many times measured, and prints type, goal, objective, the bound of its certificate, and the
     * seconds of the first and of the measured runs.
     */
    public static void main(String[] args) throws IOException {
        BenchmarkCosts family = valueOf(args[0]);
        int runs = Integer.parseInt(args[2]);
        try (Arena arena = Arena.ofShared(); CpuDevice device = CpuDevice.open()) {
            Tensor costs = family.make(arena, Integer.parseInt(args[1]));
            try (FileChannel file = FileChannel.open(Path.of(args[3]), StandardOpenOption.READ,
                    StandardOpenOption.WRITE)) {
                file.map(FileChannel.MapMode.READ_WRITE, 0, costs.data().byteSize(), arena).copyFrom(costs.data());
            }
            double[] seconds = new double[1 + 2 * runs];
            Assignment assignment = null;
            for (int run = 0; run < seconds.length; run++) {
                long start = System.nanoTime();
                assignment = LinearAssignment.on(device).solve(costs, family.goal());
                seconds[run] = (System.nanoTime() - start) / 1e9;
            }
            System.out.printf("%s %s %s %s %s", family.type(), family.goal(), assignment.objective(),
                    assignment.certificate().bound(), seconds[0]);
            for (int run = 1 + runs; run < seconds.length; run++) {
                System.out.printf(" %s", seconds[run]);
            }
        }
    }
}
