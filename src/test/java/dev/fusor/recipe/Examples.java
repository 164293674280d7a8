package dev.fusor.recipe;

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
}
