package dev.fusor.simulator.ptx;

/**
 * A variable or a parameter. The initial value is null where there is none; an external array without a size is dynamic shared memory.
 */
record Variable(String space, String name, String type, int alignment, long bytes, boolean external, byte[] initial,
        int line,
        String text) {
    PtxException refuse(String problem) {
        return new PtxException(problem, line, text);
    }
}
