package dev.fusor.recipe;

import dev.fusor.tensor.Shape;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The one shape that all inputs of a tensor have, or, of a vocabulary, the rows that all have. */
final class ShapeAgreement {
    private final Item item;
    private final List<TensorInfo> infos;

    ShapeAgreement(Item item, List<TensorInfo> infos) {
        this.item = item;
        this.infos = infos;
    }

    Shape shape(boolean cut, List<String> notes) throws RecipeException {
        Shape first = infos.getFirst().shape();
        int other = IntStream.range(0, infos.size()).filter(i -> !infos.get(i).shape().equals(first)).findFirst()
                .orElse(-1);
        if (other < 0) {
            return first;
        }
        boolean possible = isCuttable();
        if (!cut || !possible) {
            throw TensorPlanner.problem(item, "it has the shape %s and %s; %s".formatted(describe(0), describe(other),
                    possible
                            ? "fusor merge --cut-embeddings would keep the %d rows that all models have"
                                    .formatted(rows())
                            : "models are merged only if their tensors have the same shapes"));
        }
        notes.add("%s: cut to %d rows (%s)".formatted(item.name(), rows(), IntStream.range(0, infos.size())
                .mapToObj(i -> "%s has %d".formatted(model(i), infos.get(i).shape().extent(0)))
                .collect(Collectors.joining(", "))));
        return Shape.of(rows(), first.extent(1));
    }

    private boolean isCuttable() {
        Shape first = infos.getFirst().shape();
        return TensorNames.isVocabulary(item.name()) && infos.stream().allMatch(info -> info.dtype().isArithmetic()
                && info.shape().rank() == 2 && first.rank() == 2 && info.shape().extent(1) == first.extent(1));
    }

    private long rows() {
        return infos.stream().mapToLong(info -> info.shape().extent(0)).min().orElseThrow();
    }

    private String describe(int i) {
        return "%s in %s (%s)".formatted(infos.get(i).shape(), model(i), infos.get(i).file());
    }

    private String model(int i) {
        return Words.quote(item.slice().sources().get(i).model().path());
    }
}
