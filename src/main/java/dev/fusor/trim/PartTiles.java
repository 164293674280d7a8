package dev.fusor.trim;

import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeSelection.Part;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/** The tensors of a selection one after the other, cut into numbered tiles; counts what is read of them. */
final class PartTiles {
    /** Elements of a tile at most. */
    static final int LARGEST = 1 << 17;

    /** Where there are more elements than in the largest tile, there are so many tiles: elements of one are read again. */
    static final int FEWEST = 32;

    private final List<Part> parts;
    private final int size;
    private final long length;
    /** The number of each part's first tile, and that of tiles. */
    private final int[] firstTiles;
    private final LongAdder bytesRead = new LongAdder();

    PartTiles(List<Part> parts) {
        this.parts = parts;
        this.length = parts.stream().mapToLong(PartTiles::elements).sum();
        this.size = length <= LARGEST ? LARGEST : (int) Math.min(LARGEST, Long.highestOneBit(length / FEWEST));
        this.firstTiles = new int[parts.size() + 1];
        for (int p = 0; p < parts.size(); p++) {
            firstTiles[p + 1] = Math.toIntExact(firstTiles[p] + (elements(parts.get(p)) + size - 1) / size);
        }
    }

    private static long elements(Part part) {
        return part.models().getFirst().elements();
    }

    /** Elements of all parts. */
    long length() {
        return length;
    }

    /** Elements of the largest tile. */
    int size() {
        return size;
    }

    int count() {
        return firstTiles[parts.size()];
    }

    /** Bytes asked for so far. */
    long bytesRead() {
        return bytesRead.sum();
    }

    /** A range of elements in one part. */
    record Range(int part, long from, int count) {}

    Range tile(int number) {
        int part = Arrays.binarySearch(firstTiles, number);
        part = part < 0 ? -part - 2 : part;
        while (firstTiles[part + 1] == number) {
            part++; // no tile is of a part without elements
        }
        long from = (long) (number - firstTiles[part]) * size;
        return new Range(part, from, (int) Math.min(size, elements(parts.get(part)) - from));
    }

    /** A range of some elements at most that begins with an element of all, or as near to it as its part allows. */
    Range run(long first, int most) {
        int part = 0;
        long from = first;
        while (from >= elements(parts.get(part))) {
            from -= elements(parts.get(part++));
        }
        long length = elements(parts.get(part));
        return new Range(part, Math.max(0, Math.min(from, length - most)), (int) Math.min(most, length));
    }

    /** The base model's part of a range, or null. */
    Tensor base(Range range) {
        TensorSource base = parts.get(range.part).base();
        return base == null ? null : read(base, range);
    }

    Tensor model(Range range, int model) {
        return read(parts.get(range.part).models().get(model), range);
    }

    /** Counts what somebody else reads: all tensors of a range. */
    void readElsewhere(Range range) {
        Part part = parts.get(range.part);
        bytesRead.add(part.base() == null ? 0 : part.base().bytesOf(range.count));
        part.models().forEach(x -> bytesRead.add(x.bytesOf(range.count)));
    }

    private Tensor read(TensorSource source, Range range) {
        bytesRead.add(source.bytesOf(range.count));
        return source.slice(range.from, range.count);
    }
}
