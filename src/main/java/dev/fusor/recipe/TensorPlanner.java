package dev.fusor.recipe;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Collectors;

/** Plans one output tensor after the other. */
final class TensorPlanner {
    /** These divide by the sum of all weights; those that elect signs divide each element by those that agree. */
    private static final Set<String> DIVIDE_BY_ALL_WEIGHTS = Set.of("linear", "task_arithmetic", "dare_linear",
            "breadcrumbs", "della_linear", "magnitude_pruning");
    /** Where mergekit's task arithmetic stops dividing. */
    private static final double SMALLEST_SUM = 1e-8;

    private final Recipe recipe;
    private final Models models;
    private final PlanOptions options;
    private final List<String> notes;
    private final Resolver resolver;
    private final SpanCheck together;
    private final List<String> mixed = new ArrayList<>();
    private final Map<DType, Integer> carried = new LinkedHashMap<>();

    TensorPlanner(Recipe recipe, Models models, PlanOptions options, List<String> notes) {
        this.recipe = recipe;
        this.models = models;
        this.options = options;
        this.notes = notes;
        this.resolver = new Resolver(recipe);
        this.together = new SpanCheck(recipe.mergeMethod());
    }

    TensorPlan plan(Item item) throws RecipeException {
        List<Source> sources = item.slice().sources();
        List<TensorInfo> infos = new ArrayList<>();
        for (int i = 0; i < sources.size(); i++) {
            infos.add(models.info(sources.get(i)).tensors().get(item.inputs().get(i)));
        }
        Shape shape = new ShapeAgreement(item, infos).shape(options.cutEmbeddings(), notes);
        boolean copied = infos.stream().anyMatch(info -> !info.dtype().isArithmetic());
        return copied ? carry(item, infos, shape) : merge(item, infos, shape);
    }

    private TensorPlan carry(Item item, List<TensorInfo> infos, Shape shape) throws RecipeException {
        DType dtype = infos.getFirst().dtype();
        List<TensorInput> inputs = new ArrayList<>();
        for (int i = 0; i < infos.size(); i++) {
            if (infos.get(i).dtype() != dtype) {
                throw problem(item, "it is %s and %s; Fusor does not convert these".formatted(describe(item, infos, 0),
                        describe(item, infos, i)));
            }
            inputs.add(input(item, i, new LinkedHashMap<>()));
        }
        carried.merge(dtype, 1, Integer::sum);
        return new TensorPlan(item.name(), "passthrough", dtype, shape, true, OptionalInt.empty(), inputs,
                new LinkedHashMap<>());
    }

    private TensorPlan merge(Item item, List<TensorInfo> infos, Shape shape) throws RecipeException {
        List<TensorInput> inputs = new ArrayList<>();
        SequencedMap<String, Double> parameters = resolver.ofTensor(item);
        OptionalInt base = OptionalInt.empty();
        for (int i = 0; i < infos.size(); i++) {
            Source source = item.slice().sources().get(i);
            boolean isBase = item.slice().isBase(source);
            base = isBase ? OptionalInt.of(i) : base;
            inputs.add(input(item, i, isBase ? new LinkedHashMap<>() : resolver.ofModel(item, source)));
            Optional<String> objection = isBase
                    ? Optional.empty()
                    : recipe.mergeMethod().objection(shape, inputs.getLast().parameters(), parameters);
            if (objection.isPresent()) {
                throw problem(item, "%s: %s".formatted(Words.quote(source.model().path()), objection.get()));
            }
        }
        int models = infos.size() - (base.isPresent() ? 1 : 0);
        Optional<String> problem = recipe.mergeMethod().objection(models, parameters);
        if (problem.isPresent()) {
            throw problem(item, problem.get());
        }
        refuseVanishingWeights(item, inputs, parameters);
        if (infos.stream().map(TensorInfo::dtype).distinct().count() > 1) {
            mixed.add(item.name());
        }
        DType dtype = recipe.outDtype().orElse(infos.get(base.orElse(0)).dtype());
        TensorPlan plan = new TensorPlan(item.name(), recipe.method(), dtype, shape, false, base, inputs, parameters);
        together.add(item, plan);
        return plan;
    }

    private TensorInput input(Item item, int source, SequencedMap<String, Double> parameters) {
        return new TensorInput(models.number(item.slice().sources().get(source).model()), item.inputs().get(source),
                parameters);
    }

    private void refuseVanishingWeights(Item item, List<TensorInput> inputs, Map<String, Double> parameters)
            throws RecipeException {
        if (!DIVIDE_BY_ALL_WEIGHTS.contains(recipe.method()) || parameters.get("normalize") == 0) {
            return;
        }
        List<Double> weights = inputs.stream().map(input -> input.parameters().get("weight"))
                .filter(weight -> weight != null).toList();
        double sum = weights.stream().mapToDouble(weight -> weight).sum();
        if (Math.abs(sum) < SMALLEST_SUM) {
            throw problem(item,
                    "the weights %s sum to %s, and %s divides by their sum; change them, or set normalize: false"
                            .formatted(weights.stream().map(Words::number).collect(Collectors.joining(", ")),
                                    Words.number(sum),
                                    recipe.method()));
        }
    }

    /** Adds the notes that sum up all tensors. */
    void finish() {
        if (!mixed.isEmpty()) {
            notes.add("%s not of one dtype in all models: %s; the output has the %s".formatted(
                    mixed.size() == 1 ? "1 tensor is" : mixed.size() + " tensors are", Words.quoteSome(mixed),
                    recipe.outDtype().isPresent() ? "recipe's" : "base or first model's"));
        }
        carried.forEach(
                (dtype, count) -> notes.add("%s of dtype %s: copied, and the same in all models or the merge fails"
                        .formatted(Words.count(count, "tensor"), dtype)));
    }

    private String describe(Item item, List<TensorInfo> infos, int i) {
        return "%s in %s (%s)".formatted(infos.get(i).dtype(),
                Words.quote(item.slice().sources().get(i).model().path()), infos.get(i).file());
    }

    static RecipeException problem(Item item, String problem) {
        return item.slice().place().problem("%s: the tensor %s: %s".formatted(item.slice().path(),
                Words.quote(item.name()), problem));
    }
}
