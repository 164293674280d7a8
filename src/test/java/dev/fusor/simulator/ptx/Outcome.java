package dev.fusor.simulator.ptx;

/** What a destination has to hold. */
interface Outcome {
    boolean accepts(long bits);

    static Outcome exactly(long wanted, int width) {
        long mask = width == 64 ? -1L : (1L << width) - 1;
        return new Outcome() {
            @Override
            public boolean accepts(long bits) {
                return bits == (wanted & mask);
            }

            @Override
            public String toString() {
                return "0x%x".formatted(wanted & mask);
            }
        };
    }

    static Outcome truth(boolean wanted) {
        return exactly(wanted ? 1 : 0, 1);
    }

    /** The bits, but any NaN for a NaN of 64 bits: the manual does not say which. */
    static Outcome number(long wanted, BinaryFormat format) {
        if (format == BinaryFormat.F64 && format.isNan(wanted)) {
            return format::isNan;
        }
        return exactly(wanted, format.bits());
    }

    /** Within a relative or an absolute error of the true value, whichever is larger; the sign of a zero and NaN exactly. */
    static Outcome near(double wanted, double relative, double absolute, BinaryFormat format) {
        return new Outcome() {
            @Override
            public boolean accepts(long bits) {
                if (Double.isNaN(wanted)) {
                    return format == BinaryFormat.F64 ? format.isNan(bits) : bits == format.nan();
                }
                double got = Floats.toDouble(bits, format);
                return got == wanted || Math.abs(got - wanted) <= Math.max(absolute, Math.abs(wanted) * relative);
            }

            @Override
            public String toString() {
                return "about " + wanted;
            }
        };
    }
}
