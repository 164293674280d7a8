package dev.fusor.recipe;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The models of a plan under the numbers that the recipe's order gives them. */
final class Models {
    private final List<ModelInfo> infos = new ArrayList<>();
    private final List<LayerStack> stacks = new ArrayList<>();
    private final Map<ModelReference, Integer> numbers = new HashMap<>();

    Models(Recipe recipe, List<ModelInfo> given) {
        for (ModelReference model : recipe.models()) {
            ModelInfo info = given.stream().filter(any -> any.reference().equals(model.path())).findFirst()
                    .orElseThrow(() -> new IllegalArgumentException(
                            "the recipe's model %s is not among the given ones".formatted(Words.quote(model.path()))));
            numbers.put(model, infos.size());
            infos.add(info);
            stacks.add(LayerStack.of(info));
        }
    }

    int number(ModelReference model) {
        return numbers.get(model);
    }

    ModelInfo info(Source source) {
        return infos.get(number(source.model()));
    }

    LayerStack stack(Source source) {
        return stacks.get(number(source.model()));
    }
}
