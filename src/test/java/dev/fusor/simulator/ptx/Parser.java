package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads a PTX module, by recursive descent. What it does not know it refuses. */
final class Parser {
    private static final Set<String> LINKAGE = Set.of(".visible", ".extern", ".weak", ".common");
    private static final Set<String> PERFORMANCE = Set.of(".maxntid", ".reqntid", ".minnctapersm", ".maxnctapersm",
            ".maxnreg",
            ".reqnctapercluster", ".explicitcluster", ".maxclusterrank", ".noreturn", ".pragma");

    private final TokenReader in;
    private final DeclarationParser declarations;
    private final Map<Integer, String> files = new HashMap<>();
    private final List<Variable> variables = new ArrayList<>();
    private final List<Function> functions = new ArrayList<>();

    private Parser(String text) {
        in = new TokenReader(text);
        declarations = new DeclarationParser(in);
    }

    static PtxModule parse(String text) {
        return new Parser(text).module();
    }

    private PtxModule module() {
        in.expect(".version");
        String version = in.take().text();
        if (!version.matches("[0-9]+\\.[0-9]+")) {
            throw in.unexpected("a version such as 9.0 after .version");
        }
        in.expect(".target");
        String target = in.word("a target such as sm_90");
        while (in.takeIf(",")) {
            in.word("an option of the target");
        }
        in.expect(".address_size");
        if (in.count("64") != 64) {
            throw in.unexpected(".address_size 64");
        }
        while (!in.isNext(Token.Kind.END)) {
            item();
        }
        int dot = version.indexOf('.');
        return new PtxModule(Integer.parseInt(version.substring(0, dot)), Integer.parseInt(version.substring(dot + 1)),
                target,
                files, variables, functions);
    }

    private void item() {
        Token first = in.peek();
        boolean external = false;
        while (LINKAGE.contains(in.peek().text())) {
            external |= in.take().is(".extern");
        }
        switch (in.peek().text()) {
            case ".entry", ".func" -> functions.add(function());
            case ".global", ".const", ".shared" -> variables.addAll(declarations.variables(first, external));
            case ".file" -> file();
            case ".section" -> section();
            case ".pragma" -> pragma();
            case ";" -> in.take();
            default -> throw in.unexpected("a function or a variable");
        }
    }

    private void file() {
        in.expect(".file");
        int number = in.count("the number of a file");
        String quoted = in.take().text();
        files.put(number, quoted.substring(1, quoted.length() - 1));
        while (in.takeIf(",")) {
            in.take();
        }
    }

    /** Debugging data: nothing a kernel can read. */
    private void section() {
        in.expect(".section");
        Token name = in.take();
        if (!name.text().startsWith(".debug")) {
            throw in.refuse("section " + name.text() + " is not supported", name);
        }
        in.expect("{");
        while (!in.takeIf("}")) {
            if (in.isNext(Token.Kind.END)) {
                throw in.unexpected("the end of section " + name.text());
            }
            in.take();
        }
    }

    /** Pragmas advise ptxas and change no result. */
    private void pragma() {
        in.expect(".pragma");
        do {
            in.take();
        } while (in.takeIf(","));
        in.expect(";");
    }

    private Function function() {
        Token keyword = in.take();
        boolean entry = keyword.is(".entry");
        List<Variable> results = !entry && in.isNext("(") ? declarations.parameters() : List.of();
        String name = in.word("the name of a function");
        List<Variable> parameters = in.isNext("(") ? declarations.parameters() : List.of();
        Map<String, List<Integer>> directives = new LinkedHashMap<>();
        while (PERFORMANCE.contains(in.peek().text())) {
            directive(directives);
        }
        List<Statement> body = in.isNext("{") ? new BodyParser(in, declarations).block() : null;
        if (body == null) {
            in.expect(";");
        }
        return new Function(entry, name, results, parameters, directives, body, keyword.line());
    }

    private void directive(Map<String, List<Integer>> directives) {
        if (in.isNext(".pragma")) {
            pragma();
            return;
        }
        String name = in.take().text().substring(1);
        List<Integer> values = new ArrayList<>();
        while (in.isNext(Token.Kind.NUMBER)) {
            values.add(in.count("a number for ." + name));
            in.takeIf(",");
        }
        directives.put(name, values);
    }
}
