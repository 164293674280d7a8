package dev.fusor.recipe;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;
import org.snakeyaml.engine.v2.api.lowlevel.Parse;
import org.snakeyaml.engine.v2.events.CollectionStartEvent;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.events.ScalarEvent;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.Node;

/**
 * YAML text to nodes, within limits, and to nothing but plain scalars, lists and mappings.
 *
 * <p>The text is scanned once as events, which takes no stack and no memory, before nodes are made of it.
 */
final class YamlText {
    static final int MOST_CHARACTERS = 1 << 20;
    static final int DEEPEST = 24;
    /** Aliases that may lie on the way to one value multiply: 32 of them make 4^8 values at the very worst. */
    static final int MOST_ALIASES = 32;

    private static final LoadSettings SETTINGS = LoadSettings.builder().setCodePointLimit(MOST_CHARACTERS)
            .setMaxAliasesForCollections(MOST_ALIASES).build();

    private final String source;
    /** What the text is, in a word. */
    private final String kind;
    private int depth;
    private int aliases;
    private int documents;

    private YamlText(String source, String kind) {
        this.source = source;
        this.kind = kind;
    }

    /** The text of a file. */
    static String ofFile(Path file, String kind) throws RecipeException {
        String name = file.toString();
        if (Files.isDirectory(file)) {
            throw new RecipeException(name, "this is a folder; name a %s in it".formatted(kind));
        }
        try {
            if (Files.size(file) > MOST_CHARACTERS) {
                throw new RecipeException(name,
                        "a %s has at most %d bytes, got %d".formatted(kind, MOST_CHARACTERS, Files.size(file)));
            }
            byte[] bytes = Files.readAllBytes(file);
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (NoSuchFileException e) {
            throw new RecipeException(name, "there is no such file; check the path");
        } catch (CharacterCodingException e) {
            throw new RecipeException(name, "a %s is UTF-8 text, and this file is not".formatted(kind));
        } catch (IOException e) {
            throw new RecipeException(name, "cannot be read: " + e.getMessage());
        }
    }

    /** The document's root. */
    static Value read(String text, String source, String kind) throws RecipeException {
        if (text.length() > MOST_CHARACTERS) {
            throw new RecipeException(source,
                    "a %s has at most %d characters, got %d".formatted(kind, MOST_CHARACTERS, text.length()));
        }
        String plain = text.startsWith("\uFEFF") ? text.substring(1) : text;
        try {
            YamlText scan = new YamlText(source, kind);
            for (Event event : new Parse(SETTINGS).parseString(plain)) {
                scan.check(event);
            }
            Optional<Node> root = new Compose(SETTINGS).composeString(plain);
            return new Value(source,
                    root.orElseThrow(() -> new RecipeException(source, "the %s is empty".formatted(kind))), "");
        } catch (MarkedYamlEngineException e) {
            String problem = "not valid YAML: " + oneLine(e.getProblem());
            throw e.getProblemMark().map(mark -> place(source, mark).problem(problem))
                    .orElseGet(() -> new RecipeException(source, problem));
        } catch (YamlEngineException e) {
            throw new RecipeException(source, "not valid YAML: " + oneLine(e.getMessage()));
        }
    }

    private void check(Event event) throws RecipeException {
        switch (event.getEventId()) {
            case DocumentStart ->
                check(++documents == 1, event, "a %s is one YAML document, got a second one".formatted(kind));
            case Alias -> check(++aliases <= MOST_ALIASES, event, "more than %d aliases".formatted(MOST_ALIASES));
            case Scalar ->
                check(((ScalarEvent) event).getTag().isEmpty(), event, "a %s has no YAML tags (!)".formatted(kind));
            case MappingStart, SequenceStart -> {
                check(((CollectionStartEvent) event).getTag().isEmpty(), event,
                        "a %s has no YAML tags (!)".formatted(kind));
                check(++depth <= DEEPEST, event, "nested more than %d levels deep".formatted(DEEPEST));
            }
            case MappingEnd, SequenceEnd -> depth--;
            default -> {
            }
        }
    }

    private void check(boolean holds, Event event, String problem) throws RecipeException {
        if (!holds) {
            throw event.getStartMark().map(mark -> place(source, mark).problem(problem))
                    .orElseGet(() -> new RecipeException(source, problem));
        }
    }

    static Place place(String source, Mark mark) {
        return new Place(source, mark.getLine() + 1, mark.getColumn() + 1);
    }

    private static String oneLine(String text) {
        return text == null ? "unreadable" : text.strip().replaceAll("\\s+", " ");
    }
}
