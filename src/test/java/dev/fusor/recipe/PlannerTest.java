package dev.fusor.recipe;

import dev.fusor.tensor.DType;
import java.util.List;
import org.junit.jupiter.api.Test;

import static dev.fusor.recipe.Examples.TIES;
import static dev.fusor.recipe.Examples.decoder;
import static dev.fusor.recipe.Examples.info;
import static dev.fusor.recipe.Examples.plan;
import static dev.fusor.recipe.Examples.planProblem;
import static dev.fusor.recipe.Examples.recipe;
import static dev.fusor.recipe.Examples.tensor;
import static dev.fusor.recipe.Examples.with;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class PlannerTest {
    private static final String LAYER = "model.layers.%d.up.weight";

    @Test
    void plansEveryTensorInNaturalOrder() throws RecipeException {
        MergePlan plan = plan(TIES, decoder("base", 11), decoder("a", 11), decoder("b", 11));
        assertThat(plan.models()).containsExactly("a", "b", "base");
        assertThat(plan.baseModel()).hasValue(2);
        assertThat(plan.donor()).isEqualTo(2);
        assertThat(plan.outputLayers()).isEmpty();
        assertThat(plan.notes()).isEmpty();
        assertThat(plan.tensors()).hasSize(14).extracting(TensorPlan::name).startsWith("lm_head.weight",
                "model.embed_tokens.weight", "model.layers.0.up.weight", "model.layers.1.up.weight").endsWith(
                        "model.layers.9.up.weight", "model.layers.10.up.weight", "model.norm.weight");
    }

    @Test
    void fillsInWhatTheRecipeLeavesOut() throws RecipeException {
        TensorPlan tensor = plan(TIES, decoder("base", 1), decoder("a", 1), decoder("b", 1)).tensors().getFirst();
        assertThat(tensor.method()).isEqualTo("ties");
        assertThat(tensor.outDtype()).isEqualTo(DType.BF16);
        assertThat(tensor.carried()).isFalse();
        assertThat(tensor.base()).hasValue(2);
        assertThat(tensor.inputs()).extracting(TensorInput::model).containsExactly(0, 1, 2);
        assertThat(tensor.inputs().getFirst().parameters().toString()).isEqualTo("{weight=1.0, density=1.0}");
        assertThat(tensor.inputs().get(2).parameters()).isEmpty();
        assertThat(tensor.parameters()).containsEntry("lambda", 1.0).containsEntry("normalize", 1.0);
    }

    @Test
    void aListedBaseModelDoesNotVote() throws RecipeException {
        String yaml = "merge_method: ties\nbase_model: base\nmodels: [{model: base, parameters: {weight: 1}}, {model: a, parameters: {weight: 1}}]";
        MergePlan plan = plan(yaml, decoder("base", 1), decoder("a", 1));
        assertThat(plan.tensors().getFirst().base()).hasValue(0);
        assertThat(plan.tensors().getFirst().inputs()).hasSize(2);
        assertThat(plan.notes())
                .containsExactly("models: weight of the base model 'base' has no effect in ties");
    }

    @Test
    void linearMergesAnUnlistedBaseModelToo() throws RecipeException {
        String yaml = "merge_method: linear\nbase_model: c\nmodels: [{model: a}]\n";
        MergePlan plan = plan(yaml + "parameters: {weight: 1}", decoder("a", 1), decoder("c", 1));
        assertThat(plan.tensors().getFirst().base()).isEmpty();
        assertThat(plan.tensors().getFirst().inputs()).hasSize(2)
                .allSatisfy(input -> assertThat(input.parameters()).containsEntry("weight", 1.0));
        assertThat(plan.donor()).isEqualTo(1);
        assertThat(plan.notes()).containsExactly(
                "the base model 'c' is not listed: linear merges it as one more model, as mergekit does");
        assertThat(planProblem(yaml.replace("{model: a}", "{model: a, parameters: {weight: 1}}"), decoder("a", 1),
                decoder("c", 1))).isEqualTo(
                        "r.yml:3:9: linear needs a weight of the model 'c' for the tensor 'model.embed_tokens.weight'; list the model, with its own weight");
    }

    @Test
    void passthroughTakesOnlyTheTokenizerOfABaseModel() throws RecipeException {
        MergePlan plan = plan("merge_method: passthrough\nbase_model: c\nmodels: [{model: a}]", decoder("a", 1),
                decoder("c", 2));
        assertThat(plan.tensors()).allSatisfy(tensor -> assertThat(tensor.inputs()).hasSize(1));
        assertThat(plan.donor()).isEqualTo(1);
        assertThat(plan.tensors().getFirst().inputs().getFirst().parameters()).containsEntry("scale", 1.0);
    }

    @Test
    void gradientsRunOverTheLayers() throws RecipeException {
        MergePlan plan = plan(
                "merge_method: slerp\nbase_model: a\nmodels: [{model: a}, {model: b}]\nparameters: {t: [0, 1, 0.5]}",
                decoder("a", 5), decoder("b", 5));
        // t of the layers is 0, 1/4, 1/2, 3/4, 1; times 2 gives the place among the three points.
        double[] expected = {0, 0.5, 1, 0.75, 0.5};
        for (int layer = 0; layer < 5; layer++) {
            assertThat(tensor(plan, LAYER.formatted(layer)).parameters()).containsEntry("t", expected[layer]);
        }
        assertThat(tensor(plan, "lm_head.weight").parameters()).containsEntry("t", 0.0);
    }

    @Test
    void aSingleLayerTakesTheLastPointOfAGradient() throws RecipeException {
        MergePlan plan = plan("merge_method: slerp\nbase_model: a\nmodels: [{model: b}]\nparameters: {t: [0.1, 0.9]}",
                decoder("a", 1), decoder("b", 1));
        assertThat(tensor(plan, LAYER.formatted(0)).parameters()).containsEntry("t", 0.9);
        assertThat(tensor(plan, "model.norm.weight").parameters()).containsEntry("t", 0.1);
    }

    @Test
    void aGradientNeedsLayers() {
        assertThat(planProblem("merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: [0, 1]}",
                Examples.model("a", "w"))).isEqualTo(
                        "r.yml:3:22: a gradient runs over layers, and no layers can be told from the tensor names of 'a'; give one number");
    }

    @Test
    void aRequiredParameterIsMissed() {
        assertThat(planProblem("merge_method: linear\nmodels: [{model: a}]", decoder("a", 1))).isEqualTo(
                "r.yml:2:10: linear needs a weight of the model 'a' for the tensor 'model.embed_tokens.weight'; add it under parameters");
        assertThat(planProblem(
                "merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: {filter: up, value: 1}}",
                decoder("a", 1))).isEqualTo(
                        "r.yml:2:10: linear needs a weight of the model 'a' for the tensor 'model.embed_tokens.weight'; none of its filters matches; add an entry without a filter");
        assertThat(planProblem("merge_method: nearswap\nbase_model: a\nmodels: [{model: b}]", decoder("a", 1),
                decoder("b", 1))).isEqualTo(
                        "r.yml:3:9: nearswap needs a t for the tensor 'model.embed_tokens.weight'; add it under parameters");
    }

    @Test
    void weightsThatCancelAreRefusedWhereTheyAreDividedBy() throws RecipeException {
        String yaml = "merge_method: %s\nbase_model: base\nmodels: [{model: base%s}, {model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: -1}}]\nparameters: {normalize: %s}";
        ModelInfo[] models = {decoder("base", 1), decoder("a", 1), decoder("b", 1)};
        String problem = "r.yml:3:9: models: the tensor 'model.embed_tokens.weight': the weights %s sum to 0, and %s divides by their sum; change them, or set normalize: false";
        assertThat(planProblem(yaml.formatted("task_arithmetic", "", true), models))
                .isEqualTo(problem.formatted("1, -1", "task_arithmetic"));
        assertThat(planProblem(yaml.formatted("dare_linear", "", true), models))
                .isEqualTo(problem.formatted("1, -1", "dare_linear"));
        assertThat(planProblem(yaml.formatted("linear", ", parameters: {weight: 0}", true), models))
                .isEqualTo(problem.formatted("0, 1, -1", "linear"));
        plan(yaml.formatted("task_arithmetic", "", false), models);
        plan(yaml.formatted("ties", "", true), models);
        plan(yaml.formatted("dare_ties", "", true), models);
    }

    @Test
    void valuesThatDoNotGoTogetherAreRefusedWithTheirTensor() throws RecipeException {
        String yaml = TIES.replace("ties", "della") + "parameters: {density: {filter: up, value: 0.9}}";
        assertThat(planProblem(yaml, decoder("base", 1), decoder("a", 1), decoder("b", 1))).isEqualTo(
                "r.yml:4:3: models: the tensor 'model.layers.0.up.weight': 'a': density +- epsilon are probabilities, got 0.9 +- 0.15; choose a smaller epsilon");
        plan(TIES.replace("ties", "della"), decoder("base", 1), decoder("a", 1), decoder("b", 1));
    }

    @Test
    void modelsNeedTheSameTensors() {
        ModelInfo more = with(with(decoder("b", 3), "x", info(DType.F32, 1)), "y", info(DType.F32, 1));
        ModelInfo located = new ModelInfo("b", "/models/b", more.tensors(), more.layers());
        assertThat(planProblem(TIES, decoder("base", 1), decoder("a", 1), located)).isEqualTo(
                "r.yml:4:3: models: the model 'a' lacks 4 tensors that the model 'b' (/models/b) has: 'model.layers.1.up.weight', 'model.layers.2.up.weight', 'x', ...; models are merged only if they have the same tensors");
    }

    @Test
    void theDtypeIsTheRecipesElseTheBaseModels() throws RecipeException {
        ModelInfo[] models = {with(decoder("base", 1), "x", info(DType.F32, 1)),
            with(decoder("a", 1), "x", info(DType.F16, 1)), with(decoder("b", 1), "x", info(DType.F16, 1))};
        MergePlan plan = plan(TIES, models);
        assertThat(tensor(plan, "x").outDtype()).isEqualTo(DType.F32);
        assertThat(plan.notes()).containsExactly(
                "1 tensor is not of one dtype in all models: 'x'; the output has the base or first model's");
        assertThat(tensor(plan(TIES + "dtype: float16", models), "x").outDtype()).isEqualTo(DType.F16);
        assertThat(tensor(plan(TIES + "dtype: float16\nout_dtype: torch.bfloat16", models), "x").outDtype())
                .isEqualTo(DType.BF16);
    }

    @Test
    void whatIsNotComputedIsCarried() throws RecipeException {
        ModelInfo[] models = {with(decoder("base", 1), "ids", info(DType.I64, 3)),
            with(decoder("a", 1), "ids", info(DType.I64, 3)), with(decoder("b", 1), "ids", info(DType.I64, 3))};
        MergePlan plan = plan(TIES + "dtype: float16", models);
        TensorPlan ids = tensor(plan, "ids");
        assertThat(ids.carried()).isTrue();
        assertThat(ids.method()).isEqualTo("passthrough");
        assertThat(ids.outDtype()).isEqualTo(DType.I64);
        assertThat(ids.base()).isEmpty();
        assertThat(ids.inputs()).hasSize(3).allSatisfy(input -> assertThat(input.parameters()).isEmpty());
        assertThat(plan.notes())
                .containsExactly("1 tensor of dtype I64: copied, and the same in all models or the merge fails");
        models[1] = with(decoder("a", 1), "ids", info(DType.F32, 3));
        assertThat(planProblem(TIES, models)).isEqualTo(
                "r.yml:4:3: models: the tensor 'ids': it is F32 in 'a' (model.safetensors) and I64 in 'b' (model.safetensors); Fusor does not convert these");
    }

    @Test
    void everyModelMustBeGiven() {
        assertThatThrownBy(() -> Planner.plan(recipe(TIES), List.of(decoder("a", 1)), PlanOptions.standard()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the recipe's model 'b' is not among the given ones");
    }
}
