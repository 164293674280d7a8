package dev.fusor.recipe;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.stream.Collectors;

/** Which tensors the output has, and which of each source go into them. */
final class Layout {
    private final Recipe recipe;
    private final Models models;
    private final List<String> notes;
    private final Map<String, Item> items = new LinkedHashMap<>();
    private int layers;

    Layout(Recipe recipe, Models models, List<String> notes) throws RecipeException {
        this.recipe = recipe;
        this.models = models;
        this.notes = notes;
        if (recipe.isAssembled()) {
            assemble();
        } else {
            add(recipe.slices().getFirst(), (source, name) -> name);
        }
    }

    Iterable<Item> items() {
        return items.values();
    }

    /** How many layers slices make; 0 without slices. */
    int layers() {
        return layers;
    }

    private void assemble() throws RecipeException {
        List<Slice> slices = recipe.slices();
        for (Slice slice : slices) {
            for (Source source : slice.sources()) {
                checkRange(slice, source);
            }
        }
        add(slices.getFirst(), (source, name) -> outside(source, name) && TensorNames.isBeforeLayers(name)
                ? name
                : null);
        for (Slice slice : slices) {
            int first = layers;
            add(slice, (source, name) -> renumbered(source, name, first));
            note(slice, first);
            layers += slice.sources().getFirst().range().orElseThrow().length();
        }
        add(slices.getLast(), (source, name) -> outside(source, name) && !TensorNames.isBeforeLayers(name)
                ? name
                : null);
    }

    private void checkRange(Slice slice, Source source) throws RecipeException {
        LayerStack stack = models.stack(source);
        String model = Words.quote(source.model().path());
        if (stack.layers() == 0) {
            throw source.place()
                    .problem("%s: no layers can be told from the tensor names of %s; use models instead of slices"
                            .formatted(slice.path(), model));
        }
        if (stack.prefixes().size() > 1) {
            throw source.place().problem("%s: %s has several stacks of %s (%s), slices need one"
                    .formatted(slice.path(), model, Words.count(stack.layers(), "layer"),
                            String.join(", ", stack.prefixes())));
        }
        if (source.range().orElseThrow().end() > stack.layers()) {
            throw source.place().problem("%s: the layer_range %s goes past the %s of %s"
                    .formatted(slice.path(), source.range().get(), Words.count(stack.layers(), "layer"), model));
        }
    }

    private boolean outside(Source source, String name) {
        return models.stack(source).layerOf(name).isEmpty();
    }

    private String renumbered(Source source, String name, int first) {
        LayerRange range = source.range().orElseThrow();
        OptionalInt layer = models.stack(source).layerOf(name);
        boolean inside = layer.isPresent() && layer.getAsInt() >= range.start() && layer.getAsInt() < range.end();
        return inside ? LayerStack.renumber(name, layer.getAsInt() - range.start() + first) : null;
    }

    private void note(Slice slice, int first) {
        boolean moved = slice.sources().stream().anyMatch(source -> source.range().orElseThrow().start() != first);
        if (moved) {
            String from = slice.sources().stream()
                    .map(source -> "%s of %s".formatted(source.range().orElseThrow(),
                            Words.quote(source.model().path())))
                    .collect(Collectors.joining(", "));
            notes.add("%s: the layers %s become [%d, %d]".formatted(slice.path(), from, first,
                    first + slice.sources().getFirst().range().orElseThrow().length()));
        }
    }

    /** Adds what the sources have under the output's names; a name that is null is left out. */
    private void add(Slice slice, BiFunction<Source, String, String> outputName) throws RecipeException {
        List<Map<String, String>> inputs = new ArrayList<>();
        Set<String> all = new LinkedHashSet<>();
        for (Source source : slice.sources()) {
            Map<String, String> byOutput = new LinkedHashMap<>();
            for (String name : models.info(source).tensors().keySet()) {
                String output = outputName.apply(source, name);
                if (output != null) {
                    byOutput.put(output, name);
                }
            }
            inputs.add(byOutput);
            all.addAll(byOutput.keySet());
        }
        refuseMissing(slice, inputs, all);
        for (String name : all) {
            List<String> names = inputs.stream().map(byOutput -> byOutput.get(name)).toList();
            Item item = new Item(slice, name, position(slice.sources().getFirst(), names.getFirst()), names);
            if (items.putIfAbsent(name, item) != null) {
                throw slice.place()
                        .problem("%s: the tensor %s is made twice".formatted(slice.path(), Words.quote(name)));
            }
        }
    }

    private double position(Source source, String name) {
        LayerStack stack = models.stack(source);
        OptionalInt layer = stack.layerOf(name);
        if (layer.isEmpty()) {
            return 0;
        }
        LayerRange range = source.range().orElse(new LayerRange(0, stack.layers()));
        return range.length() == 1 ? 1 : (layer.getAsInt() - range.start()) / (double) (range.length() - 1);
    }

    private void refuseMissing(Slice slice, List<Map<String, String>> inputs, Set<String> all) throws RecipeException {
        for (int i = 0; i < inputs.size(); i++) {
            Map<String, String> own = inputs.get(i);
            if (own.size() == all.size()) {
                continue;
            }
            String first = all.stream().filter(name -> !own.containsKey(name)).findFirst().orElseThrow();
            int owner = 0;
            while (!inputs.get(owner).containsKey(first)) {
                owner++;
            }
            List<String> missing = inputs.get(owner).keySet().stream().filter(name -> !own.containsKey(name)).toList();
            throw slice.place().problem(
                    "%s: the model %s lacks %s that the model %s has: %s; models are merged only if they have the same tensors"
                            .formatted(slice.path(), describe(slice, i), Words.count(missing.size(), "tensor"),
                                    describe(slice, owner), Words.quoteSome(missing)));
        }
    }

    private String describe(Slice slice, int source) {
        ModelInfo info = models.info(slice.sources().get(source));
        String name = Words.quote(info.reference());
        return info.location().equals(info.reference()) ? name : "%s (%s)".formatted(name, info.location());
    }
}
