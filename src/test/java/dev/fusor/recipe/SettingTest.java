package dev.fusor.recipe;

import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static dev.fusor.recipe.Examples.recipe;
import static org.assertj.core.api.Assertions.assertThat;

class SettingTest {
    private static OptionalDouble weight(String value, String tensor, double t) throws RecipeException {
        return recipe("merge_method: linear\nmodels: [{model: a}]\nparameters:\n  weight: " + value).parameters()
                .get("weight").at(tensor, t);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"0.5|0.5", "'\"0.5\"'|0.5", "1e-5|1e-5", "-2|-2", "+.5|0.5", "5.|5",
        "1_000|1000",
        "true|1", "No|0", "off|0", "[3]|3", "{value: 4}|4", "{value: 4, filter: null}|4",
        "{value: 4, filter: '*'}|4"})
    void readsANumberAsMergekitDoes(String value, double expected) throws RecipeException {
        assertThat(weight(value, "x", 0.3)).hasValue(expected);
    }

    /** By hand: s = t (n - 1), between the points left and right of s. */
    @ParameterizedTest
    @CsvSource({"0, 0", "0.25, 0.5", "0.5, 1", "0.625, 0.75", "0.75, 0.5", "1, 0"})
    void aGradientIsLinearBetweenItsPoints(double t, double expected) throws RecipeException {
        assertThat(weight("[0, 1, 0]", "x", t)).hasValue(expected);
    }

    @Test
    void theFirstFilterThatMatchesCounts() throws RecipeException {
        String value = "[{filter: mlp, value: [0, 1]}, {filter: layers.1, value: 2}, {value: 3}, {filter: norm, value: 4}]";
        assertThat(weight(value, "layers.1.mlp.up", 0.5)).hasValue(0.5);
        assertThat(weight(value, "layers.10.attn", 0.5)).hasValue(2);
        assertThat(weight(value, "norm", 0.5)).hasValue(3);
    }

    @Test
    void withoutAMatchThereIsNoValue() throws RecipeException {
        assertThat(weight("{filter: mlp, value: 1}", "norm", 0)).isEmpty();
        assertThat(weight("{filter: '**', value: 1}", "norm", 0)).isEmpty();
    }
}
