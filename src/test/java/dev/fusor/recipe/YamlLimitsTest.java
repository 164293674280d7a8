package dev.fusor.recipe;

import org.junit.jupiter.api.Test;

import static dev.fusor.recipe.Examples.problem;
import static dev.fusor.recipe.Examples.recipe;
import static org.assertj.core.api.Assertions.assertThat;

class YamlLimitsTest {
    @Test
    void anEmptyTextIsNotARecipe() {
        assertThat(problem("")).isEqualTo("r.yml: the recipe is empty");
        assertThat(problem("# only a comment\n")).isEqualTo("r.yml: the recipe is empty");
    }

    @Test
    void brokenYamlIsOneSentenceWithItsPlace() {
        assertThat(problem("merge_method: [ties\nmodels: {")).startsWith("r.yml:2:").contains("not valid YAML")
                .doesNotContain("\n");
        assertThat(problem("a:\n\t- b")).startsWith("r.yml:2:1: not valid YAML");
    }

    @Test
    void deepNestingIsRefusedBeforeItCostsStack() {
        assertThat(problem("a: " + "[".repeat(200_000))).isEqualTo("r.yml:1:27: nested more than 24 levels deep");
    }

    @Test
    void manyAliasesAreRefused() {
        StringBuilder bomb = new StringBuilder("a0: &a0 [x]\n");
        for (int i = 1; i < 12; i++) {
            bomb.append("a%d: &a%d [%s]\n".formatted(i, i, ("*a%d, ".formatted(i - 1)).repeat(9)));
        }
        assertThat(problem(bomb.toString())).isEqualTo("r.yml:5:35: more than 32 aliases");
    }

    @Test
    void aValueThatHoldsItselfIsRefused() {
        assertThat(problem("merge_method: linear\nmodels: &m\n  - model: *m")).startsWith("r.yml:");
    }

    @Test
    void anAnchorMayBeUsedAgain() throws RecipeException {
        Recipe recipe = recipe(
                "merge_method: linear\nmodels: [{model: a, parameters: &p {weight: 1}}, {model: b, parameters: *p}]");
        assertThat(recipe.slices().getFirst().sources().get(1).parameters()).containsKey("weight");
    }

    @Test
    void tagsAreRefused() {
        assertThat(problem("merge_method: !!java.net.URL [a]")).isEqualTo("r.yml:1:15: a recipe has no YAML tags (!)");
        assertThat(problem("merge_method: !!python/name:os.system x")).startsWith("r.yml:1:15: a recipe has no YAML");
    }

    @Test
    void aSecondDocumentIsRefused() {
        assertThat(problem("a: 1\n---\nb: 1")).isEqualTo("r.yml:2:1: a recipe is one YAML document, got a second one");
    }

    @Test
    void aHugeTextIsRefused() {
        assertThat(problem("a".repeat((1 << 20) + 1)))
                .isEqualTo("r.yml: a recipe has at most 1048576 characters, got 1048577");
    }

    @Test
    void endlessDigitsDoNotTakeEndlessTime() {
        assertThat(problem("merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: " + "1_".repeat(300_000)
                + "x}")).startsWith("r.yml:3:22: parameters.weight: wanted a number, got '1_1_").hasSizeLessThan(200);
    }
}
