package dev.fusor.consensus;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.Tensor;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Stream;

/** Election and merge on the CPU, in ranges where each model's band keeps the same keys throughout. */
final class DisjointMergeCpu implements DisjointMerge {
    private static final long TILE = 1 << 16;

    private final CpuDevice device;

    DisjointMergeCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public void merge(Tensor base, List<Voter> voters, long first, Rule rule, Tensor out) {
        check(base, voters, out);
        boolean vectors = Specialised.available()
                && everything(base, voters, out).allMatch(tensor -> Lanes.supports(tensor.dtype()));
        DisjointMergeVectors byVectors = vectors ? new DisjointMergeVectors(base, voters, first, rule, out) : null;
        DisjointMergePlain plainly = new DisjointMergePlain(base, voters, first, rule, out);
        eachRange(voters, first, out.elements(), (from, count) -> {
            int whole = vectors ? count - count % Lanes.LENGTH : 0;
            if (whole > 0) {
                byVectors.merge(from, whole);
            }
            plainly.merge(from + whole, count - whole);
        });
    }

    @Override
    public long majority(Tensor base, List<Voter> voters, long first, Election election) {
        if (election == Election.NONE) {
            throw new IllegalArgumentException("there is a majority where signs are elected, got " + election);
        }
        check(base, voters, base);
        DisjointMergePlain plainly = new DisjointMergePlain(base, voters, first, new Rule(election, 1, false), base);
        LongAdder majority = new LongAdder();
        eachRange(voters, first, base.elements(), (from, count) -> majority.add(plainly.majority(from, count)));
        return majority.sum();
    }

    private static void check(Tensor base, List<Voter> voters, Tensor out) {
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
    }

    /** What is done with elements whose keys kept are the same throughout. */
    private interface Step {
        void run(long from, int count);
    }

    private void eachRange(List<Voter> voters, long first, long length, Step step) {
        device.run((length + TILE - 1) / TILE, tile -> {
            long to = Math.min((tile + 1) * TILE, length);
            for (long from = tile * TILE; from < to;) {
                long next = Math.min(to, nextChange(voters, first + from) - first);
                step.run(from, (int) (next - from));
                from = next;
            }
        });
    }

    private static Stream<Tensor> everything(Tensor base, List<Voter> voters, Tensor out) {
        return Stream.concat(Stream.of(base, out), voters.stream().map(Voter::x));
    }

    /** The first index from which some model's band keeps other keys than at {@code index}, or the largest long. */
    private static long nextChange(List<Voter> voters, long index) {
        long next = Long.MAX_VALUE;
        for (Voter voter : voters) {
            next = Math.min(next, voter.band().nextChange(index));
        }
        return next;
    }

    /** The sum of the weights of all models: float32 weights added in float64, rounded. */
    static float sumOfWeights(List<Voter> voters) {
        double sum = 0;
        for (Voter voter : voters) {
            sum += (float) voter.weight();
        }
        return (float) sum;
    }
}
