package dev.fusor.recipe;

import dev.fusor.align.PermutationSpec;
import dev.fusor.align.SpecException;
import dev.fusor.align.SpecGenerator;
import dev.fusor.align.SpecTemplate;
import dev.fusor.align.SpecTemplate.Part;
import dev.fusor.align.SpecTemplate.Range;
import dev.fusor.tensor.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A permutation spec in YAML, read strictly; {@code docs/permutation-specs.md} describes the format.
 */
public final class SpecFile {
    private static final String KIND = "permutation spec";
    /** Names in it may be of any length. */
    private static final int LONGEST_PROBLEM = 600;
    private static final List<String> KEYS = List.of("ranges", "groups", "tensors");

    private static final Pattern PLAIN = Pattern.compile("\\w[\\w./<>+-]*");

    private final String sourceName;
    /** Where each group and each tensor is written. */
    private final Map<String, Value> lines = new LinkedHashMap<>();
    private final SpecTemplate template;

    private SpecFile(String text, String sourceName) throws RecipeException {
        this.sourceName = sourceName;
        Fields top = Fields.of(YamlText.read(text, sourceName, KIND), KEYS, Map.of());
        try {
            template = new SpecTemplate(ranges(top), groups(top), tensors(top));
        } catch (SpecException e) {
            throw problem(e);
        }
    }

    /**
     * {@return the spec in a file}
     *
     * @param yaml the file, in UTF-8
     * @throws RecipeException if it cannot be read, or is not a valid spec
     */
    public static SpecFile read(Path yaml) throws RecipeException {
        return parse(YamlText.ofFile(yaml, KIND), yaml.toString());
    }

    /**
     * {@return the spec in a text}
     *
     * @param text YAML
     * @param sourceName what messages call the text, such as its file name
     * @throws RecipeException if it is not a valid spec
     */
    public static SpecFile parse(String text, String sourceName) throws RecipeException {
        return new SpecFile(text, sourceName);
    }

    /**
     * {@return the spec of a checkpoint} Where its network is known, what that couples is checked as well.
     *
     * @param tensors the shape of each of its tensors
     * @param configuration the whole numbers of its {@code config.json}, by name; empty where there is none
     * @throws RecipeException if the spec does not fit them, with the tensor and, where one is at fault, the line
     * @see SpecGenerator#check
     */
    public PermutationSpec resolve(Map<String, Shape> tensors, Map<String, Long> configuration)
            throws RecipeException {
        try {
            PermutationSpec spec = template.resolve(tensors);
            SpecGenerator.check(spec, configuration);
            return spec;
        } catch (SpecException e) {
            throw problem(e);
        }
    }

    private RecipeException problem(SpecException e) {
        String problem = Words.plain(e.getMessage(), LONGEST_PROBLEM);
        return e.line().map(lines::get).map(line -> line.place().problem(problem))
                .orElseGet(() -> new RecipeException(sourceName, problem));
    }

    private static SequencedMap<String, Range> ranges(Fields top) throws RecipeException {
        SequencedMap<String, Range> ranges = new LinkedHashMap<>();
        if (top.get("ranges").isPresent()) {
            for (Map.Entry<String, Value> entry : Fields.open(top.require("ranges")).all().entrySet()) {
                LayerRange range = LayerRange.read(entry.getValue());
                ranges.put(entry.getKey(), new Range(range.start(), range.end()));
            }
        }
        return ranges;
    }

    private SequencedMap<String, Integer> groups(Fields top) throws RecipeException {
        SequencedMap<String, Integer> groups = new LinkedHashMap<>();
        Fields fields = Fields.open(top.require("groups"));
        for (Map.Entry<String, Value> entry : fields.all().entrySet()) {
            groups.put(entry.getKey(), entry.getValue().integer());
            lines.put(entry.getKey(), fields.key(entry.getKey()));
        }
        return groups;
    }

    private SequencedMap<String, List<List<Part>>> tensors(Fields top) throws RecipeException {
        SequencedMap<String, List<List<Part>>> tensors = new LinkedHashMap<>();
        Fields fields = Fields.open(top.require("tensors"));
        for (Map.Entry<String, Value> entry : fields.all().entrySet()) {
            List<List<Part>> axes = new ArrayList<>();
            if (!entry.getValue().isNull()) {
                for (Value axis : entry.getValue().list()) {
                    axes.add(axis(axis));
                }
            }
            tensors.put(entry.getKey(), axes);
            if (lines.putIfAbsent(entry.getKey(), fields.key(entry.getKey())) != null) {
                throw fields.key(entry.getKey())
                        .problem("%s is a group already; give the group another name".formatted(
                                Words.quote(entry.getKey())));
            }
        }
        return tensors;
    }

    private static List<Part> axis(Value axis) throws RecipeException {
        if (!axis.isList()) {
            return List.of(part(axis));
        }
        List<Part> parts = new ArrayList<>();
        for (Value part : axis.list()) {
            parts.add(part(part));
        }
        return parts;
    }

    /** {@code group}, {@code ~}, or with a length {@code {group: 128}}, {@code {~: 128}}. */
    private static Part part(Value part) throws RecipeException {
        if (part.isNull()) {
            return Part.FIXED;
        }
        if (!part.isMapping()) {
            return Part.of(part.text());
        }
        Map<String, Value> fields = Fields.open(part).all();
        if (fields.size() != 1) {
            throw part.problem("wanted one group with its length, such as {heads: 128}, got %d"
                    .formatted(fields.size()));
        }
        Map.Entry<String, Value> only = fields.entrySet().iterator().next();
        Optional<String> group = Optional.of(only.getKey()).filter(name -> !name.equals("~"));
        return new Part(group, OptionalLong.of(only.getValue().integer()));
    }

    /**
     * {@return a template as YAML, one line for each tensor} Reading it gives the template back.
     *
     * @param template any
     */
    public static String write(SpecTemplate template) {
        StringBuilder yaml = new StringBuilder();
        if (!template.ranges().isEmpty()) {
            yaml.append("ranges:\n");
            template.ranges().forEach((index, range) -> yaml.append("  %s: %s\n".formatted(plain(index), range)));
        }
        yaml.append(template.groups().isEmpty() ? "groups: {}\n" : "groups:\n");
        template.groups().forEach((group, units) -> yaml.append("  %s: %d\n".formatted(plain(group), units)));
        yaml.append(template.tensors().isEmpty() ? "tensors: {}\n" : "tensors:\n");
        template.tensors().forEach((tensor, axes) -> yaml.append("  %s: %s\n".formatted(plain(tensor),
                axes.isEmpty()
                        ? "~"
                        : list(axes, axis -> axis.size() == 1
                                ? write(axis.getFirst())
                                : list(axis, SpecFile::write)))));
        return yaml.toString();
    }

    private static <T> String list(List<T> items, Function<T, String> write) {
        return items.stream().map(write).collect(Collectors.joining(", ", "[", "]"));
    }

    private static String write(Part part) {
        String group = part.group().map(SpecFile::plain).orElse("~");
        return part.length().isEmpty() ? group : "{%s: %d}".formatted(group, part.length().getAsLong());
    }

    /** A name without quotes, if YAML takes it for text. */
    private static String plain(String name) {
        boolean safe = PLAIN.matcher(name).matches() && !name.equalsIgnoreCase("null");
        return safe ? name : "'" + name.replace("'", "''") + "'";
    }
}
