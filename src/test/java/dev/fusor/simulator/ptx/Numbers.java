package dev.fusor.simulator.ptx;

import java.math.BigInteger;

/** The literals of PTX. */
final class Numbers {
    private Numbers() {}

    /** Null where the text is no integer. */
    static BigInteger whole(String text) {
        String digits = text.endsWith("U") ? text.substring(0, text.length() - 1) : text;
        try {
            if (digits.startsWith("0x") || digits.startsWith("0X")) {
                return new BigInteger(digits.substring(2), 16);
            }
            if (digits.startsWith("0b") || digits.startsWith("0B")) {
                return new BigInteger(digits.substring(2), 2);
            }
            boolean octal = digits.length() > 1 && digits.startsWith("0");
            return new BigInteger(digits, octal ? 8 : 10);
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /** Null where the text is no float. */
    static Operand.Real real(String text) {
        try {
            if (text.matches("0[fF][0-9a-fA-F]{8}")) {
                return new Operand.Real(true, Long.parseUnsignedLong(text.substring(2), 16));
            }
            if (text.matches("0[dD][0-9a-fA-F]{16}")) {
                return new Operand.Real(false, Long.parseUnsignedLong(text.substring(2), 16));
            }
            if (text.matches("[0-9]+(\\.[0-9]*)?([eE][-+]?[0-9]+)?")) {
                return new Operand.Real(false, Double.doubleToRawLongBits(Double.parseDouble(text)));
            }
            return null;
        } catch (NumberFormatException e) {
            return null;
        }
    }
}
