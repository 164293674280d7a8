package dev.fusor.cli;

import dev.fusor.checkpoint.ArrayReader;
import dev.fusor.checkpoint.CheckpointException;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** The right class of each row, integers of any type, read a block of rows at a time. */
final class LabelFile implements AutoCloseable {
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    private final ArrayReader reader;
    private final int classes;
    private final MemorySegment raw;
    private final MemorySegment labels;
    private long row;

    private LabelFile(ArrayReader reader, int classes, int blockRows, Arena arena) {
        this.reader = reader;
        this.classes = classes;
        this.raw = arena.allocate(reader.dtype().byteSize(blockRows), 64);
        this.labels = arena.allocate(DType.I32.byteSize(blockRows), 64);
    }

    static LabelFile open(String reference, LogitFiles logits, Arena arena) throws IOException {
        ArrayReader reader = ArrayReader.open(reference);
        boolean integers = switch (reader.dtype()) {
            case U8, I8, I16, U16, I32, U32, I64 -> true;
            default -> false;
        };
        if (!integers || !reader.shape().equals(Shape.of(logits.rows()))) {
            reader.close();
            throw new CheckpointException("%s: wanted labels, integers [%d], got %s %s".formatted(reader.name(),
                    logits.rows(), reader.dtype(), reader.shape()));
        }
        return new LabelFile(reader, logits.classes(), logits.blockRows(), arena);
    }

    /** {@return the labels of the next rows, I32} */
    Tensor read(int count) throws IOException {
        reader.read(raw.asSlice(0, reader.dtype().byteSize(count)));
        for (int i = 0; i < count; i++, row++) {
            long label = label(i);
            if (label < 0 || label >= classes) {
                throw new CheckpointException("%s: the label of row %d is %d, classes are 0 to %d; leave such rows out"
                        .formatted(reader.name(), row, label, classes - 1));
            }
            labels.set(ValueLayout.JAVA_INT.withOrder(ORDER), 4L * i, (int) label);
        }
        return Tensor.of(labels.asSlice(0, 4L * count), DType.I32, Shape.of(count));
    }

    private long label(int i) {
        return switch (reader.dtype()) {
            case U8 -> Byte.toUnsignedLong(raw.get(ValueLayout.JAVA_BYTE, i));
            case I8 -> raw.get(ValueLayout.JAVA_BYTE, i);
            case U16 -> Short.toUnsignedLong(raw.get(ValueLayout.JAVA_SHORT.withOrder(ORDER), 2L * i));
            case I16 -> raw.get(ValueLayout.JAVA_SHORT.withOrder(ORDER), 2L * i);
            case U32 -> Integer.toUnsignedLong(raw.get(ValueLayout.JAVA_INT.withOrder(ORDER), 4L * i));
            case I32 -> raw.get(ValueLayout.JAVA_INT.withOrder(ORDER), 4L * i);
            default -> raw.get(ValueLayout.JAVA_LONG.withOrder(ORDER), 8L * i);
        };
    }

    @Override
    public void close() throws IOException {
        reader.close();
    }
}
