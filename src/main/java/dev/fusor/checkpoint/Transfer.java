package dev.fusor.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** What reading and writing demand of the caller's memory. */
final class Transfer {
    /** Bounds one system call, and with it the size of a byte buffer. */
    static final long MAX_BYTES = 1L << 30;

    private Transfer() {}

    /** A channel copies heap memory through a native buffer as large as the transfer, which it keeps per thread. */
    static void check(MemorySegment memory, long fromByte, long tensorBytes) {
        Objects.checkFromIndexSize(fromByte, memory.byteSize(), tensorBytes);
        if (!memory.isNative()) {
            throw new IllegalArgumentException("wanted off-heap memory, got a segment on the heap");
        }
    }
}
