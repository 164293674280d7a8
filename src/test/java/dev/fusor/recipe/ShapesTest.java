package dev.fusor.recipe;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.util.List;
import org.junit.jupiter.api.Test;

import static dev.fusor.recipe.Examples.TIES;
import static dev.fusor.recipe.Examples.decoder;
import static dev.fusor.recipe.Examples.info;
import static dev.fusor.recipe.Examples.planProblem;
import static dev.fusor.recipe.Examples.recipe;
import static dev.fusor.recipe.Examples.tensor;
import static dev.fusor.recipe.Examples.with;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class ShapesTest {
    private static final String EMBEDDING = "model.embed_tokens.weight";

    private static ModelInfo[] models(String name, long... rows) {
        return new ModelInfo[]{with(decoder("a", 1), name, info(DType.F32, rows[0], 8)),
            with(decoder("b", 1), name, info(DType.F32, rows[1], 8)),
            with(decoder("base", 1), name, info(DType.F32, rows[2], 8))};
    }

    @Test
    void differentShapesAreRefused() {
        assertThat(planProblem(TIES, models("model.norm.weight", 4, 4, 5))).isEqualTo(
                "r.yml:4:3: models: the tensor 'model.norm.weight': it has the shape [4, 8] in 'a' (model.safetensors) and [5, 8] in 'base' (model.safetensors); models are merged only if their tensors have the same shapes");
        assertThat(planProblem(TIES, models(EMBEDDING, 4, 6, 5))).isEqualTo(
                "r.yml:4:3: models: the tensor 'model.embed_tokens.weight': it has the shape [4, 8] in 'a' (model.safetensors) and [6, 8] in 'b' (model.safetensors); fusor merge --cut-embeddings would keep the 4 rows that all models have");
    }

    @Test
    void embeddingsAreCutWhereTheUserAsksForIt() throws RecipeException {
        MergePlan plan = Planner.plan(recipe(TIES), List.of(models(EMBEDDING, 6, 4, 5)), new PlanOptions(true, 0));
        assertThat(tensor(plan, EMBEDDING).shape()).isEqualTo(Shape.of(4, 8));
        assertThat(plan.notes()).containsExactly(
                "model.embed_tokens.weight: cut to 4 rows ('a' has 6, 'b' has 4, 'base' has 5)");
    }

    @Test
    void onlyRowsOfEmbeddingsAreCut() {
        ModelInfo[] models = models(EMBEDDING, 6, 4, 5);
        models[1] = with(decoder("b", 1), EMBEDDING, info(DType.F32, 4, 9));
        assertThatThrownBy(() -> Planner.plan(recipe(TIES), List.of(models), new PlanOptions(true, 0)))
                .hasMessageContaining("[4, 9]").hasMessageEndingWith("have the same shapes");
        assertThatThrownBy(() -> Planner.plan(recipe(TIES), List.of(models("model.norm.weight", 4, 4, 5)),
                new PlanOptions(true, 0))).hasMessageEndingWith("have the same shapes");
    }
}
