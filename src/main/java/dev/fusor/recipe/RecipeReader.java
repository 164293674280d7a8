package dev.fusor.recipe;

import dev.fusor.method.MergeMethod;
import dev.fusor.method.MergeMethods;
import dev.fusor.method.Parameter;
import dev.fusor.recipe.Recipe.Alignment;
import dev.fusor.tensor.DType;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Reads a recipe's document, top to bottom, and refuses whatever it does not know. */
final class RecipeReader {
    static final String KIND = "recipe";

    private static final List<String> KEYS = List.of("merge_method", "models", "slices", "base_model", "dtype",
            "out_dtype", "parameters", "tokenizer_source", "align");
    private static final String COPIED = "Fusor copies the tokenizer files of the base model, or of the first model without one; ";
    private static final Map<String, String> ADVICE = Map.of(
            "modules", "models of several modules are not supported; use models or slices",
            "tokenizer", COPIED + "remove the key, or write tokenizer_source: base",
            "chat_template", COPIED + "the chat template is among them; remove the key",
            "lora",
            "Fusor merges local checkpoints: merge the adapter into its model first and name the resulting folder",
            "layer_range", "it belongs to an entry of sources, in slices",
            "residual_weight", "mergekit never used it; remove it");
    /** In mergekit and not here. */
    private static final List<String> MISSING_METHODS = List.of("ram", "ramplus_tl", "model_stock", "nuslerp",
            "multislerp", "karcher", "arcee_fusion");

    private final ModelReader models = new ModelReader();
    private final Map<String, String> advice = new HashMap<>(ADVICE);
    private MergeMethod method;
    private ParameterReader parameters;
    private Optional<ModelReference> base = Optional.empty();

    Recipe read(String text, String sourceName) throws RecipeException {
        Value document = YamlText.read(text, sourceName, KIND);
        for (MergeMethod any : MergeMethods.all()) {
            for (Parameter parameter : any.parameters()) {
                advice.put(parameter.name(), "it is a parameter; put it under 'parameters:'");
            }
        }
        Fields top = Fields.of(document, KEYS, advice);
        method = method(top.require("merge_method"));
        parameters = new ParameterReader(method);
        Map<String, Setting> settings = parameters.read(top.get("parameters"), false);
        Optional<DType> dtype = dtype(top.get("dtype"));
        Optional<DType> outDtype = dtype(top.get("out_dtype"));
        if (top.get("models").isPresent() == top.get("slices").isPresent()) {
            throw document.problem("wanted either 'models' or 'slices', got "
                    + (top.get("models").isPresent() ? "both" : "neither"));
        }
        List<Slice> slices = top.get("models").isPresent()
                ? List.of(models(top.require("models"), top.get("base_model")))
                : slices(top.require("slices"), top.get("base_model"));
        tokenizer(top.get("tokenizer_source"));
        Optional<Alignment> alignment = alignment(top, slices);
        return new Recipe(sourceName, text, method, slices, top.get("slices").isPresent(), base, settings,
                outDtype.or(() -> dtype), List.copyOf(models.all()), alignment);
    }

    private MergeMethod method(Value value) throws RecipeException {
        String name = value.text();
        List<String> names = MergeMethods.all().stream().map(MergeMethod::name).toList();
        Optional<MergeMethod> found = MergeMethods.named(name);
        if (found.isPresent()) {
            return found.get();
        }
        if (MISSING_METHODS.contains(name)) {
            throw value.problem(
                    "%s is not supported yet; Fusor has %s".formatted(name, String.join(", ", names)));
        }
        String near = Words.nearest(name, names).map(n -> ", did you mean '%s'?".formatted(n)).orElse(";");
        throw value.problem("unknown merge method %s%s Fusor has %s".formatted(Words.quote(name), near,
                String.join(", ", names)));
    }

