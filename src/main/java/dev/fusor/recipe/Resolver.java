package dev.fusor.recipe;

import dev.fusor.method.MergeMethod;
import dev.fusor.method.Parameter;
import dev.fusor.method.Parameter.Scope;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.stream.Stream;

/** The values of a method's parameters for one tensor: the source's, else the slice's, else the recipe's, else the standard. */
final class Resolver {
    private final Recipe recipe;
    private final MergeMethod method;

    Resolver(Recipe recipe) {
        this.recipe = recipe;
        this.method = recipe.mergeMethod();
    }

    /** The values of one model. */
    SequencedMap<String, Double> ofModel(Item item, Source source) throws RecipeException {
        return resolve(item, Scope.MODEL, source,
                List.of(source.parameters(), item.slice().parameters(), recipe.parameters()));
    }

    /** The values for the whole tensor, which no source has a say in. */
    SequencedMap<String, Double> ofTensor(Item item) throws RecipeException {
        return resolve(item, Scope.TENSOR, null, List.of(item.slice().parameters(), recipe.parameters()));
    }

    private SequencedMap<String, Double> resolve(Item item, Scope scope, Source source,
            List<Map<String, Setting>> levels) throws RecipeException {
        SequencedMap<String, Double> values = new LinkedHashMap<>();
        for (Parameter parameter : method.parameters()) {
            if (parameter.scope() == scope) {
                OptionalDouble value = settings(parameter, levels).map(setting -> setting.at(item.name(), item.t()))
                        .filter(OptionalDouble::isPresent).findFirst().orElse(parameter.standard());
                if (value.isEmpty()) {
                    throw missing(item, parameter, source, settings(parameter, levels).findFirst().isPresent());
                }
                values.put(parameter.name(), value.getAsDouble());
            }
        }
        return values;
    }

    private static Stream<Setting> settings(Parameter parameter, List<Map<String, Setting>> levels) {
        return levels.stream().map(level -> level.get(parameter.name())).filter(Objects::nonNull);
    }

    private RecipeException missing(Item item, Parameter parameter, Source source, boolean filtered) {
        Place place = source == null ? item.slice().place() : source.place();
        String whose = source == null ? "" : " of the model " + Words.quote(source.model().path());
        String remedy = filtered
                ? "none of its filters matches; add an entry without a filter"
                : "add it under parameters";
        if (!filtered && source != null && !source.listed()) {
            remedy = "list the model, with its own " + parameter.name();
        }
        return place.problem("%s needs a %s%s for the tensor %s; %s".formatted(method.name(), parameter.name(), whose,
                Words.quote(item.name()), remedy));
    }
}
