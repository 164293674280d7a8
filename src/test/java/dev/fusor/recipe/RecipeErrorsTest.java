package dev.fusor.recipe;

import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import static dev.fusor.recipe.Examples.TIES;
import static dev.fusor.recipe.Examples.problem;
import static org.assertj.core.api.Assertions.assertThat;

class RecipeErrorsTest {
    private static final String METHODS = "Fusor has linear, task_arithmetic, ties, dare_linear, dare_ties, breadcrumbs, breadcrumbs_ties, magnitude_pruning, della_linear, della, magmax, emr, tall_mask, consensus_ta, sce, slerp, nearswap, passthrough";

    private static Arguments row(String yaml, String message) {
        return Arguments.of(yaml, "r.yml:" + message);
    }

    /** A recipe of two models, to be continued. */
    private static String linear(String more) {
        return "merge_method: linear\nmodels: [{model: a}, {model: b}]\n" + more;
    }

    /** A recipe whose one parameter has that value. */
    private static String weight(String value) {
        return linear("parameters: {weight: " + value + "}");
    }

    static Stream<Arguments> keys() {
        return Stream.of(
                row(linear("dtyp: float16"), "3:1: unknown key 'dtyp', did you mean 'dtype'?"),
                row(linear("colour: red"),
                        "3:1: unknown key 'colour'; known are merge_method, models, slices, base_model, dtype, out_dtype, parameters, tokenizer_source, align"),
                row(linear("normalize: true"),
                        "3:1: unknown key 'normalize': it is a parameter; put it under 'parameters:'"),
                row(linear("merge_method: ties"), "3:1: the key 'merge_method' stands in line 1 already"),
                row(linear("modules: {}"),
                        "3:1: unknown key 'modules': models of several modules are not supported; use models or slices"),
                row(linear("chat_template: auto"),
                        "3:1: unknown key 'chat_template': Fusor copies the tokenizer files of the base model, or of the first model without one; the chat template is among them; remove the key"),
                row(linear("tokenizer: {source: union}"),
                        "3:1: unknown key 'tokenizer': Fusor copies the tokenizer files of the base model, or of the first model without one; remove the key, or write tokenizer_source: base"),
                row(linear("tokenizer_source: union"),
                        "3:19: tokenizer_source: only 'base' is supported; Fusor copies the tokenizer files of the base model, or of the first model without one; remove the key, or write tokenizer_source: base"),
                row(linear("tokenizer_source: base"),
                        "3:19: tokenizer_source: 'base' needs a base_model, and the recipe names none"),
                row("merge_method: linear\nmodels: [{model: a, weight: 1}]",
                        "2:21: models[0]: unknown key 'weight': it is a parameter; put it under 'parameters:'"),
                row("merge_method: linear\nmodels: [{model: a, parametres: {}}]",
                        "2:21: models[0]: unknown key 'parametres', did you mean 'parameters'?"),
                row("merge_method: linear\nmodels: [{model: a, layer_range: [0, 1]}]",
                        "2:21: models[0]: unknown key 'layer_range': it belongs to an entry of sources, in slices"),
                row("merge_method: linear\nmodels: [{parameters: {weight: 1}}]",
                        "2:10: models[0]: the key 'model' is missing"),
                row("models: [{model: a}]", "1:1: the key 'merge_method' is missing"),
                row("merge_method: linear", "1:1: wanted either 'models' or 'slices', got neither"),
                row(linear("slices: []"), "1:1: wanted either 'models' or 'slices', got both"),
                row(linear("align: {from: a}"), "3:9: align: unknown key 'from'; known are to, spec"),
                row(linear("align: {spec: [s]}"), "3:15: align.spec: wanted text, got a list"),
                row("merge_method: linear\nmodels: [{model: a}]\nalign: {}",
                        "3:8: align: there is no other model to align to 'a'; name one with 'to'"),
                row("merge_method: linear\nslices: [{sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [0, 1]}]}]\nalign: {}",
                        "3:8: align: models are aligned whole; use models instead of slices"),
                row("merge_method: linear\nmodels: []", "2:9: models: the list is empty"),
                row("merge_method: linear\nmodels: a", "2:9: models: wanted a list, got 'a'"),
                row("merge_method: linear\nmodels: [a]", "2:10: models[0]: wanted a mapping (key: value)"),
                row("[]", "1:1: wanted a mapping (key: value)"),
                row(linear("? [a]\n: 1"), "3:3: a key is plain text"),
                row("<<: {}\n" + linear(""), "1:1: merge keys (<<) are not supported; write the keys out"));
    }

