package dev.fusor.recipe;

import dev.fusor.method.MergeMethod;
import dev.fusor.method.Parameter;
import java.util.List;
import java.util.Map;

/** Whether tensors that a method looks at together can be. */
final class SpanCheck {
    private final MergeMethod method;
    private TensorPlan first;

    SpanCheck(MergeMethod method) {
        this.method = method;
    }

    void add(Item item, TensorPlan tensor) throws RecipeException {
        if (!method.spans(tensor.parameters())) {
            return;
        }
        if (first == null) {
            first = tensor;
        }
        if (!models(tensor).equals(models(first)) || !tensor.base().equals(first.base())) {
            throw problem(item, "is made of other models");
        }
        for (String name : method.spanned()) {
            Parameter parameter = method.parameter(name);
            for (int i = 0; i < tensor.inputs().size(); i++) {
                Double value = values(tensor, i, parameter).get(name);
                Double wanted = values(first, i, parameter).get(name);
                if (value != null && !value.equals(wanted)) {
                    throw problem(item, "has %s %s and not %s".formatted(name, parameter.written(value),
                            parameter.written(wanted)));
                }
            }
        }
    }

    private static Map<String, Double> values(TensorPlan tensor, int input, Parameter parameter) {
        return parameter.scope() == Parameter.Scope.TENSOR
                ? tensor.parameters()
                : tensor.inputs().get(input).parameters();
    }

    private static List<Integer> models(TensorPlan tensor) {
        return tensor.inputs().stream().map(TensorInput::model).toList();
    }

    private RecipeException problem(Item item, String difference) {
        return TensorPlanner.problem(item,
                "with scope: model it is trimmed together with %s, but %s; make them alike, or leave it out by a filter with scope: tensor"
                        .formatted(Words.quote(first.name()), difference));
    }
}
