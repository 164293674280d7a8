package dev.fusor.recipe;

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
    private int depth;
    private int aliases;
    private int documents;

    private YamlText(String source) {
        this.source = source;
    }

    /** The document's root. */
    static Value read(String text, String source) throws RecipeException {
        if (text.length() > MOST_CHARACTERS) {
            throw new RecipeException(source,
                    "a recipe has at most %d characters, got %d".formatted(MOST_CHARACTERS, text.length()));
        }
        String plain = text.startsWith("\uFEFF") ? text.substring(1) : text;
        try {
            YamlText scan = new YamlText(source);
            for (Event event : new Parse(SETTINGS).parseString(plain)) {
                scan.check(event);
            }
            Optional<Node> root = new Compose(SETTINGS).composeString(plain);
            return new Value(source, root.orElseThrow(() -> new RecipeException(source, "the recipe is empty")), "");
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
            case DocumentStart -> check(++documents == 1, event, "a recipe is one YAML document, got a second one");
            case Alias -> check(++aliases <= MOST_ALIASES, event, "more than %d aliases".formatted(MOST_ALIASES));
            case Scalar -> check(((ScalarEvent) event).getTag().isEmpty(), event, "a recipe has no YAML tags (!)");
            case MappingStart, SequenceStart -> {
                check(((CollectionStartEvent) event).getTag().isEmpty(), event, "a recipe has no YAML tags (!)");
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
