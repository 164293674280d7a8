package dev.fusor.recipe;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;

/** A value in a recipe, where it stands, and its path from the root, such as {@code models[0].parameters}. */
record Value(String source, Node node, String path) {
    private static final Set<String> NULLS = Set.of("", "~", "null", "Null", "NULL");
    private static final Set<String> YES = Set.of("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON");
    private static final Set<String> NO = Set.of("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF");
    private static final Pattern INTEGER = Pattern.compile("0|[1-9]\\d{0,8}+");
    /** What Python's float() takes, less a leading zero before a digit, which YAML 1.1 reads as octal. */
    private static final Pattern NUMBER = Pattern
            .compile("[-+]?+(?!0\\d+$)(?:\\d[\\d_]*+(?:\\.[\\d_]*+)?+|\\.\\d[\\d_]*+)(?:[eE][-+]?+\\d++)?+");
    private static final Pattern NOT_FINITE = Pattern.compile("[-+]?\\.?(?:nan|inf|infinity)",
            Pattern.CASE_INSENSITIVE);

    Place place() {
        return node.getStartMark().map(mark -> YamlText.place(source, mark)).orElse(new Place(source, 1, 1));
    }

    RecipeException problem(String problem) {
        return place().problem(path.isEmpty() ? problem : path + ": " + problem);
    }

    Value at(String key, Node child) {
        return new Value(source, child, path.isEmpty() ? key : path + "." + key);
    }

    boolean isNull() {
        return node instanceof ScalarNode scalar && scalar.isPlain() && NULLS.contains(scalar.getValue());
    }

    boolean isList() {
        return node instanceof SequenceNode;
    }

    boolean isMapping() {
        return node instanceof MappingNode;
    }

    List<Value> list() throws RecipeException {
        if (!(node instanceof SequenceNode sequence)) {
            throw problem("wanted a list, got " + kind());
        }
        List<Value> items = new ArrayList<>();
        for (Node item : sequence.getValue()) {
            items.add(new Value(source, item, path + "[" + items.size() + "]"));
        }
        if (items.isEmpty()) {
            throw problem("the list is empty");
        }
        return items;
    }

    String text() throws RecipeException {
        if (!(node instanceof ScalarNode scalar) || isNull()) {
            throw problem("wanted text, got " + kind());
        }
        return scalar.getValue();
    }

    /** A whole number from 0. */
    int integer() throws RecipeException {
        if (!(node instanceof ScalarNode scalar) || !INTEGER.matcher(scalar.getValue()).matches()) {
            throw problem("wanted a whole number from 0, got " + kind());
        }
        return Integer.parseInt(scalar.getValue());
    }

    /** A number as mergekit reads it: truth values are 1 and 0, and quotes around digits do not matter. */
    double number() throws RecipeException {
        if (!(node instanceof ScalarNode scalar) || isNull()) {
            throw problem("wanted a number, got " + kind());
        }
        String text = scalar.getValue().strip();
        if (scalar.isPlain() && (YES.contains(text) || NO.contains(text))) {
            return YES.contains(text) ? 1 : 0;
        }
        if (NUMBER.matcher(text).matches()) {
            double number = Double.parseDouble(text.replace("_", ""));
            if (Float.isFinite((float) number)) {
                return number;
            }
        } else if (!NOT_FINITE.matcher(text).matches()) {
            throw problem("wanted a number, got " + kind());
        }
        throw problem("wanted a finite number that float32 can hold, got " + kind());
    }

    boolean looksLikeNumber() {
        return node instanceof ScalarNode scalar && scalar.isPlain() && NUMBER.matcher(scalar.getValue()).matches();
    }

    private String kind() {
        return switch (node) {
            case SequenceNode list -> "a list";
            case MappingNode mapping -> "a mapping";
            case ScalarNode scalar when !isNull() -> Words.quote(scalar.getValue());
            default -> "nothing";
        };
    }
}
