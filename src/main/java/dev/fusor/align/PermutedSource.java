package dev.fusor.align;

import dev.fusor.linalg.PermutedView;
import dev.fusor.simd.Gathers;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;

/**
 * A tensor with its units in other places, gathered range by range as it is asked for. Bits are copied; nothing is computed.
 */
public final class PermutedSource implements TensorSource {
    /** A line is read as a whole where at least this part of it is asked for. */
    private static final int SHORTEST_PART = 4;

    private final Tensor from;
    /** For each axis where each entry comes from, or null for an axis that stays. */
    private final int[][] sources;
    /** The last axis that does not stay. */
    private final int last;
    /** Where each piece of that axis comes from: entries that stay together are one piece. */
    private final int[] runs;
    /** Elements of one piece. */
    private final long run;
    private final ThreadLocal<MemorySegment> buffer = ThreadLocal.withInitial(() -> MemorySegment.NULL);

    private PermutedSource(Tensor from, int[][] sources, int last) {
        this.from = from;
        this.sources = sources;
        this.last = last;
        int together = together(sources[last]);
        this.runs = new int[sources[last].length / together];
        for (int i = 0; i < runs.length; i++) {
            runs[i] = sources[last][i * together] / together;
        }
        long product = together;
        for (int axis = last + 1; axis < sources.length; axis++) {
            product *= from.shape().extent(axis);
        }
        this.run = product;
    }

    /**
     * The most entries that the axis can be cut into pieces of, so that each piece stays together. The lengths of all stretches
     * that stay together are multiples of it, and so are the places they start at, before as after.
     */
    private static int together(int[] entries) {
        int together = 0;
        int length = 0;
        for (int i = 0; i < entries.length; i++) {
            length++;
            if (i + 1 == entries.length || entries[i + 1] != entries[i] + 1) {
                together = gcd(together, length);
                length = 0;
            }
        }
        return Math.max(1, together);
    }

    private static int gcd(int a, int b) {
        return b == 0 ? a : gcd(b, a % b);
    }

    /**
     * {@return a tensor with its units in the places that permutations give them} The tensor itself where nothing moves.
     *
     * @param from any memory, of any type with whole bytes for each element
     * @param occurrences of the tensor, from its spec
     * @param permutations for each group that occurs
     * @throws IllegalArgumentException if an occurrence does not fit the tensor, if a group has no permutation, if an axis with
     * units is longer than 2^31 - 1, or if elements to be moved are smaller than a byte
     */
    public static TensorSource of(Tensor from, List<Occurrence> occurrences, Permutations permutations) {
        int[][] sources = sources(from, occurrences, permutations);
        int last = sources.length - 1;
        while (last >= 0 && sources[last] == null) {
            last--;
        }
        if (last < 0) {
            return from;
        }
        if (from.dtype().bits() % 8 != 0) {
            throw new IllegalArgumentException("tensor '%s' %s: units of elements smaller than a byte cannot move"
                    .formatted(occurrences.getFirst().tensor(), from));
        }
        return new PermutedSource(from, sources, last);
    }

    /** {@return for each axis where each entry comes from, or null for an axis that stays} */
    static int[][] sources(Tensor from, List<Occurrence> occurrences, Permutations permutations) {
        int[][] sources = new int[from.shape().rank()][];
        for (Occurrence occurrence : occurrences) {
            int axis = occurrence.axis();
            if (axis >= sources.length || occurrence.end() > from.shape().extent(axis)) {
                throw new IllegalArgumentException("%s does not fit %s".formatted(occurrence, from));
            }
            if (sources[axis] == null) {
                sources[axis] = stay(from, axis);
            }
            move(sources[axis], occurrence, permutations.of(occurrence.group()));
        }
        return sources;
    }

