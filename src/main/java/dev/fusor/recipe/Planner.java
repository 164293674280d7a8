package dev.fusor.recipe;

import dev.fusor.method.Parameter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Stream;

/** Settles, from a recipe and the tensors of its models, what goes into every output tensor. */
public final class Planner {
    private final Recipe recipe;
    private final Models models;
    private final List<String> notes = new ArrayList<>();

    private Planner(Recipe recipe, Models models) {
        this.recipe = recipe;
        this.models = models;
    }

    /**
     * {@return the plan}
     *
     * @param recipe the recipe
     * @param models what its models hold, one for each of {@link Recipe#models()} and in any order
     * @param options what may be done beyond the recipe
     * @throws RecipeException if the recipe does not fit the models, or the models do not fit each other
     * @throws IllegalArgumentException if a model of the recipe is not given
     */
    public static MergePlan plan(Recipe recipe, List<ModelInfo> models, PlanOptions options) throws RecipeException {
        return new Planner(recipe, new Models(recipe, models)).plan(options);
    }

    private MergePlan plan(PlanOptions options) throws RecipeException {
        refuseGradientsWithoutLayers();
        noteUnlisted();
        noteIdleParameters();
        Layout layout = new Layout(recipe, models, notes);
        TensorPlanner planner = new TensorPlanner(recipe, models, options, notes);
        List<TensorPlan> tensors = new ArrayList<>();
        for (Item item : layout.items()) {
            tensors.add(planner.plan(item));
        }
        planner.finish();
        tensors.sort(Comparator.comparing(TensorPlan::name, TensorNames.NATURAL_ORDER));
        OptionalInt base = recipe.baseModel().map(model -> OptionalInt.of(models.number(model)))
                .orElse(OptionalInt.empty());
        OptionalInt layers = recipe.isAssembled() ? OptionalInt.of(layout.layers()) : OptionalInt.empty();
        return new MergePlan(recipe.models().stream().map(ModelReference::path).toList(), base, tensors,
                base.orElse(0), layers,
                recipe.alignment().map(alignment -> OptionalInt.of(models.number(alignment.to())))
                        .orElse(OptionalInt.empty()),
                options.seed(), notes);
    }

    private void refuseGradientsWithoutLayers() throws RecipeException {
        for (Slice slice : recipe.slices()) {
            Source first = slice.sources().getFirst();
            if (models.stack(first).layers() == 0) {
                for (Setting setting : settings(slice).toList()) {
                    if (setting.isGradient()) {
                        throw setting.place().problem(
                                "a gradient runs over layers, and no layers can be told from the tensor names of %s; give one number"
                                        .formatted(Words.quote(first.model().path())));
                    }
                }
            }
        }
    }

    private Stream<Setting> settings(Slice slice) {
        Stream<Map<String, Setting>> ofSources = slice.sources().stream().map(Source::parameters);
        return Stream.concat(ofSources, Stream.of(slice.parameters(), recipe.parameters()))
                .flatMap(level -> level.values().stream());
    }

    private void noteUnlisted() {
        for (Slice slice : recipe.slices()) {
            slice.sources().stream().filter(source -> !source.listed() && !slice.isBase(source)).forEach(
                    source -> notes
                            .add("the base model %s is not listed: %s merges it as one more model, as mergekit does"
                                    .formatted(Words.quote(source.model().path()), recipe.method())));
        }
    }

    private void noteIdleParameters() {
        List<String> known = recipe.mergeMethod().parameters().stream().map(Parameter::name).toList();
        for (Slice slice : recipe.slices()) {
            slice.sources().stream().filter(source -> slice.isBase(source) && !source.parameters().isEmpty()).forEach(
                    source -> notes.add("%s: %s of the base model %s has no effect in %s".formatted(slice.path(),
                            String.join(", ", known.stream().filter(source.parameters()::containsKey).toList()),
                            Words.quote(source.model().path()), recipe.method())));
        }
    }
}
