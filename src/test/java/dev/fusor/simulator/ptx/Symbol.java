package dev.fusor.simulator.ptx;

/**
 * What a name stands for.
 *
 * @param space of a variable, or {@code reg}
 * @param expression for a register its C++ name; for a parameter a pointer; else the address as a number
 * @param bits of a register
 * @param bytes of a variable, for bounds that can be seen at translation
 */
record Symbol(String space, String expression, int bits, long bytes) {
    boolean isRegister() {
        return space.equals("reg");
    }
}
