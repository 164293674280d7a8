package dev.fusor.checkpoint;

import dev.fusor.checkpoint.CheckpointWriter.Spec;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * What one file to be written holds.
 *
 * @param header everything before the data
 * @param tensors in the order of their data
 */
record ShardPlan(String fileName, byte[] header, List<Placed> tensors) {
    /** Widest elements first, so that each tensor starts at a multiple of its element size. */
    private static final Comparator<Spec> BY_WIDTH = Comparator.<Spec>comparingInt(spec -> -spec.dtype().bits())
            .thenComparing(Spec::name, NaturalOrder.INSTANCE);

    /**
     * A tensor and where its data starts, counted from the start of the data.
     */
    record Placed(Spec spec, long begin) {
        long end() {
            return begin + spec.byteSize();
        }
    }

    long fileSize() {
        return header.length + (tensors.isEmpty() ? 0 : tensors.getLast().end());
    }

    TensorEntry entry(Placed tensor, Path folder) {
        Spec spec = tensor.spec();
        return new TensorEntry(spec.name(), spec.dtype(), spec.shape(), folder.resolve(fileName),
                header.length + tensor.begin(), spec.byteSize());
    }

    static List<ShardPlan> of(List<Spec> specs, long shardBytes, Map<String, String> metadata) {
        List<List<Spec>> groups = groups(specs, shardBytes);
        List<ShardPlan> plans = new ArrayList<>();
        for (List<Spec> group : groups) {
            String name = groups.size() == 1
                    ? "model.safetensors"
                    : "model-%05d-of-%05d.safetensors".formatted(plans.size() + 1, groups.size());
            List<Placed> placed = place(group);
            plans.add(new ShardPlan(name, HeaderWriter.header(placed, metadata), placed));
        }
        return plans;
    }

    private static List<List<Spec>> groups(List<Spec> specs, long shardBytes) {
        List<List<Spec>> groups = new ArrayList<>();
        List<Spec> group = new ArrayList<>();
        long bytes = 0;
        for (Spec spec : specs.stream().sorted(Comparator.comparing(Spec::name, NaturalOrder.INSTANCE)).toList()) {
            if (!group.isEmpty() && spec.byteSize() > shardBytes - bytes) {
                groups.add(group);
                group = new ArrayList<>();
                bytes = 0;
            }
            group.add(spec);
            bytes += spec.byteSize();
        }
        groups.add(group);
        return groups;
    }

    private static List<Placed> place(List<Spec> group) {
        List<Placed> placed = new ArrayList<>();
        long begin = 0;
        for (Spec spec : group.stream().sorted(BY_WIDTH).toList()) {
            placed.add(new Placed(spec, begin));
            begin += spec.byteSize();
        }
        return placed;
    }
}
