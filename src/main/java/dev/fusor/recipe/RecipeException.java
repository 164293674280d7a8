package dev.fusor.recipe;

import java.io.Serial;
import java.util.OptionalInt;

/** A recipe or permutation spec that cannot be read or does not fit its models: one clear sentence, with the place where it is known. */
public final class RecipeException extends Exception {
    @Serial
    private static final long serialVersionUID = 1;

    /** From 1; 0 where unknown. */
    private final int line;
    /** From 1; 0 where unknown. */
    private final int column;

    /**
     * A problem that belongs to no line.
     *
     * @param sourceName the file's name
     * @param problem what was wrong, wanted and got, and what to do
     */
    public RecipeException(String sourceName, String problem) {
        super(sourceName + ": " + problem);
        this.line = 0;
        this.column = 0;
    }

    RecipeException(String sourceName, int line, int column, String problem) {
        super("%s:%d:%d: %s".formatted(sourceName, line, column, problem));
        this.line = line;
        this.column = column;
    }

    /** {@return the line in the file, from 1, where it is known} */
    public OptionalInt line() {
        return line == 0 ? OptionalInt.empty() : OptionalInt.of(line);
    }

    /** {@return the column in that line, from 1, where it is known} */
    public OptionalInt column() {
        return column == 0 ? OptionalInt.empty() : OptionalInt.of(column);
    }
}
