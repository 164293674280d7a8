package dev.fusor.simulator.ptx;

import java.math.BigInteger;

/** What a cell holds after an atomic, by the manual. */
final class AtomicDefinitions {
    private AtomicDefinitions() {}

    static Outcome updated(MemoryForm form, long old, long a, long b) {
        String type = form.type();
        int bits = Types.bits(type);
        if (type.contains("f")) {
            return sum(form, type, old, a);
        }
        boolean signed = type.startsWith("s");
        BigInteger x = number(old, bits, signed);
        BigInteger y = number(a, bits, signed);
        BigInteger result = switch (operation(form)) {
            case "and" -> x.and(y);
            case "or" -> x.or(y);
            case "xor" -> x.xor(y);
            case "exch" -> y;
            case "add" -> x.add(y);
            case "min" -> x.min(y);
            case "max" -> x.max(y);
            case "inc" -> x.compareTo(y) >= 0 ? BigInteger.ZERO : x.add(BigInteger.ONE);
            case "dec" -> x.signum() == 0 || x.compareTo(y) > 0 ? y : x.subtract(BigInteger.ONE);
            default -> x.equals(y) ? number(b, bits, false) : x;
        };
        return Outcome.exactly(result.longValue(), bits);
    }

    private static String operation(MemoryForm form) {
        return form.modifiers().stream()
                .filter("and or xor exch add min max inc dec cas"::contains).findFirst().orElseThrow();
    }

    private static BigInteger number(long value, int bits, boolean signed) {
        long extended = bits == 64 ? value : signed ? value << 64 - bits >> 64 - bits : value & (1L << bits) - 1;
        return signed ? BigInteger.valueOf(extended) : IntegerDefinitions.unsigned(extended);
    }

    /** Rounded to nearest even. The manual: in global memory f32 flushes subnormal numbers, in shared memory it does not. */
    private static Outcome sum(MemoryForm form, String type, long old, long a) {
        BinaryFormat format = BinaryFormat.of(type);
        boolean flushes = type.equals("f32") && !form.space().equals("shared");
        long result = 0;
        for (int shift = 0; shift < Types.bits(type); shift += format.bits()) {
            long x = Floats.flush(old >>> shift & format.mask(), format, flushes);
            long y = Floats.flush(a >>> shift & format.mask(), format, flushes);
            result |= Floats.flush(Floats.add(x, y, format, "rn"), format, flushes) << shift;
        }
        return Types.bits(type) == format.bits()
                ? Outcome.number(result, format)
                : Outcome.exactly(result, Types.bits(type));
    }
}
