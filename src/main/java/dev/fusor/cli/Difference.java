package dev.fusor.cli;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * How the numbers of two tensors of one shape differ, in float64. Pairs without a finite distance count as changed where
 * they are not alike, and in nothing else.
 *
 * @param changed pairs that are not the same bits or, for two different types, not the same number
 * @param finite pairs at a finite distance, which all that follows is about
 * @param greatest the greatest distance
 * @param squares the sum of the squared distances
 * @param product the sum of the products
 * @param squaresA the sum of the first tensor's squares
 * @param squaresB the sum of the second tensor's squares
 */
record Difference(long changed, long finite, double greatest, double squares, double product, double squaresA,
        double squaresB) {
    private static final Difference NONE = new Difference(0, 0, 0, 0, 0, 0, 0);

    /** {@return whether the bytes are the same} */
    static boolean sameBytes(Tensor a, Tensor b) {
        return a.dtype() == b.dtype() && a.data().mismatch(b.data()) == -1;
    }

    /** Compares tensors of arithmetic types. */
    static Difference between(Tensor a, Tensor b, CpuDevice device) {
        boolean sameType = a.dtype() == b.dtype();
        return Tiles.reduce(a.elements(), device, NONE, (from, count, numbers) -> {
            double[] first = numbers.load(a, from, count);
            double[] second = numbers.loadOther(b, from, count);
            long changed = sameType
                    ? changedElements(a.slice(from, count), b.slice(from, count))
                    : changedNumbers(first, second, count);
            return of(first, second, count, changed);
        }, Difference::plus);
    }

    /** {@return how many elements of tensors of one type are not the same bits} Of packed types, how many bytes are not. */
    static long changedElements(Tensor a, Tensor b) {
        MemorySegment left = a.data();
        MemorySegment right = b.data();
        long size = Math.max(1, a.dtype().bits() / 8);
        long end = left.byteSize();
        long changed = 0;
        for (long at = 0; at < end;) {
            long mismatch = MemorySegment.mismatch(left, at, end, right, at, end);
            if (mismatch < 0) {
                break;
            }
            changed++;
            at = ((at + mismatch) / size + 1) * size;
        }
        return changed;
    }

    private static long changedNumbers(double[] a, double[] b, int count) {
        long changed = 0;
        for (int i = 0; i < count; i++) {
            changed += Double.compare(a[i], b[i]) == 0 ? 0 : 1;
        }
        return changed;
    }

    private static Difference of(double[] a, double[] b, int count, long changed) {
        long finite = 0;
        double greatest = 0;
        double squares = 0;
        double product = 0;
        double squaresA = 0;
        double squaresB = 0;
        for (int i = 0; i < count; i++) {
            double difference = a[i] - b[i];
            // Not finite either where one of them is not.
            if (Double.isFinite(difference)) {
                finite++;
                greatest = Math.max(greatest, Math.abs(difference));
                squares += difference * difference;
                product += a[i] * b[i];
                squaresA += a[i] * a[i];
                squaresB += b[i] * b[i];
            }
        }
        return new Difference(changed, finite, greatest, squares, product, squaresA, squaresB);
    }

    private Difference plus(Difference other) {
        return new Difference(changed + other.changed, finite + other.finite, Math.max(greatest, other.greatest),
                squares + other.squares, product + other.product, squaresA + other.squaresA, squaresB + other.squaresB);
    }

    /** {@return the greatest distance} NaN if there is no finite pair. */
    double maxAbs() {
        return finite == 0 ? Double.NaN : greatest;
    }

    /** {@return the root of the mean squared distance} NaN if there is no finite pair. */
    double rms() {
        return Math.sqrt(squares / finite);
    }

    /** {@return the cosine of the angle between the tensors} NaN if one is zero. */
    double cosine() {
        return product / (Math.sqrt(squaresA) * Math.sqrt(squaresB));
    }
}
