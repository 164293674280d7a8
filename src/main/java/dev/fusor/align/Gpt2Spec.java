package dev.fusor.align;

import dev.fusor.align.SpecTemplate.Part;
import dev.fusor.tensor.Shape;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** Decoders as GPT-2 has them: weights lie [inputs, outputs], and queries, keys and values in one. */
final class Gpt2Spec {
    private static final Pattern ATTENTION = Pattern.compile("(|.*\\.)h\\.(\\d{1,4})\\.attn\\.c_attn\\.weight");

    private Gpt2Spec() {}

    static Optional<Draft> draft(Map<String, Shape> tensors, Map<String, Long> configuration) throws SpecException {
        List<MatchResult> layers = tensors.keySet().stream().map(ATTENTION::matcher).filter(name -> name.matches())
                .map(name -> name.toMatchResult()).toList();
        if (layers.isEmpty()) {
            return Optional.empty();
        }
        Draft draft = new Draft("a GPT-2-like decoder", tensors, configuration);
        int heads = draft.configured("n_head");
        String prefix = layers.getFirst().group(1);
        Shape mlp = draft.matrix(prefix + "h.0.mlp.c_fc.weight");
        draft.range("i", 0,
                layers.stream().mapToInt(layer -> Integer.parseInt(layer.group(2))).max().orElseThrow() + 1);
        draft.group("stream", mlp.extent(0));
        draft.group("heads.<i>", heads);
        draft.group("mlp.<i>", mlp.extent(1));
        draft.add(prefix + "wte.weight", null, "stream");
        draft.add(prefix + "wpe.weight", null, "stream");
        layer(draft, prefix + "h.<i>.");
        draft.addNorm(prefix + "ln_f", "stream");
        draft.add("lm_head.weight", null, "stream");
        return Optional.of(draft);
    }

    private static void layer(Draft draft, String layer) {
        List<Part> three = Collections.nCopies(3, Part.of("heads.<i>"));
        draft.addNorm(layer + "ln_1", "stream");
        draft.addParts(layer + "attn.c_attn.weight", List.of(List.of(Part.of("stream")), three));
        draft.addParts(layer + "attn.c_attn.bias", List.of(three));
        draft.add(layer + "attn.c_proj.weight", "heads.<i>", "stream");
        draft.add(layer + "attn.c_proj.bias", "stream");
        draft.add(layer + "attn.bias"); // the causal mask, in older checkpoints
        draft.add(layer + "attn.masked_bias");
        draft.addNorm(layer + "ln_2", "stream");
        draft.add(layer + "mlp.c_fc.weight", "stream", "mlp.<i>");
        draft.add(layer + "mlp.c_fc.bias", "mlp.<i>");
        draft.add(layer + "mlp.c_proj.weight", "mlp.<i>", "stream");
        draft.add(layer + "mlp.c_proj.bias", "stream");
    }
}
