/**
 * Aligning models: permutation specs say which units of a network may change places, permutations say how they do.
 *
 * <p>A {@link dev.fusor.align.PermutationSpec} is plain data about the tensors of one architecture; it knows nothing of files.
 * {@link dev.fusor.align.WeightMatching}, {@link dev.fusor.align.ManyMatching} and {@link dev.fusor.align.ActivationStatistics} find
 * permutations, {@link dev.fusor.align.TransportAlignment} soft maps between networks of any widths.
 * Git Re-Basin: Ainsworth, Hayase and Srinivasa 2023, <a href="https://arxiv.org/abs/2209.04836">arXiv:2209.04836</a>.
 */
package dev.fusor.align;