    private static Optional<DType> dtype(Optional<Value> value) throws RecipeException {
        if (value.isEmpty()) {
            return Optional.empty();
        }
        String name = value.get().text();
        DType type;
        try {
            type = DType.parse(name);
        } catch (IllegalArgumentException e) {
            throw value.get().problem(
                    "unknown dtype %s; wanted float32, float16, bfloat16, float64, float8_e4m3fn or float8_e5m2"
                            .formatted(Words.quote(name)));
        }
        if (!type.isArithmetic()) {
            throw value.get().problem(
                    "Fusor does not compute with dtype %s; wanted float32, float16, bfloat16, float64, float8_e4m3fn or float8_e5m2"
                            .formatted(Words.quote(name)));
        }
        return Optional.of(type);
    }

    private Slice models(Value list, Optional<Value> baseValue) throws RecipeException {
        List<Source> sources = new ArrayList<>();
        for (Value entry : list.list()) {
            sources.add(source(entry, Fields.of(entry, List.of("model", "parameters"), advice)));
        }
        readBase(baseValue);
        return new SliceCheck(method, list, false).complete(sources, base, Map.of());
    }

    private List<Slice> slices(Value list, Optional<Value> baseValue) throws RecipeException {
        List<Slice> slices = new ArrayList<>();
        for (Value entry : list.list()) {
            Fields fields = Fields.of(entry, List.of("sources", "base_model", "parameters"), advice);
            List<Source> sources = new ArrayList<>();
            for (Value item : fields.require("sources").list()) {
                sources.add(source(item, Fields.of(item, List.of("model", "layer_range", "parameters"), advice)));
            }
            Optional<Value> own = fields.get("base_model");
            if (own.isEmpty()) {
                readBase(baseValue);
            }
            Optional<ModelReference> sliceBase = own.isPresent() ? Optional.of(models.read(own.get())) : base;
            if (own.isPresent() && !method.needsBase()) {
                throw own.get().problem("%s uses no base model; remove it".formatted(method.name()));
            }
            slices.add(new SliceCheck(method, entry, true).complete(sources, sliceBase,
                    parameters.read(fields.get("parameters"), false)));
        }
        readBase(baseValue);
        return List.copyOf(slices);
    }

    private Source source(Value entry, Fields fields) throws RecipeException {
        ModelReference model = models.read(fields.require("model"));
        boolean sliced = entry.path().startsWith("slices");
        Optional<LayerRange> range = sliced
                ? Optional.of(LayerRange.read(fields.require("layer_range")))
                : Optional.empty();
        return new Source(entry.place(), model, true, range, parameters.read(fields.get("parameters"), true));
    }

    /** Without a model of its own it aligns to the base model, or to the first. */
    private Optional<Alignment> alignment(Fields top, List<Slice> slices) throws RecipeException {
        Optional<Value> value = top.get("align");
        if (value.isEmpty()) {
            return Optional.empty();
        }
        if (top.get("slices").isPresent()) {
            throw value.get().problem("models are aligned whole; use models instead of slices");
        }
        Fields fields = Fields.of(value.get(), List.of("to", "spec"), Map.of());
        ModelReference to = fields.get("to").isPresent()
                ? models.read(fields.require("to"))
                : base.orElse(slices.getFirst().sources().getFirst().model());
        Optional<String> spec = Optional.empty();
        if (fields.get("spec").isPresent()) {
            spec = Optional.of(path(fields.require("spec")));
        }
        if (models.all().size() < 2) {
            throw value.get().problem("there is no other model to align to %s; name one with 'to'"
                    .formatted(Words.quote(to.path())));
        }
        return Optional.of(new Alignment(to, spec));
    }

    private static String path(Value value) throws RecipeException {
        try {
            return Path.of(value.text()).toString();
        } catch (InvalidPathException e) {
            throw value.problem("%s is not a path: %s".formatted(Words.quote(value.text()), e.getReason()));
        }
    }

    private void readBase(Optional<Value> value) throws RecipeException {
        base = value.isPresent() ? Optional.of(models.read(value.get())) : Optional.empty();
    }

    private void tokenizer(Optional<Value> source) throws RecipeException {
        if (source.isEmpty()) {
            return;
        }
        if (source.get().isMapping() || !source.get().text().equals("base")) {
            throw source.get().problem("only 'base' is supported; " + COPIED
                    + "remove the key, or write tokenizer_source: base");
        }
        if (base.isEmpty()) {
            throw source.get().problem("'base' needs a base_model, and the recipe names none");
        }
    }
}
