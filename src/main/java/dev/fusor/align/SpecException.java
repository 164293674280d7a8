package dev.fusor.align;

import java.io.Serial;
import java.util.Optional;

/** A permutation spec that contradicts itself or does not fit a checkpoint: one clear sentence. */
public final class SpecException extends Exception {
    @Serial
    private static final long serialVersionUID = 1;

    /** Null where the problem belongs to no line. */
    private final String line;

    /**
     * Says why.
     *
     * @param line the group or tensor that is written there, as the spec writes it, or null
     * @param problem what was wrong, wanted and got, with the tensor's name, and what to do
     */
    SpecException(String line, String problem) {
        super(problem);
        this.line = line;
    }

    /** {@return the group or tensor that is written in the line at fault, where one line is} */
    public Optional<String> line() {
        return Optional.ofNullable(line);
    }
}
