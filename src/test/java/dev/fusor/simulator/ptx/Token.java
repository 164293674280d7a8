package dev.fusor.simulator.ptx;

/**
 * A word of PTX. An opcode, or a special register such as {@code %tid.x}, is one token with all its modifiers; a directive is one
 * token for each dot.
 */
record Token(Kind kind, String text, int start, int end, int line) {
    enum Kind {
        WORD, DIRECTIVE, NUMBER, STRING, MARK, END
    }

    boolean is(String wanted) {
        return (kind == Kind.MARK || kind == Kind.DIRECTIVE || kind == Kind.WORD) && text.equals(wanted);
    }
}
