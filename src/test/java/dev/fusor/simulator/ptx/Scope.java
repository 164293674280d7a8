package dev.fusor.simulator.ptx;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** Names and what they stand for, by inner scopes; gives each a name in C++ that is unique within the function. */
final class Scope {
    private final Scope outer;
    private final Set<String> taken;
    private final Map<String, Symbol> symbols = new HashMap<>();
    private final Map<String, String> labels = new HashMap<>();
    private final Map<String, Statement.BranchTargets> targets = new HashMap<>();

    private Scope(Scope outer, Set<String> taken) {
        this.outer = outer;
        this.taken = taken;
    }

    static Scope ofModule() {
        return new Scope(null, new HashSet<>());
    }

    Scope function() {
        return new Scope(this, new HashSet<>(taken));
    }

    Scope block() {
        return new Scope(this, taken);
    }

    /** A C++ identifier for this name that nothing else in the function has; the underscore at its end keeps clear of f32 and the like. */
    String unique(String prefix, String name) {
        String plain = prefix + name.replaceAll("[^A-Za-z0-9_]", "_").replaceAll("^_+|_+$", "").replaceAll("__+", "_");
        String candidate = plain + "_";
        for (int i = 2; !taken.add(candidate); i++) {
            candidate = plain + "_" + i + "_";
        }
        return candidate;
    }

    boolean declare(String name, Symbol symbol) {
        return symbols.putIfAbsent(name, symbol) == null;
    }

    boolean declareLabel(String name) {
        return labels.putIfAbsent(name, unique("at_", name)) == null;
    }

    boolean declareTargets(Statement.BranchTargets list) {
        return targets.putIfAbsent(list.name(), list) == null;
    }

    /** Null where the name is not known. */
    Symbol find(String name) {
        Symbol symbol = symbols.get(name);
        return symbol != null || outer == null ? symbol : outer.find(name);
    }

    String findLabel(String name) {
        String label = labels.get(name);
        return label != null || outer == null ? label : outer.findLabel(name);
    }

    Statement.BranchTargets findTargets(String name) {
        Statement.BranchTargets list = targets.get(name);
        return list != null || outer == null ? list : outer.findTargets(name);
    }
}