    static Stream<Arguments> methodsAndParameters() {
        return Stream.of(
                row("merge_method: tise\nmodels: []",
                        "1:15: merge_method: unknown merge method 'tise', did you mean 'ties'? " + METHODS),
                row("merge_method: average\nmodels: []",
                        "1:15: merge_method: unknown merge method 'average'; " + METHODS),
                row("merge_method: karcher\nmodels: []",
                        "1:15: merge_method: karcher is not supported yet; " + METHODS),
                row(linear("parameters: {wieght: 1}"),
                        "3:14: parameters: linear has no parameter 'wieght', did you mean 'weight'?"),
                row(linear("parameters: {t: 1}"),
                        "3:14: parameters: linear has no parameter 't'; known are weight, normalize"),
                row(TIES + "parameters: {desnity: 0.5}",
                        "8:14: parameters: ties has no parameter 'desnity', did you mean 'density'?"),
                row(TIES + "parameters: {density: 1.5}",
                        "8:23: parameters.density: wanted a fraction from 0 to 1, got 1.5"),
                row(TIES + "parameters: {density: [0.5, -1]}",
                        "8:29: parameters.density[1]: wanted a fraction from 0 to 1, got -1"),
                row(TIES.replace("ties", "task_arithmetic") + "parameters: {rescale: true}",
                        "8:23: parameters.rescale: wanted false (task_arithmetic trims nothing), got 1"),
                row(TIES.replace("ties", "della") + "parameters: {epsilon: 0.6}",
                        "8:23: parameters.epsilon: wanted a fraction from 0 to 0.5, got 0.6"),
                row(TIES.replace("ties", "task_arithmetic") + "parameters: {density: 0.5}",
                        "8:14: parameters: task_arithmetic trims nothing, so 'density' has no effect; remove it, or use merge_method: ties"),
                row("merge_method: linear\nmodels: [{model: a, parameters: {normalize: false}}]",
                        "2:34: models[0].parameters: 'normalize' is one value for all models; put it under the recipe's or a slice's parameters"),
                row(linear("parameters: {normalize: 0.5}"),
                        "3:25: parameters.normalize: wanted true or false, got 0.5"),
                row(linear("parameters: {normalize: [0, 1]}"),
                        "3:25: parameters.normalize: normalize is true or false, it has no gradient"));
    }

    static Stream<Arguments> values() {
        return Stream.of(row(weight("abc"), "3:22: parameters.weight: wanted a number, got 'abc'"),
                row(weight("\"yes\""), "3:22: parameters.weight: wanted a number, got 'yes'"),
                row(weight("null"), "3:22: parameters.weight: wanted a number, got nothing"),
                row(weight("010"), "3:22: parameters.weight: wanted a number, got '010'"),
                row(weight(".nan"),
                        "3:22: parameters.weight: wanted a finite number that float32 can hold, got '.nan'"),
                row(weight("-.INF"),
                        "3:22: parameters.weight: wanted a finite number that float32 can hold, got '-.INF'"),
                row(weight("\"nan\""),
                        "3:22: parameters.weight: wanted a finite number that float32 can hold, got 'nan'"),
                row(weight("1e999"),
                        "3:22: parameters.weight: wanted a finite number that float32 can hold, got '1e999'"),
                row(weight("1e39"),
                        "3:22: parameters.weight: wanted a finite number that float32 can hold, got '1e39'"),
                row(weight("[]"), "3:22: parameters.weight: the list is empty"),
                row(weight("[0, {value: 1}]"),
                        "3:23: parameters.weight[0]: a list holds numbers or {filter, value} entries, not both"),
                row(weight("[[1]]"), "3:23: parameters.weight[0]: wanted a number, got a list"),
                row(weight("{filter: x}"), "3:22: parameters.weight: the key 'value' is missing"),
                row(weight("{filter: x, valeu: 1}"),
                        "3:34: parameters.weight: unknown key 'valeu', did you mean 'value'?"),
                row(weight("[{filter: [a], value: 1}]"),
                        "3:32: parameters.weight[0].filter: wanted text, got a list"),
                row(linear("dtype: floaty"),
                        "3:8: dtype: unknown dtype 'floaty'; wanted float32, float16, bfloat16, float64, float8_e4m3fn or float8_e5m2"),
                row(linear("out_dtype: int64"),
                        "3:12: out_dtype: Fusor does not compute with dtype 'int64'; wanted float32, float16, bfloat16, float64, float8_e4m3fn or float8_e5m2"));
    }

