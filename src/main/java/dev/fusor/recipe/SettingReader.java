package dev.fusor.recipe;

import dev.fusor.method.Parameter;
import dev.fusor.method.Parameter.Kind;
import dev.fusor.recipe.Setting.Entry;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Reads what stands behind a parameter's name: a number, a gradient, or a list of both under filters. */
final class SettingReader {
    private static final List<String> KEYS = List.of("value", "filter");

    private final Parameter parameter;

    private SettingReader(Parameter parameter) {
        this.parameter = parameter;
    }

    static Setting read(Value value, Parameter parameter) throws RecipeException {
        SettingReader reader = new SettingReader(parameter);
        return new Setting(value.place(), reader.entries(value));
    }

    private List<Entry> entries(Value value) throws RecipeException {
        if (value.isMapping()) {
            return List.of(entry(value));
        }
        if (!value.isList() || value.list().stream().noneMatch(Value::isMapping)) {
            return List.of(new Entry(Optional.empty(), points(value)));
        }
        List<Entry> entries = new ArrayList<>();
        for (Value item : value.list()) {
            if (!item.isMapping()) {
                throw item.problem("a list holds numbers or {filter, value} entries, not both");
            }
            entries.add(entry(item));
        }
        return List.copyOf(entries);
    }

    private Entry entry(Value value) throws RecipeException {
        Fields fields = Fields.of(value, KEYS, Map.of());
        Optional<Value> filter = fields.get("filter");
        String text = filter.isPresent() ? filter.get().text() : "*";
        return new Entry(text.equals("*") ? Optional.empty() : Optional.of(text), points(fields.require("value")));
    }

    private List<Double> points(Value value) throws RecipeException {
        List<Value> items = value.isList() ? value.list() : List.of(value);
        if (parameter.kind() != Kind.NUMBER && items.size() > 1) {
            throw value.problem("%s is %s, it has no gradient".formatted(parameter.name(), parameter.domain()));
        }
        List<Double> points = new ArrayList<>();
        for (Value item : items) {
            double point = parameter.kind() == Kind.WORD ? parameter.words().indexOf(item.text()) : item.number();
            if (!parameter.accepts().test(point)) {
                throw item.problem("wanted %s, got %s".formatted(parameter.domain(),
                        parameter.kind() == Kind.WORD ? Words.quote(item.text()) : Words.number(point)));
            }
            points.add(point);
        }
        return List.copyOf(points);
    }
}
