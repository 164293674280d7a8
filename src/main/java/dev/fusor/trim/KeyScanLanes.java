package dev.fusor.trim;

import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Template: counts and gathers magnitude keys. */
final class KeyScanLanes implements KeyScan.Loop {
    private static final KeyScan.Form FORM = Specialised.constants(MethodHandles.lookup(), KeyScan.Form.class);
    private static final DType TYPE = FORM.type();
    private static final boolean BASE = FORM.base();
    private static final boolean GATHER = FORM.gather();
    private static final long BYTES = TYPE.bits() / 8;

    KeyScanLanes() {}

    @Override
    public long scan(MemorySegment x, long at, MemorySegment base, long baseAt, int count, int low, int high,
            int[] found, int foundCount) {
        int most = high < MagnitudeCut.NAN_KEY ? high : Integer.MAX_VALUE; // NaNs have their payloads here
        IntVector above = IntVector.zero(Lanes.INT);
        IntVector fromLow = IntVector.zero(Lanes.INT);
        int position = foundCount;
        for (int i = 0; i < count; i += Lanes.LENGTH) {
            FloatVector delta = Lanes.load(TYPE, x, at + i * BYTES);
            if (BASE) {
                delta = delta.sub(Lanes.load(TYPE, base, baseAt + i * BYTES));
            }
            IntVector keys = delta.reinterpretAsInts().and(Integer.MAX_VALUE);
            VectorMask<Integer> over = keys.compare(VectorOperators.GT, most);
            VectorMask<Integer> least = keys.compare(VectorOperators.GE, low);
            above = above.add(1, over);
            if (GATHER) {
                VectorMask<Integer> in = least.andNot(over);
                keys.min(MagnitudeCut.NAN_KEY).compress(in).intoArray(found, position);
                position += in.trueCount();
            } else {
                fromLow = fromLow.add(1, least);
            }
        }
        int over = above.reduceLanes(VectorOperators.ADD);
        int inside = GATHER ? position - foundCount : fromLow.reduceLanes(VectorOperators.ADD) - over;
        return (long) over << 32 | inside;
    }
}
