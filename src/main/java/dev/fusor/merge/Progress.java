package dev.fusor.merge;

/** Is told how far a merge has come. Called from several threads. */
@FunctionalInterface
public interface Progress {
    /** Tells nobody. */
    Progress SILENT = bytes -> {};

    /**
     * Some more work is done.
     *
     * @param bytes read from inputs plus written to the output since the last call; negative for what has to be done again
     */
    void advanced(long bytes);
}
