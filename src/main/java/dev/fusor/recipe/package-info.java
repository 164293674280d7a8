/**
 * Recipes in mergekit's YAML, read strictly, and the plan that follows from a recipe and the tensors of its models.
 *
 * <p>Data goes one way: text → {@link dev.fusor.recipe.Recipe} → {@link dev.fusor.recipe.Planner} →
 * {@link dev.fusor.recipe.MergePlan}. A permutation spec is YAML too: {@link dev.fusor.recipe.SpecFile}. A plan is plain data; it knows nothing of files, devices or YAML. Reading recipes
 * needs the module {@code org.snakeyaml.engine.v2}, which embedders who only use plans can leave out.
 */
package dev.fusor.recipe;
