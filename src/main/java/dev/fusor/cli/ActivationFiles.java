package dev.fusor.cli;

import dev.fusor.align.ActivationStatistics;
import dev.fusor.align.ActivationStatistics.Measure;
import dev.fusor.align.PermutationGroup;
import dev.fusor.align.PermutationSpec;
import dev.fusor.align.Permutations;
import dev.fusor.checkpoint.ArrayReader;
import dev.fusor.checkpoint.CheckpointException;
import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.merge.Alignment;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The activations of two models on the same inputs, stored, and the permutations that they ask for. A file has an array for each
 * group, of its name and of shape [rows, units], or with more axes before the units.
 *
 * @param first of the model that stays
 * @param second of the other
 */
record ActivationFiles(String first, String second, Measure measure) implements Alignment.Finder {
    private static final String NPY = ".npy";

    /** Bytes of a batch: its rows fill a chunk of the products many times. */
    private static final long BATCH_BYTES = 4 << 20;

    @Override
    public Permutations find(PermutationSpec spec, CpuDevice device, CudaStream stream) throws IOException {
        Map<PermutationGroup, int[]> found = new LinkedHashMap<>();
        for (PermutationGroup group : spec.groups()) {
            try (ArrayReader a = open(first, spec, group); ArrayReader b = open(second, spec, group)) {
                if (rows(b, group) != rows(a, group)) {
                    throw unfit(b, group, "%d rows as in %s, one for each input"
                            .formatted(rows(a, group), a.name()));
                }
                ActivationStatistics statistics = new ActivationStatistics(device, stream, group.units(),
                        group.units());
                add(statistics, a, b, group);
                found.put(group, match(statistics, a, b));
            }
        }
        return new Permutations(found);
    }

    private static ArrayReader open(String file, PermutationSpec spec, PermutationGroup group) throws IOException {
        boolean alone = file.endsWith(NPY);
        if (alone && spec.groups().size() > 1) {
            throw new CheckpointException(
                    "%s: a .npy file has the activations of one group, the spec has %d; give a .npz or .safetensors file with an array for each"
                            .formatted(file, spec.groups().size()));
        }
        ArrayReader reader = ArrayReader.open(alone ? file : file + ":" + group.name());
        int rank = reader.shape().rank();
        if (rank < 2 || reader.shape().extent(rank - 1) != group.units() || reader.shape().elements() == 0
                || !reader.dtype().isArithmetic()) {
            try (reader) {
                throw unfit(reader, group, "floating point numbers [rows, %d]".formatted(group.units()));
            }
        }
        return reader;
    }

    private static CheckpointException unfit(ArrayReader reader, PermutationGroup group, String wanted) {
        return new CheckpointException("%s: the activations of group '%s' are %s, got %s %s".formatted(reader.name(),
                group.name(), wanted, reader.dtype(), reader.shape()));
    }

    private static long rows(ArrayReader reader, PermutationGroup group) {
        return reader.shape().elements() / group.units();
    }

    private static void add(ActivationStatistics statistics, ArrayReader a, ArrayReader b, PermutationGroup group)
            throws IOException {
        long rows = rows(a, group);
        int batch = (int) Math.clamp(BATCH_BYTES / (group.units() * (long) Float.BYTES), 1L, rows);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment ofA = arena.allocate(a.dtype().byteSize((long) batch * group.units()), 64);
            MemorySegment ofB = arena.allocate(b.dtype().byteSize((long) batch * group.units()), 64);
            for (long done = 0; done < rows; done += batch) {
                Shape shape = Shape.of(Math.min(batch, rows - done), group.units());
                statistics.add(read(a, ofA, shape), read(b, ofB, shape));
            }
        }
    }

    private static Tensor read(ArrayReader reader, MemorySegment memory, Shape shape) throws IOException {
        MemorySegment data = memory.asSlice(0, reader.dtype().byteSize(shape.elements()));
        reader.read(data);
        return Tensor.of(data, reader.dtype(), shape);
    }

    private int[] match(ActivationStatistics statistics, ArrayReader a, ArrayReader b) throws CheckpointException {
        try {
            return statistics.match(measure);
        } catch (IllegalArgumentException e) {
            throw new CheckpointException("%s and %s: %s".formatted(a.name(), b.name(), e.getMessage()));
        }
    }
}
