package dev.fusor.method;

import java.util.List;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.function.DoublePredicate;

/**
 * A parameter that a merge method takes from a recipe.
 *
 * @param name the name in the recipe
 * @param scope whether each model has its own value
 * @param kind number, flag or word
 * @param standard the value where the recipe gives none; empty if the recipe must give one
 * @param domain the accepted values, in words
 * @param accepts tells whether a value is in the domain; NaN never is
 * @param words what a recipe may say for a parameter that is a word; else empty
 */
public record Parameter(String name, Scope scope, Kind kind, OptionalDouble standard, String domain,
        DoublePredicate accepts, List<String> words) {
    /** Whom a value belongs to. */
    public enum Scope {
        /** Each model other than the base model has its own value. */
        MODEL,
        /** One value for a whole output tensor. */
        TENSOR
    }

    /** What a value is. */
    public enum Kind {
        /** Any number of the domain. */
        NUMBER,
        /** True or false, stored as 1 or 0. */
        FLAG,
        /** One of some words, stored as its place among them. */
        WORD
    }

    /** Checks that nothing is missing. */
    public Parameter {
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(scope, "scope is null");
        Objects.requireNonNull(kind, "kind is null");
        Objects.requireNonNull(standard, "standard is null");
        Objects.requireNonNull(domain, "domain is null");
        Objects.requireNonNull(accepts, "accepts is null");
        words = List.copyOf(words);
    }

    /**
     * A parameter that is no word.
     *
     * @param name the name in the recipe
     * @param scope whether each model has its own value
     * @param kind number or flag
     * @param standard the value where the recipe gives none; empty if the recipe must give one
     * @param domain the accepted values, in words
     * @param accepts tells whether a value is in the domain; NaN never is
     */
    public Parameter(String name, Scope scope, Kind kind, OptionalDouble standard, String domain,
            DoublePredicate accepts) {
        this(name, scope, kind, standard, domain, accepts, List.of());
    }

    static Parameter required(String name, Scope scope, String domain, DoublePredicate accepts) {
        return new Parameter(name, scope, Kind.NUMBER, OptionalDouble.empty(), domain, accepts);
    }

    static Parameter optional(String name, Scope scope, double standard, String domain, DoublePredicate accepts) {
        return new Parameter(name, scope, Kind.NUMBER, OptionalDouble.of(standard), domain, accepts);
    }

    static Parameter finite(String name, Scope scope, double standard) {
        return optional(name, scope, standard, "a finite number", Double::isFinite);
    }

    static Parameter flag(String name, boolean standard) {
        return new Parameter(name, Scope.TENSOR, Kind.FLAG, OptionalDouble.of(standard ? 1 : 0), "true or false",
                value -> value == 0 || value == 1);
    }

    /** One of some words for a whole tensor, the first of them unless told. */
    static Parameter word(String name, String... words) {
        return new Parameter(name, Scope.TENSOR, Kind.WORD, OptionalDouble.of(0), String.join(" or ", words),
                value -> value == (int) value && value >= 0 && value < words.length, List.of(words));
    }

    /**
     * {@return a value as recipes write it}
     *
     * @param value in the domain
     */
    public String written(double value) {
        return switch (kind) {
            case NUMBER -> Double.toString(value);
            case FLAG -> Boolean.toString(value != 0);
            case WORD -> words.get((int) value);
        };
    }

    /** Which model a tensor is made for: its place in the list, from 1; 0 for none where that is allowed. */
    static Parameter task(OptionalDouble standard, String domain) {
        return new Parameter("task", Scope.TENSOR, Kind.NUMBER, standard, domain,
                task -> task >= (standard.isPresent() ? standard.getAsDouble() : 1) && task == (int) task);
    }

    /** The weight of a model: required, finite, of either sign. */
    static Parameter weight() {
        return required("weight", Scope.MODEL, "a finite number", Double::isFinite);
    }

    /** {@return whether a recipe must give a value} */
    public boolean isRequired() {
        return standard.isEmpty();
    }
}