    private static int[] stay(Tensor from, int axis) {
        if (from.shape().extent(axis) > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "axis %d of %s has more than 2^31 - 1 entries, and cannot be permuted".formatted(axis, from));
        }
        int[] stay = new int[(int) from.shape().extent(axis)];
        for (int i = 0; i < stay.length; i++) {
            stay[i] = i;
        }
        return stay;
    }

    private static void move(int[] sources, Occurrence occurrence, int[] units) {
        int block = (int) occurrence.block();
        int start = (int) occurrence.start();
        for (int place = 0; place < units.length; place++) {
            for (int i = 0; i < block; i++) {
                sources[start + place * block + i] = start + units[place] * block + i;
            }
        }
    }

    /** {@return the tensor as it lies, whose units are to be in other places} */
    public Tensor unmoved() {
        return from;
    }

    /**
     * {@return a copy of the tensor as it lies, to be read with its units in their places} Nothing is moved.
     *
     * @param copy of {@link #unmoved}, in any memory
     * @throws IllegalArgumentException if it is of another shape
     */
    public PermutedView view(Tensor copy) {
        return PermutedView.of(copy, sources);
    }

    @Override
    public DType dtype() {
        return from.dtype();
    }

    @Override
    public Shape shape() {
        return from.shape();
    }

    @Override
    public Tensor slice(long first, long count) {
        long bytes = dtype().byteSize(count);
        if (buffer.get().byteSize() < bytes) {
            buffer.set(Arena.ofAuto().allocate(bytes, 64));
        }
        Tensor slice = Tensor.of(buffer.get().asSlice(0, bytes), dtype(), Shape.of(count));
        copy(first, slice);
        return slice;
    }

    /**
     * Fills a tensor with a range of flat elements.
     *
     * @param first the first flat index, row-major
     * @param out of this type, with as many elements as are wanted, and no part of the tensor that is permuted
     * @throws IllegalArgumentException if it is of another type
     * @throws IndexOutOfBoundsException if the range is not inside the tensor
     */
    public void copy(long first, Tensor out) {
        if (out.dtype() != dtype()) {
            throw new IllegalArgumentException("wanted a tensor of %s, got %s".formatted(dtype(), out));
        }
        Objects.checkFromIndexSize(first, out.elements(), elements());
        long line = runs.length * run;
        for (long done = 0; done < out.elements();) {
            long within = (first + done) % line;
            long count = Math.min(line - within, out.elements() - done);
            copyLine(start((first + done) / line), within, count, out.data(), done);
            done += count;
        }
    }

    /** Where a line along the last axis starts in the tensor that is permuted. */
    private long start(long line) {
        long start = 0;
        long stride = runs.length * run;
        long rest = line;
        for (int axis = last - 1; axis >= 0; axis--) {
            long extent = shape().extent(axis);
            int entry = (int) (rest % extent);
            start += stride * (sources[axis] == null ? entry : sources[axis][entry]);
            stride *= extent;
            rest /= extent;
        }
        return start;
    }

    private void copyLine(long start, long within, long count, MemorySegment out, long at) {
        MemorySegment in = from.data();
        if (run > 1) {
            long size = dtype().byteSize(1);
            for (long done = 0; done < count;) {
                long offset = (within + done) % run;
                long length = Math.min(run - offset, count - done);
                long source = start + runs[(int) ((within + done) / run)] * run + offset;
                MemorySegment.copy(in, source * size, out, (at + done) * size, length * size);
                done += length;
            }
            return;
        }
        int entry = (int) within;
        int bytes = dtype().bits() / 8;
        if (Gathers.supports(bytes) && runs.length <= Gathers.LONGEST && count >= runs.length / SHORTEST_PART) {
            Gathers.gather(bytes, in, start * bytes, runs.length, runs, entry, out, at * bytes, (int) count);
            return;
        }
        switch (dtype().bits()) {
            case 8 -> {
                for (long i = 0; i < count; i++) {
                    out.set(ValueLayout.JAVA_BYTE, at + i, in.get(ValueLayout.JAVA_BYTE, start + runs[entry++]));
                }
            }
            case 16 -> {
                for (long i = 0; i < count; i++) {
                    out.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * (at + i),
                            in.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * (start + runs[entry++])));
                }
            }
            case 32 -> {
                for (long i = 0; i < count; i++) {
                    out.set(ValueLayout.JAVA_INT_UNALIGNED, 4 * (at + i),
                            in.get(ValueLayout.JAVA_INT_UNALIGNED, 4 * (start + runs[entry++])));
                }
            }
            default -> {
                for (long i = 0; i < count; i++) {
                    out.set(ValueLayout.JAVA_LONG_UNALIGNED, 8 * (at + i),
                            in.get(ValueLayout.JAVA_LONG_UNALIGNED, 8 * (start + runs[entry++])));
                }
            }
        }
    }
}
