package dev.fusor.recipe;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class TensorNamesTest {
    @Test
    void numbersSortByValue() {
        List<String> sorted = List.of("a", "a.2", "a.2.b", "a.10", "a.010", "a.18446744073709551616", "b", "lm");
        List<String> names = new ArrayList<>(sorted);
        Collections.shuffle(names, new Random(1));
        names.sort(TensorNames.NATURAL_ORDER);
        assertThat(names).containsExactly("a", "a.2", "a.2.b", "a.010", "a.10", "a.18446744073709551616", "b", "lm");
    }

    @Test
    void embeddingsAndHeadsHaveAVocabulary() {
        assertThat(List.of("model.embed_tokens.weight", "lm_head.weight", "transformer.wte.weight", "output.weight",
                "bert.embeddings.word_embeddings.weight")).allMatch(TensorNames::isVocabulary);
        assertThat(List.of("model.norm.weight", "encoder.layer.0.attention.output.dense.weight", "lm_head.bias",
                "transformer.wpe.weight", "weight")).noneMatch(TensorNames::isVocabulary);
    }

    @Test
    void embeddingsComeBeforeTheLayers() {
        assertThat(List.of("model.embed_tokens.weight", "transformer.wpe.weight", "embeddings.LayerNorm.bias"))
                .allMatch(TensorNames::isBeforeLayers);
        assertThat(List.of("lm_head.weight", "model.norm.weight", "embed_out.weight", "pooler.dense.bias"))
                .noneMatch(TensorNames::isBeforeLayers);
    }
}
