package dev.fusor.method;

import java.util.List;
import java.util.Optional;

/** The merge methods there are. */
public final class MergeMethods {
    private static final List<MergeMethod> ALL = List.of(new Linear(), new TaskArithmetic(), new Ties(), Dare.linear(),
            Dare.ties(), Breadcrumbs.linear(), Breadcrumbs.ties(), new MagnitudePruning(), Della.linear(), Della.ties(),
            new MagMax(), new Emr(), TallMasks.ofTask(),
            TallMasks.consensus(), new Sce(), new Slerp(),
            new NearSwap(), new Passthrough());

    private MergeMethods() {}

    /** {@return all methods, in the order the documentation lists them} */
    public static List<MergeMethod> all() {
        return ALL;
    }

    /**
     * {@return the method of that name, or nothing}
     *
     * @param name the name in recipes, such as {@code task_arithmetic}
     */
    public static Optional<MergeMethod> named(String name) {
        return ALL.stream().filter(method -> method.name().equals(name)).findFirst();
    }
}
