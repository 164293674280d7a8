package dev.fusor.recipe;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalInt;
import java.util.SequencedMap;

import static org.assertj.core.api.Assertions.catchThrowableOfType;

/** Recipes and models that the tests share. */
final class Examples {
    static final String TIES = """
            merge_method: ties
            base_model: base
            models:
              - model: a
                parameters: {weight: 1}
              - model: b
                parameters: {weight: 1}
            """;

    private Examples() {}

    static Recipe recipe(String yaml) throws RecipeException {
        return Recipe.parse(yaml, "r.yml");
    }

    static String problem(String yaml) {
        return catchThrowableOfType(RecipeException.class, () -> recipe(yaml)).getMessage();
    }

    static String planProblem(String yaml, ModelInfo... models) {
        return catchThrowableOfType(RecipeException.class, () -> plan(yaml, models)).getMessage();
    }

    static MergePlan plan(String yaml, ModelInfo... models) throws RecipeException {
        return Planner.plan(recipe(yaml), List.of(models), PlanOptions.standard());
    }

    static TensorPlan tensor(MergePlan plan, String name) {
        return plan.tensors().stream().filter(tensor -> tensor.name().equals(name)).findFirst().orElseThrow();
    }

    static TensorInfo info(DType dtype, long... shape) {
        return new TensorInfo(dtype, Shape.of(shape), "model.safetensors");
    }

    /** A model of BF16 [2, 2] tensors. */
    static ModelInfo model(String reference, String... names) {
        SequencedMap<String, TensorInfo> tensors = new LinkedHashMap<>();
        Arrays.stream(names).forEach(name -> tensors.put(name, info(DType.BF16, 2, 2)));
        return new ModelInfo(reference, reference, tensors, OptionalInt.empty());
    }

    /** A small decoder: embedding, {@code layers} layers of one tensor, norm and head. */
    static ModelInfo decoder(String reference, int layers) {
        String[] names = new String[layers + 3];
        names[0] = "model.embed_tokens.weight";
        for (int i = 0; i < layers; i++) {
            names[1 + i] = "model.layers.%d.up.weight".formatted(i);
        }
        names[layers + 1] = "model.norm.weight";
        names[layers + 2] = "lm_head.weight";
        return model(reference, names);
    }

    static ModelInfo with(ModelInfo model, String name, TensorInfo info) {
        SequencedMap<String, TensorInfo> tensors = new LinkedHashMap<>(model.tensors());
        tensors.put(name, info);
        return new ModelInfo(model.reference(), model.location(), tensors, model.layers());
    }
}
