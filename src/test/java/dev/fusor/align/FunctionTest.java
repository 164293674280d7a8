package dev.fusor.align;

import dev.fusor.align.Networks.Image;
import dev.fusor.align.Networks.Weights;
import dev.fusor.tensor.Shape;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

/** Permuting the units of a network by its generated spec leaves its function as it is, and less than the spec does not. */
class FunctionTest {
    private static final int[] TOKENS = {3, 0, 6, 2, 2};

    /** Networks whose shapes are as unlike each other as possible. */
    enum Example {
        MLP(Map.of(), w -> Networks.mlp(w, List.of("fc1", "fc2", "fc3"), input(5)),
                "fc1.weight 6 5", "fc1.bias 6", "fc2.weight 4 6", "fc2.bias 4", "fc3.weight 3 4", "fc3.bias 3"),
        CNN(Map.of(), w -> Networks.cnn(w, image()),
                "features.0.weight 4 3 3 3", "features.0.bias 4", norm("features.1", 4), "features.3.weight 4 1 3 3",
                "features.5.weight 6 4 1 1", "features.5.bias 6", "classifier.0.weight 5 54", "classifier.0.bias 5",
                "classifier.3.weight 2 5"),
        RES_NET(Map.of(), w -> Networks.resNet(w, List.of("layer1.0", "layer1.1", "layer2.0", "layer3.0"), image()),
                "conv1.weight 4 3 3 3", norm("bn1", 4), block("layer1.0", 4, 4), block("layer1.1", 4, 4),
                block("layer2.0", 4, 5), "layer2.0.downsample.0.weight 5 4 1 1", norm("layer2.0.downsample.1", 5),
                "layer3.0.conv1.weight 2 5 1 1", norm("layer3.0.bn1", 2), "layer3.0.conv2.weight 3 2 3 3",
                norm("layer3.0.bn2", 3), "layer3.0.conv3.weight 7 3 1 1", norm("layer3.0.bn3", 7),
                "layer3.0.downsample.0.weight 7 5 1 1", norm("layer3.0.downsample.1", 7), "fc.weight 3 7", "fc.bias 3"),
        PADDED_RES_NET(Map.of(), w -> Networks.resNet(w, List.of("layer1.0", "layer2.0"), image()),
                "conv1.weight 4 3 3 3", norm("bn1", 4), block("layer1.0", 4, 4), block("layer2.0", 4, 6),
                "fc.weight 3 6",
                "fc.bias 3"),
        LLAMA(Map.of("num_attention_heads", 6L, "num_key_value_heads", 3L), w -> Networks.llama(w, 2, 6, 3, TOKENS),
                "model.embed_tokens.weight 7 10", decoderLayer(0, 10, 6, 3, 4, 5), decoderLayer(1, 10, 6, 3, 4, 5),
                "model.norm.weight 10"),
        NORMED_LLAMA(Map.of("num_attention_heads", 4L), w -> Networks.llama(w, 1, 4, 4, TOKENS),
                "model.embed_tokens.weight 7 6", decoderLayer(0, 6, 4, 4, 2, 3),
                "model.layers.0.self_attn.q_norm.weight 8", "model.layers.0.self_attn.k_norm.weight 8",
                "model.norm.weight 6", "lm_head.weight 9 6"),
        QWEN(Map.of("num_attention_heads", 4L, "num_key_value_heads", 2L), w -> Networks.llama(w, 1, 4, 2, TOKENS),
                "model.embed_tokens.weight 7 6", decoderLayer(0, 6, 4, 2, 2, 3),
                "model.layers.0.self_attn.q_proj.bias 8", "model.layers.0.self_attn.k_proj.bias 4",
                "model.layers.0.self_attn.v_proj.bias 4", "model.layers.0.self_attn.q_norm.weight 2",
                "model.layers.0.self_attn.k_norm.weight 2", "model.norm.weight 6", "lm_head.weight 9 6"),
        GPT2(Map.of("n_head", 3L), w -> Networks.gpt2(w, 2, 3, TOKENS),
                "wte.weight 7 6", "wpe.weight 5 6", gpt2Layer(0), gpt2Layer(1), "ln_f.weight 6", "ln_f.bias 6");

        private final Map<String, Long> configuration;
        private final Function<Weights, double[]> function;
        private final SequencedMap<String, Shape> shapes = new LinkedHashMap<>();

        Example(Map<String, Long> configuration, Function<Weights, double[]> function, String... tensors) {
            this.configuration = configuration;
            this.function = function;
            for (String tensor : String.join("\n", tensors).split("\n")) {
                String[] words = tensor.split(" ");
                long[] extents = new long[words.length - 1];
                for (int i = 0; i < extents.length; i++) {
                    extents[i] = Long.parseLong(words[i + 1]);
                }
                shapes.put(words[0], Shape.of(extents));
            }
        }

        PermutationSpec spec() throws SpecException {
            return SpecGenerator.generate(shapes, configuration).spec();
        }

        double[] compute(Weights weights) {
            return function.apply(weights);
        }
    }

