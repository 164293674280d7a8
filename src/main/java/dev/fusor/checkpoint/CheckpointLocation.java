package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Which files a path that the user named stands for.
 *
 * @param main a safetensors file, or an index if {@link #isIndex()}
 */
record CheckpointLocation(Path main, Optional<Path> folder) {
    private static final String SUFFIX = ".safetensors";
    private static final String MODEL = "model" + SUFFIX;

    boolean isIndex() {
        return main.getFileName().toString().endsWith(ShardIndex.SUFFIX);
    }

    static CheckpointLocation find(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            return new CheckpointLocation(inFolder(path), Optional.of(path));
        }
        if (!Files.exists(path)) {
            throw CheckpointException.at(path, "there is no such file or folder; check the path");
        }
        Path parent = path.toAbsolutePath().getParent();
        boolean ofModel = parent != null && Files.exists(parent.resolve("config.json"));
        return new CheckpointLocation(path, ofModel ? Optional.of(parent) : Optional.empty());
    }

    private static Path inFolder(Path folder) throws IOException {
        List<String> names = names(folder);
        List<String> indexes = names.stream().filter(name -> name.endsWith(ShardIndex.SUFFIX)).toList();
        List<String> files = names.stream().filter(name -> name.endsWith(SUFFIX)).toList();
        String index = pick(indexes, "model" + ShardIndex.SUFFIX);
        boolean consolidated = files.contains(MODEL);
        if (index != null && consolidated && !ShardIndex.read(folder.resolve(index)).shards().containsValue(MODEL)) {
            throw CheckpointException.at(folder,
                    "the folder holds both %s and %s, which may differ; name the one of the two to use", MODEL, index);
        }
        if (index == null && !indexes.isEmpty()) {
            throw CheckpointException.at(folder, "the folder holds several indexes: %s; name the one to use",
                    Names.list(indexes));
        }
        String file = index != null ? index : pick(files, MODEL);
        if (file != null) {
            return folder.resolve(file);
        }
        if (files.isEmpty()) {
            throw CheckpointException.at(folder, "the folder holds no .safetensors file, found %s",
                    names.isEmpty() ? "nothing at all; check the path" : found(names));
        }
        throw CheckpointException.at(folder,
                "the folder holds %d .safetensors files and no index that says they belong together: %s; "
                        + "name the one to use or download the index",
                files.size(), Names.list(files));
    }

    private static String pick(List<String> names, String preferred) {
        return names.contains(preferred) ? preferred : names.size() == 1 ? names.getFirst() : null;
    }

    private static String found(List<String> names) {
        boolean torch = names.stream().anyMatch(name -> name.matches(".*\\.(bin|pt|pth|ckpt)"));
        return Names.list(names)
                + (torch ? "; convert the PyTorch files with safetensors.torch.save_file" : "; check the path");
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> children = Files.list(folder)) {
            return children.map(child -> child.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw CheckpointException.at(folder, e, "the folder cannot be read (%s); check its permissions", e);
        }
    }
}
