package dev.fusor.consensus;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Convert;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Scratch;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.TaskVector;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

import static dev.fusor.simd.Scratch.ELEMENTS;

/** Election and merge on the CPU, a thousand elements at a time: what passes between the steps stays in the cache. */
final class DisjointMergeCpu implements DisjointMerge {
    private static final long TILE = 1 << 16;

    private static final Specialised<DisjointMergeLoops.Form, DisjointMergeLoops> TEMPLATE = new Specialised<>(
            MethodHandles.lookup(), "DisjointMergeLanes", DisjointMergeLoops.class);

    private final CpuDevice device;

    DisjointMergeCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public void merge(Tensor base, List<Voter> voters, long first, Rule rule, Tensor out) {
        if (voters.isEmpty()) {
            throw new IllegalArgumentException("a disjoint merge takes at least 1 model, got none");
        }
        everything(base, voters, out).forEach(tensor -> {
            if (tensor.elements() != out.elements() || !tensor.dtype().isArithmetic()) {
                throw new IllegalArgumentException(
                        "a disjoint merge takes tensors of arithmetic types and equal length, got %s for an output %s"
                                .formatted(tensor, out));
            }
        });
        boolean vectors = Specialised.available()
                && everything(base, voters, out).allMatch(tensor -> Lanes.supports(tensor.dtype()));
        Merge merge = new Merge(base, voters.toArray(Voter[]::new), first, rule, out, vectors);
        device.run((out.elements() + TILE - 1) / TILE, tile -> {
            long from = tile * TILE;
            long to = Math.min(from + TILE, out.elements());
            while (from < to) {
                int count = merge.uncut(from, (int) Math.min(ELEMENTS, to - from));
                int whole = vectors ? count - count % Lanes.LENGTH : 0;
                if (whole > 0) {
                    merge.byVectors(from, whole);
                }
                if (whole < count) {
                    merge.plainly(from + whole, count - whole);
                }
                from += count;
            }
        });
    }

    private static Stream<Tensor> everything(Tensor base, List<Voter> voters, Tensor out) {
        return Stream.concat(Stream.of(base, out), voters.stream().map(Voter::x));
    }

    /** One merge; what does not change between its ranges is looked up once. */
    private static final class Merge {
        /** Buffers of scratch: three sums, two for widened operands, factors, then the votes of each model. */
        private static final int MASS = 0;
        private static final int SUM = 1;
        private static final int WEIGHTS = 2;
        private static final int BASE = 3;
        private static final int OPERAND = 4;
        private static final int FACTORS = 5;
        private static final int VOTES = 6;

        private static final ValueLayout.OfFloat FACTOR = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

        private final Tensor base;
        private final Voter[] voters;
        private final long first;
        private final Rule rule;
        private final float lambda;
        private final float allWeights;
        private final Tensor out;
        /** The one type of all inputs if loops read it as it is; F32 if they are widened first. */
        private final DType input;
        /** Likewise of the output. */
        private final DType output;
        private final DisjointMergeLoops loops;
        /** The loops that form the votes of each model. */
        private final DisjointMergeLoops[] voting;

        Merge(Tensor base, Voter[] voters, long first, Rule rule, Tensor out, boolean vectors) {
            this.base = base;
            this.voters = voters;
            this.first = first;
            this.rule = rule;
            this.lambda = (float) rule.lambda();
            double weights = 0;
            for (Voter voter : voters) {
                weights += (float) voter.weight();
            }
            this.allWeights = (float) weights;
            this.out = out;
            boolean alike = Arrays.stream(voters).allMatch(voter -> voter.x().dtype() == base.dtype());
            this.input = alike && base.dtype() == DType.BF16 ? DType.BF16 : DType.F32;
            this.output = out.dtype() == DType.BF16 ? DType.BF16 : DType.F32;
            this.loops = vectors ? loops(false, false) : null;
            this.voting = new DisjointMergeLoops[voters.length];
            for (int m = 0; vectors && m < voters.length; m++) {
                voting[m] = loops(!voters[m].band().isOpen(), voters[m].drop() != null);
            }
        }

        private DisjointMergeLoops loops(boolean band, boolean drop) {
            return TEMPLATE.of(
                    new DisjointMergeLoops.Form(input, output, rule.election(), rule.normalize(), band, drop));
        }

