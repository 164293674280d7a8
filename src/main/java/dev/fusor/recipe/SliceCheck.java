package dev.fusor.recipe;

import dev.fusor.method.MergeMethod;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Makes a slice of its sources and the base model, if they go together. */
final class SliceCheck {
    private final MergeMethod method;
    private final Value place;
    private final boolean sliced;

    SliceCheck(MergeMethod method, Value place, boolean sliced) {
        this.method = method;
        this.place = place;
        this.sliced = sliced;
    }

    Slice complete(List<Source> listed, Optional<ModelReference> base, Map<String, Setting> parameters)
            throws RecipeException {
        if (base.isEmpty() && method.needsBase()) {
            throw place.problem("%s needs a base model, and the recipe names none; add base_model"
                    .formatted(method.name()));
        }
        refuseDoubles(listed);
        refuseUnequalRanges(listed);
        List<Source> sources = new ArrayList<>(listed);
        if (base.isPresent() && listed.stream().noneMatch(source -> source.model().equals(base.get()))
                && joins(listed.size())) {
            sources.add(new Source(place.place(), base.get(), false, commonRange(listed, base.get()), Map.of()));
        }
        Optional<ModelReference> used = method.needsBase() ? base : Optional.empty();
        Slice slice = new Slice(place.place(), place.path(), List.copyOf(sources), used, parameters);
        refuseCount(slice);
        return slice;
    }

    /** As in mergekit, a base model that is not listed is one more model for a method that has no base. */
    private boolean joins(int listed) {
        return method.needsBase() || !sliced && listed < method.mostModels();
    }

    private void refuseDoubles(List<Source> sources) throws RecipeException {
        Map<ModelReference, Source> seen = new HashMap<>();
        for (Source source : sources) {
            Source first = seen.putIfAbsent(source.model(), source);
            if (first != null) {
                throw source.place().problem(
                        "%s: the model %s is listed in line %d already; list it once, with the sum of its weights"
                                .formatted(place.path(), Words.quote(source.model().path()), first.place().line()));
            }
        }
    }

    private void refuseUnequalRanges(List<Source> sources) throws RecipeException {
        for (Source source : sources) {
            LayerRange wanted = sources.getFirst().range().orElse(null);
            LayerRange got = source.range().orElse(null);
            if (wanted != null && got != null && wanted.length() != got.length()) {
                throw source.place()
                        .problem("%s: all sources of a slice have equally many layers, got %s of %s and %s of %s"
                                .formatted(place.path(), wanted, Words.quote(sources.getFirst().model().path()), got,
                                        Words.quote(source.model().path())));
            }
        }
    }

    private Optional<LayerRange> commonRange(List<Source> sources, ModelReference base) throws RecipeException {
        Optional<LayerRange> range = sources.getFirst().range();
        for (Source source : sources) {
            if (!source.range().equals(range)) {
                throw place.problem(
                        "the base model %s is not listed and the sources have different layer ranges; list it with its layer_range"
                                .formatted(Words.quote(base.path())));
            }
        }
        return range;
    }

    private void refuseCount(Slice slice) throws RecipeException {
        List<String> voters = slice.sources().stream().filter(source -> !slice.isBase(source))
                .map(source -> source.model().path()).toList();
        int fewest = method.fewestModels();
        int most = method.mostModels();
        if (voters.size() < fewest || voters.size() > most) {
            String wanted = fewest == most
                    ? Words.count(fewest, "model")
                    : voters.size() < fewest
                            ? "at least " + Words.count(fewest, "model")
                            : "at most " + Words.count(most, "model");
            throw place.problem("%s merges %s%s, got %d%s".formatted(method.name(), wanted,
                    method.needsBase() ? " besides the base model" : "", voters.size(),
                    voters.isEmpty() ? "" : ": " + Words.quoteAll(voters)));
        }
    }
}
