package dev.fusor.recipe;

import java.util.List;
import org.junit.jupiter.api.Test;

import static dev.fusor.recipe.Examples.decoder;
import static dev.fusor.recipe.Examples.plan;
import static dev.fusor.recipe.Examples.planProblem;
import static dev.fusor.recipe.Examples.problem;
import static org.assertj.core.api.Assertions.assertThat;

/** Parameters that are words, and tensors that are trimmed together. */
class SpanTest {
    private static final String TIES = """
            merge_method: ties
            base_model: base
            models: [{model: a, parameters: {weight: 1, density: %s}}]
            parameters: {%s}
            """;
    private static final ModelInfo[] MODELS = {decoder("base", 2), decoder("a", 2)};

    @Test
    void aWordIsItsPlaceAmongTheWords() throws RecipeException {
        assertThat(scopes("scope: model")).containsOnly(2.0);
        assertThat(scopes("scope: tensor")).containsOnly(0.0);
        assertThat(scopes("weight: 1")).containsOnly(0.0);
    }

    @Test
    void filtersLeaveTensorsOut() throws RecipeException {
        assertThat(scopes("scope: [{filter: embed, value: tensor}, {value: model}]")).containsExactly(2.0, 0.0, 2.0,
                2.0,
                2.0);
        plan(TIES.formatted("[{filter: embed, value: 0.1}, {value: 0.2}]",
                "scope: [{filter: embed, value: tensor}, {value: model}]"), MODELS);
    }

    @Test
    void otherWordsAreRefusedWhereTheyStand() {
        assertThat(problem(TIES.formatted("0.2", "scope: layer")))
                .isEqualTo("r.yml:4:21: parameters.scope: wanted tensor or row or model, got 'layer'");
        assertThat(problem(TIES.formatted("0.2", "scope: 1"))).endsWith("wanted tensor or row or model, got '1'");
        assertThat(problem(TIES.formatted("0.2", "scope: [model, tensor]")))
                .endsWith("scope is tensor or row or model, it has no gradient");
        assertThat(problem(TIES.formatted("0.2", "scope: []"))).endsWith("the list is empty");
    }

    @Test
    void whatIsTrimmedTogetherHasOneDensity() {
        assertThat(planProblem(TIES.formatted("[{filter: norm, value: 1}, {value: 0.2}]", "scope: model"), MODELS))
                .isEqualTo(
                        "r.yml:3:9: models: the tensor 'model.norm.weight': with scope: model it is trimmed together "
                                + "with 'model.embed_tokens.weight', but has density 1.0 and not 0.2; make them alike, or leave "
                                + "it out by a filter with scope: tensor");
        assertThat(planProblem(
                TIES.formatted("0.2", "scope: model, all_ties: [{filter: norm, value: true}, {value: false}]"),
                MODELS)).contains("but has all_ties true and not false");
    }

    @Test
    void whatIsTrimmedTogetherIsMadeOfTheSameModels() {
        String yaml = """
                merge_method: breadcrumbs
                base_model: base
                slices:
                  - sources: [{model: a, layer_range: [0, 1]}]
                  - sources: [{model: b, layer_range: [1, 2]}]
                parameters: {weight: 1, density: 0.5, scope: model}
                """;
        assertThat(planProblem(yaml, decoder("base", 2), decoder("a", 2), decoder("b", 2)))
                .contains("is trimmed together with", "but is made of other models");
    }

    @Test
    void aTaskIsOneOfTheModels() {
        String yaml = """
                merge_method: emr
                base_model: base
                models: [{model: a}]
                parameters: {task: %s}
                """;
        assertThat(planProblem(yaml.formatted("2"), MODELS)).isEqualTo(
                "r.yml:3:9: models: the tensor 'model.embed_tokens.weight': task is 2, and 1 models are merged");
        assertThat(problem(yaml.formatted("0.5")))
                .endsWith("wanted 0, or the place of a model in the list, from 1, got 0.5");
        assertThat(problem(yaml.formatted("1").replace("emr", "tall_mask").replace("task: 1", "task: 0")))
                .endsWith("wanted the place of a model in the list, from 1, got 0");
    }

    private static List<Double> scopes(String parameters) throws RecipeException {
        return plan(TIES.formatted("0.2", parameters), MODELS).tensors().stream()
                .map(tensor -> tensor.parameters().get("scope")).toList();
    }
}
