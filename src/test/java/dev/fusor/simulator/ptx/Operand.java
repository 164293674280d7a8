package dev.fusor.simulator.ptx;

import java.math.BigInteger;
import java.util.List;

/** What stands after an opcode. */
sealed interface Operand {
    /** A register, variable, parameter, function or label; the offset is not zero only for the address of a variable. */
    record Name(String text, long offset) implements Operand {}

    record Whole(BigInteger value) implements Operand {}

    /** A float: the bits of {@code 0f...}, or a decimal or {@code 0d...} as the bits of a double. */
    record Real(boolean single, long bits) implements Operand {}

    record Vector(List<Operand> elements) implements Operand {}

    /** {@code [base+offset]}; a base that is a number is an absolute address. */
    record Address(Operand base, long offset) implements Operand {}

    record Not(Operand predicate) implements Operand {}

    /** Two destinations: {@code p|q}. */
    record Pair(Operand first, Operand second) implements Operand {}

    /** The arguments or results of a call. */
    record Arguments(List<String> names) implements Operand {}

    /** The destination {@code _}, which drops the value. */
    record Sink() implements Operand {}
}
