package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Aggregation;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.consensus.DisjointMerge.Zero;
import dev.fusor.simd.Scratch;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.KeyWatch;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.TaskVector;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;

import static dev.fusor.simd.Scratch.ELEMENTS;

/** The disjoint merge of elements without vectors: all types, and what vectors leave over. */
final class DisjointMergePlain {
    /** Arrays of scratch: three sums, and from 4 the votes of each model, because forming them takes up to 3. */
    private static final int MASS = 0;
    private static final int SUM = 1;
    private static final int WEIGHTS = 2;
    private static final int VOTES = 4;

    private static final ValueLayout.OfFloat FACTOR = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Tensor base;
    private final List<Voter> voters;
    private final long first;
    private final Rule rule;
    private final float lambda;
    private final float allWeights;
    private final Tensor out;

    DisjointMergePlain(Tensor base, List<Voter> voters, long first, Rule rule, Tensor out) {
        this.base = base;
        this.voters = voters;
        this.first = first;
        this.rule = rule;
        this.lambda = (float) rule.lambda();
        this.allWeights = DisjointMergeCpu.sumOfWeights(voters);
        this.out = out;
    }

    /** Merges elements of the output, on the calling thread; their keys kept must be the same throughout. */
    void merge(long from, int count) {
        for (int done = 0; done < count; done += ELEMENTS) {
            mergeBlock(from + done, Math.min(ELEMENTS, count - done));
        }
    }

    private void mergeBlock(long from, int count) {
        Scratch scratch = Scratch.mine();
        float[] mass = scratch.floats(MASS);
        float[] sum = scratch.floats(SUM);
        float[] weights = scratch.floats(WEIGHTS);
        float[][] votes = vote(from, count, mass);
        for (int i = 0; i < count; i++) {
            sum[i] = mass[i];
            weights[i] = allWeights;
            if (rule.election() != Election.NONE) {
                agree(votes, i, mass[i] > 0 || mass[i] == 0 && rule.zero() == Zero.PLUS, sum, weights);
            }
            if (rule.normalize() && weights[i] != 0) {
                sum[i] /= weights[i];
            }
            if (mass[i] != mass[i]) {
                sum[i] = Float.NaN;
            }
        }
        if (base.dtype() == DType.F64 || out.dtype() == DType.F64) {
            for (int i = 0; i < count; i++) {
                Elements.set(out, from + i,
                        Math.fma((double) lambda, (double) sum[i], Elements.get(base, from + i)));
            }
        } else {
            Elements.load(base, from, weights, count);
            for (int i = 0; i < count; i++) {
                sum[i] = Math.fma(lambda, sum[i], weights[i]);
            }
            Elements.store(sum, out, from, count);
        }
    }

    /** Looks at the keys of elements, of which the first has this place in the range that is watched. */
    void watch(long from, int count, KeyWatch watch, int place) {
        float[] delta = Scratch.mine().floats(VOTES);
        for (int m = 0; m < voters.size(); m++) {
            int least = voters.get(m).band().leastKey(first + from);
            for (int done = 0; done < count; done += ELEMENTS) {
                int block = Math.min(ELEMENTS, count - done);
                TaskVector.load(base, voters.get(m).x(), from + done, delta, block);
                for (int i = 0; i < block; i++) {
                    int key = MagnitudeCut.keyOf(delta[i]);
                    boolean near = Integer.compareUnsigned(key - watch.least(m), watch.span(m)) < 0;
                    if (near && watch.lists()) {
                        watch.places(m)[watch.near(m)] = place + done + i;
                        watch.keys(m)[watch.near(m)] = key;
                    }
                    watch.add(m, key >= least ? 1 : 0, near ? 1 : 0);
                }
            }
        }
    }

    /** How many more elements elect plus than minus; their keys kept must be the same throughout. */
    long majority(long from, int count) {
        float[] mass = Scratch.mine().floats(MASS);
        long majority = 0;
        for (int done = 0; done < count; done += ELEMENTS) {
            int block = Math.min(ELEMENTS, count - done);
            vote(from + done, block, mass);
            for (int i = 0; i < block; i++) {
                majority += mass[i] > 0 ? 1 : mass[i] < 0 ? -1 : 0;
            }
        }
        return majority;
    }

    /** The votes of each model, and what they elect. */
    private float[][] vote(long from, int count, float[] mass) {
        float[][] votes = new float[voters.size()][];
        Arrays.fill(mass, 0, count, 0f);
        for (int m = 0; m < voters.size(); m++) {
            votes[m] = Scratch.mine().floats(VOTES + m);
            TaskVector.load(base, voters.get(m).x(), from, votes[m], count);
            vote(voters.get(m), from, votes[m], count);
            for (int i = 0; i < count; i++) {
                mass[i] += rule.election() == Election.COUNT ? Math.signum(votes[m][i]) : votes[m][i];
            }
        }
        return votes;
    }

    /** Turns differences into votes. */
    private void vote(Voter voter, long from, float[] delta, int count) {
        MemorySegment factors = Scratch.mine().buffer(0);
        if (voter.drop() != null) {
            voter.drop().load(first + from, count, factors);
        }
        int least = voter.band().leastKey(first + from);
        int limit = voter.band().limitKey(first + from);
        float weight = rule.election() == Election.UNWEIGHTED ? 1f : (float) voter.weight();
        for (int i = 0; i < count; i++) {
            int key = MagnitudeCut.keyOf(delta[i]);
            float factor = voter.drop() == null ? 1f : factors.getAtIndex(FACTOR, i);
            delta[i] = key >= least && key < limit && factor == factor ? weight * (factor * delta[i]) : 0f;
        }
    }

    /** Adds up, as magnitudes, the votes for an element that have the elected sign, and their weights; or takes the largest. */
    private void agree(float[][] votes, int i, boolean plus, float[] sum, float[] weights) {
        sum[i] = 0f;
        weights[i] = 0f;
        for (int m = 0; m < voters.size(); m++) {
            float vote = plus ? votes[m][i] : -votes[m][i];
            float weight = (float) voters.get(m).weight();
            float weighed = rule.election() == Election.UNWEIGHTED ? weight * vote : vote;
            if (vote > 0 && rule.aggregation() == Aggregation.SUM) {
                sum[i] += weighed;
                weights[i] += weight;
            } else if (vote > 0 && Math.abs(weighed) > Math.abs(sum[i])) {
                sum[i] = weighed;
                weights[i] = weight;
            }
        }
        sum[i] = plus ? sum[i] : -sum[i];
    }
}
