package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.List;

/** Cuts a PTX text into tokens, without comments. */
final class Tokenizer {
    private static final String MARKS = "{}[]()<>,;:!|+-=@";

    private final String text;
    private final List<Token> tokens = new ArrayList<>();
    private int position;
    private int line = 1;

    private Tokenizer(String text) {
        this.text = text;
    }

    static List<Token> tokens(String text) {
        Tokenizer tokenizer = new Tokenizer(text);
        while (tokenizer.skipBlank()) {
            tokenizer.next();
        }
        tokenizer.add(Token.Kind.END, tokenizer.position);
        return tokenizer.tokens;
    }

    /** The statement that holds this position, on one line. */
    static String statement(String text, int start, int end) {
        return text.substring(start, end).replaceAll("//[^\n]*|/\\*(?s:.*?)\\*/", " ").strip().replaceAll("\\s+", " ");
    }

    private void next() {
        int start = position;
        char first = text.charAt(position);
        if (isDigit(first)) {
            number();
            add(Token.Kind.NUMBER, start);
        } else if (first == '.') {
            position++;
            name();
            moreAfterColons();
            add(Token.Kind.DIRECTIVE, start);
        } else if (first == '"') {
            string();
            add(Token.Kind.STRING, start);
        } else if (isNameStart(first)) {
            position++;
            name();
            while (position + 1 < text.length() && text.charAt(position) == '.'
                    && isNamePart(text.charAt(position + 1))) {
                position++;
                name();
                moreAfterColons();
            }
            add(Token.Kind.WORD, start);
        } else if (MARKS.indexOf(first) >= 0) {
            position++;
            add(Token.Kind.MARK, start);
        } else {
            throw new PtxException("'%c' does not belong into PTX".formatted(first), line, restOfLine(start));
        }
    }

    /** Comments may span lines, so blanks end where neither a space nor a comment follows. */
    private boolean skipBlank() {
        while (position < text.length()) {
            char c = text.charAt(position);
            if (c == '\n') {
                line++;
                position++;
            } else if (Character.isWhitespace(c) || c == 0) {
                position++;
            } else if (text.startsWith("//", position)) {
                int end = text.indexOf('\n', position);
                position = end < 0 ? text.length() : end;
            } else if (text.startsWith("/*", position)) {
                blockComment();
            } else {
                return true;
            }
        }
        return false;
    }

    private void blockComment() {
        int end = text.indexOf("*/", position + 2);
        if (end < 0) {
            throw new PtxException("a comment is not closed", line, restOfLine(position));
        }
        line += (int) text.substring(position, end).chars().filter(c -> c == '\n').count();
        position = end + 2;
    }

    private void string() {
        int end = text.indexOf('"', position + 1);
        if (end < 0 || text.substring(position, end).indexOf('\n') >= 0) {
            throw new PtxException("a string is not closed", line, restOfLine(position));
        }
        position = end + 1;
    }

    /** Integers of any base, decimal floats, and the exact floats 0f and 0d in hexadecimal digits. */
    private void number() {
        int start = position;
        while (position < text.length()) {
            char c = text.charAt(position);
            boolean sign = (c == '-' || c == '+') && "eE".indexOf(text.charAt(position - 1)) >= 0
                    && !hexadecimal(start);
            if (!isNamePart(c) && c != '.' && !sign) {
                return;
            }
            position++;
        }
    }

    private boolean hexadecimal(int start) {
        return text.charAt(start) == '0' && start + 1 < text.length() && "xXfFdD".indexOf(text.charAt(start + 1)) >= 0;
    }

    private void moreAfterColons() {
        while (text.startsWith("::", position)) {
            position += 2;
            name();
        }
    }

    private void name() {
        while (position < text.length() && isNamePart(text.charAt(position))) {
            position++;
        }
    }

    private void add(Token.Kind kind, int start) {
        tokens.add(new Token(kind, text.substring(start, position), start, position, line));
    }

    private String restOfLine(int start) {
        int end = text.indexOf('\n', start);
        return text.substring(start, end < 0 ? text.length() : end).strip();
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private static boolean isNameStart(char c) {
        return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c == '%';
    }

    private static boolean isNamePart(char c) {
        return isNameStart(c) && c != '%' || isDigit(c);
    }
}
