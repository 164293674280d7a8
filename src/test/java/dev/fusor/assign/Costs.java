package dev.fusor.assign;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** Families of costs for tests. All are multiples of 2^-10 below 2^13, so that their sums are exact in float64. */
enum Costs {
    UNIFORM, GAUSSIAN_DOT, TIES, RANK_ONE, CONSTANT, GEOMETRIC, PRODUCT;

    double[][] make(int rows, int columns, SplittableRandom random) {
        double[][] a = points(rows, random);
        double[][] b = points(columns, random);
        double[][] costs = new double[rows][columns];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                double cost = switch (this) {
                    case UNIFORM -> random.nextDouble();
                    case GAUSSIAN_DOT -> dot(a[i], b[j]);
                    case TIES -> random.nextInt(10) - 5;
                    case RANK_ONE -> a[i][0] * b[j][0];
                    case CONSTANT -> -3;
                    case GEOMETRIC -> Math.hypot(a[i][0] - b[j][0], a[i][1] - b[j][1]);
                    case PRODUCT -> (double) i * j;
                };
                costs[i][j] = Math.rint(cost * 0x1p10) * 0x1p-10;
            }
        }
        return costs;
    }

    private static double[][] points(int count, SplittableRandom random) {
        double[][] points = new double[count][8];
        for (double[] point : points) {
            for (int k = 0; k < point.length; k++) {
                point[k] = random.nextGaussian();
            }
        }
        return points;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int k = 0; k < a.length; k++) {
            sum += a[k] * b[k];
        }
        return sum;
    }

    /** The costs as a tensor that starts at an odd address; integers are the costs times 1024. */
    static Tensor tensor(DType type, double[][] costs, int columns) {
        Tensor flat = Tensors.misaligned(type, (long) costs.length * columns);
        for (int i = 0; i < costs.length; i++) {
            for (int j = 0; j < columns; j++) {
                set(flat.data(), type, (long) i * columns + j, costs[i][j]);
            }
        }
        return Tensor.of(flat.data(), type, Shape.of(costs.length, columns));
    }

    static double scale(DType type) {
        return type == DType.I32 || type == DType.I64 ? 1024 : 1;
    }

    private static void set(MemorySegment data, DType type, long index, double cost) {
        switch (type) {
            case F32 -> data.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * index, (float) cost);
            case F64 -> data.set(ValueLayout.JAVA_DOUBLE_UNALIGNED, 8 * index, cost);
            case I32 -> data.set(ValueLayout.JAVA_INT_UNALIGNED, 4 * index, (int) (cost * 1024));
            default -> data.set(ValueLayout.JAVA_LONG_UNALIGNED, 8 * index, (long) (cost * 1024));
        }
    }
}
