package dev.fusor.align;

import dev.fusor.align.SpecGenerator.Generated;
import dev.fusor.tensor.Shape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

class SpecGeneratorTest {
    private static final Map<String, Long> NOTHING = Map.of();
    private static final Map<String, Long> HEADS = Map.of("num_attention_heads", 4L, "num_key_value_heads", 2L);

    private static SequencedMap<String, Shape> llama() {
        SequencedMap<String, Shape> shapes = new LinkedHashMap<>();
        shapes.put("model.embed_tokens.weight", Shape.of(9, 6));
        for (int i = 0; i < 2; i++) {
            String layer = "model.layers." + i + ".";
            shapes.put(layer + "self_attn.q_proj.weight", Shape.of(16, 6));
            shapes.put(layer + "self_attn.k_proj.weight", Shape.of(8, 6));
            shapes.put(layer + "self_attn.v_proj.weight", Shape.of(8, 6));
            shapes.put(layer + "self_attn.o_proj.weight", Shape.of(6, 16));
            shapes.put(layer + "mlp.up_proj.weight", Shape.of(5, 6));
            shapes.put(layer + "mlp.down_proj.weight", Shape.of(6, 5));
        }
        return shapes;
    }

    private static SequencedMap<String, Shape> shapes(Object... namesAndShapes) {
        SequencedMap<String, Shape> shapes = new LinkedHashMap<>();
        for (int i = 0; i < namesAndShapes.length; i += 2) {
            shapes.put((String) namesAndShapes[i], (Shape) namesAndShapes[i + 1]);
        }
        return shapes;
    }

    private static List<String> groups(Map<String, Shape> shapes) throws SpecException {
        return SpecGenerator.generate(shapes, NOTHING).spec().groups().stream()
                .map(group -> group.name() + " " + group.units()).toList();
    }

    private static String problem(Map<String, Shape> shapes, Map<String, Long> configuration) {
        return catchThrowableOfType(SpecException.class, () -> SpecGenerator.generate(shapes, configuration))
                .getMessage();
    }

    @Test
    void aDecoderIsWrittenOncePerLayer() throws SpecException {
        Generated generated = SpecGenerator.generate(llama(), HEADS);

        assertThat(generated.network()).isEqualTo("a Llama-like decoder");
        assertThat(generated.template().groups()).containsExactly(Map.entry("stream", 6), Map.entry("heads.<i>", 2),
                Map.entry("mlp.<i>", 5));
        assertThat(generated.template().tensors()).hasSize(7);
        assertThat(generated.spec().groups()).hasSize(5);
    }

    @Test
    void keyHeadsCarryTheirQueryHeads() throws SpecException {
        PermutationSpec spec = SpecGenerator.generate(llama(), HEADS).spec();

        assertThat(spec.in("model.layers.1.self_attn.q_proj.weight").getFirst().block()).isEqualTo(8);
        assertThat(spec.in("model.layers.1.self_attn.k_proj.weight").getFirst().block()).isEqualTo(4);
        assertThat(spec.in("model.layers.1.self_attn.o_proj.weight").getLast().block()).isEqualTo(8);
    }

    @Test
    void aDecoderNeedsAConfigurationThatFits() {
        assertThat(problem(llama(), NOTHING)).isEqualTo(
                "taken for a Llama-like decoder, the checkpoint needs a config.json that gives num_attention_heads; put it beside the weights, or write a spec");
        assertThat(problem(llama(), Map.of("num_attention_heads", 4L))).isEqualTo(
                "config.json has 4 attention heads and 4 key heads, which do not fit 16 rows of queries and 8 of keys");
        assertThat(problem(llama(), Map.of("num_attention_heads", 0L)))
                .isEqualTo("config.json: num_attention_heads is 1 or more, got 0");
        assertThat(problem(llama(), Map.of("num_attention_heads", 32L, "num_key_value_heads", 16L)))
                .contains("do not fit");
    }

