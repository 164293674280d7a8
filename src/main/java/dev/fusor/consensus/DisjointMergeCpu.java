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
import java.lang.invoke.MethodHandles;
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
    public void merge(Tensor base, List<Voter> voters, long first, double lambda, boolean normalize, Tensor out) {
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
        Merge merge = new Merge(base, voters.toArray(Voter[]::new), first, (float) lambda, normalize, out, vectors);
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
        /** Buffers of scratch: three sums, two for widened operands, then the votes of each model. */
        private static final int MASS = 0;
        private static final int SUM = 1;
        private static final int WEIGHTS = 2;
        private static final int BASE = 3;
        private static final int OPERAND = 4;
        private static final int VOTES = 5;

        private final Tensor base;
        private final Voter[] voters;
        private final long first;
        private final float lambda;
        private final boolean normalize;
        private final Tensor out;
        /** The one type of all inputs if loops read it as it is; F32 if they are widened first. */
        private final DType input;
        /** Likewise of the output. */
        private final DType output;
        private final DisjointMergeLoops loops;

        Merge(Tensor base, Voter[] voters, long first, float lambda, boolean normalize, Tensor out, boolean vectors) {
            this.base = base;
            this.voters = voters;
            this.first = first;
            this.lambda = lambda;
            this.normalize = normalize;
            this.out = out;
            boolean alike = Arrays.stream(voters).allMatch(voter -> voter.x().dtype() == base.dtype());
            this.input = alike && base.dtype() == DType.BF16 ? DType.BF16 : DType.F32;
            this.output = out.dtype() == DType.BF16 ? DType.BF16 : DType.F32;
            this.loops = vectors ? TEMPLATE.of(new DisjointMergeLoops.Form(input, output, normalize)) : null;
        }

        /** How many of the elements from here on have one least key in every model. */
        int uncut(long from, int most) {
            long end = first + from + most;
            for (Voter voter : voters) {
                end = Math.min(end, voter.cut().nextChange(first + from));
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
                Tensor x = voters[m].x();
                loops.vote(operand(x, from, count, OPERAND), offset(x, from), b, baseAt, (float) voters[m].weight(),
                        leastKey(m, from), scratch.buffer(VOTES + m), mass, count);
            }
            for (int m = 0; m < voters.length; m++) {
                loops.agree(scratch.buffer(VOTES + m), mass, (float) voters[m].weight(), sum, weights, count);
            }
            boolean straight = out.dtype() == output;
            loops.finish(b, baseAt, mass, sum, weights, lambda, straight ? out.data() : sum,
                    straight ? output.byteSize(from) : 0, count);
            if (!straight) {
                Convert.round(sum, out, from, count);
            }
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

        private int leastKey(int model, long from) {
            return voters[model].cut().leastKey(first + from);
        }

        void plainly(long from, int count) {
            Scratch scratch = Scratch.mine();
            float[] mass = scratch.floats(MASS);
            float[] sum = scratch.floats(SUM);
            float[] weights = scratch.floats(WEIGHTS);
            float[][] votes = new float[voters.length][];
            for (int m = 0; m < voters.length; m++) {
                votes[m] = scratch.floats(VOTES + m);
                TaskVector.load(base, voters[m].x(), from, votes[m], count);
                int least = leastKey(m, from);
                float w = (float) voters[m].weight();
                for (int i = 0; i < count; i++) {
                    votes[m][i] = MagnitudeCut.keyOf(votes[m][i]) >= least ? w * votes[m][i] : 0f;
                    mass[i] = m == 0 ? votes[m][i] : mass[i] + votes[m][i];
                }
            }
            for (int i = 0; i < count; i++) {
                sum[i] = 0f;
                weights[i] = 0f;
                for (int m = 0; m < voters.length; m++) {
                    float vote = votes[m][i];
                    if (mass[i] >= 0 ? vote > 0 : vote < 0) {
                        sum[i] += vote;
                        weights[i] += (float) voters[m].weight();
                    }
                }
                if (normalize && weights[i] != 0) {
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
    }
}
