package dev.fusor.simulator.ptx;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The body of a function: declarations, labels, inner scopes and instructions. */
final class BodyParser {
    private static final int MOST_REGISTERS = 1 << 20;

    private final TokenReader in;
    private final DeclarationParser declarations;
    private final Map<Place, Place> outermost = new HashMap<>();

    private record Place(int file, int line, int column) {}

    BodyParser(TokenReader in, DeclarationParser declarations) {
        this.in = in;
        this.declarations = declarations;
    }

    List<Statement> block() {
        List<Statement> statements = new ArrayList<>();
        in.expect("{");
        while (!in.takeIf("}")) {
            statement(statements);
        }
        return statements;
    }

    private void statement(List<Statement> statements) {
        Token first = in.peek();
        switch (first.text()) {
            case "{" -> statements.add(new Statement.Block(block()));
            case ";" -> in.take();
            case ".reg" -> statements.addAll(registers());
            case ".local", ".shared", ".param", ".global", ".const" -> declarations.variables(first, false)
                    .forEach(variable -> statements.add(new Statement.Declaration(variable)));
            case ".loc" -> statements.add(location());
            case ".pragma" -> pragma();
            default -> {
                if (first.kind() == Token.Kind.WORD && in.peekAfter().is(":")) {
                    statements.add(label());
                } else {
                    statements.add(instruction());
                }
            }
        }
    }

    private void pragma() {
        in.expect(".pragma");
        do {
            in.take();
        } while (in.takeIf(","));
        in.expect(";");
    }

    private List<Statement> registers() {
        int line = in.expect(".reg").line();
        Token typeToken = in.take();
        String type = typeToken.text().substring(1);
        if (!Types.isType(type)) {
            throw in.refuse("'%s' is no type of a register".formatted(typeToken.text()), typeToken);
        }
        List<String> names = new ArrayList<>();
        do {
            Token at = in.peek();
            String name = in.word("the name of a register");
            if (in.takeIf("<")) {
                int count = in.count("the number of registers");
                in.expect(">");
                if (count > MOST_REGISTERS) {
                    throw in.refuse("%d registers are too many".formatted(count), at);
                }
                for (int i = 0; i < count; i++) {
                    names.add(name + i);
                }
            } else {
                names.add(name);
            }
        } while (in.takeIf(","));
        in.expect(";");
        return List.of(new Statement.Registers(type, names, line));
    }

    /**
     * {@code .loc file line column}, and where code was inlined, the place it was inlined into: that is the line of ours, and
     * the one wanted. It may have been inlined itself; then it stood in an earlier directive.
     */
    private Statement location() {
        Token directive = in.expect(".loc");
        Place place = place();
        Place outer = place;
        while (in.peek().line() == directive.line() && !in.isNext("}")) {
            if (in.take().is("inlined_at")) {
                Place into = place();
                outer = outermost.getOrDefault(into, into);
            }
        }
        outermost.put(place, outer);
        return new Statement.Location(outer.file(), outer.line());
    }

    private Place place() {
        return new Place(in.count("the number of a file"), in.count("a line"), in.count("a column"));
    }

    private Statement label() {
        Token name = in.take();
        in.expect(":");
        if (in.takeIf(".branchtargets")) {
            List<String> labels = new ArrayList<>();
            do {
                labels.add(in.word("a label"));
            } while (in.takeIf(","));
            in.expect(";");
            return new Statement.BranchTargets(name.text(), labels, name.line());
        }
        if (in.isNext(Token.Kind.DIRECTIVE) && List.of(".callprototype", ".calltargets").contains(in.peek().text())) {
            throw in.refuse("indirect calls are not supported", name);
        }
        return new Statement.Label(name.text(), name.line());
    }

    private Statement instruction() {
        Token first = in.peek();
        String guard = null;
        boolean negated = false;
        if (in.takeIf("@")) {
            negated = in.takeIf("!");
            guard = in.word("a predicate");
        }
        List<String> words = Arrays.asList(in.word("an instruction").split("\\."));
        List<Operand> operands = new ArrayList<>();
        while (!in.isNext(";")) {
            if (!operands.isEmpty()) {
                in.expect(",");
            }
            operands.add(operand());
        }
        in.expect(";");
        return new Statement.Instruction(guard, negated, words.get(0), words.subList(1, words.size()), operands,
                first.line(),
                in.textFrom(first));
    }

    private Operand operand() {
        Operand operand = single();
        return in.takeIf("|") ? new Operand.Pair(operand, single()) : operand;
    }

    private Operand single() {
        if (in.takeIf("{")) {
            return new Operand.Vector(list("}"));
        }
        if (in.takeIf("[")) {
            return address();
        }
        if (in.takeIf("(")) {
            List<String> names = new ArrayList<>();
            while (!in.takeIf(")")) {
                names.add(in.word("the name of a parameter"));
                if (!in.isNext(")")) {
                    in.expect(",");
                }
            }
            return new Operand.Arguments(names);
        }
        if (in.takeIf("!")) {
            return new Operand.Not(single());
        }
        return value();
    }

    private List<Operand> list(String end) {
        List<Operand> elements = new ArrayList<>();
        while (!in.takeIf(end)) {
            elements.add(single());
            if (!in.isNext(end)) {
                in.expect(",");
            }
        }
        return elements;
    }

    private Operand address() {
        Operand base = value();
        long offset = 0;
        if (base instanceof Operand.Name name) {
            base = new Operand.Name(name.text(), 0);
            offset = name.offset();
        }
        in.expect("]");
        return new Operand.Address(base, offset);
    }

    private Operand value() {
        Token first = in.peek();
        if (in.isNext(Token.Kind.WORD)) {
            String name = in.take().text();
            if (name.equals("_")) {
                return new Operand.Sink();
            }
            long offset = 0;
            while (in.isNext("+") || in.isNext("-")) {
                boolean minus = in.take().is("-");
                long distance = number(first) * (minus ? -1 : 1);
                offset += distance;
            }
            return new Operand.Name(name, offset);
        }
        boolean negative = in.takeIf("-");
        if (!in.isNext(Token.Kind.NUMBER)) {
            throw in.unexpected("an operand");
        }
        String text = in.take().text();
        BigInteger whole = Numbers.whole(text);
        if (whole != null) {
            return new Operand.Whole(negative ? whole.negate() : whole);
        }
        Operand.Real real = Numbers.real(text);
        if (real == null) {
            throw in.refuse("'%s' is no number".formatted(text), first);
        }
        long sign = real.single() ? 1L << 31 : Long.MIN_VALUE;
        return negative ? new Operand.Real(real.single(), real.bits() ^ sign) : real;
    }

    private long number(Token first) {
        boolean negative = in.takeIf("-");
        BigInteger value = in.isNext(Token.Kind.NUMBER) ? Numbers.whole(in.take().text()) : null;
        if (value == null || value.bitLength() > 62) {
            throw in.refuse("the offset is no whole number", first);
        }
        return negative ? -value.longValue() : value.longValue();
    }
}
