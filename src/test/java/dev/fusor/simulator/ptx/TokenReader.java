package dev.fusor.simulator.ptx;

import java.math.BigInteger;
import java.util.List;

/** Tokens one after another, with the source text for what is said about them. */
final class TokenReader {
    private final String text;
    private final List<Token> tokens;
    private int next;

    TokenReader(String text) {
        this.text = text;
        tokens = Tokenizer.tokens(text);
    }

    Token peek() {
        return tokens.get(next);
    }

    Token peekAfter() {
        return tokens.get(Math.min(next + 1, tokens.size() - 1));
    }

    Token take() {
        Token token = tokens.get(next);
        if (token.kind() != Token.Kind.END) {
            next++;
        }
        return token;
    }

    boolean isNext(String wanted) {
        return peek().is(wanted);
    }

    boolean isNext(Token.Kind kind) {
        return peek().kind() == kind;
    }

    boolean takeIf(String wanted) {
        if (isNext(wanted)) {
            next++;
            return true;
        }
        return false;
    }

    Token expect(String wanted) {
        if (!isNext(wanted)) {
            throw unexpected("'" + wanted + "'");
        }
        return take();
    }

    String word(String what) {
        if (!isNext(Token.Kind.WORD)) {
            throw unexpected(what);
        }
        return take().text();
    }

    /** A whole number that fits an int, such as a size or an alignment. */
    int count(String what) {
        if (!isNext(Token.Kind.NUMBER)) {
            throw unexpected(what);
        }
        Token token = peek();
        BigInteger value = Numbers.whole(token.text());
        if (value == null || value.bitLength() > 31) {
            throw unexpected(what);
        }
        take();
        return value.intValue();
    }

    PtxException unexpected(String wanted) {
        Token token = peek();
        String got = token.kind() == Token.Kind.END ? "the end of the text" : "'" + token.text() + "'";
        return new PtxException("wanted %s, got %s".formatted(wanted, got), token.line(), lineOf(token));
    }

    PtxException refuse(String problem, Token at) {
        return new PtxException(problem, at.line(), lineOf(at));
    }

    /** From the start of one token up to the next to be read. */
    String textFrom(Token first) {
        int end = next == 0 ? first.end() : tokens.get(next - 1).end();
        return Tokenizer.statement(text, first.start(), Math.max(end, first.end()));
    }

    private String lineOf(Token token) {
        int start = token.start() == 0 ? 0 : text.lastIndexOf('\n', token.start() - 1) + 1;
        int end = text.indexOf('\n', token.start());
        return text.substring(start, end < 0 ? text.length() : end).strip();
    }
}
