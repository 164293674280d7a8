package dev.fusor.method;

import java.util.Objects;
import java.util.OptionalDouble;
import java.util.function.DoublePredicate;

/**
 * A parameter that a merge method takes from a recipe.
 *
 * @param name the name in the recipe
 * @param scope whether each model has its own value
 * @param kind number or flag; a flag is 0 or 1
 * @param standard the value where the recipe gives none; empty if the recipe must give one
 * @param domain the accepted values, in words
 * @param accepts tells whether a value is in the domain; NaN never is
 */
public record Parameter(String name, Scope scope, Kind kind, OptionalDouble standard, String domain,
        DoublePredicate accepts) {
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
        FLAG
    }

    /** Checks that nothing is missing. */
    public Parameter {
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(scope, "scope is null");
        Objects.requireNonNull(kind, "kind is null");
        Objects.requireNonNull(standard, "standard is null");
        Objects.requireNonNull(domain, "domain is null");
        Objects.requireNonNull(accepts, "accepts is null");
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

    /** The weight of a model: required, finite, of either sign. */
    static Parameter weight() {
        return required("weight", Scope.MODEL, "a finite number", Double::isFinite);
    }

    /** {@return whether a recipe must give a value} */
    public boolean isRequired() {
        return standard.isEmpty();
    }
}
