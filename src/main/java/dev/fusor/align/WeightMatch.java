package dev.fusor.align;

/**
 * What weight matching found.
 *
 * @param permutations bring the second model to the units of the first
 * @param objective the sum of the products of corresponding weights of the first and the permuted second
 * @param bound no permutation gives more: the product of the norms of both
 * @param sweeps how many were made
 * @param converged whether the last of them changed nothing
 */
public record WeightMatch(Permutations permutations, double objective, double bound, int sweeps, boolean converged) {}
