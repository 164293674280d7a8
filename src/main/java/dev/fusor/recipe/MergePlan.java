package dev.fusor.recipe;

import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;

/**
 * Everything a merge does, settled: plain data, and each tensor's work stands alone once models are aligned, unless the method
 * looks at tensors together.
 *
 * @param models the models as the recipe writes them, each once; an index into this list is a model's number
 * @param baseModel the recipe's base model, if it names one
 * @param tensors the output's tensors by name in natural order ({@code layers.2} before {@code layers.10})
 * @param donor the model whose configuration and tokenizer go with the output: the base model, else the first
 * @param outputLayers the number of layers of the output where the recipe assembles it from slices, for its configuration
 * @param alignTo the model whose units all other models are aligned to before anything else is done, if they are
 * @param seed of all random choices
 * @param notes what the user should know: every cut embedding, every renumbered run of layers, every mixed dtype
 */
public record MergePlan(List<String> models, OptionalInt baseModel, List<TensorPlan> tensors, int donor,
        OptionalInt outputLayers, OptionalInt alignTo, long seed, List<String> notes) {
    /** Copies the lists. */
    public MergePlan {
        models = List.copyOf(models);
        Objects.requireNonNull(baseModel, "baseModel is null");
        tensors = List.copyOf(tensors);
        Objects.checkIndex(donor, models.size());
        Objects.requireNonNull(outputLayers, "outputLayers is null");
        Objects.requireNonNull(alignTo, "alignTo is null");
        notes = List.copyOf(notes);
    }
}
