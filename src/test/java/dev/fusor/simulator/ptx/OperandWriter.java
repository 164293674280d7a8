package dev.fusor.simulator.ptx;

import java.math.BigInteger;
import java.util.Map;
import java.util.StringJoiner;

/** Operands of one instruction as C++ expressions, checked against what the row of the tables wants. */
final class OperandWriter {
    private final Statement.Instruction instruction;
    private final Scope scope;
    private final Map<String, String> chosen;

    OperandWriter(Statement.Instruction instruction, Scope scope, Map<String, String> chosen) {
        this.instruction = instruction;
        this.scope = scope;
        this.chosen = chosen;
    }

    String source(OperandSpec spec, Operand operand) {
        if (spec.address()) {
            return address(spec, (Operand.Address) operand);
        }
        if (spec.type().equals("imm")) {
            return ((Operand.Whole) operand).value().toString();
        }
        String type = spec.typeFor(chosen);
        if (operand instanceof Operand.Vector vector) {
            String carrier = Types.carrier(Types.bits(type));
            StringJoiner elements = new StringJoiner(", ",
                    "std::array<%s, %d>{".formatted(carrier, vector.elements().size()), "}");
            vector.elements().forEach(element -> elements.add(value(element, type, spec.wider(), false)));
            return elements.toString();
        }
        boolean single = "1".equals(spec.lanes());
        String value = value(operand, type, spec.wider(), instruction.opcode().equals("mov"));
        return single ? "std::array<%s, 1>{%s}".formatted(Types.carrier(Types.bits(type)), value) : value;
    }

    /** The C++ name of a register that may take a value of this type; null for the destination that drops it. */
    Symbol destination(OperandSpec spec, Operand operand) {
        if (operand instanceof Operand.Sink) {
            return null;
        }
        if (!(operand instanceof Operand.Name name) || name.offset() != 0) {
            throw instruction.refuse("the destination is no register");
        }
        Symbol symbol = scope.find(name.text());
        if (symbol == null || !symbol.isRegister()) {
            throw instruction.refuse("'%s' is no register to write to".formatted(name.text()));
        }
        checkWidth(name.text(), symbol, spec.typeFor(chosen), spec.wider());
        return symbol;
    }

    private String value(Operand operand, String type, boolean wider, boolean addresses) {
        return switch (operand) {
            case Operand.Name name -> named(name, type, wider, addresses);
            case Operand.Whole whole -> constant(whole.value(), type);
            case Operand.Real real -> constant(real, type);
            case Operand.Not not -> "!" + value(not.predicate(), "pred", false, false);
            default -> throw instruction.refuse("an operand is neither a register nor a number");
        };
    }

    private String named(Operand.Name name, String type, boolean wider, boolean addresses) {
        Symbol special = SpecialRegisters.find(name.text());
        Symbol symbol = special != null ? special : scope.find(name.text());
        if (symbol == null) {
            throw instruction.refuse("'%s' is not declared, or not supported".formatted(name.text()));
        }
        int bits = Types.bits(type);
        if (!symbol.isRegister()) {
            if (!addresses || bits < 32) {
                throw instruction.refuse("the address of '%s' cannot be this operand".formatted(name.text()));
            }
            String number = symbol.space().equals("param")
                    ? "hostAddress(%s)".formatted(symbol.expression())
                    : symbol.expression();
            return "static_cast<%s>(%s)".formatted(Types.carrier(bits), plus(number, name.offset()));
        }
        if (name.offset() != 0) {
            throw instruction.refuse("'%s' has an offset and is no variable".formatted(name.text()));
        }
        boolean moved = special != null && instruction.opcode().equals("mov") && symbol.bits() < bits;
        checkWidth(name.text(), symbol, type, wider || moved);
        return symbol.bits() == bits
                ? symbol.expression()
                : "static_cast<%s>(%s)".formatted(Types.carrier(bits), symbol.expression());
    }

    private void checkWidth(String name, Symbol symbol, String type, boolean wider) {
        int bits = Types.bits(type);
        boolean fits = symbol.bits() == bits || wider && symbol.bits() > bits
                || symbol.bits() == 32 && name.startsWith("%")
                        && SpecialRegisters.find(name) != null;
        if (!fits || bits == 1 != (symbol.bits() == 1)) {
            throw instruction.refuse("register '%s' of %d bits cannot hold .%s".formatted(name, symbol.bits(), type));
        }
    }

