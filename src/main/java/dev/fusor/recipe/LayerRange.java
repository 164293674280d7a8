package dev.fusor.recipe;

import java.util.List;

/** Layers of a model, the start included, the end not. */
record LayerRange(int start, int end) {
    static LayerRange read(Value value) throws RecipeException {
        List<Value> ends = value.list();
        if (ends.size() != 2) {
            throw value.problem("wanted two numbers, [first, end), got " + ends.size());
        }
        LayerRange range = new LayerRange(ends.get(0).integer(), ends.get(1).integer());
        if (range.length() < 1) {
            throw value.problem("the range %s holds no layer; the first is included, the end is not".formatted(range));
        }
        return range;
    }

    int length() {
        return end - start;
    }

    @Override
    public String toString() {
        return "[%d, %d]".formatted(start, end);
    }
}
