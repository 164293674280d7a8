package dev.fusor.simd;

import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;

/** Template: elements of one type to another. */
final class ConvertLanes implements Convert.Loop {
    private static final Convert.Types TYPES = Specialised.constants(MethodHandles.lookup(), Convert.Types.class);
    private static final DType FROM = TYPES.from();
    private static final DType TO = TYPES.to();

    private static final long FROM_BYTES = FROM.bits() / 8;
    private static final long TO_BYTES = TO.bits() / 8;

    ConvertLanes() {}

    @Override
    public void run(MemorySegment from, long fromByte, MemorySegment to, long toByte, int count) {
        for (int i = 0; i < count; i += Lanes.LENGTH) {
            Lanes.store(TO, Lanes.load(FROM, from, fromByte + i * FROM_BYTES), to, toByte + i * TO_BYTES);
        }
    }
}
