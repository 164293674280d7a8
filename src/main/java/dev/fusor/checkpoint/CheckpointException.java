package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.file.Path;

/**
 * A checkpoint that cannot be read or written. The message is one sentence for the user: where, what was wrong, what
 * was wanted and got, what to do.
 */
public final class CheckpointException extends IOException {
    private static final long serialVersionUID = 1;

    /**
     * Makes an exception without a cause.
     *
     * @param message one sentence
     */
    public CheckpointException(String message) {
        super(message);
    }

    /**
     * Makes an exception with a cause.
     *
     * @param message one sentence, complete without the cause
     * @param cause what the system reported
     */
    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }

    static CheckpointException at(Path where, String format, Object... arguments) {
        return new CheckpointException(where + ": " + format.formatted(arguments));
    }

    static CheckpointException at(Path where, Throwable cause, String format, Object... arguments) {
        return new CheckpointException(where + ": " + format.formatted(arguments), cause);
    }
}
