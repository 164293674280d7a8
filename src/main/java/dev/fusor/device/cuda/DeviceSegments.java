package dev.fusor.device.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * Device memory as segments that no thread of the JVM may touch (docs/adr/030).
 *
 * <p>They have an address, a size and slices like any segment, but belong to the arena of a thread that has ended: reading
 * one on the host is a {@link WrongThreadException}, not a crash.
 */
final class DeviceSegments {
    private static final MemorySegment EVERYTHING = ofAnEndedThread();

    private DeviceSegments() {}

    /** A class of its own: the outer one is not initialised before the thread has ended. */
    private static final class AllMemory implements Callable<MemorySegment> {
        @Override
        public MemorySegment call() {
            return MemorySegment.NULL.reinterpret(Long.MAX_VALUE, Arena.ofConfined(), null);
        }
    }

    private static MemorySegment ofAnEndedThread() {
        FutureTask<MemorySegment> task = new FutureTask<>(new AllMemory());
        Thread.ofPlatform().name("fusor-device-memory").start(task);
        try {
            return task.get();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException("no segment for device memory", e);
        }
    }

    static MemorySegment of(long address, long bytes) {
        return EVERYTHING.asSlice(address, bytes);
    }

    static boolean isDevice(MemorySegment segment) {
        return segment.scope().equals(EVERYTHING.scope());
    }
}
