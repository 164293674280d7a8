package dev.fusor.recipe;

import dev.fusor.tensor.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/** Damaged permutation specs: each is refused by a {@link RecipeException} of one line, or fits. */
class SpecMutationTest {
    private static final long SEED = Long.getLong("fusor.seed", 20_261_121);
    private static final int ROUNDS = Integer.getInteger("fusor.rounds", 20_000);
    private static final String SPEC = """
            ranges: {i: [0, 2]}
            groups:
              stream: 6
              heads.<i>: 2
              mlp.<i>: 5
            tensors:
              wte.weight: [~, stream]
              h.<i>.attn.c_attn.weight: [stream, [{heads.<i>: 6}, heads.<i>, {heads.<i>: 6}]]
              h.<i>.attn.c_proj.weight: [heads.<i>, stream]
              h.<i>.mlp.c_fc.weight: [stream, mlp.<i>]
              h.<i>.mlp.c_proj.weight: [mlp.<i>, stream]
            """;
    private static final List<String> PIECES = List.of("- ", ": ", "[", "]", "{", "}", "\n", "  ", "&x ", "*x",
            "!!str ",
            "'", "\"", "#", "|", ">", "\t", "\0", "\uD800", "---\n", "? ", "null", "~", "<i>", "<i-1>", "<i+999999>",
            "<j>",
            "stream", "mlp.0", "999999999", "[0, 999999999]", "-1", "1", "0", "{stream: 3}", "j: [0, 2]",
            "heads.<i>: 2");

    private static Map<String, Shape> shapes() {
        Map<String, Shape> shapes = new LinkedHashMap<>();
        shapes.put("wte.weight", Shape.of(9, 6));
        for (int i = 0; i < 2; i++) {
            shapes.put("h." + i + ".attn.c_attn.weight", Shape.of(6, 18));
            shapes.put("h." + i + ".attn.c_proj.weight", Shape.of(6, 6));
            shapes.put("h." + i + ".mlp.c_fc.weight", Shape.of(6, 5));
            shapes.put("h." + i + ".mlp.c_proj.weight", Shape.of(5, 6));
        }
        return shapes;
    }

    @Test
    void everyDamagedSpecIsRefusedOrFits() throws RecipeException {
        SpecFile.parse(SPEC, "s.yml").resolve(shapes(), Map.of("n_head", 2L));
        Random random = new Random(SEED);
        int fitting = 0;
        for (int round = 0; round < ROUNDS; round++) {
            String text = SPEC;
            for (int edits = 1 + random.nextInt(4); edits > 0; edits--) {
                text = RecipeMutationTest.mutate(text, PIECES, random);
            }
            fitting += fits(text, round) ? 1 : 0;
        }
        assertThat(fitting).as("fitting with seed %d", SEED).isBetween(ROUNDS / 200, ROUNDS / 2);
    }

    private static boolean fits(String text, int round) {
        try {
            SpecFile.parse(text, "s.yml").resolve(shapes(), Map.of("n_head", 2L));
            return true;
        } catch (RecipeException e) {
            assertThat(e.getMessage()).startsWith("s.yml:").doesNotContain("\n").hasSizeLessThan(1000);
            return false;
        } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
            throw new AssertionError("seed %d, round %d:%n%s".formatted(SEED, round, text), e);
        }
    }
}
