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
        int fromLow = 0;
        int above = 0;
        int position = foundCount;
        for (int i = 0; i < count; i += Lanes.LENGTH) {
            FloatVector delta = Lanes.load(TYPE, x, at + i * BYTES);
            if (BASE) {
                delta = delta.sub(Lanes.load(TYPE, base, baseAt + i * BYTES));
            }
            IntVector keys = delta.reinterpretAsInts().and(0x7FFFFFFF).min(MagnitudeCut.NAN_KEY);
            VectorMask<Integer> over = keys.compare(VectorOperators.GT, high);
            VectorMask<Integer> in = keys.compare(VectorOperators.GE, low).andNot(over);
            above += over.trueCount();
            if (GATHER) {
                keys.compress(in).intoArray(found, position);
                position += in.trueCount();
            } else {
                fromLow += in.trueCount();
            }
        }
        return (long) above << 32 | (GATHER ? position - foundCount : fromLow);
    }
}
