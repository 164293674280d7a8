package dev.fusor.align;

import java.time.Duration;

/**
 * One step of weight matching: one group was matched while all others stayed.
 *
 * @param sweep counts from 0
 * @param group what was matched
 * @param moved whether its permutation changed
 * @param objective the sum of the products of corresponding weights after the step; it never falls
 * @param similarity spent on multiplying units; zero, as the others, where the group was passed over
 * @param assignment spent on assigning them
 * @param check spent on the objective of what was found
 */
public record MatchingStep(int sweep, PermutationGroup group, boolean moved, double objective, Duration similarity,
        Duration assignment, Duration check) {}
