package dev.fusor.assign;

/**
 * Proof of how good an assignment is, by linear programming duality: no assignment is better by more than {@link #bound}.
 * Computed in float64 by a pass of its own over the costs; exact for integers, for which all three are 0.
 *
 * @param infeasibility by how much the dual variables break one of their constraints at most, 0 or more: u_i + v_j at most the cost
 * of every pair when minimising, at least when maximising; and on the larger side, each dual not above 0 when minimising, not
 * below when maximising
 * @param gap the sum of the costs less the sum of the dual variables, negated when maximising
 * @param bound {@code gap} and {@code infeasibility} for each pair, together
 */
public record Certificate(double infeasibility, double gap, double bound) {}