    @Test
    void aTensorThatIsNotKnownIsNotGuessedAt() {
        SequencedMap<String, Shape> shapes = llama();
        shapes.put("model.layers.0.mlp.router.weight", Shape.of(4, 6));

        assertThat(problem(shapes, HEADS)).isEqualTo(
                "taken for a Llama-like decoder, the checkpoint has a tensor 'model.layers.0.mlp.router.weight' that those do not have; write a spec");
        shapes.remove("model.layers.0.mlp.router.weight");
        shapes.remove("model.layers.0.mlp.up_proj.weight");
        assertThat(problem(shapes, HEADS))
                .contains("needs a tensor 'model.layers.0.mlp.up_proj.weight' of two axes, got none");
    }

    @Test
    void aLayerThatLacksATensorIsAnError() {
        SequencedMap<String, Shape> shapes = llama();
        shapes.remove("model.layers.1.mlp.down_proj.weight");

        assertThat(problem(shapes, HEADS))
                .isEqualTo("the checkpoint has no tensor 'model.layers.1.mlp.down_proj.weight'");
    }

    @Test
    void sequencesAreOrderedByTheirNumbers() throws SpecException {
        assertThat(groups(shapes("net.10.weight", Shape.of(2, 4), "net.2.weight", Shape.of(4, 3), "net.2.bias",
                Shape.of(4), "net.0.weight", Shape.of(3, 7)))).containsExactly("net.0 3", "net.2 4");
        assertThat(groups(shapes("bn1.weight", Shape.of(3), "fc1.weight", Shape.of(3, 7), "fc.weight", Shape.of(2, 3))))
                .containsExactly("fc1 3");
        assertThat(groups(shapes("conv1.weight", Shape.of(3, 1, 5), "prelu1.weight", Shape.of(1), "fc1.weight",
                Shape.of(4, 6), "fc2.weight", Shape.of(2, 4)))).containsExactly("conv1 3", "fc1 4");
    }

    @Test
    void aDepthwiseConvolutionKeepsTheChannelsOfTheOneBefore() throws SpecException {
        SequencedMap<String, Shape> shapes = shapes("c1.weight", Shape.of(4, 3, 1, 1), "c2.weight",
                Shape.of(4, 1, 3, 3));

        assertThat(groups(shapes)).isEmpty();
        shapes.put("c3.weight", Shape.of(2, 4, 1, 1));
        assertThat(groups(shapes)).containsExactly("c1 4");
    }

    @Test
    void namesThatLeaveADoubtMakeNoSequence() {
        for (Map<String, Shape> doubtful : List.of(
                shapes("hidden.weight", Shape.of(4, 4), "input.weight", Shape.of(4, 4)),
                shapes("a1.weight", Shape.of(4, 4), "b1.weight", Shape.of(4, 4)),
                shapes("fc1.weight", Shape.of(4, 4), "fc2.weight", Shape.of(4, 3)),
                shapes("fc1.weight", Shape.of(4, 4), "bn2.weight", Shape.of(4), "fc.weight", Shape.of(2, 4)),
                shapes("fc1.weight", Shape.of(4, 4), "fc2.weight", Shape.of(2, 4), "embedding.weight", Shape.of(9, 2)),
                shapes("conv1.weight", Shape.of(4, 3, 1, 1), "conv2.weight", Shape.of(6, 2, 1, 1)),
                shapes("conv1.weight", Shape.of(4, 3, 1, 1), "bn1.weight", Shape.of(3), "conv2.weight",
                        Shape.of(6, 4, 1, 1)),
                shapes("norm1.weight", Shape.of(4)),
                shapes("x", Shape.of(4)),
                shapes())) {
            assertThat(problem(doubtful, NOTHING)).startsWith("no spec can be made of these tensors");
        }
    }

