package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where the shared arrays of an entry lie. Between any two, and after the last, lies a red zone that nothing may touch, so that an index
 * beyond one array does not land in its neighbour. Arrays of the module and of functions come first and lie the same for all entries.
 */
final class SharedLayout {
    private static final long RED_ZONE = 16;
    private static final long END_ALIGNMENT = 128;

    record Placed(String name, long offset, long bytes) {}

    private final Map<Variable, Placed> placed = new LinkedHashMap<>();
    private long end;
    private long bytes;

    SharedLayout() {}

    SharedLayout(SharedLayout common) {
        placed.putAll(common.placed);
        end = common.end;
        bytes = common.bytes;
    }

    /** The symbol for a variable; an external array is the dynamic shared memory. */
    Symbol place(Variable variable) {
        if (variable.external()) {
            return new Symbol("shared", "thread.dynamicShared", 0, 0);
        }
        if (variable.initial() != null) {
            throw variable.refuse("shared memory has no initial value");
        }
        if (!placed.containsKey(variable)) {
            long alignment = Math.max(1, variable.alignment());
            long start = roundUp(end == 0 ? 0 : end + RED_ZONE, alignment);
            placed.put(variable, new Placed(variable.name(), start, variable.bytes()));
            end = start + variable.bytes();
            bytes = roundUp(bytes, alignment) + variable.bytes();
        }
        return new Symbol("shared", Long.toString(placed.get(variable).offset) + "u", 0, variable.bytes());
    }

    List<Placed> arrays() {
        return new ArrayList<>(placed.values());
    }

    long bytes() {
        return bytes;
    }

    long layoutBytes() {
        return placed.isEmpty() ? 0 : roundUp(end + RED_ZONE, END_ALIGNMENT);
    }

    private static long roundUp(long value, long alignment) {
        return (value + alignment - 1) / alignment * alignment;
    }
}