        /** How many of the elements from here on have the same keys kept in every model. */
        int uncut(long from, int most) {
            long end = first + from + most;
            for (Voter voter : voters) {
                end = Math.min(end, voter.band().nextChange(first + from));
            }
            return (int) (end - first - from);
        }

        void byVectors(long from, int count) {
            Scratch scratch = Scratch.mine();
            MemorySegment mass = scratch.buffer(MASS);
            MemorySegment sum = scratch.buffer(SUM);
            MemorySegment weights = scratch.buffer(WEIGHTS);
            mass.fill((byte) 0);
            sum.fill((byte) 0);
            weights.fill((byte) 0);
            MemorySegment b = operand(base, from, count, BASE);
            long baseAt = offset(base, from);
            for (int m = 0; m < voters.length; m++) {
                Voter voter = voters[m];
                voting[m].vote(operand(voter.x(), from, count, OPERAND), offset(voter.x(), from), b, baseAt,
                        (float) voter.weight(), voter.band().leastKey(first + from),
                        voter.band().limitKey(first + from), factors(voter, from, count), scratch.buffer(VOTES + m),
                        mass, count);
            }
            for (int m = 0; rule.election() != Election.NONE && m < voters.length; m++) {
                loops.agree(scratch.buffer(VOTES + m), mass, (float) voters[m].weight(), sum, weights, count);
            }
            boolean straight = out.dtype() == output;
            loops.finish(b, baseAt, mass, sum, weights, lambda, allWeights, straight ? out.data() : sum,
                    straight ? output.byteSize(from) : 0, count);
            if (!straight) {
                Convert.round(sum, out, from, count);
            }
        }

        private MemorySegment factors(Voter voter, long from, int count) {
            MemorySegment factors = Scratch.mine().buffer(FACTORS);
            if (voter.drop() != null) {
                voter.drop().load(first + from, count, factors);
            }
            return factors;
        }

        private MemorySegment operand(Tensor tensor, long from, int count, int buffer) {
            if (tensor.dtype() == input) {
                return tensor.data();
            }
            MemorySegment widened = Scratch.mine().buffer(buffer);
            Convert.widen(tensor, from, widened, count);
            return widened;
        }

        private long offset(Tensor tensor, long from) {
            return tensor.dtype() == input ? input.byteSize(from) : 0;
        }

        void plainly(long from, int count) {
            Scratch scratch = Scratch.mine();
            float[] mass = scratch.floats(MASS);
            float[] sum = scratch.floats(SUM);
            float[] weights = scratch.floats(WEIGHTS);
            float[][] votes = new float[voters.length][];
            Arrays.fill(mass, 0, count, 0f);
            for (int m = 0; m < voters.length; m++) {
                votes[m] = scratch.floats(VOTES + m);
                TaskVector.load(base, voters[m].x(), from, votes[m], count);
                vote(voters[m], from, votes[m], count);
                for (int i = 0; i < count; i++) {
                    mass[i] += votes[m][i];
                }
            }
            for (int i = 0; i < count; i++) {
                sum[i] = mass[i];
                weights[i] = allWeights;
                if (rule.election() != Election.NONE) {
                    agree(votes, i, mass[i] >= 0, sum, weights);
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

        /** Turns differences into votes. */
        private void vote(Voter voter, long from, float[] delta, int count) {
            MemorySegment factors = factors(voter, from, count);
            int least = voter.band().leastKey(first + from);
            int limit = voter.band().limitKey(first + from);
            float weight = rule.election() == Election.UNWEIGHTED ? 1f : (float) voter.weight();
            for (int i = 0; i < count; i++) {
                int key = MagnitudeCut.keyOf(delta[i]);
                float factor = voter.drop() == null ? 1f : factors.getAtIndex(FACTOR, i);
                delta[i] = key >= least && key < limit && factor == factor ? weight * (factor * delta[i]) : 0f;
            }
        }

        /** Adds up, as magnitudes, the votes for an element that have the elected sign, and their weights. */
        private void agree(float[][] votes, int i, boolean plus, float[] sum, float[] weights) {
            sum[i] = 0f;
            weights[i] = 0f;
            for (int m = 0; m < voters.length; m++) {
                float vote = plus ? votes[m][i] : -votes[m][i];
                float weight = (float) voters[m].weight();
                if (vote > 0) {
                    sum[i] += rule.election() == Election.UNWEIGHTED ? weight * vote : vote;
                    weights[i] += weight;
                }
            }
            sum[i] = plus ? sum[i] : -sum[i];
        }
    }
}
