package dev.fusor.simd;

import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;

/** Template: elements of one type to another. */
final class ConvertLanes implements Convert.Loop {
    private static final Convert.Types TYPES = Specialised.constants(MethodHandles.lookup(), Convert.Types.class);
    private static final DType FROM = TYPES.from();
    private static final DType TO = TYPES.to();

    ConvertLanes() {}

    @Override
    public void run(MemorySegment from, long fromByte, MemorySegment to, long toByte, long count) {
        for (long i = 0; i < count; i += Lanes.LENGTH) {
            Lanes.store(TO, Lanes.load(FROM, from, fromByte + i * (FROM.bits() / 8)), to,
                    toByte + i * (TO.bits() / 8));
        }
    }
}