    static Stream<Arguments> models() {
        return Stream.of(
                row("merge_method: linear\nmodels:\n  - model: a\n  - model: ./a/",
                        "4:5: models: the model 'a' is listed in line 3 already; list it once, with the sum of its weights"),
                row("merge_method: linear\nmodels: [{model: 7}]",
                        "2:18: models[0].model: wanted the path of a model, got a number; put it in quotes if it is a folder's name"),
                row("merge_method: linear\nmodels: [{model: {model: {path: a, revision: x}}}]",
                        "2:36: models[0].model.model: unknown key 'revision': Fusor merges local checkpoints: fetch that revision first and name its folder"),
                row("merge_method: linear\nmodels: [{model: {model: a, lora: b}}]",
                        "2:29: models[0].model: unknown key 'lora': Fusor merges local checkpoints: merge the adapter into its model first and name the resulting folder"),
                row("merge_method: linear\nmodels: [{model: \"a\\0\"}]",
                        "2:18: models[0].model: 'a\\u0000' is not a path: Nul character not allowed"),
                row("merge_method: ties\nmodels: [{model: a}]",
                        "2:9: models: ties needs a base model, and the recipe names none; add base_model"),
                row("merge_method: ties\nbase_model: a\nmodels: [{model: a}]",
                        "3:9: models: ties merges at least 1 model besides the base model, got 0"),
                row("merge_method: slerp\nbase_model: a\nmodels: [{model: a}, {model: b}, {model: c}]",
                        "3:9: models: slerp merges 1 model besides the base model, got 2: 'b', 'c'"),
                row("merge_method: passthrough\nmodels: [{model: a}, {model: b}]",
                        "2:9: models: passthrough merges 1 model, got 2: 'a', 'b'"),
                row("merge_method: passthrough\nslices: [{sources: [{model: a}]}]",
                        "2:21: slices[0].sources[0]: the key 'layer_range' is missing"),
                row("merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [3, 3]}]}]",
                        "2:45: slices[0].sources[0].layer_range: the range [3, 3] holds no layer; the first is included, the end is not"),
                row("merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [0, 1, 2]}]}]",
                        "2:45: slices[0].sources[0].layer_range: wanted two numbers, [first, end), got 3"),
                row("merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [0, -1]}]}]",
                        "2:49: slices[0].sources[0].layer_range[1]: wanted a whole number from 0, got '-1'"),
                row("merge_method: passthrough\nslices: [{residual_weight: 0.1, sources: []}]",
                        "2:11: slices[0]: unknown key 'residual_weight': mergekit never used it; remove it"),
                row("merge_method: linear\nslices: [{base_model: c, sources: [{model: a, layer_range: [0, 1]}]}]",
                        "2:23: slices[0].base_model: linear uses no base model; remove it"),
                row("merge_method: linear\nslices: [{sources: [{model: a, layer_range: [0, 2]}, {model: b, layer_range: [1, 2]}]}]",
                        "2:54: slices[0]: all sources of a slice have equally many layers, got [0, 2] of 'a' and [1, 2] of 'b'"),
                row("merge_method: ties\nbase_model: c\nslices: [{sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [1, 2]}]}]",
                        "3:10: slices[0]: the base model 'c' is not listed and the sources have different layer ranges; list it with its layer_range"));
    }

    @ParameterizedTest
    @MethodSource({"keys", "methodsAndParameters", "values", "models"})
    void everyMistakeIsNamedWithItsPlace(String yaml, String message) {
        assertThat(problem(yaml)).isEqualTo(message);
    }
}