    @Test
    void convolutionsOfAResidualNetworkTakeAllChannels() {
        SequencedMap<String, Shape> shapes = shapes("conv1.weight", Shape.of(4, 3, 3, 3), "bn1.weight", Shape.of(4),
                "layer1.0.conv1.weight", Shape.of(4, 4, 1, 1), "layer1.0.conv2.weight", Shape.of(4, 2, 3, 3));

        assertThat(problem(shapes, NOTHING)).isEqualTo(
                "taken for a residual network, the convolution 'layer1.0.conv2' of shape [4, 2, 3, 3] should have 4 input channels; write a spec");
    }

    @Test
    void anAxisLongerThanAnyGroupIsSaidToBe() {
        assertThat(problem(shapes("fc1.weight", Shape.of(1L << 40, 0), "fc2.weight", Shape.of(0, 1L << 40)), NOTHING))
                .isEqualTo("group 'fc1' would have 1099511627776 units; a spec has at most 2^31 - 1");
        assertThat(problem(shapes("fc1.weight", Shape.of(0, 3), "fc2.weight", Shape.of(2, 0)), NOTHING))
                .isEqualTo("group 'fc1': wanted 1 or more units, got 0");
    }

    /** The generated spec of the decoder with some occurrences changed. */
    private static PermutationSpec changed(UnaryOperator<Occurrence> change) throws SpecException {
        PermutationSpec spec = SpecGenerator.generate(llama(), HEADS).spec();
        List<Occurrence> occurrences = new ArrayList<>();
        for (PermutationGroup group : spec.groups()) {
            spec.of(group).stream().map(change).filter(Objects::nonNull).forEach(occurrences::add);
        }
        return new PermutationSpec(occurrences.stream().map(Occurrence::group).distinct().toList(), llama(),
                occurrences);
    }

    private static String open(UnaryOperator<Occurrence> change) {
        return catchThrowableOfType(SpecException.class, () -> SpecGenerator.check(changed(change), HEADS))
                .getMessage();
    }

    @Test
    void whatANetworkCouplesIsPermutedAlikeOrNotAtAll() {
        assertThatCode(() -> SpecGenerator.check(changed(occurrence -> occurrence), HEADS)).doesNotThrowAnyException();
        assertThatCode(() -> SpecGenerator.check(
                changed(occurrence -> occurrence.group().name().equals("stream") ? null : occurrence), HEADS))
                .doesNotThrowAnyException();
        assertThat(open(occurrence -> occurrence.tensor().endsWith("1.mlp.down_proj.weight") && occurrence.axis() == 0
                ? null
                : occurrence)).isEqualTo(
                        "tensor 'model.layers.1.mlp.down_proj.weight', axis 0, is permuted by no group, wanted 'stream' as axis 1 of 'model.embed_tokens.weight' is: in a Llama-like decoder, 'stream' permutes both or neither");
        PermutationGroup mine = new PermutationGroup("mine", 6);
        assertThat(open(occurrence -> occurrence.tensor().endsWith("embed_tokens.weight")
                ? new Occurrence(occurrence.tensor(), 1, 0, mine, 1)
                : occurrence)).contains("is permuted by 'stream', wanted 'mine'");
    }

    @Test
    void headsMoveWhole() {
        PermutationGroup rows = new PermutationGroup("rows", 8);

        assertThat(open(occurrence -> occurrence.group().name().equals("heads.0")
                ? new Occurrence(occurrence.tensor(), occurrence.axis(), 0, rows, occurrence.length() / 8)
                : occurrence)).isEqualTo(
                        "tensor 'model.layers.0.self_attn.q_proj.weight', axis 0: units of group 'rows' have 2 entries, wanted a multiple of 8, which move together in a Llama-like decoder");
    }

    @Test
    void networksThatAreNotKnownAreNotChecked() {
        PermutationSpec spec = new PermutationSpec(List.of(), Map.of("x", Shape.of(2)), List.of());

        assertThatCode(() -> SpecGenerator.check(spec, NOTHING)).doesNotThrowAnyException();
        assertThatCode(() -> SpecGenerator.check(changed(occurrence -> occurrence), NOTHING))
                .doesNotThrowAnyException();
    }
}
