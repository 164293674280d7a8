package dev.fusor.trim;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.KeyEstimate.Ranked;
import dev.fusor.trim.MagnitudeSample.Place;
import dev.fusor.trim.MagnitudeSelection.Part;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * Samples of the keys of models in device memory, one for each, which are taken and ranked there: what comes back are some numbers
 * for each search, and all of them at once.
 */
final class MagnitudeSampleCuda implements AutoCloseable {
    private static final int RANKING_THREADS = 1024;
    private static final int TENSOR_BYTES = 24;
    private static final int SEARCH_BYTES = 16;
    private static final int PLACE_BYTES = 16;
    private static final int RANKED_BYTES = 12;
    private static final int FOUND_BYTES = 64;

    private final CudaStream stream;
    private final int models;
    private final int runs;
    private final long stretch;
    private final CudaMemory keys;
    private final long bytesRead;

    /**
     * A search for the k-th key.
     *
     * @param model whose keys, by its place in the parts
     * @param fraction k as a fraction of the number of all keys
     */
    record Asked(int model, double fraction) {}

    /** What is sampled of a part: its first element and its first run, by their numbers among all, and how many runs begin in it. */
    private record Sampled(Part part, long first, int run, int runs) {
        private long elements() {
            return part.models().getFirst().elements();
        }

        private DType type() {
            return part.models().getFirst().dtype();
        }

        private long bytes() {
            long sampled = runs * Math.min(MagnitudeSample.RUN, elements());
            return MagnitudeSelectionCuda.tensors(part).mapToLong(tensor -> tensor.bytesOf(sampled)).sum();
        }
    }

    /**
     * Enqueues the taking of samples.
     *
     * @param parts tensors in device memory; those of a part have one type of {@link CudaFormats#ALL}
     * @param runs of each model; each run has a stretch of {@link MagnitudeSample#RUN} elements or more to begin in
     */
    MagnitudeSampleCuda(CudaStream stream, List<Part> parts, int runs) {
        this.stream = stream;
        this.models = parts.getFirst().models().size();
        this.runs = runs;
        this.stretch = parts.stream().mapToLong(part -> part.models().getFirst().elements()).sum() / runs;
        List<Sampled> sampled = sampled(parts);
        this.keys = CudaMemory.allocate(stream, (long) models * runs * MagnitudeSample.RUN * Integer.BYTES);
        try {
            sampled.stream().map(Sampled::type).distinct()
                    .forEach(type -> take(sampled.stream().filter(one -> one.type() == type).toList()));
        } catch (RuntimeException e) {
            keys.close();
            throw e;
        }
        this.bytesRead = sampled.stream().mapToLong(Sampled::bytes).sum();
    }

    private List<Sampled> sampled(List<Part> parts) {
        List<Sampled> sampled = new ArrayList<>();
        long first = 0;
        int run = 0;
        for (Part part : parts) {
            long end = first + part.models().getFirst().elements();
            int endRun = (int) Math.min(runs, MagnitudeSample.runsBefore(end, stretch));
            if (endRun > run) {
                sampled.add(new Sampled(part, first, run, endRun - run));
            }
            first = end;
            run = endRun;
        }
        return sampled;
    }

