package dev.fusor.consensus;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.IntStream;
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
        eachRange(voters, first, out.elements(), merge(base, voters, first, rule, out, null, null));
    }

    @Override
    public Selected merge(Tensor base, List<Trimmed> models, Ties ties, Rule rule, Tensor out) {
        check(base, voters(models, Collections.nCopies(models.size(), MagnitudeCut.NONE)), out);
        Stream.concat(Stream.of(base), models.stream().map(Trimmed::x)).forEach(input -> {
            if (input.data().asOverlappingSlice(out.data()).isPresent()) {
                throw new IllegalArgumentException(
                        "inputs are read again after the output was written, so none may overlap it, got %s for an output %s"
                                .formatted(input, out));
            }
        });
        Part whole = new Part(base, models.stream().<TensorSource>map(Trimmed::x).toList());
        List<Wanted> wanted = IntStream.range(0, models.size()).mapToObj(m -> new Wanted(m, models.get(m).kept()))
                .toList();
        return MagnitudeSelection.on(device).select(List.of(whole), wanted, ties,
                (part, from, count, cuts, larger, equal) -> {
                    List<Voter> voters = voters(models, cuts);
                    eachRange(voters, 0, from, from + count, merge(base, voters, 0, rule, out, larger, equal));
                });
    }

    private static List<Voter> voters(List<Trimmed> models, List<MagnitudeCut> cuts) {
        return IntStream.range(0, models.size())
                .mapToObj(m -> new Voter(models.get(m).x(), models.get(m).weight(), cuts.get(m))).toList();
    }

    /** The merge of elements whose keys kept are the same throughout; counts keys if it is given where. */
    private static Step merge(Tensor base, List<Voter> voters, long first, Rule rule, Tensor out, int[] larger,
            int[] equal) {
        boolean counts = larger != null;
        boolean vectors = Specialised.available()
                && everything(base, voters, out).allMatch(tensor -> Lanes.supports(tensor.dtype()));
        DisjointMergeVectors byVectors = vectors
                ? new DisjointMergeVectors(base, voters, first, rule, out, counts)
                : null;
        DisjointMergePlain plainly = new DisjointMergePlain(base, voters, first, rule, out);
        return (from, count) -> {
            int whole = vectors ? count - count % Lanes.LENGTH : 0;
            if (whole > 0) {
                byVectors.merge(from, whole, larger, equal);
            }
            plainly.merge(from + whole, count - whole);
            if (counts) {
                plainly.count(from + whole, count - whole, larger, equal);
            }
        };
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

    /** On all threads. */
    private void eachRange(List<Voter> voters, long first, long length, Step step) {
        device.run((length + TILE - 1) / TILE,
                tile -> eachRange(voters, first, tile * TILE, Math.min((tile + 1) * TILE, length), step));
    }

    /** On the calling thread. */
    private static void eachRange(List<Voter> voters, long first, long begin, long end, Step step) {
        for (long from = begin; from < end;) {
            long next = Math.min(end, nextChange(voters, first + from) - first);
            step.run(from, (int) (next - from));
            from = next;
        }
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
