package dev.fusor.cli;

import dev.fusor.checkpoint.ArrayReader;
import dev.fusor.checkpoint.CheckpointException;
import dev.fusor.ensemble.LogitEnsemble;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** The logits of all models, read side by side, a block of rows at a time: {@code -} is standard input. */
final class LogitFiles implements AutoCloseable {
    static final String STANDARD_INPUT = "-";

    /** What is counted row by row lies on the heap, which is small. */
    private static final int MOST_BLOCK_ROWS = 1 << 20;

    private final List<Part> parts = new ArrayList<>();
    private long rows;
    private int classes;
    private int models;
    private int blockRows;

    /** A file of one model, or of several whose rows alternate. */
    private static final class Part {
        private final ArrayReader reader;
        private final int models;
        private MemorySegment block;

        private Part(ArrayReader reader) {
            this.reader = reader;
            this.models = reader.shape().rank() == 3 ? Math.toIntExact(reader.shape().extent(1)) : 1;
        }
    }

    private LogitFiles() {}

    /** Opens and checks them; a block takes so many bytes at most, unless a single row takes more. */
    static LogitFiles open(List<String> references, InputStream in, long blockBytes, Arena arena) throws IOException {
        LogitFiles files = new LogitFiles();
        try {
            for (String reference : references) {
                files.add(reference.equals(STANDARD_INPUT)
                        ? ArrayReader.stream("standard input", in)
                        : ArrayReader.open(reference));
            }
            files.allocate(blockBytes, arena);
            return files;
        } catch (IOException | RuntimeException e) {
            try (files) {
                throw e;
            }
        }
    }

    private void add(ArrayReader reader) throws IOException {
        Shape shape = reader.shape();
        int rank = shape.rank();
        boolean fits = (rank == 2 || rank == 3) && reader.dtype().isArithmetic() && shape.extent(rank - 1) >= 1
                && shape.extent(rank - 1) <= Integer.MAX_VALUE
                && (rank == 2 || shape.extent(1) >= 1 && shape.extent(1) <= LogitEnsemble.MOST_MODELS);
        if (!fits) {
            reader.close();
            throw unfit(reader, "logits, floating point numbers [rows, classes] or [rows, models, classes]");
        }
        Part part = new Part(reader);
        parts.add(part);
        int width = Math.toIntExact(shape.extent(rank - 1));
        if (parts.size() == 1) {
            rows = shape.extent(0);
            classes = width;
        } else if (shape.extent(0) != rows || width != classes) {
            throw unfit(reader,
                    "%d rows of %d classes as in %s".formatted(rows, classes, parts.getFirst().reader.name()));
        }
        models += part.models;
        if (models > LogitEnsemble.MOST_MODELS) {
            throw new CheckpointException("an ensemble has at most %d models, %s is one too many".formatted(
                    LogitEnsemble.MOST_MODELS, reader.name()));
        }
    }

    private static CheckpointException unfit(ArrayReader reader, String wanted) {
        return new CheckpointException("%s: wanted %s, got %s %s".formatted(reader.name(), wanted, reader.dtype(),
                reader.shape()));
    }

    private void allocate(long blockBytes, Arena arena) {
        long rowBytes = 0;
        for (Part part : parts) {
            rowBytes += part.reader.dtype().byteSize((long) part.models * classes);
        }
        blockRows = (int) Math.max(1, Math.min(Math.min(rows, MOST_BLOCK_ROWS), blockBytes / rowBytes));
        for (Part part : parts) {
            part.block = arena.allocate(part.reader.dtype().byteSize((long) blockRows * part.models * classes), 64);
        }
    }

    long rows() {
        return rows;
    }

    int classes() {
        return classes;
    }

    int models() {
        return models;
    }

    /** {@return how many rows a block has, but for the last} */
    int blockRows() {
        return blockRows;
    }

    /** {@return the names of the models, in order} */
    List<String> names() {
        List<String> names = new ArrayList<>();
        for (Part part : parts) {
            for (int e = 0; e < part.models; e++) {
                names.add(part.models == 1 ? part.reader.name() : part.reader.name() + " model " + e);
            }
        }
        return names;
    }

    /** {@return the files whose numbers are wider than the float32 that is computed with} */
    List<String> rounded() {
        return parts.stream().map(part -> part.reader).filter(reader -> reader.dtype() == DType.F64)
                .map(ArrayReader::name).toList();
    }

    /** Reads the next rows; {@return the models over them, of weight and temperature 1} */
    List<Model> read(int count) throws IOException {
        List<Model> block = new ArrayList<>();
        for (Part part : parts) {
            DType dtype = part.reader.dtype();
            long stride = (long) part.models * classes;
            MemorySegment data = part.block.asSlice(0, dtype.byteSize(count * stride));
            part.reader.read(data);
            Tensor logits = Tensor.of(data, dtype, Shape.of(count, stride));
            for (int e = 0; e < part.models; e++) {
                block.add(new Model(logits, (long) e * classes, stride, 1, 1, null));
            }
        }
        return block;
    }

    @Override
    public void close() throws IOException {
        for (Part part : parts) {
            part.reader.close();
        }
    }
}
