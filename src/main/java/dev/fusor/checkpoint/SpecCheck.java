package dev.fusor.checkpoint;

import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Refuses to plan a checkpoint that {@link Checkpoint} would refuse to read. */
final class SpecCheck {
    private SpecCheck() {}

    static void check(List<Spec> tensors, long shardBytes) {
        if (shardBytes <= 0) {
            throw new IllegalArgumentException("the size of a shard is 1 byte or more, got " + shardBytes);
        }
        if (tensors.size() > SafetensorsHeader.MAX_TENSORS) {
            throw new IllegalArgumentException("a checkpoint to be written has at most %d tensors, got %d"
                    .formatted(SafetensorsHeader.MAX_TENSORS, tensors.size()));
        }
        long total = 0;
        Set<String> names = new HashSet<>();
        for (Spec tensor : tensors) {
            if (!names.add(tensor.name())) {
                throw new IllegalArgumentException(
                        "the tensor %s is to be written twice".formatted(Names.quote(tensor.name())));
            }
            if (tensor.byteSize() > Long.MAX_VALUE - total) {
                throw new IllegalArgumentException("the tensors together exceed 2^63 bytes");
            }
            total += tensor.byteSize();
        }
    }

    static void check(String name, DType dtype, Shape shape) {
        String fault = Names.fault(name);
        if (fault != null) {
            throw new IllegalArgumentException("the name of the tensor %s %s".formatted(Names.quote(name), fault));
        }
        if (shape.rank() > HeaderParser.MAX_RANK) {
            throw new IllegalArgumentException("the tensor %s has %d axes, at most %d can be written"
                    .formatted(Names.quote(name), shape.rank(), HeaderParser.MAX_RANK));
        }
        try {
            dtype.byteSize(shape.elements());
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "the tensor %s has an impossible size: %s".formatted(Names.quote(name), e.getMessage()), e);
        }
    }

    /** {@return the metadata in key order, with the format that loaders of PyTorch insist on} */
    static Map<String, String> complete(Map<String, String> metadata) {
        Map<String, String> complete = new TreeMap<>(metadata);
        complete.putIfAbsent("format", "pt");
        long characters = 0;
        for (Map.Entry<String, String> entry : complete.entrySet()) {
            characters += entry.getKey().length() + entry.getValue().length();
            if (entry.getKey().length() > Names.MAX_LENGTH || !Names.isWellFormed(entry.getKey())
                    || !Names.isWellFormed(entry.getValue())) {
                throw new IllegalArgumentException(
                        "the metadata of %s is not valid Unicode or its key is longer than %d characters"
                                .formatted(Names.quote(entry.getKey()), Names.MAX_LENGTH));
            }
        }
        if (complete.size() > HeaderParser.MAX_METADATA || characters > StrictJson.MAX_STRING) {
            throw new IllegalArgumentException(
                    "the metadata has %d entries and %d characters, at most %d and %d can be written"
                            .formatted(complete.size(), characters, HeaderParser.MAX_METADATA, StrictJson.MAX_STRING));
        }
        return complete;
    }
}
