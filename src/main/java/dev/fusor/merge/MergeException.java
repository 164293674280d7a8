package dev.fusor.merge;

import java.io.Serial;

/** A merge that cannot be done, or must not go on: one clear sentence, with what to do about it. */
public final class MergeException extends Exception {
    @Serial
    private static final long serialVersionUID = 1;

    /**
     * Says why.
     *
     * @param problem what was wrong, where, wanted, got, and what to do
     */
    public MergeException(String problem) {
        super(problem);
    }
}
