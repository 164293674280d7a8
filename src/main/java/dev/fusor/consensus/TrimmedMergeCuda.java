package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Trimmed;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.consensus.DisjointMergeCuda.Item;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.KeyWatchCuda;
import dev.fusor.trim.KeyWatchCuda.Near;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelectionCuda;
import dev.fusor.trim.MagnitudeSelectionCuda.Use;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * Trims, elects and merges whole tensors in the memory of a CUDA device, to the bits of
 * {@link DisjointMerge#merge(Tensor, List, Ties, Rule, Tensor)}.
 *
 * <p>Inputs are read little more than once, where a sample says enough of the cuts: the tensors are merged by those that are likely,
 * the launch counts and lists what is near them, and what they got wrong is merged again. Up to {@value DisjointMergeCuda#SLOTS} models
 * of BF16 or F32 and more than 65536 elements are merged so; others are read for the cuts, and then merged. Device memory: that of
 * {@link MagnitudeSelectionCuda}.
 *
 * <p>It waits for the stream; it belongs to the thread that opened the stream.
 */
public final class TrimmedMergeCuda {
    private static final Set<DType> WATCHED = Set.of(DType.BF16, DType.F32);

    /** Fewer listed elements would not be worth a thread. */
    private static final long LISTED_OF_THREAD = 4;

    private static final int NEAR_BYTES = 12;

    private final CudaStream stream;
    private final MagnitudeSelectionCuda selection;

    /** With a selection of the same stream. */
    TrimmedMergeCuda(CudaStream stream, MagnitudeSelectionCuda selection) {
        this.stream = stream;
        this.selection = selection;
    }

    /**
     * {@return the primitive on a device}
     *
     * @param stream runs it
     */
    public static TrimmedMergeCuda on(CudaStream stream) {
        return new TrimmedMergeCuda(stream, MagnitudeSelectionCuda.on(stream));
    }

    /**
     * Trims, elects and merges tensors.
     *
     * @param base the base model's tensor in device memory, of one of {@link CudaFormats#ALL}
     * @param models at least one; tensors in device memory of the base's type and element count
     * @param ties what becomes of equal magnitudes where a model is cut
     * @param rule how votes become the result
     * @param out receives the merged tensor, in device memory, of one of {@link CudaFormats#ALL}; may not overlap an input
     * @return the cut of each model, and what was read for cuts and merge
     * @throws IllegalArgumentException if counts or types differ, a type is not supported, memory is not the device's, a number to keep
     * is negative or the output overlaps an input
     * @throws dev.fusor.device.cuda.CudaException if the driver fails, for want of memory among others
     */
    public Selected merge(Tensor base, List<Trimmed> models, Ties ties, Rule rule, Tensor out) {
        try (Merges merges = new Merges(base, models, rule, out)) {
            Part part = new Part(base, List.copyOf(merges.xs));
            return selection.select(part, models.stream().map(Trimmed::kept).toList(), ties, merges);
        }
    }

    /** The merges of one tensor, by cuts as they become known. */
    private final class Merges implements Use, AutoCloseable {
        private final Tensor base;
        private final List<Tensor> xs;
        private final double[] weights;
        private final Rule rule;
        private final Tensor out;
        /** By the likely cuts; null if there were none. */
        private DisjointMergeCuda likely;
        private KeyWatchCuda watch;
        private CudaMemory near;

        Merges(Tensor base, List<Trimmed> models, Rule rule, Tensor out) {
            this.base = base;
            this.xs = models.stream().map(model -> there(model.x())).toList();
            this.weights = models.stream().mapToDouble(Trimmed::weight).toArray();
            this.rule = rule;
            this.out = out;
            List<Voter> voters = xs.stream().map(x -> new Voter(x, 1, MagnitudeCut.NONE)).toList();
            DisjointMergeCuda.check(List.of(new Item(base, voters, 0, out)));
            DisjointMergeCpu.checkApart(Stream.concat(Stream.of(base), xs.stream()).toList(), out);
        }

        private static Tensor there(TensorSource x) {
            if (x instanceof Tensor tensor) {
                return tensor;
            }
            throw new IllegalArgumentException(
                    "a trimmed merge on a device takes tensors in its memory, got a source of %s %s: copy it there first"
                            .formatted(x.dtype(), x.shape()));
        }

        private Item item(long from, long count, List<MagnitudeCut> cuts) {
            List<Voter> voters = IntStream.range(0, xs.size())
                    .mapToObj(m -> new Voter(xs.get(m).slice(from, count), weights[m], cuts.get(m))).toList();
            return new Item(base.slice(from, count), voters, from, out.slice(from, count));
        }

        private DisjointMergeCuda prepare(long from, long count, List<MagnitudeCut> cuts) {
            return DisjointMergeCuda.prepare(stream, rule, List.of(item(from, count, cuts)));
        }

        private CudaKernel kernel(String name) {
            return CudaFormats.kernel(stream, "consensus", "trimmed_merge", base.dtype(), name);
        }

        @Override
        public boolean watches() {
            return WATCHED.contains(base.dtype()) && xs.size() <= DisjointMergeCuda.SLOTS;
        }

        @Override
        public void run(long from, long count, List<MagnitudeCut> cuts) {
            try (DisjointMergeCuda merge = prepare(from, count, cuts)) {
                merge.run();
            }
        }

        @Override
        public void run(List<MagnitudeCut> cuts, KeyWatchCuda watch) {
            this.watch = watch;
            likely = prepare(0, out.elements(), cuts);
            CudaKernel kernel = kernel(xs.size() <= 4 ? "merge_watched_4" : "merge_watched_8");
            near = CudaMemory.allocate(stream, (long) NEAR_BYTES * xs.size());
            uploadNear();
            try (CudaLaunch launch = kernel.prepare(8, 8, 8, 8, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8)) {
                likely.operands().on(launch, 0).set(10, out.elements()).set(11, near.segment())
                        .set(12, watch.totals()).set(13, watch.insideOfTile()).set(14, watch.tiles())
                        .set(15, watch.keys()).set(16, watch.places()).set(17, watch.capacity())
                        .grid(blocks(kernel, watch.tiles())).block(DisjointMergeCuda.THREADS, 0).on(stream);
            }
        }

        private void uploadNear() {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment table = arena.allocate(near.segment().byteSize(), Integer.BYTES);
                for (int m = 0; m < xs.size(); m++) {
                    Near one = watch.near().get(m);
                    table.setAtIndex(JAVA_INT, 3L * m, one.low());
                    table.setAtIndex(JAVA_INT, 3L * m + 1, one.high());
                    table.setAtIndex(JAVA_INT, 3L * m + 2, one.search());
                }
                stream.upload(table, near.segment());
            }
        }

        private static int blocks(CudaKernel kernel, long most) {
            return (int) Math.min(most, kernel.residentBlocks(DisjointMergeCuda.THREADS, 0));
        }

        @Override
        public long mend(List<MagnitudeCut> cuts) {
            CudaKernel kernel = kernel("mend_listed");
            try (DisjointMergeCuda sure = prepare(0, out.elements(), cuts);
                    CudaMemory mended = CudaMemory.allocate(stream, Long.BYTES);
                    CudaLaunch launch = kernel.prepare(8, 8, 8, 8, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8);
                    Arena arena = Arena.ofConfined()) {
                stream.fill(mended.segment(), (byte) 0);
                long share = LISTED_OF_THREAD * DisjointMergeCuda.THREADS;
                sure.operands().on(launch, 0).set(10, likely.operands().voters()).set(11, near.segment())
                        .set(12, watch.totals()).set(13, watch.keys()).set(14, watch.places())
                        .set(15, watch.capacity()).set(16, mended.segment())
                        .grid(blocks(kernel, (watch.capacity() + share - 1) / share), xs.size(), 1)
                        .block(DisjointMergeCuda.THREADS, 0).on(stream);
                MemorySegment count = arena.allocate(JAVA_LONG);
                stream.download(mended.segment(), count);
                stream.synchronize();
                return count.get(JAVA_LONG, 0);
            }
        }

        @Override
        public void close() {
            if (likely != null) {
                likely.close();
            }
            if (near != null) {
                near.close();
            }
        }
    }
}
