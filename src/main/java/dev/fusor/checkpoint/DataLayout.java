package dev.fusor.checkpoint;

import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;

/** The rule that the tensors of a file cover its data exactly: no hole, no overlap, nothing behind the last. */
final class DataLayout {
    private static final Comparator<TensorEntry> BY_PLACE = Comparator.comparingLong(TensorEntry::offset)
            .thenComparingLong(TensorEntry::byteSize)
            .thenComparing(TensorEntry::name);

    private DataLayout() {}

    /** {@return the tensors in the order of their data} */
    static List<TensorEntry> check(Path file, List<TensorEntry> tensors, long dataStart, long fileSize)
            throws CheckpointException {
        List<TensorEntry> ordered = tensors.stream().sorted(BY_PLACE).toList();
        long end = dataStart;
        TensorEntry previous = null;
        for (TensorEntry tensor : ordered) {
            if (tensor.offset() < end) {
                throw CheckpointException.at(file,
                        "tensor %s overlaps tensor %s at byte %d of the file; export it again",
                        Names.quote(tensor.name()), Names.quote(previous.name()), tensor.offset());
            }
            if (tensor.offset() > end) {
                throw CheckpointException.at(file,
                        "%d bytes before tensor %s, at byte %d of the file, belong to no tensor; export it again",
                        tensor.offset() - end, Names.quote(tensor.name()), end);
            }
            end += tensor.byteSize();
            previous = tensor;
        }
        if (end != fileSize) {
            throw CheckpointException.at(file,
                    "%d bytes after the last tensor, at byte %d of the file, belong to no tensor; download it again",
                    fileSize - end, end);
        }
        return ordered;
    }
}
