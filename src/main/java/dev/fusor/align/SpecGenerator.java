package dev.fusor.align;

import dev.fusor.tensor.Shape;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Makes permutation specs of the networks it knows, by the names and shapes of their tensors.
 *
 * <ul>
 *   <li>Decoder transformers as Llama, Mistral and Qwen have them: grouped key heads, rotary embeddings, gated MLPs, biases and
 *       norms of any kind, embeddings tied or not. {@code config.json} tells {@code num_attention_heads} and
 *       {@code num_key_value_heads}.
 *   <li>Decoder transformers as GPT-2 has them: queries, keys and values in one tensor. {@code config.json} tells
 *       {@code n_head}.
 *   <li>Residual networks of convolutions and batch norms under torchvision's names, with basic or bottleneck blocks.
 *   <li>Sequences: linear layers, convolutions and norms one after another, by the numbers in their names. That nothing
 *       skips a layer cannot be seen in a checkpoint: whoever takes such a spec should know.
 * </ul>
 *
 * Inputs and outputs of the network stay. A tensor that a kind of network does not have is never guessed at.
 */
public final class SpecGenerator {
    /** Kinds that names prove. */
    private static final List<Kind> CERTAIN = List.of(LlamaSpec::draft, Gpt2Spec::draft, ResNetSpec::draft);

    private SpecGenerator() {}

    /**
     * A spec that was made.
     *
     * @param network what the tensors were taken for, in words
     * @param template the spec as it would be written
     * @param spec the spec
     */
    public record Generated(String network, SpecTemplate template, PermutationSpec spec) {}

    /** One kind of network. */
    @FunctionalInterface
    interface Kind {
        /** The spec, or nothing if the tensors are of another kind. */
        Optional<Draft> draft(Map<String, Shape> tensors, Map<String, Long> configuration) throws SpecException;
    }

    /**
     * {@return the spec of a network}
     *
     * @param tensors the shape of each tensor
     * @param configuration the whole numbers of {@code config.json}, by name; empty where there is none
     * @throws SpecException if the network is none that is known, or the configuration does not fit
     */
    public static Generated generate(Map<String, Shape> tensors, Map<String, Long> configuration)
            throws SpecException {
        Optional<Draft> draft = certain(tensors, configuration);
        draft = draft.isPresent() ? draft : SequenceSpec.draft(tensors, configuration);
        if (draft.isPresent()) {
            return generated(draft.get(), tensors);
        }
        throw new SpecException(null,
                "no spec can be made of these tensors: they are neither a Llama-like or GPT-2-like decoder nor a ResNet nor a numbered sequence of layers; write one");
    }

    /**
     * Checks a spec against what is known of its network: whatever one group has to permute alike, such as all that writes to
     * a residual stream or reads from it, is permuted by one group, or not at all, and in units no smaller than may move. A network
     * that is not known, or only a sequence, is not checked.
     *
     * @param spec the spec, written by someone
     * @param configuration the whole numbers of {@code config.json}, by name; empty where there is none
     * @throws SpecException if the spec is not closed, with the tensor
     */
    public static void check(PermutationSpec spec, Map<String, Long> configuration) throws SpecException {
        Optional<Generated> known;
        try {
            Optional<Draft> draft = certain(spec.tensors(), configuration);
            known = draft.isPresent() ? Optional.of(generated(draft.get(), spec.tensors())) : Optional.empty();
        } catch (SpecException e) {
            return; // it is not quite what it seemed, and not known then
        }
        if (known.isPresent()) {
            new ClosureCheck(spec, known.get()).check();
        }
    }

    private static Optional<Draft> certain(Map<String, Shape> tensors, Map<String, Long> configuration)
            throws SpecException {
        for (Kind kind : CERTAIN) {
            Optional<Draft> draft = kind.draft(tensors, configuration);
            if (draft.isPresent()) {
                return draft;
            }
        }
        return Optional.empty();
    }

    private static Generated generated(Draft draft, Map<String, Shape> tensors) throws SpecException {
        String foreign = tensors.keySet().stream().filter(name -> !draft.covers(name)).findFirst().orElse(null);
        if (foreign != null) {
            throw new SpecException(null,
                    "taken for %s, the checkpoint has a tensor '%s' that those do not have; write a spec"
                            .formatted(draft.network(), foreign));
        }
        SpecTemplate template = draft.template();
        return new Generated(draft.network(), template, template.resolve(tensors));
    }
}