    /** By one launch for the parts of a type. */
    private void take(List<Sampled> sampled) {
        long addressesAt = (long) TENSOR_BYTES * sampled.size();
        long bytes = addressesAt + Long.BYTES * (models + 1L) * sampled.size();
        CudaKernel kernel = CudaFormats.kernel(stream, "trim", "key_scan", sampled.getFirst().type(), "sample_keys");
        try (Arena arena = Arena.ofConfined();
                CudaMemory there = CudaMemory.allocate(stream, bytes);
                CudaLaunch launch = kernel.prepare(8, 4, 8, 4, 4, 8, 8)) {
            MemorySegment table = arena.allocate(bytes, Long.BYTES);
            long at = 0;
            long addressAt = addressesAt;
            int blocks = 0;
            for (Sampled one : sampled) {
                table.set(JAVA_LONG, at, one.elements());
                table.set(JAVA_LONG, at + 8, one.first());
                table.set(JAVA_INT, at + 16, one.run());
                table.set(JAVA_INT, at + 20, blocks);
                at += TENSOR_BYTES;
                blocks += one.runs();
                table.set(JAVA_LONG, addressAt, CudaMemory.addressOrZero((Tensor) one.part().base()));
                for (TensorSource model : one.part().models()) {
                    addressAt += Long.BYTES;
                    table.set(JAVA_LONG, addressAt, CudaMemory.address(((Tensor) model).data()));
                }
                addressAt += Long.BYTES;
            }
            stream.upload(table, there.segment());
            launch.grid(blocks * models).block(MagnitudeSample.RUN, 0).set(0, there.segment()).set(1, sampled.size())
                    .set(2, there.segment().asSlice(addressesAt)).set(3, models).set(4, runs).set(5, stretch)
                    .set(6, keys.segment()).on(stream);
        }
    }

    /** {@return bytes of tensors that the samples are of} */
    long bytesRead() {
        return bytesRead;
    }

    /** {@return where the samples have the keys that are searched for} */
    List<KeyEstimate> estimates(List<Asked> searches) {
        List<Place> places = MagnitudeSample.PLACES;
        long placesAt = (long) SEARCH_BYTES * searches.size();
        long foundAt = placesAt + (long) PLACE_BYTES * places.size();
        long bytes = foundAt + (long) FOUND_BYTES * searches.size();
        CudaKernel kernel = stream.device().kernel("trim/sampled_ranks", "rank_sample");
        try (Arena arena = Arena.ofConfined();
                CudaMemory there = CudaMemory.allocate(stream, bytes);
                CudaLaunch launch = kernel.prepare(8, 8, 8, 4, 8)) {
            MemorySegment table = arena.allocate(foundAt, Long.BYTES);
            for (int i = 0; i < searches.size(); i++) {
                table.set(JAVA_DOUBLE, (long) SEARCH_BYTES * i, searches.get(i).fraction());
                table.set(JAVA_LONG, (long) SEARCH_BYTES * i + 8, searches.get(i).model());
            }
            for (int i = 0; i < places.size(); i++) {
                table.set(JAVA_DOUBLE, placesAt + (long) PLACE_BYTES * i, places.get(i).deviations());
                table.set(JAVA_LONG, placesAt + (long) PLACE_BYTES * i + 8, places.get(i).more());
            }
            MemorySegment found = there.segment().asSlice(foundAt);
            stream.upload(table, there.segment().asSlice(0, foundAt));
            launch.grid(searches.size()).block(RANKING_THREADS, 0).set(0, there.segment())
                    .set(1, there.segment().asSlice(placesAt)).set(2, keys.segment()).set(3, runs).set(4, found)
                    .on(stream);
            MemorySegment here = arena.allocate(found.byteSize(), Long.BYTES);
            stream.download(found, here);
            stream.synchronize();
            return IntStream.range(0, searches.size()).mapToObj(
                    i -> estimate(searches.get(i), here.asSlice((long) FOUND_BYTES * i, FOUND_BYTES))).toList();
        }
    }

    private static KeyEstimate estimate(Asked search, MemorySegment found) {
        int places = MagnitudeSample.PLACES.size();
        List<Ranked> ranked = IntStream.range(0, places).mapToLong(i -> (long) RANKED_BYTES * i)
                .mapToObj(at -> new Ranked(found.get(JAVA_INT, at), found.get(JAVA_INT, at + 4),
                        found.get(JAVA_INT, at + 8)))
                .toList();
        return KeyEstimate.of(ranked, search.fraction(), found.get(JAVA_INT, (long) RANKED_BYTES * places));
    }

    @Override
    public void close() {
        keys.close();
    }
}
