package dev.fusor.testing;

import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.CheckpointWriter;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Small checkpoints on disk. */
public final class Models {
    private Models() {}

    public static Path write(Path folder, Map<String, Tensor> tensors) throws IOException {
        return write(folder, tensors, Long.MAX_VALUE);
    }

    public static Path write(Path folder, Map<String, Tensor> tensors, long shardBytes) throws IOException {
        List<CheckpointWriter.Spec> specs = tensors.entrySet().stream()
                .map(entry -> new CheckpointWriter.Spec(entry.getKey(), entry.getValue().dtype(),
                        entry.getValue().shape()))
                .toList();
        try (CheckpointWriter writer = CheckpointWriter.create(folder, specs, shardBytes, Map.of(), false)) {
            for (Map.Entry<String, Tensor> tensor : tensors.entrySet()) {
                writer.write(tensor.getKey(), 0, tensor.getValue().data());
            }
            writer.commit();
        }
        return folder;
    }

    /** The bits of every tensor, by name. */
    public static SequencedMap<String, byte[]> bits(Path folder) throws IOException {
        SequencedMap<String, byte[]> bits = new LinkedHashMap<>();
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            checkpoint.tensors().keySet().forEach(name -> bits.put(name, Tensors.bytes(checkpoint.map(name))));
        }
        return bits;
    }

    /** What a folder holds, with sizes and contents, to see that nothing touched it. */
    public static SequencedMap<String, Integer> fingerprint(Path folder) throws IOException {
        SequencedMap<String, Integer> prints = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                prints.put(folder.relativize(file).toString(), Arrays.hashCode(Files.readAllBytes(file)));
            }
        }
        return prints;
    }
}
