package dev.fusor.reduce;

import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.FloatFormat;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.VectorOperators;

/** Template: counts codes that are not finite. */
final class NonFiniteLanes implements NonFinite.NonFiniteLoop {
    private static final DType TYPE = Specialised.constants(MethodHandles.lookup(), Form.class).type();
    private static final int BYTES = TYPE.bits() / 8;
    private static final int MAGNITUDE = TYPE == DType.F32 ? 0x7FFFFFFF : FloatFormat.of(TYPE).magnitudeMask();
    private static final int SPECIAL = TYPE == DType.F32 ? 0x7F800000 : FloatFormat.of(TYPE).special();

    NonFiniteLanes() {}

    @Override
    public long count(MemorySegment data, long at, int count) {
        long found = 0;
        for (int i = 0; i < count; i += Lanes.LENGTH) {
            found += Lanes.codes(TYPE, data, at + (long) i * BYTES).and(MAGNITUDE)
                    .compare(VectorOperators.GE, SPECIAL).trueCount();
        }
        return found;
    }
}
