package dev.fusor.consensus;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.KeyWatch;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import dev.fusor.trim.MagnitudeSelection.Mending;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Use;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
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
        check(inputs(base, voters.stream().map(Voter::x)), out.dtype(), out.shape());
        eachRange(voters, first, out.elements(), merge(base, voters, first, rule, out, null));
    }

    @Override
    public Selected merge(Tensor base, List<Trimmed> models, Ties ties, Rule rule, Tensor out) {
        List<TensorSource> inputs = inputs(base, models.stream().map(Trimmed::x));
        check(inputs, out.dtype(), out.shape());
        checkApart(inputs, out);
        return select(inputs, models, ties, new Mending() {
            @Override
            public void run(int part, long from, int count, List<MagnitudeCut> cuts, KeyWatch watch) {
                mergeRange(base, models, rule, cuts, watch, from, out.slice(from, count));
            }

            @Override
            public void mend(int part, long from, int[] places, List<MagnitudeCut> cuts) {
                try (Arena arena = Arena.ofConfined()) {
                    List<Voter> voters = voters(models, x -> gathered(arena, x, from, places),
                            cuts.stream().map(cut -> among(cut, from, places)).toList());
                    Tensor merged = Tensor.allocate(arena, out.dtype(), places.length);
                    eachRange(voters, 0, 0, places.length,
                            merge(gathered(arena, base, from, places), voters, 0, rule, merged, null));
                    scatter(merged, out, from, places);
                }
            }
        });
    }

    @Override
    public Selected merge(TensorSource base, List<Trimmed> models, Ties ties, Rule rule, Sink out) {
        List<TensorSource> inputs = inputs(base, models.stream().map(Trimmed::x));
        check(inputs, out.dtype(), base.shape());
        return select(inputs, models, ties, (_, from, count, cuts, watch) -> {
            Tensor range = out.begin(from, count);
            mergeRange(base, models, rule, cuts, watch, from, range);
            out.done(from, range);
        });
    }

    static void checkApart(List<? extends TensorSource> inputs, Tensor out) {
        for (TensorSource input : inputs) {
            if (input instanceof Tensor tensor && tensor.data().asOverlappingSlice(out.data()).isPresent()) {
                throw new IllegalArgumentException(
                        "inputs are read again after the output was written, so none may overlap it, got %s for an output %s"
                                .formatted(tensor, out));
            }
        }
    }

    /** Finds the cuts of task vectors and uses them. */
    private Selected select(List<TensorSource> inputs, List<Trimmed> models, Ties ties, Use use) {
        Part whole = new Part(inputs.getFirst(), inputs.subList(1, inputs.size()));
        List<Wanted> wanted = IntStream.range(0, models.size()).mapToObj(m -> new Wanted(m, models.get(m).kept()))
                .toList();
        return MagnitudeSelection.on(device).select(List.of(whole), wanted, ties, use);
    }

    /** Merges a range by cuts, on the calling thread. */
    private static void mergeRange(TensorSource base, List<Trimmed> models, Rule rule, List<MagnitudeCut> cuts,
            KeyWatch watch, long from, Tensor range) {
        long count = range.elements();
        List<Voter> voters = voters(models, x -> x.slice(from, count), cuts);
        eachRange(voters, from, 0, count, merge(base.slice(from, count), voters, from, rule, range, watch));
    }

    private static Tensor gathered(Arena arena, TensorSource tensor, long from, int[] places) {
        Tensor range = tensor.slice(from, places[places.length - 1] + 1L);
        Tensor some = Tensor.allocate(arena, tensor.dtype(), places.length);
        long bytes = tensor.dtype().byteSize(1);
        for (int i = 0; i < places.length; i++) {
            MemorySegment.copy(range.data(), places[i] * bytes, some.data(), i * bytes, bytes);
        }
        return some;
    }

    private static void scatter(Tensor elements, Tensor out, long from, int[] places) {
        long bytes = out.dtype().byteSize(1);
        for (int i = 0; i < places.length; i++) {
            MemorySegment.copy(elements.data(), i * bytes, out.data(), (from + places[i]) * bytes, bytes);
        }
    }

    private static List<Voter> voters(List<Trimmed> models, Function<TensorSource, Tensor> range,
            List<MagnitudeCut> cuts) {
        return IntStream.range(0, models.size()).mapToObj(
                m -> new Voter(range.apply(models.get(m).x()), models.get(m).weight(), cuts.get(m))).toList();
    }

    /** A cut as it is for some elements of a range that have been moved together. */
    private static MagnitudeCut among(MagnitudeCut cut, long from, int[] places) {
        int kept = cut.lastTie() == Long.MAX_VALUE
                ? places.length
                : (int) Arrays.stream(places).filter(place -> from + place <= cut.lastTie()).count();
        return new MagnitudeCut(cut.key(), kept - 1L);
    }

    /** The merge of elements whose keys kept are the same throughout; watches their keys if it is to. */
    private static Step merge(Tensor base, List<Voter> voters, long first, Rule rule, Tensor out, KeyWatch watch) {
        boolean vectors = Specialised.available() && Lanes.supports(out.dtype())
                && inputs(base, voters.stream().map(Voter::x)).stream()
                        .allMatch(input -> Lanes.supports(input.dtype()));
        DisjointMergeVectors byVectors = vectors
                ? new DisjointMergeVectors(base, voters, first, rule, out, watch)
                : null;
        DisjointMergePlain plainly = new DisjointMergePlain(base, voters, first, rule, out);
        return (from, count) -> {
            int whole = vectors ? count - count % Lanes.LENGTH : 0;
            if (whole > 0) {
                byVectors.merge(from, whole, (int) from);
            }
            plainly.merge(from + whole, count - whole);
            if (watch != null) {
                plainly.watch(from + whole, count - whole, watch, (int) from + whole);
            }
        };
    }

    @Override
    public long majority(Tensor base, List<Voter> voters, long first, Election election) {
        if (election == Election.NONE) {
            throw new IllegalArgumentException("there is a majority where signs are elected, got " + election);
        }
        check(inputs(base, voters.stream().map(Voter::x)), base.dtype(), base.shape());
        DisjointMergePlain plainly = new DisjointMergePlain(base, voters, first, new Rule(election, 1, false), base);
        LongAdder majority = new LongAdder();
        eachRange(voters, first, base.elements(), (from, count) -> majority.add(plainly.majority(from, count)));
        return majority.sum();
    }

    private static List<TensorSource> inputs(TensorSource base, Stream<? extends TensorSource> models) {
        return Stream.concat(Stream.of(base), models).toList();
    }

    /** The base and at least one model, for an output. */
    private static void check(List<TensorSource> inputs, DType out, Shape shape) {
        if (inputs.size() == 1) {
            throw new IllegalArgumentException("a disjoint merge takes at least 1 model, got none");
        }
        for (TensorSource input : inputs) {
            if (input.elements() != shape.elements() || !input.dtype().isArithmetic() || !out.isArithmetic()) {
                throw new IllegalArgumentException(
                        "a disjoint merge takes tensors of arithmetic types and equal length, got %s %s for an output %s %s"
                                .formatted(input.dtype(), input.shape(), out, shape));
            }
        }
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
