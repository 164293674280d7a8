package dev.fusor.cli;

import java.io.Serial;

/** Options that cannot be taken as they are: what is allowed, what was got, what to do. */
final class UsageException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1;

    UsageException(String problem) {
        super(problem);
    }
}
