package dev.fusor.recipe;

import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static dev.fusor.recipe.Examples.decoder;
import static dev.fusor.recipe.Examples.model;
import static org.assertj.core.api.Assertions.assertThat;

class LayerStackTest {
    private static ModelInfo configured(ModelInfo model, int layers) {
        return new ModelInfo(model.reference(), model.location(), model.tensors(), OptionalInt.of(layers));
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.layers.%d.mlp.weight", "transformer.h.%d.ln_1.bias", "blocks.%d.w",
        "bert.encoder.layer.%d.attention.output.dense.weight", "%d.weight", "x1.y2z.%d"})
    void findsLayersWhateverTheArchitecture(String pattern) {
        LayerStack stack = LayerStack
                .of(model("a", IntStream.range(0, 12).mapToObj(pattern::formatted).toArray(String[]::new)));
        assertThat(stack.layers()).isEqualTo(12);
        assertThat(stack.layerOf(pattern.formatted(10))).hasValue(10);
        assertThat(LayerStack.renumber(pattern.formatted(10), 3)).isEqualTo(pattern.formatted(3));
    }

    @Test
    void expertsInsideALayerAreNotLayers() {
        LayerStack stack = LayerStack.of(model("a", "layers.0.experts.0.w", "layers.0.experts.1.w",
                "layers.0.experts.2.w", "layers.1.experts.0.w"));
        assertThat(stack.layers()).isEqualTo(2);
        assertThat(stack.layerOf("layers.1.experts.0.w")).hasValue(1);
    }

    @Test
    void numbersWithHolesAreNotLayers() {
        assertThat(LayerStack.of(model("a", "net.0.w", "net.2.w")).layers()).isZero();
        assertThat(LayerStack.of(model("a", "w", "net.00.w", "..", "net.99999999999.w")).layers()).isZero();
    }

    @Test
    void theConfigurationPicksTheStack() {
        ModelInfo twoStacks = model("a", "vision.0.w", "vision.1.w", "vision.2.w", "text.0.w", "text.1.w");
        assertThat(LayerStack.of(twoStacks).prefixes()).containsExactly("vision.");
        assertThat(LayerStack.of(configured(twoStacks, 2)).prefixes()).containsExactly("text.");
    }

    @Test
    void layersBeyondTheConfigurationAreOutside() {
        LayerStack stack = LayerStack.of(configured(decoder("a", 5), 4));
        assertThat(stack.layers()).isEqualTo(4);
        assertThat(stack.layerOf("model.layers.3.up.weight")).hasValue(3);
        assertThat(stack.layerOf("model.layers.4.up.weight")).isEmpty();
    }

    @Test
    void stacksOfOneHeightAreOneDepth() {
        LayerStack stack = LayerStack.of(model("a", "encoder.block.0.w", "encoder.block.1.w", "decoder.block.0.w",
                "decoder.block.1.w"));
        assertThat(stack.prefixes()).containsExactly("decoder.block.", "encoder.block.");
        assertThat(stack.layerOf("encoder.block.1.w")).hasValue(1);
    }

    @Test
    void longNamesTakeNoStack() {
        assertThat(LayerStack.of(model("a", "a.".repeat(500_000) + "0.w")).layers()).isEqualTo(1);
    }
}
