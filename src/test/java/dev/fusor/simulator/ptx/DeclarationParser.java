package dev.fusor.simulator.ptx;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** Variables and parameters: space, alignment, type, size and initial value. */
final class DeclarationParser {
    private static final long LARGEST = 1L << 31;

    private final TokenReader in;

    DeclarationParser(TokenReader in) {
        this.in = in;
    }

    /** {@code (.param .b32 a, .reg .b32 b)}; registers as parameters are an older way that nvcc does not write. */
    List<Variable> parameters() {
        List<Variable> parameters = new ArrayList<>();
        in.expect("(");
        while (!in.takeIf(")")) {
            Token first = in.peek();
            if (!in.isNext(".param")) {
                throw in.unexpected("'.param'");
            }
            parameters.add(declare(first, in.take().text(), specification(), false));
            if (!in.isNext(")")) {
                in.expect(",");
            }
        }
        return parameters;
    }

    /** One declaration of one or more variables, with its semicolon. */
    List<Variable> variables(Token first, boolean external) {
        String space = in.take().text();
        Specification specification = specification();
        List<Variable> variables = new ArrayList<>();
        do {
            variables.add(declare(first, space, specification, external));
        } while (in.takeIf(","));
        in.expect(";");
        return variables;
    }

    private record Specification(int alignment, String type, int lanes) {}

    private Specification specification() {
        int alignment = 0;
        int lanes = 1;
        while (true) {
            Token token = in.take();
            String word = token.text().startsWith(".") ? token.text().substring(1) : "";
            switch (word) {
                case "align" -> alignment = in.count("an alignment");
                case "v2" -> lanes = 2;
                case "v4" -> lanes = 4;
                case "ptr" -> pointer();
                case "attribute" -> throw in.refuse("attributes of variables are not supported", token);
                default -> {
                    if (!Types.isType(word) || word.equals("pred")) {
                        throw in.refuse("'%s' is no type of a variable".formatted(token.text()), token);
                    }
                    if (in.isNext(".ptr")) {
                        in.take();
                        pointer();
                    }
                    int size = Types.bits(word) / 8 * lanes;
                    return new Specification(alignment == 0 ? size : alignment, word, lanes);
                }
            }
        }
    }

    /** What a pointer parameter promises about its target: {@code .ptr .global .align 16}. */
    private void pointer() {
        while (in.isNext(Token.Kind.DIRECTIVE)) {
            if (in.take().is(".align")) {
                in.count("an alignment");
            }
        }
    }

    private Variable declare(Token first, String space, Specification specification, boolean external) {
        Token at = in.peek();
        String name = in.word("the name of a variable");
        if (in.isNext("<")) {
            throw in.refuse("ranges of variables are not supported", at);
        }
        long elements = specification.lanes;
        boolean sized = true;
        while (in.takeIf("[")) {
            sized = !in.isNext("]");
            elements *= sized ? in.count("the length of an array") : 0;
            in.expect("]");
        }
        int size = Types.bits(specification.type) / 8;
        boolean initialised = in.takeIf("=");
        List<byte[]> values = new ArrayList<>();
        if (initialised) {
            initialiser(values, specification.type);
        }
        if (!sized && initialised) {
            elements = values.size();
        } else if (!sized && !(external && space.equals(".shared"))) {
            throw in.refuse("array '%s' has no length".formatted(name), at);
        }
        long bytes = elements * size;
        if (bytes < 0 || bytes > LARGEST || (long) values.size() * size > bytes) {
            throw in.refuse("'%s' has %d values for %d bytes".formatted(name, values.size(), bytes), at);
        }
        byte[] initial = initialised ? new byte[(int) bytes] : null;
        for (int i = 0; i < values.size(); i++) {
            System.arraycopy(values.get(i), 0, initial, i * size, size);
        }
        return new Variable(space.substring(1), name, specification.type, specification.alignment, bytes, external,
                initial,
                at.line(), in.textFrom(first));
    }

    private void initialiser(List<byte[]> values, String type) {
        if (!in.takeIf("{")) {
            values.add(value(type));
            return;
        }
        while (!in.takeIf("}")) {
            initialiser(values, type);
            if (!in.isNext("}")) {
                in.expect(",");
            }
        }
    }

    private byte[] value(String type) {
        Token first = in.peek();
        boolean negative = in.takeIf("-");
        if (!in.isNext(Token.Kind.NUMBER)) {
            throw in.refuse("an address as an initial value is not supported", first);
        }
        String text = in.take().text();
        int bytes = Types.bits(type) / 8;
        BigInteger whole = Numbers.whole(text);
        boolean floating = type.equals("f32") || type.equals("f64");
        if (whole != null && !floating) {
            return littleEndian(negative ? whole.negate() : whole, bytes);
        }
        Operand.Real real = Numbers.real(text);
        if (real == null || !floating) {
            throw in.refuse("'%s' is no value of type .%s".formatted(text, type), first);
        }
        double value = real.single() ? Float.intBitsToFloat((int) real.bits()) : Double.longBitsToDouble(real.bits());
        double signed = negative ? -value : value;
        long bits = type.equals("f32") ? Float.floatToRawIntBits((float) signed) : Double.doubleToRawLongBits(signed);
        return littleEndian(BigInteger.valueOf(bits), bytes);
    }

    private static byte[] littleEndian(BigInteger value, int bytes) {
        ByteBuffer buffer = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putLong(value.longValue()).putLong(value.shiftRight(64).longValue());
        byte[] result = new byte[bytes];
        buffer.flip().get(result);
        return result;
    }
}
