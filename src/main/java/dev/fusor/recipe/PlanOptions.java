package dev.fusor.recipe;

/**
 * What a user may ask of a plan beyond the recipe.
 *
 * @param cutEmbeddings cut embeddings and output heads of different vocabularies to the rows that all models have, instead
 *     of refusing them; each cut becomes a note of the plan
 */
public record PlanOptions(boolean cutEmbeddings) {
    /** {@return the options of a strict plan: nothing is cut} */
    public static PlanOptions standard() {
        return new PlanOptions(false);
    }
}
