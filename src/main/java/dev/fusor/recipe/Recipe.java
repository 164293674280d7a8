package dev.fusor.recipe;

import dev.fusor.method.MergeMethod;
import dev.fusor.tensor.DType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * A recipe in mergekit's YAML, read and checked.
 *
 * <p>Reading is strict: an unknown key, a parameter that the method does not have, a value outside its domain or a model
 * listed twice is an error that says where it stands. Where this differs from mergekit is listed in
 * {@code docs/mergekit-compatibility.md}.
 */
public final class Recipe {
    private final String sourceName;
    private final String text;
    private final MergeMethod method;
    private final List<Slice> slices;
    private final boolean assembled;
    private final Optional<ModelReference> base;
    private final Map<String, Setting> parameters;
    private final Optional<DType> outDtype;
    private final List<ModelReference> models;
    private final Optional<Alignment> alignment;

    /**
     * The step before a merge that brings the units of all models to the places of one.
     *
     * @param to the model that stays; it need not be one of those that are merged
     * @param spec the permutation spec as the recipe names its file, or nothing to make one from names and shapes
     */
    public record Alignment(ModelReference to, Optional<String> spec) {}

    Recipe(String sourceName, String text, MergeMethod method, List<Slice> slices, boolean assembled,
            Optional<ModelReference> base, Map<String, Setting> parameters, Optional<DType> outDtype,
            List<ModelReference> models, Optional<Alignment> alignment) {
        this.sourceName = sourceName;
        this.text = text;
        this.method = method;
        this.slices = slices;
        this.assembled = assembled;
        this.base = base;
        this.parameters = parameters;
        this.outDtype = outDtype;
        this.models = models;
        this.alignment = alignment;
    }

    /**
     * {@return the recipe in a file}
     *
     * @param yaml the file, in UTF-8
     * @throws RecipeException if it cannot be read, or is not a valid recipe
     */
    public static Recipe read(Path yaml) throws RecipeException {
        return parse(YamlText.ofFile(yaml, RecipeReader.KIND), yaml.toString());
    }

    /**
     * {@return the recipe in a text}
     *
     * @param text YAML
     * @param sourceName what messages call the text, such as its file name
     * @throws RecipeException if it is not a valid recipe
     */
    public static Recipe parse(String text, String sourceName) throws RecipeException {
        return new RecipeReader().read(text, sourceName);
    }

    /** {@return what messages call the recipe} */
    public String sourceName() {
        return sourceName;
    }

    /** {@return the text as it was read} */
    public String text() {
        return text;
    }

    /** {@return the merge method's name} */
    public String method() {
        return method.name();
    }

    /**
     * {@return every model of the recipe once} Models stand in the order in which slices name them; a base model that is not
     * listed follows the first slice that needs it.
     *
     * <p>Spellings that differ only in {@code .}, {@code ..} and slashes are one model, under the first spelling.
     */
    public List<ModelReference> models() {
        return models;
    }

    /** {@return the base model of the whole recipe, if it names one} */
    public Optional<ModelReference> baseModel() {
        return base;
    }

    /** {@return how the models are aligned before they are merged, if they are} */
    public Optional<Alignment> alignment() {
        return alignment;
    }

    /**
     * {@return where the permutation spec lies, if the recipe names one} It is looked for as models are.
     *
     * @param folder the recipe's own folder
     */
    public Optional<Path> locateSpec(Path folder) {
        return alignment.flatMap(Alignment::spec)
                .map(name -> Files.exists(Path.of(name)) ? Path.of(name) : folder.resolve(name));
    }

    /**
     * {@return where the models lie, by their reference's path} A relative path is looked for in the working directory, as
     * mergekit does, and then beside the recipe.
     *
     * @param folder the recipe's own folder
     * @throws RecipeException if one is not there, or if two references turn out to be one model
     */
    public SequencedMap<String, Path> locate(Path folder) throws RecipeException {
        return new ModelLocator(this, folder).locate();
    }

    MergeMethod mergeMethod() {
        return method;
    }

    List<Slice> slices() {
        return slices;
    }

    /** Whether the recipe assembles its layers from slices. */
    boolean isAssembled() {
        return assembled;
    }

    Map<String, Setting> parameters() {
        return parameters;
    }

    /** The output's type; empty leaves each tensor the type it has in the base or first model. */
    Optional<DType> outDtype() {
        return outDtype;
    }
}
