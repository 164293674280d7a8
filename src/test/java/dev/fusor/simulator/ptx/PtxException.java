package dev.fusor.simulator.ptx;

/** PTX that cannot be read or is not supported: what, in which line, and the statement. */
public final class PtxException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int line;

    PtxException(String problem, int line, String statement) {
        super("%s, line %d: %s".formatted(problem, line, statement));
        this.line = line;
    }

    /** The line in the PTX text, from 1. */
    public int line() {
        return line;
    }
}
