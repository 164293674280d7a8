package dev.fusor.linalg;

import dev.fusor.tensor.Shape;

/** A permuted view as lines of neighbouring elements: what a block of permuted_interpolation.cu moves at a time. */
final class PermutedLines {
    /** Lines have so many elements at most: their numbers stay ints, word by word. */
    private static final long LONGEST = 1 << 30;

    /** Pieces of a long line have so many elements at least, or it stays whole. */
    private static final long SHORTEST_PIECE = 256;

    private final PermutedView view;
    private final int axis;
    /** Pieces of the innermost axes that are lines of their own. */
    private final int pieces;
    private final int length;
    private final long count;
    private final boolean inPlace;

    /**
     * Lines of a view.
     *
     * @param longest elements of a line that fits into shared memory; a line is longer only where no axis allows a shorter one
     */
    PermutedLines(PermutedView view, long longest) {
        Shape shape = view.tensor().shape();
        int last = shape.rank() - 1;
        while (last >= 0 && view.inPlace(last)) {
            last--;
        }
        int from = Math.max(last, 0);
        if (last >= 0 && last < shape.rank() - 1 && elements(shape, last) > longest) {
            from = last + 1;
        }
        while (from > last && from < shape.rank() - 1 && elements(shape, from) > longest) {
            from++;
        }
        long elements = elements(shape, from);
        if (elements > LONGEST) {
            throw new IllegalArgumentException(
                    "lines of up to %d elements are moved on a device, got %s".formatted(LONGEST, view.tensor()));
        }
        this.view = view;
        this.axis = from;
        this.inPlace = from > last;
        this.pieces = inPlace ? pieces((int) elements, longest) : 1;
        this.length = (int) elements / pieces;
        this.count = length == 0 ? 0 : shape.elements() / length;
    }

    /** The fewest equal pieces that are short enough; one where they would be too short. */
    private static int pieces(int elements, long longest) {
        for (int pieces = 1; pieces * SHORTEST_PIECE <= elements; pieces++) {
            if (elements % pieces == 0 && elements / pieces <= longest) {
                return pieces;
            }
        }
        return 1;
    }

    private static long elements(Shape shape, int from) {
        long elements = 1;
        for (int axis = from; axis < shape.rank(); axis++) {
            elements *= shape.extent(axis);
        }
        return elements;
    }

    /** {@return how many axes number the lines} */
    int axes() {
        return axis + (pieces > 1 ? 1 : 0);
    }

    /** Adds the axes that number the lines. */
    void addAxes(AxisTable axes) {
        for (int i = 0; i < axis; i++) {
            axes.add(view, i, view.tensor().shape().extent(i));
        }
        if (pieces > 1) {
            axes.add(pieces, length, null);
        }
    }

    /** {@return elements of a line} */
    int length() {
        return length;
    }

    /** {@return how many lines there are} */
    long count() {
        return count;
    }

    /** {@return the bytes of the orders of those axes, and of the sources} */
    long orderBytes() {
        return AxisTable.orderBytes(view, axis) + (inPlace ? 0 : (long) length * Integer.BYTES);
    }

    /** {@return for each element of a line where in the line it comes from, or null where all stay} */
    int[] sources() {
        if (inPlace) {
            return null;
        }
        int[] order = view.order(axis);
        int run = length / Math.max(1, order.length);
        int[] sources = new int[length];
        for (int i = 0; i < length; i++) {
            sources[i] = order[i / run] * run + i % run;
        }
        return sources;
    }
}
