package dev.fusor.merge;

import java.util.ArrayDeque;
import java.util.Deque;

/** Resources of one owner. They are closed in the opposite order, all of them, whatever fails. */
final class Owned implements AutoCloseable {
    private final Deque<AutoCloseable> resources = new ArrayDeque<>();

    /** {@return the resource, which is closed before those that are kept already} */
    <T extends AutoCloseable> T keep(T resource) {
        resources.push(resource);
        return resource;
    }

    /**
     * Closes everything after a failure.
     *
     * @param first the failure, to which those of closing are added, or null for none so far
     * @return the first failure of all, or null for none
     */
    RuntimeException closeAfter(RuntimeException first) {
        RuntimeException failure = first;
        while (!resources.isEmpty()) {
            try {
                resources.pop().close();
            } catch (Exception e) {
                if (failure == null) {
                    failure = e instanceof RuntimeException unchecked ? unchecked : new IllegalStateException(e);
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        return failure;
    }

    @Override
    public void close() {
        RuntimeException failure = closeAfter(null);
        if (failure != null) {
            throw failure;
        }
    }
}
