package dev.fusor.recipe;

/** Layers of a model, the start included, the end not. */
record LayerRange(int start, int end) {
    int length() {
        return end - start;
    }

    @Override
    public String toString() {
        return "[%d, %d]".formatted(start, end);
    }
}
