package dev.fusor.simulator;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** What tests ask of the simulated CUDA driver beside its API: the functions of {@code native/simulator/driver/control.h}. */
public final class Simulator {
    /** The order in which the threads of a block take turns. */
    public enum ThreadOrder {
        ASCENDING, DESCENDING, RANDOM
    }

    private static final SymbolLookup LIBRARY = SymbolLookup.libraryLookup("libcuda.so.1", Arena.global());

    private Simulator() {}

    /**
     * {@return whether the CUDA driver of this process is the simulated one}
     */
    public static boolean isLoaded() {
        return LIBRARY.find("fusor_sim_reset").isPresent();
    }

    /** Back to a fresh process: contexts, allocations, faults and counts are forgotten; settings stay. */
    public static void reset() {
        call("fusor_sim_reset", FunctionDescriptor.ofVoid());
    }

    /**
     * Sets the devices that the next reset brings.
     *
     * @param architecture such as sm_90
     * @param count how many
     */
    public static void devices(String architecture, int count) {
        try (Arena arena = Arena.ofConfined()) {
            Object result = call("fusor_sim_devices", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT),
                    arena.allocateFrom(architecture), count);
            if (!result.equals(0)) {
                throw new IllegalArgumentException("no devices such as " + count + " of " + architecture);
            }
        }
    }

    /**
     * Sets how much memory each device has.
     *
     * @param bytes of each
     */
    public static void capacity(long bytes) {
        call("fusor_sim_capacity", FunctionDescriptor.ofVoid(JAVA_LONG), bytes);
    }

    /**
     * Sets where translated modules are found.
     *
     * @param folder of shared objects named by the SHA-256 of their PTX
     */
    public static void modules(Path folder) {
        try (Arena arena = Arena.ofConfined()) {
            call("fusor_sim_modules", FunctionDescriptor.ofVoid(ADDRESS), arena.allocateFrom(folder.toString()));
        }
    }

    /**
     * Sets how threads and streams take turns.
     *
     * @param order of the threads of a block
     * @param seed of everything drawn
     * @param workers threads of the operating system that run blocks
     * @param activeMaskIsOwnLane whether activemask names the lane alone that asks
     */
    public static void schedule(ThreadOrder order, long seed, int workers, boolean activeMaskIsOwnLane) {
        call("fusor_sim_schedule", FunctionDescriptor.ofVoid(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT), order.ordinal(),
                seed, workers, activeMaskIsOwnLane ? 1 : 0);
    }

    /**
     * Lets a call fail.
     *
     * @param function its name, with the version that cuda.h gives it
     * @param nth which call from now, 1 for the next
     * @param error what it returns
     */
    public static void fault(String function, long nth, int error) {
        try (Arena arena = Arena.ofConfined()) {
            call("fusor_sim_fault", FunctionDescriptor.ofVoid(ADDRESS, JAVA_LONG, JAVA_INT),
                    arena.allocateFrom(function), nth, error);
        }
    }

    /**
     * {@return how often a function was called since the last reset}
     *
     * @param function its name, with the version that cuda.h gives it
     */
    public static long calls(String function) {
        try (Arena arena = Arena.ofConfined()) {
            return (long) call("fusor_sim_calls", FunctionDescriptor.of(JAVA_LONG, ADDRESS),
                    arena.allocateFrom(function));
        }
    }

    /** {@return the last fault of a kernel, or why a module was refused; empty where there was none} */
    public static String report() {
        return text("fusor_sim_report");
    }

    /** {@return everything that is not freed yet, one line each} */
    public static String ledger() {
        return text("fusor_sim_ledger");
    }

    /** {@return how many lines the ledger has} */
    public static long live() {
        return (long) call("fusor_sim_live", FunctionDescriptor.of(JAVA_LONG));
    }

    /**
     * Writes launches to files from now on, once for each kernel and shape.
     *
     * @param folder where, or null to end it
     * @param threads of the largest launch that is written
     */
    public static void record(Path folder, long threads) {
        try (Arena arena = Arena.ofConfined()) {
            call("fusor_sim_record", FunctionDescriptor.ofVoid(ADDRESS, JAVA_LONG),
                    folder == null ? MemorySegment.NULL : arena.allocateFrom(folder.toString()), threads);
        }
    }

    private static String text(String function) {
        FunctionDescriptor type = FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_LONG);
        try (Arena arena = Arena.ofConfined()) {
            long length = (long) call(function, type, MemorySegment.NULL, 0L);
            MemorySegment buffer = arena.allocate(length + 1);
            call(function, type, buffer, length + 1);
            return buffer.getString(0);
        }
    }

    private static Object call(String function, FunctionDescriptor type, Object... arguments) {
        MethodHandle handle = Linker.nativeLinker().downcallHandle(LIBRARY.find(function).orElseThrow(), type);
        try {
            return handle.invokeWithArguments(arguments);
        } catch (Throwable e) { // what a method handle may throw; these functions throw nothing
            throw new IllegalStateException(function + " cannot be called", e);
        }
    }
}