    private static String norm(String name, int width) {
        return "%1$s.weight %2$d\n%1$s.bias %2$d\n%1$s.running_mean %2$d\n%1$s.running_var %2$d\n%1$s.num_batches_tracked"
                .formatted(name, width);
    }

    private static String block(String name, int in, int out) {
        return "%1$s.conv1.weight %3$d %2$d 3 3\n%4$s\n%1$s.conv2.weight %3$d %3$d 3 3\n%5$s".formatted(name, in, out,
                norm(name + ".bn1", out), norm(name + ".bn2", out));
    }

    private static String decoderLayer(int number, int hidden, int queryHeads, int keyHeads, int width, int inner) {
        return """
                model.layers.%1$d.input_layernorm.weight %2$d
                model.layers.%1$d.self_attn.q_proj.weight %3$d %2$d
                model.layers.%1$d.self_attn.k_proj.weight %4$d %2$d
                model.layers.%1$d.self_attn.v_proj.weight %4$d %2$d
                model.layers.%1$d.self_attn.o_proj.weight %2$d %3$d
                model.layers.%1$d.post_attention_layernorm.weight %2$d
                model.layers.%1$d.mlp.gate_proj.weight %5$d %2$d
                model.layers.%1$d.mlp.up_proj.weight %5$d %2$d
                model.layers.%1$d.mlp.down_proj.weight %2$d %5$d""".formatted(number, hidden, queryHeads * width,
                keyHeads * width, inner);
    }

    private static String gpt2Layer(int number) {
        return """
                h.%1$d.ln_1.weight 6
                h.%1$d.ln_1.bias 6
                h.%1$d.attn.c_attn.weight 6 18
                h.%1$d.attn.c_attn.bias 18
                h.%1$d.attn.c_proj.weight 6 6
                h.%1$d.attn.c_proj.bias 6
                h.%1$d.ln_2.weight 6
                h.%1$d.ln_2.bias 6
                h.%1$d.mlp.c_fc.weight 6 9
                h.%1$d.mlp.c_fc.bias 9
                h.%1$d.mlp.c_proj.weight 9 6
                h.%1$d.mlp.c_proj.bias 6""".formatted(number);
    }

    private static double[] input(int length) {
        return new SplittableRandom(Tensors.SEED).doubles(length, -1, 1).toArray();
    }

    private static Image image() {
        return new Image(3, 3, input(27));
    }

    /** Permutations that move something in every group of two units or more. */
    private static Permutations moving(PermutationSpec spec, long seed) {
        Map<PermutationGroup, int[]> permutations = new LinkedHashMap<>();
        for (PermutationGroup group : spec.groups()) {
            int[] units = PermutedSourceTest.random(List.of(group), seed + permutations.size()).of(group);
            int swapped = units[0];
            if (swapped == 0) {
                units[0] = units[units.length - 1];
                units[units.length - 1] = swapped;
            }
            permutations.put(group, units);
        }
        return new Permutations(permutations);
    }

    private static double distance(double[] a, double[] b) {
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            largest = Math.max(largest, Math.abs(a[i] - b[i]));
        }
        return largest;
    }

    @ParameterizedTest
    @EnumSource
    void aPermutedNetworkComputesTheSameBits(Example example) throws SpecException {
        PermutationSpec spec = example.spec();
        Weights weights = Weights.random(example.shapes, Tensors.SEED);
        double[] before = example.function.apply(weights);

        assertThat(spec.groups()).isNotEmpty();
        for (int i = 0; i < 4; i++) {
            assertThat(example.function.apply(weights.permuted(spec, moving(spec, Tensors.SEED + 31 * i))))
                    .as("seed %d", Tensors.SEED).isEqualTo(before);
        }
    }

    /** A bias of keys adds the same to all scores of a query unless positions rotate it, and softmax does not see it. */
    private static boolean softmaxForgets(Example example, Occurrence occurrence) {
        return example == Example.GPT2 && occurrence.tensor().endsWith("c_attn.bias") && occurrence.start() == 6;
    }

    @ParameterizedTest
    @EnumSource
    void aSpecThatLacksAnOccurrenceChangesTheFunction(Example example) throws SpecException {
        PermutationSpec spec = example.spec();
        Weights weights = Weights.random(example.shapes, Tensors.SEED);
        double[] before = example.function.apply(weights);
        Permutations permutations = moving(spec, Tensors.SEED);
        List<Occurrence> all = spec.groups().stream().flatMap(group -> spec.of(group).stream()).toList();
        for (Occurrence left : all) {
            List<Occurrence> rest = new ArrayList<>(all);
            rest.remove(left);
            PermutationSpec wrong = new PermutationSpec(spec.groups(), example.shapes, rest);
            double distance = distance(before, example.function.apply(weights.permuted(wrong, permutations)));
            if (softmaxForgets(example, left)) {
                assertThat(distance).isCloseTo(0, within(1e-9));
            } else {
                assertThat(distance).as("without %s, seed %d", left, Tensors.SEED).isGreaterThan(1e-9);
            }
        }
    }
}
