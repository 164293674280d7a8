package dev.fusor.device.cuda;

import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * The tables by which blocks find what they have to do: tiles, which say which elements of which item (tiles.cuh), the first of an
 * item so short that vectors of 16 bytes of input can begin after it, and behind them the addresses of each item's tensors.
 */
public final class CudaTiles {
    /** Bytes of one tile in a table. */
    public static final int BYTES = 16;

    private static final int ELEMENTS = 1 << 15;
    private static final int VECTOR_BYTES = 16;

    /**
     * Tensors that are gone through together, in device memory, of as many elements.
     *
     * @param models inputs, of one type
     * @param base one more, of the same type, or null for none, whose address is 0 then
     * @param outputs at least one, of one type
     */
    public record Item(List<Tensor> models, Tensor base, List<Tensor> outputs) {
        private List<Tensor> inputs() {
            return Stream.concat(models.stream(), Stream.ofNullable(base)).toList();
        }

        /** Cuts them into tiles, written from a place of a table on, or counted if it is null; {@return how many there are} */
        private long cut(MemorySegment table, long first, int number) {
            long count = 0;
            long end = outputs.getFirst().elements();
            int head = beforeAligned(inputs(), outputs);
            for (long from = 0; from < end; count++) {
                long to = Math.min(end, from == 0 && head > 0 ? head : from + ELEMENTS);
                if (table != null) {
                    long at = (first + count) * BYTES;
                    table.set(JAVA_LONG, at, from);
                    table.set(JAVA_INT, at + 8, (int) (to - from));
                    table.set(JAVA_INT, at + 12, number);
                }
                from = to;
            }
            return count;
        }

        private LongStream addresses() {
            return Stream.of(models, Collections.singletonList(base), outputs).flatMap(List::stream)
                    .mapToLong(tensor -> tensor == null ? 0 : tensor.data().address());
        }
    }

    private final List<Item> items;
    private final long count;

    /**
     * Counts the tiles.
     *
     * @param items of one launch, at least one, all with as many models and outputs
     */
    public CudaTiles(List<Item> items) {
        this.items = List.copyOf(items);
        this.count = items.stream().mapToLong(item -> item.cut(null, 0, 0)).sum();
    }

    /** {@return how many tiles there are} */
    public long count() {
        return count;
    }

    /** {@return bytes before the addresses} */
    public long addressesAt() {
        return count * BYTES;
    }

    /** {@return bytes of both tables} */
    public long bytes() {
        Item first = items.getFirst();
        return addressesAt() + items.size() * (first.models().size() + 1L + first.outputs().size()) * Long.BYTES;
    }

    /**
     * Writes both tables.
     *
     * @param table receives {@link #bytes()}
     */
    public void write(MemorySegment table) {
        long tile = 0;
        for (int i = 0; i < items.size(); i++) {
            tile += items.get(i).cut(table, tile, i);
        }
        long[] addresses = items.stream().flatMapToLong(Item::addresses).toArray();
        MemorySegment.copy(addresses, 0, table, JAVA_LONG, addressesAt(), addresses.length);
    }

    /** Elements before the first at which all addresses allow vectors; 0 if there is none. */
    private static int beforeAligned(List<Tensor> inputs, List<Tensor> outputs) {
        long inputBytes = inputs.getFirst().dtype().byteSize(1);
        long outputBytes = outputs.getFirst().dtype().byteSize(1);
        int vector = (int) (VECTOR_BYTES / inputBytes);
        long stored = Math.min(VECTOR_BYTES, vector * outputBytes);
        for (int i = 0; i < vector; i++) {
            long element = i;
            if (inputs.stream().allMatch(x -> (x.data().address() + element * inputBytes) % VECTOR_BYTES == 0)
                    && outputs.stream().allMatch(out -> (out.data().address() + element * outputBytes) % stored == 0)) {
                return i;
            }
        }
        return 0;
    }
}
