package dev.fusor.recipe;

/**
 * What a user may ask of a plan beyond the recipe.
 *
 * @param cutEmbeddings cut embeddings and output heads of different vocabularies to the rows that all models have, instead
 *     of refusing them; each cut becomes a note of the plan
 * @param seed of all random choices: the same plan with the same seed gives the same bits
 */
public record PlanOptions(boolean cutEmbeddings, long seed) {
    /** {@return the options of a strict plan: nothing is cut, and the seed is 0} */
    public static PlanOptions standard() {
        return new PlanOptions(false, 0);
    }
}
