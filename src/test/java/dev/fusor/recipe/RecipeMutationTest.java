package dev.fusor.recipe;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

import static dev.fusor.recipe.Examples.TIES;
import static dev.fusor.recipe.Examples.decoder;
import static org.assertj.core.api.Assertions.assertThat;

/** Damaged recipes: each is refused by a {@link RecipeException} of one line, or planned. */
class RecipeMutationTest {
    private static final long SEED = Long.getLong("fusor.seed", 20_261_120);
    private static final int ROUNDS = Integer.getInteger("fusor.rounds", 20_000);
    private static final List<String> SEEDS = List.of(TIES, TIES + """
            parameters:
              density: [0.1, "0.9"]
              normalize: yes
              lambda:
                - filter: up
                  value: [1, 0.5]
                - value: 1e-3
            dtype: bfloat16
            """, """
            merge_method: passthrough
            slices:
              - sources: &s [{model: a, layer_range: [0, 3]}]
              - sources:
                  - model: {model: {path: b}}
                    layer_range: [1, 4]
                    parameters: {scale: [1, 3]}
              - sources: *s
            """, "merge_method: slerp\nbase_model: a\nmodels: [{model: a}, {model: b}]\nparameters: {t: [0, 1]}\n");
    private static final List<String> PIECES = List.of("- ", ": ", "[", "]", "{", "}", "\n", "  ", "&x ", "*x", "*s",
            "!!str ", "'", "\"", "#", "|", ">", "%", "@", "\t", "\0", "\uFEFF", "\uD800", "---\n", "...", "? ", "<<: ",
            "null", "~", "yes", "0x1", "1e400", ".nan", "-1", "99999999999999999999", "model: a", "models:", "slices:",
            "layer_range: [0, 1]", "parameters: {weight: 1}", "filter: up", "base_model: b");

    @Test
    void everyDamagedRecipeIsRefusedOrPlanned() {
        Random random = new Random(SEED);
        int planned = 0;
        for (int round = 0; round < ROUNDS; round++) {
            String text = SEEDS.get(random.nextInt(SEEDS.size()));
            for (int edits = 1 + random.nextInt(4); edits > 0; edits--) {
                text = mutate(text, PIECES, random);
            }
            planned += isPlanned(text, round) ? 1 : 0;
        }
        assertThat(planned).as("planned with seed %d", SEED).isBetween(ROUNDS / 100, ROUNDS / 2);
    }

    private static boolean isPlanned(String text, int round) {
        try {
            Recipe recipe = Recipe.parse(text, "r.yml");
            List<ModelInfo> models = recipe.models().stream().map(model -> decoder(model.path(), 4)).toList();
            Planner.plan(recipe, models, PlanOptions.standard());
            return true;
        } catch (RecipeException e) {
            assertThat(e.getMessage()).startsWith("r.yml:").doesNotContain("\n").hasSizeLessThan(1000);
            return false;
        } catch (RuntimeException | StackOverflowError e) {
            throw new AssertionError("seed %d, round %d:%n%s".formatted(SEED, round, text), e);
        }
    }

    static String mutate(String text, List<String> pieces, Random random) {
        int from = random.nextInt(text.length() + 1);
        int to = Math.min(text.length(), from + random.nextInt(8));
        int elsewhere = random.nextInt(text.length() + 1);
        return switch (random.nextInt(4)) {
            case 0 -> text.substring(0, from) + text.substring(to);
            case 1 -> text.substring(0, from) + pieces.get(random.nextInt(pieces.size())) + text.substring(from);
            case 2 -> text.substring(0, from) + pieces.get(random.nextInt(pieces.size())) + text.substring(to);
            default -> text.substring(0, elsewhere) + text.substring(from, to) + text.substring(elsewhere);
        };
    }
}
