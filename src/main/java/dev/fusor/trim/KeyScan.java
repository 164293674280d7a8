package dev.fusor.trim;

import dev.fusor.simd.Convert;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Scratch;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;

import static dev.fusor.simd.Scratch.ELEMENTS;

/** Looks at the magnitude keys of one range of a task vector. */
final class KeyScan {
    private static final Specialised<Form, Loop> TEMPLATE = new Specialised<>(MethodHandles.lookup(), "KeyScanLanes",
            Loop.class);

    private KeyScan() {}

    /**
     * What is constant in a loop.
     *
     * @param type of x and base
     * @param base whether there is one
     * @param gather whether the keys of the bracket are wanted, or only their number
     */
    record Form(DType type, boolean base, boolean gather) {}

    /** One specialised loop. */
    interface Loop {
        /**
         * Counts the keys above {@code high} and appends those from {@code low} to {@code high} to {@code found}.
         *
         * @return the number above in the upper, the number appended in the lower 32 bits
         */
        long scan(MemorySegment x, long at, MemorySegment base, long baseAt, int count, int low, int high, int[] found,
                int foundCount);
    }

    /** Counts of a range: packed as {@link Loop#scan} returns them. */
    static int above(long counts) {
        return (int) (counts >>> 32);
    }

    static int inside(long counts) {
        return (int) counts;
    }

    /**
     * Counts the keys above {@code high}, and counts or gathers those from {@code low} to {@code high}.
     *
     * @param base null for none
     * @param found receives the keys of the bracket, with room for the range and a vector more; null to count only
     */
    static long scan(Tensor base, Tensor x, int low, int high, int[] found) {
        int length = (int) x.elements();
        boolean vectors = Specialised.available() && Lanes.supports(x.dtype())
                && (base == null || Lanes.supports(base.dtype()));
        int whole = vectors ? length - length % Lanes.LENGTH : 0;
        long counts = 0;
        if (whole > 0) {
            boolean direct = (x.dtype() == DType.BF16 || x.dtype() == DType.F32)
                    && (base == null || base.dtype() == x.dtype());
            Loop loop = TEMPLATE.of(new Form(direct ? x.dtype() : DType.F32, base != null, found != null));
            int block = direct ? whole : ELEMENTS;
            for (int i = 0; i < whole; i += block) {
                int n = Math.min(block, whole - i);
                MemorySegment model = direct ? x.data() : widened(x, i, n, 0);
                MemorySegment from = base == null ? null : direct ? base.data() : widened(base, i, n, 1);
                long at = direct ? x.dtype().byteSize(i) : 0;
                counts += loop.scan(model, at, from, at, n, low, high, found, inside(counts));
            }
        }
        return counts + scanPlain(base, x, whole, length - whole, low, high, found, inside(counts));
    }

    private static MemorySegment widened(Tensor tensor, int from, int count, int buffer) {
        MemorySegment to = Scratch.mine().buffer(buffer);
        Convert.widen(tensor, from, to, count);
        return to;
    }

    private static long scanPlain(Tensor base, Tensor x, int from, int count, int low, int high, int[] found,
            int foundBefore) {
        float[] delta = Scratch.mine().floats(0);
        int above = 0;
        int inside = 0;
        for (int i = 0; i < count; i += ELEMENTS) {
            int n = Math.min(ELEMENTS, count - i);
            TaskVector.load(base, x, from + i, delta, n);
            for (int j = 0; j < n; j++) {
                int key = MagnitudeCut.keyOf(delta[j]);
                if (key > high) {
                    above++;
                } else if (key >= low) {
                    if (found != null) {
                        found[foundBefore + inside] = key;
                    }
                    inside++;
                }
            }
        }
        return (long) above << 32 | inside;
    }
}
