package dev.fusor.consensus;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.Tensor;
import java.util.List;
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
        DisjointMergeVectors byVectors = vectors ? new DisjointMergeVectors(base, voters, first, rule, out) : null;
        DisjointMergePlain plainly = new DisjointMergePlain(base, voters, first, rule, out);
        device.run((out.elements() + TILE - 1) / TILE, tile -> {
            long to = Math.min((tile + 1) * TILE, out.elements());
            for (long from = tile * TILE; from < to;) {
                long next = Math.min(to, nextChange(voters, first + from) - first);
                long whole = vectors ? (next - from) / Lanes.LENGTH * Lanes.LENGTH : 0;
                if (whole > 0) {
                    byVectors.merge(from, (int) whole);
                }
                plainly.merge(from + whole, (int) (next - from - whole));
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
