package dev.fusor.recipe;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static dev.fusor.recipe.Examples.decoder;
import static dev.fusor.recipe.Examples.plan;
import static dev.fusor.recipe.Examples.tensor;
import static org.assertj.core.api.Assertions.assertThat;

class PrecedenceTest {
    private static final String NAME = "model.layers.0.up.weight";

    /** A density at each level that has one; 0 means that the level gives none. */
    @ParameterizedTest
    @CsvSource({"0, 0, 0, 1", "0, 0, 0.3, 0.3", "0, 0.2, 0, 0.2", "0, 0.2, 0.3, 0.2", "0.1, 0, 0, 0.1",
        "0.1, 0, 0.3, 0.1",
        "0.1, 0.2, 0, 0.1", "0.1, 0.2, 0.3, 0.1"})
    void theModelComesBeforeTheSliceBeforeTheRecipeBeforeTheStandard(double source, double slice, double top,
            double expected) throws RecipeException {
        MergePlan plan = plan("""
                merge_method: ties
                base_model: base
                slices:
                  - sources:
                      - {model: a, layer_range: [0, 1], parameters: {weight: 1%s}}
                    parameters: {%s}
                parameters: {%s}
                """.formatted(density(", ", source), density("", slice), density("", top)), decoder("a", 1),
                decoder("base", 1));
        assertThat(tensor(plan, NAME).inputs().getFirst().parameters()).containsEntry("density", expected);
    }

    private static String density(String before, double value) {
        return value == 0 ? "" : before + "density: " + value;
    }

    @ParameterizedTest
    @CsvSource({"'', '', 1", "'', 'lambda: 0.5', 0.5", "'lambda: 0.25', 'lambda: 0.5', 0.25"})
    void aValueOfTheWholeTensorComesFromSliceOrRecipe(String slice, String top, double expected)
            throws RecipeException {
        MergePlan plan = plan("""
                merge_method: task_arithmetic
                base_model: base
                slices:
                  - sources: [{model: a, layer_range: [0, 1], parameters: {weight: 1}}]
                    parameters: {%s}
                parameters: {%s}
                """.formatted(slice, top), decoder("a", 1), decoder("base", 1));
        assertThat(tensor(plan, NAME).parameters()).containsExactly(entry("lambda", expected), entry("normalize", 0));
    }

    private static Map.Entry<String, Double> entry(String name, double value) {
        return Map.entry(name, value);
    }

    @Test
    void aLevelWhoseFiltersDoNotMatchIsPassedOver() throws RecipeException {
        MergePlan plan = plan("""
                merge_method: linear
                models: [{model: a, parameters: {weight: {filter: up, value: 2}}}]
                parameters: {weight: [{filter: norm, value: 3}, {value: 4}]}
                """, decoder("a", 1));
        assertThat(tensor(plan, NAME).inputs().getFirst().parameters()).containsEntry("weight", 2.0);
        assertThat(tensor(plan, "model.norm.weight").inputs().getFirst().parameters()).containsEntry("weight", 3.0);
        assertThat(tensor(plan, "lm_head.weight").inputs().getFirst().parameters()).containsEntry("weight", 4.0);
    }
}
