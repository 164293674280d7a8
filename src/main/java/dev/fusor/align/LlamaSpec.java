package dev.fusor.align;

import dev.fusor.tensor.Shape;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** Decoders as Llama, Mistral, Qwen and Gemma have them. */
final class LlamaSpec {
    private static final Pattern QUERIES = Pattern.compile("(.*?)layers\\.(\\d{1,4})\\.self_attn\\.q_proj\\.weight");
    private static final List<String> STREAM_NORMS = List.of("input_layernorm", "post_attention_layernorm",
            "pre_feedforward_layernorm", "post_feedforward_layernorm");

    private final Map<String, Shape> tensors;
    private final String prefix;
    private final Draft draft;

    private LlamaSpec(Map<String, Shape> tensors, String prefix, Draft draft) {
        this.tensors = tensors;
        this.prefix = prefix;
        this.draft = draft;
    }

    static Optional<Draft> draft(Map<String, Shape> tensors, Map<String, Long> configuration) throws SpecException {
        List<MatchResult> layers = tensors.keySet().stream().map(QUERIES::matcher).filter(name -> name.matches())
                .map(name -> name.toMatchResult()).toList();
        if (layers.isEmpty()) {
            return Optional.empty();
        }
        Draft draft = new Draft("a Llama-like decoder", tensors, configuration);
        draft.range("i", 0,
                layers.stream().mapToInt(layer -> Integer.parseInt(layer.group(2))).max().orElseThrow() + 1);
        new LlamaSpec(tensors, layers.getFirst().group(1), draft).write();
        return Optional.of(draft);
    }

    private void write() throws SpecException {
        int queries = draft.configured("num_attention_heads");
        int keys = draft.configured("num_key_value_heads", "num_attention_heads");
        Shape query = draft.matrix(prefix + "layers.0.self_attn.q_proj.weight");
        long keyRows = draft.matrix(prefix + "layers.0.self_attn.k_proj.weight").extent(0);
        if (query.extent(0) * keys != keyRows * queries || keyRows % keys != 0) {
            throw new SpecException(null,
                    "config.json has %d attention heads and %d key heads, which do not fit %d rows of queries and %d of keys"
                            .formatted(queries, keys, query.extent(0), keyRows));
        }
        draft.group("stream", query.extent(1));
        draft.group("heads.<i>", keys);
        draft.group("mlp.<i>", draft.matrix(prefix + "layers.0.mlp.up_proj.weight").extent(0));
        draft.add(prefix + "embed_tokens.weight", null, "stream");
        attention(query.extent(0), keyRows);
        for (String gate : List.of("gate_proj", "up_proj")) {
            draft.add(layer("mlp." + gate + ".weight"), "mlp.<i>", "stream");
            draft.add(layer("mlp." + gate + ".bias"), "mlp.<i>");
        }
        draft.add(layer("mlp.down_proj.weight"), "stream", "mlp.<i>");
        draft.add(layer("mlp.down_proj.bias"), "stream");
        STREAM_NORMS.forEach(norm -> draft.addNorm(layer(norm), "stream"));
        draft.addNorm(prefix + "norm", "stream");
        draft.add("lm_head.weight", null, "stream");
        draft.add("lm_head.bias");
    }

    private void attention(long queryRows, long keyRows) {
        for (String projection : List.of("q", "k", "v")) {
            draft.add(layer("self_attn." + projection + "_proj.weight"), "heads.<i>", "stream");
            draft.add(layer("self_attn." + projection + "_proj.bias"), "heads.<i>");
        }
        draft.add(layer("self_attn.o_proj.weight"), "stream", "heads.<i>");
        draft.add(layer("self_attn.o_proj.bias"), "stream");
        norm("q_norm", queryRows);
        norm("k_norm", keyRows);
        draft.add(layer("self_attn.rotary_emb.inv_freq"));
    }

    /** A norm of each head, which all heads share, or of all heads together. */
    private void norm(String name, long rows) {
        Shape shape = tensors.get(prefix + "layers.0.self_attn." + name + ".weight");
        boolean all = shape != null && shape.rank() == 1 && shape.extent(0) == rows;
        draft.addNorm(layer("self_attn." + name), all ? "heads.<i>" : null);
    }

    private String layer(String name) {
        return prefix + "layers.<i>." + name;
    }
}
