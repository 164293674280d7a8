package dev.fusor.simulator.ptx;

import java.util.List;
import java.util.Map;

/** An entry or a function; the body is null where it is only declared. Directives are those for performance, such as {@code .maxntid}. */
record Function(boolean entry, String name, List<Variable> results, List<Variable> parameters,
        Map<String, List<Integer>> directives,
        List<Statement> body, int line) {}
