package dev.fusor.reduce;

/**
 * The products of two tensors that say how they lie to each other: the cosine of their angle is {@code ab / (sqrt(aa) sqrt(bb))}.
 *
 * @param ab the sum of the products of corresponding elements
 * @param aa the sum of the squares of the first
 * @param bb the sum of the squares of the second
 */
public record Products(double ab, double aa, double bb) {}
