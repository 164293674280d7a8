package dev.fusor.recipe;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static dev.fusor.recipe.Examples.TIES;
import static dev.fusor.recipe.Examples.recipe;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

class RecipeTest {
    @TempDir
    private Path folder;

    private static List<String> paths(Recipe recipe) {
        return recipe.models().stream().map(ModelReference::path).toList();
    }

    @Test
    void keepsItsTextAndNamesItsModelsOnce() throws RecipeException {
        Recipe recipe = recipe(TIES);
        assertThat(recipe.text()).isEqualTo(TIES);
        assertThat(recipe.method()).isEqualTo("ties");
        assertThat(paths(recipe)).containsExactly("a", "b", "base");
        assertThat(recipe.models().get(1)).isEqualTo(new ModelReference("b", 6, 12));
        assertThat(recipe.baseModel()).hasValueSatisfying(base -> assertThat(base.path()).isEqualTo("base"));
    }

    @Test
    void keepsReferencesVerbatim() throws RecipeException {
        assertThat(paths(recipe("merge_method: linear\nmodels: [{model: /x/c++/m@1}, {model: a+b@c}]")))
                .containsExactly("/x/c++/m@1", "a+b@c");
    }

    @Test
    void takesAReferenceAsAMapping() throws RecipeException {
        assertThat(paths(recipe(
                "merge_method: linear\nmodels: [{model: {model: {path: a}}}, {model: {model: b}}, {model: {path: c}}]")))
                .containsExactly("a", "b", "c");
    }

    @Test
    void twoSpellingsOfOnePathAreOneModel() throws RecipeException {
        Recipe recipe = recipe("merge_method: ties\nbase_model: ./x/../a/\nmodels: [{model: a}, {model: b}]");
        assertThat(paths(recipe)).containsExactly("a", "b");
        assertThat(recipe.slices().getFirst().sources()).hasSize(2);
    }

    @Test
    void emptyOptionalKeysCountAsAbsent() throws RecipeException {
        Recipe recipe = recipe("merge_method: linear\nbase_model:\ndtype: ~\nparameters:\nmodels: [{model: a}]");
        assertThat(recipe.baseModel()).isEmpty();
        assertThat(recipe.outDtype()).isEmpty();
    }

    @Test
    void acceptsWhatChangesNothing() throws RecipeException {
        recipe(TIES + "parameters: {int8_mask: true, rescale: false}\ntokenizer_source: base");
        recipe(TIES.replace("ties", "task_arithmetic") + "parameters: {int8_mask: yes, rescale: 0}");
        recipe(TIES.replace("ties", "breadcrumbs") + "parameters: {int8_mask: true, rescale: false}");
        recipe(TIES.replace("ties", "dare_ties") + "parameters: {int8_mask: true}");
    }

    @Test
    void tellsItsPlaceApart() {
        RecipeException problem = catchThrowableOfType(RecipeException.class, () -> recipe("\n  a: 1"));
        assertThat(problem.line()).hasValue(2);
        assertThat(problem.column()).hasValue(3);
        problem = catchThrowableOfType(RecipeException.class, () -> recipe(""));
        assertThat(problem.line()).isEmpty();
        assertThat(problem.column()).isEmpty();
    }

    @Test
    void readsAFile() throws IOException, RecipeException {
        Path file = Files.writeString(folder.resolve("r.yml"), "\uFEFF" + TIES);
        assertThat(Recipe.read(file).sourceName()).isEqualTo(file.toString());
        Path missing = folder.resolve("none.yml");
        assertThatThrownBy(() -> Recipe.read(missing)).hasMessage(missing + ": there is no such file; check the path");
        Path binary = Files.write(folder.resolve("b.yml"), new byte[]{'a', (byte) 0xff});
        assertThatThrownBy(() -> Recipe.read(binary))
                .hasMessage(binary + ": a recipe is UTF-8 text, and this file is not");
    }

    @Test
    void findsModelsBesideTheRecipe() throws IOException, RecipeException {
        Path a = Files.createDirectory(folder.resolve("a"));
        assertThat(recipe("merge_method: linear\nmodels: [{model: a}]").locate(folder)).containsEntry("a", a);
    }

    @Test
    void saysWhereAModelWasLookedFor() {
        assertThatThrownBy(() -> recipe("merge_method: linear\nmodels: [{model: org/x@main}]").locate(folder))
                .hasMessage("r.yml:2:18: there is no model 'org/x@main', neither in the working directory nor in "
                        + folder
                        + "; Fusor merges local checkpoints, so fetch the revision after the @ first and name its folder");
        assertThatThrownBy(() -> recipe("merge_method: linear\nmodels: [{model: /none+l}]").locate(folder)).hasMessage(
                "r.yml:2:18: there is no model '/none+l'; Fusor merges local checkpoints, so merge the adapter after the + into its model first and name the resulting folder");
    }

    @Test
    void findsOutThatTwoModelsAreOne() throws IOException {
        Path a = Files.createDirectory(folder.resolve("a"));
        Files.createSymbolicLink(folder.resolve("b"), a);
        assertThatThrownBy(() -> recipe("merge_method: linear\nmodels: [{model: a}, {model: b}]").locate(folder))
                .hasMessage("r.yml:2:30: the models 'a' and 'b' are the same, %s; write them alike"
                        .formatted(folder.resolve("b")));
    }
}
