package dev.fusor.recipe;

import dev.fusor.method.MergeMethod;
import dev.fusor.method.Parameter;
import dev.fusor.method.Parameter.Kind;
import dev.fusor.method.Parameter.Scope;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/** Reads a {@code parameters} mapping against what the merge method knows. */
final class ParameterReader {
    /** Parameters of mergekit that change nothing here, with the values for which that is so. */
    private static final Parameter NO_RESCALE = new Parameter("rescale", Scope.TENSOR, Kind.FLAG, OptionalDouble.of(0),
            "false (task_arithmetic trims nothing)", value -> value == 0);
    private static final Parameter INT8_MASK = new Parameter("int8_mask", Scope.TENSOR, Kind.FLAG, OptionalDouble.of(0),
            "true or false", value -> value == 0 || value == 1);
    private static final Map<String, List<Parameter>> IGNORED = Map.of("task_arithmetic",
            List.of(NO_RESCALE, INT8_MASK));

    private final MergeMethod method;
    private final List<String> names;

    ParameterReader(MergeMethod method) {
        this.method = method;
        this.names = method.parameters().stream().map(Parameter::name).toList();
    }

    /** The settings by parameter name; {@code ofOneModel} where they stand under a model. */
    Map<String, Setting> read(Optional<Value> parameters, boolean ofOneModel) throws RecipeException {
        Map<String, Setting> settings = new LinkedHashMap<>();
        if (parameters.isPresent()) {
            Fields fields = Fields.open(parameters.get());
            for (Map.Entry<String, Value> field : fields.all().entrySet()) {
                Value key = fields.key(field.getKey());
                Parameter parameter = find(field.getKey(), key);
                if (ofOneModel && parameter.scope() == Scope.TENSOR) {
                    throw key.problem(
                            "'%s' is one value for all models; put it under the recipe's or a slice's parameters"
                                    .formatted(parameter.name()));
                }
                if (!field.getValue().isNull()) {
                    settings.put(parameter.name(), SettingReader.read(field.getValue(), parameter));
                } else {
                    throw field.getValue().problem("wanted a number, got nothing");
                }
            }
        }
        settings.keySet().retainAll(names);
        return settings;
    }

    private Parameter find(String name, Value key) throws RecipeException {
        Optional<Parameter> known = named(name, method.parameters());
        Optional<Parameter> found = known.isPresent()
                ? known
                : named(name, IGNORED.getOrDefault(method.name(), List.of()));
        if (found.isPresent()) {
            return found.get();
        }
        if (method.name().equals("task_arithmetic") && name.equals("density")) {
            throw key.problem(
                    "task_arithmetic trims nothing, so 'density' has no effect; remove it, or use merge_method: ties");
        }
        throw key.problem("%s has no parameter %s%s".formatted(method.name(), Words.quote(name),
                Words.didYouMean(name, names)));
    }

    private static Optional<Parameter> named(String name, List<Parameter> parameters) {
        return parameters.stream().filter(parameter -> parameter.name().equals(name)).findFirst();
    }
}
