package dev.fusor.recipe;

/** A place in a recipe, both numbers from 1. */
record Place(String source, int line, int column) {
    RecipeException problem(String problem) {
        return new RecipeException(source, line, column, problem);
    }
}
