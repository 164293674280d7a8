package dev.fusor.simulator.ptx;

import java.util.Map;

/** The fundamental types of PTX and their sizes. */
final class Types {
    private static final Map<String, Integer> BITS = Map.ofEntries(Map.entry("pred", 1), Map.entry("b8", 8),
            Map.entry("u8", 8),
            Map.entry("s8", 8), Map.entry("b16", 16), Map.entry("u16", 16), Map.entry("s16", 16), Map.entry("f16", 16),
            Map.entry("bf16", 16), Map.entry("b32", 32), Map.entry("u32", 32), Map.entry("s32", 32),
            Map.entry("f32", 32),
            Map.entry("f16x2", 32), Map.entry("bf16x2", 32), Map.entry("u16x2", 32), Map.entry("s16x2", 32),
            Map.entry("tf32", 32),
            Map.entry("b64", 64), Map.entry("u64", 64), Map.entry("s64", 64), Map.entry("f64", 64),
            Map.entry("f32x2", 64),
            Map.entry("e4m3x2", 16), Map.entry("e5m2x2", 16), Map.entry("b128", 128));

    private Types() {}

    static boolean isType(String name) {
        return BITS.containsKey(name);
    }

    /** A predicate has one bit. */
    static int bits(String type) {
        return BITS.get(type);
    }

    /** The bits of a value in memory or in a register as C++ holds it. */
    static String carrier(int bits) {
        return bits == 1 ? "bool" : "u" + bits;
    }
}
