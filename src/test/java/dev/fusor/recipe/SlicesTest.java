package dev.fusor.recipe;

import org.junit.jupiter.api.Test;

import static dev.fusor.recipe.Examples.decoder;
import static dev.fusor.recipe.Examples.model;
import static dev.fusor.recipe.Examples.plan;
import static dev.fusor.recipe.Examples.planProblem;
import static dev.fusor.recipe.Examples.tensor;
import static org.assertj.core.api.Assertions.assertThat;

class SlicesTest {
    private static final String STACK = """
            merge_method: passthrough
            slices:
              - sources: [{model: a, layer_range: [0, 3]}]
              - sources: [{model: b, layer_range: [1, 4], parameters: {scale: [1, 3]}}]
            """;
    private static final String LAYER = "model.layers.%d.up.weight";

    private static TensorInput only(MergePlan plan, String name) {
        TensorPlan tensor = tensor(plan, name);
        assertThat(tensor.inputs()).hasSize(1);
        return tensor.inputs().getFirst();
    }

    @Test
    void layersAreRenumbered() throws RecipeException {
        MergePlan plan = plan(STACK, decoder("a", 4), decoder("b", 4));
        assertThat(plan.outputLayers()).hasValue(6);
        assertThat(plan.tensors()).hasSize(9);
        int[] sourceLayers = {0, 1, 2, 1, 2, 3};
        double[] scales = {1, 1, 1, 1, 2, 3};
        for (int layer = 0; layer < 6; layer++) {
            TensorInput input = only(plan, LAYER.formatted(layer));
            assertThat(input.model()).isEqualTo(layer / 3);
            assertThat(input.tensor()).isEqualTo(LAYER.formatted(sourceLayers[layer]));
            assertThat(input.parameters()).containsEntry("scale", scales[layer]);
        }
        assertThat(plan.notes()).containsExactly("slices[1]: the layers [1, 4] of 'b' become [3, 6]");
    }

    @Test
    void embeddingsComeFromTheFirstSliceAndTheHeadFromTheLast() throws RecipeException {
        MergePlan plan = plan(STACK, decoder("a", 4), decoder("b", 4));
        assertThat(only(plan, "model.embed_tokens.weight").model()).isZero();
        assertThat(only(plan, "model.norm.weight").model()).isEqualTo(1);
        assertThat(only(plan, "lm_head.weight").model()).isEqualTo(1);
        assertThat(only(plan, "lm_head.weight").parameters()).containsEntry("scale", 1.0);
    }

    @Test
    void anUnlistedBaseModelTakesPartWithTheSameLayers() throws RecipeException {
        MergePlan plan = plan("""
                merge_method: slerp
                base_model: base
                slices:
                  - sources: [{model: a, layer_range: [1, 3]}]
                    parameters: {t: [0, 1]}
                  - sources: [{model: b, layer_range: [0, 1]}, {model: c, layer_range: [1, 2]}]
                    base_model: c
                    parameters: {t: 0.5}
                """, decoder("a", 3), decoder("b", 3), decoder("base", 3), decoder("c", 3));
        assertThat(plan.models()).containsExactly("a", "base", "b", "c");
        TensorPlan second = tensor(plan, LAYER.formatted(1));
        assertThat(second.inputs()).extracting(TensorInput::tensor).containsOnly(LAYER.formatted(2));
        assertThat(second.base()).hasValue(1);
        assertThat(second.parameters()).containsEntry("t", 1.0);
        TensorPlan third = tensor(plan, LAYER.formatted(2));
        assertThat(third.inputs()).extracting(TensorInput::tensor).containsExactly(LAYER.formatted(0),
                LAYER.formatted(1));
        assertThat(third.base()).hasValue(1);
        assertThat(plan.donor()).isEqualTo(1);
        assertThat(plan.notes()).containsExactly("slices[0]: the layers [1, 3] of 'a', [1, 3] of 'base' become [0, 2]",
                "slices[1]: the layers [0, 1] of 'b', [1, 2] of 'c' become [2, 3]");
    }

    @Test
    void theFilterSeesTheOutputsName() throws RecipeException {
        MergePlan plan = plan(STACK + "parameters: {scale: [{filter: layers.2, value: 7}]}", decoder("a", 4),
                decoder("b", 4));
        assertThat(only(plan, LAYER.formatted(2)).parameters()).containsEntry("scale", 7.0);
        assertThat(only(plan, LAYER.formatted(4)).tensor()).isEqualTo(LAYER.formatted(2));
        assertThat(only(plan, LAYER.formatted(4)).parameters()).containsEntry("scale", 2.0);
    }

    @Test
    void aRangePastTheModelIsRefused() {
        assertThat(planProblem(STACK, decoder("a", 4), decoder("b", 3)))
                .isEqualTo("r.yml:4:15: slices[1]: the layer_range [1, 4] goes past the 3 layers of 'b'");
    }

    @Test
    void slicesNeedOneStackOfLayers() {
        assertThat(planProblem(STACK, model("a", "w"), decoder("b", 4))).isEqualTo(
                "r.yml:3:15: slices[0]: no layers can be told from the tensor names of 'a'; use models instead of slices");
        assertThat(planProblem(STACK, model("a", "x.0.w", "y.0.w"), decoder("b", 4))).isEqualTo(
                "r.yml:3:15: slices[0]: 'a' has several stacks of 1 layer (x., y.), slices need one");
    }

    @Test
    void sourcesOfASliceNeedTheSameTensors() {
        assertThat(planProblem("""
                merge_method: linear
                slices: [{sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [1, 2]}]}]
                parameters: {weight: 1}
                """, model("a", "h.0.w"), model("b", "h.0.w", "h.1.w", "h.1.bias"))).isEqualTo(
                "r.yml:2:10: slices[0]: the model 'a' lacks 1 tensor that the model 'b' has: 'h.0.bias'; models are merged only if they have the same tensors");
    }
}
