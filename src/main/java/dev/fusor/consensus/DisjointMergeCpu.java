package dev.fusor.consensus;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.KeyWatch;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Use;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
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
        eachRange(voters, first, out.elements(), merge(base, voters, first, rule, out, null, 0));
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
        return MagnitudeSelection.on(device).select(List.of(whole), wanted, ties, new Use() {
            @Override
            public void run(int part, long from, int count, List<MagnitudeCut> cuts, KeyWatch watch) {
                List<Voter> voters = voters(models, cuts);
                eachRange(voters, 0, from, from + count, merge(base, voters, 0, rule, out, watch, from));
            }

            @Override
            public void mend(int part, long from, int[] places, List<MagnitudeCut> cuts) {
                merge(base, models, rule, out, from, places, cuts);
            }
        });
    }

    /** Merges some elements of a range again: those of a tensor of their own, which they are copied to and from. */
    private static void merge(Tensor base, List<Trimmed> models, Rule rule, Tensor out, long from, int[] places,
            List<MagnitudeCut> cuts) {
        try (Arena arena = Arena.ofConfined()) {
            List<Voter> voters = IntStream.range(0, models.size())
                    .mapToObj(m -> new Voter(gathered(arena, models.get(m).x(), from, places), models.get(m).weight(),
                            among(cuts.get(m), from, places)))
                    .toList();
            Tensor merged = Tensor.allocate(arena, out.dtype(), places.length);
            eachRange(voters, 0, 0, places.length,
                    merge(gathered(arena, base, from, places), voters, 0, rule, merged, null, 0));
            long bytes = out.dtype().byteSize(1);
            for (int i = 0; i < places.length; i++) {
                MemorySegment.copy(merged.data(), i * bytes, out.data(), (from + places[i]) * bytes, bytes);
            }
        }
    }

    private static Tensor gathered(Arena arena, Tensor tensor, long from, int[] places) {
        Tensor some = Tensor.allocate(arena, tensor.dtype(), places.length);
        long bytes = tensor.dtype().byteSize(1);
        for (int i = 0; i < places.length; i++) {
            MemorySegment.copy(tensor.data(), (from + places[i]) * bytes, some.data(), i * bytes, bytes);
        }
        return some;
    }

    /** A cut as it is for some elements of a range that have been moved together. */
    private static MagnitudeCut among(MagnitudeCut cut, long from, int[] places) {
        int kept = cut.lastTie() == Long.MAX_VALUE
                ? places.length
                : (int) Arrays.stream(places).filter(place -> from + place <= cut.lastTie()).count();
        return new MagnitudeCut(cut.key(), kept - 1L);
    }

    private static List<Voter> voters(List<Trimmed> models, List<MagnitudeCut> cuts) {
        return IntStream.range(0, models.size())
                .mapToObj(m -> new Voter(models.get(m).x(), models.get(m).weight(), cuts.get(m))).toList();
    }

    /** The merge of elements whose keys kept are the same throughout; watches the keys of a range if it is to. */
    private static Step merge(Tensor base, List<Voter> voters, long first, Rule rule, Tensor out, KeyWatch watch,
            long watchedFrom) {
        boolean vectors = Specialised.available()
                && everything(base, voters, out).allMatch(tensor -> Lanes.supports(tensor.dtype()));
        DisjointMergeVectors byVectors = vectors
                ? new DisjointMergeVectors(base, voters, first, rule, out, watch)
                : null;
        DisjointMergePlain plainly = new DisjointMergePlain(base, voters, first, rule, out);
        return (from, count) -> {
            int whole = vectors ? count - count % Lanes.LENGTH : 0;
            if (whole > 0) {
                byVectors.merge(from, whole, (int) (from - watchedFrom));
            }
            plainly.merge(from + whole, count - whole);
            if (watch != null) {
                plainly.watch(from + whole, count - whole, watch, (int) (from + whole - watchedFrom));
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