    private String constant(BigInteger value, String type) {
        int bits = Types.bits(type);
        if (bits == 1) {
            return value.signum() != 0 ? "true" : "false";
        }
        if (type.startsWith("f") || type.startsWith("bf")) {
            throw instruction.refuse("a whole number is no operand of type .%s".formatted(type));
        }
        if (value.bitLength() > bits) {
            throw instruction.refuse("%s does not fit .%s".formatted(value, type));
        }
        BigInteger low = value.and(BigInteger.ONE.shiftLeft(bits).subtract(BigInteger.ONE));
        if (low.bitLength() > 64) {
            throw instruction.refuse("a constant has at most 64 bits");
        }
        String digits = "0x" + low.toString(16);
        return switch (bits) {
            case 32 -> digits + "u";
            case 64 -> digits + "ull";
            default -> "static_cast<%s>(%s)".formatted(Types.carrier(bits), digits + (bits == 128 ? "ull" : "u"));
        };
    }

    private String constant(Operand.Real real, String type) {
        int bits = Types.bits(type);
        double value = real.single() ? Float.intBitsToFloat((int) real.bits()) : Double.longBitsToDouble(real.bits());
        if (bits == 32 && !type.endsWith("x2") && type.matches("f32|b32")) {
            long single = real.single() ? real.bits() : Integer.toUnsignedLong(Float.floatToRawIntBits((float) value));
            return "0x%xu".formatted(single);
        }
        if (bits == 64 && type.matches("f64|b64")) {
            return "0x%xull".formatted(real.single() ? Double.doubleToRawLongBits(value) : real.bits());
        }
        throw instruction.refuse("a float is no operand of type .%s".formatted(type));
    }

    private String address(OperandSpec spec, Operand.Address address) {
        String kind = spec.type() == null ? "" : spec.type();
        if (kind.equals("param")) {
            return parameter(address);
        }
        String number = number(address, kind);
        boolean generic = kind.equals("generic") && chosen.get("space") == null;
        if (generic) {
            return "sharedAddress(thread, %s, $site)".formatted(number);
        }
        return kind.isEmpty() ? number : "static_cast<u32>(%s)".formatted(number);
    }

    private String number(Operand.Address address, String kind) {
        if (address.base() instanceof Operand.Whole whole) {
            return constant(whole.value(), "b64");
        }
        if (!(address.base() instanceof Operand.Name name)) {
            throw instruction.refuse("an address starts at a register or a variable");
        }
        Symbol symbol = scope.find(name.text());
        if (symbol == null) {
            throw instruction.refuse("'%s' is not declared".formatted(name.text()));
        }
        if (symbol.isRegister()) {
            if (symbol.bits() < 32 || symbol.bits() > 64) {
                throw instruction.refuse("register '%s' is no address".formatted(name.text()));
            }
            return plus(symbol.expression(), address.offset());
        }
        checkSpace(name.text(), symbol, kind);
        return plus(symbol.expression(), address.offset());
    }

    /** A variable may be named only in instructions of its own space. */
    private void checkSpace(String name, Symbol symbol, String kind) {
        String space = kind.equals("shared") || kind.equals("generic") ? "shared" : chosen.get("space");
        boolean fits = space == null
                ? instruction.modifiers().contains(symbol.space())
                : space.startsWith(symbol.space());
        if (!fits) {
            throw instruction.refuse(
                    "'%s' is in .%s, which this instruction does not access by name".formatted(name, symbol.space()));
        }
    }

    private String parameter(Operand.Address address) {
        if (!(address.base() instanceof Operand.Name name) || scope.find(name.text()) == null) {
            throw instruction.refuse("the parameter is not declared");
        }
        Symbol symbol = scope.find(name.text());
        if (symbol.isRegister()) {
            return "hostPointer(%s)".formatted(plus(symbol.expression(), address.offset()));
        }
        if (!symbol.space().equals("param")) {
            throw instruction.refuse("'%s' is no parameter".formatted(name.text()));
        }
        String type = chosen.get("t");
        int lanes = chosen.get("n") == null ? 1 : Integer.parseInt(chosen.get("n").substring(1));
        long end = address.offset() + (long) Types.bits(type) / 8 * lanes;
        if (address.offset() < 0 || end > symbol.bytes()) {
            throw instruction
                    .refuse("bytes %d to %d are outside parameter '%s' of %d bytes".formatted(address.offset(), end,
                            name.text(), symbol.bytes()));
        }
        return address.offset() == 0 ? symbol.expression() : "%s + %d".formatted(symbol.expression(), address.offset());
    }

    private static String plus(String expression, long offset) {
        if (offset == 0) {
            return expression;
        }
        return offset > 0 ? "%s + %du".formatted(expression, offset) : "%s - %du".formatted(expression, -offset);
    }
}
