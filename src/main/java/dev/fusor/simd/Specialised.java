package dev.fusor.simd;

import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Compiles one template for each combination of constants.
 *
 * <p>A template is a class whose {@code static final} fields come from its class data. It is defined anew, as a hidden
 * class, for every combination: to the JIT its types and counts are constants, dead branches vanish, and profiles of
 * different uses never mix. That is what keeps vectors in registers; see {@code docs/adr/010-specialised-templates.md}.
 *
 * @param <K> the constants: a record, equal when the code is the same
 * @param <T> the interface of the template
 */
public final class Specialised<K extends Record, T> {
    /** More lanes than any vector has: the slack to leave where whole vectors are written. */
    public static final int MOST_LANES = 64;

    private static final boolean AVAILABLE = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent()
            && !Boolean.getBoolean("fusor.plain");

    private final MethodHandles.Lookup lookup;
    private final String template;
    private final Class<T> type;
    private final Map<K, T> instances = new ConcurrentHashMap<>();

    /**
     * Names a template.
     *
     * @param lookup with the rights of the template's package
     * @param template the simple name of the template class, which must not be loaded by anyone else
     * @param type the interface it implements
     */
    public Specialised(MethodHandles.Lookup lookup, String template, Class<T> type) {
        this.lookup = lookup;
        this.template = template;
        this.type = type;
    }

    /**
     * {@return whether the Vector API may be used} It is there with {@code --add-modules jdk.incubator.vector}, and left
     * alone with {@code -Dfusor.plain=true}.
     */
    public static boolean available() {
        return AVAILABLE;
    }

    /**
     * {@return the code for these constants, made on first use}
     *
     * @param constants the class data
     */
    public T of(K constants) {
        T known = instances.get(constants);
        return known != null ? known : instances.computeIfAbsent(constants, this::define);
    }

    private T define(K constants) {
        try (InputStream code = lookup.lookupClass().getResourceAsStream(template + ".class")) {
            MethodHandles.Lookup own = lookup.defineHiddenClassWithClassData(code.readAllBytes(), constants, true);
            return type.cast(own.findConstructor(own.lookupClass(), MethodType.methodType(void.class)).invoke());
        } catch (Throwable e) { // what a method handle may throw; nothing here is recoverable
            throw new IllegalStateException("the template " + template + " does not fit " + constants, e);
        }
    }

    /**
     * {@return the constants a template was defined with}
     *
     * @param lookup the template's own
     * @param type their class
     * @param <K> their class
     */
    public static <K extends Record> K constants(MethodHandles.Lookup lookup, Class<K> type) {
        try {
            return MethodHandles.classData(lookup, "_", type);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(lookup.lookupClass() + " was loaded without constants", e);
        }
    }
}
