package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;

/**
 * A {@code *.safetensors.index.json}: which shard holds which tensor.
 *
 * @param shards of each tensor, by its name
 * @param totalSize what the index claims; wrong in files of some writers, so nothing depends on it
 */
record ShardIndex(Path file, Map<String, String> shards, OptionalLong totalSize) {
    static final String SUFFIX = ".safetensors.index.json";
    private static final int MAX_TENSORS = 1 << 20;

    static ShardIndex read(Path file) throws IOException {
        try (FileChannel channel = ShardFile.openChannel(file)) {
            long size = channel.size();
            if (size > SafetensorsHeader.MAX_BYTES) {
                throw CheckpointException.at(file, "the index has %d bytes, above the limit of %d; download it again",
                        size, SafetensorsHeader.MAX_BYTES);
            }
            BoundedChannel bytes = new BoundedChannel(file, channel, 0, size);
            try (StrictJson json = new StrictJson(file, "the index", bytes)) {
                return parse(file, json);
            }
        }
    }

    private static ShardIndex parse(Path file, StrictJson json) throws IOException {
        Map<String, String> shards = null;
        OptionalLong totalSize = OptionalLong.empty();
        json.startObject("the top level", null);
        for (String field = json.nextName(); field != null; field = json.nextName()) {
            switch (field) {
                case "weight_map" -> shards = parseWeightMap(json);
                case "metadata" -> totalSize = parseTotalSize(json);
                default -> json.skipValue();
            }
        }
        json.end();
        if (shards == null || shards.isEmpty()) {
            throw json.fault("has no weight_map that maps tensors to files; download it again");
        }
        return new ShardIndex(file, shards, totalSize);
    }

    private static Map<String, String> parseWeightMap(StrictJson json) throws IOException {
        Map<String, String> shards = new HashMap<>();
        Map<String, String> files = new HashMap<>();
        json.startObject("weight_map", null);
        for (String tensor = json.nextName(); tensor != null; tensor = json.nextName()) {
            String shard = json.string("weight_map", tensor);
            if (!files.containsKey(shard) && !isPlain(shard)) {
                throw json.fault("maps tensor %s to %s, wanted the plain name of a file beside the index",
                        Names.quote(tensor), Names.quote(shard));
            }
            // One string per shard instead of one per tensor.
            shards.put(tensor, files.computeIfAbsent(shard, name -> name));
            if (shards.size() > MAX_TENSORS) {
                throw json.fault("maps more than %d tensors, the most it may here", MAX_TENSORS);
            }
        }
        return shards;
    }

    private static OptionalLong parseTotalSize(StrictJson json) throws IOException {
        OptionalLong totalSize = OptionalLong.empty();
        json.startObject("metadata", null);
        for (String key = json.nextName(); key != null; key = json.nextName()) {
            long value = json.skipValue();
            if (key.equals("total_size") && value >= 0) {
                totalSize = OptionalLong.of(value);
            }
        }
        return totalSize;
    }

    private static boolean isPlain(String name) {
        if (Names.fault(name) != null || name.contains("/") || name.contains("\\") || name.equals(".")
                || name.equals("..")) {
            return false;
        }
        try {
            return Path.of(name).getRoot() == null;
        } catch (InvalidPathException e) {
            return false;
        }
    }

    /** {@return the shards in name order, each of which exists} */
    List<Path> files() throws CheckpointException {
        Set<String> names = new TreeSet<>(shards.values());
        List<Path> files = names.stream().map(file::resolveSibling).toList();
        List<String> missing = files.stream()
                .filter(shard -> !Files.exists(shard))
                .map(shard -> shard.getFileName().toString())
                .toList();
        if (!missing.isEmpty()) {
            throw CheckpointException.at(file,
                    "%d of the %d shards that the index names are missing: %s; download them",
                    missing.size(), files.size(), Names.list(missing));
        }
        return files;
    }

    /** Checks that each shard holds exactly the tensors that are mapped to it. */
    void check(List<ShardFile> files) throws CheckpointException {
        Set<String> missing = new TreeSet<>(shards.keySet());
        List<String> extra = new ArrayList<>();
        for (ShardFile shard : files) {
            String shardName = shard.path().getFileName().toString();
            for (TensorEntry tensor : shard.header().tensors()) {
                String mapped = shards.get(tensor.name());
                if (shardName.equals(mapped)) {
                    missing.remove(tensor.name());
                } else {
                    extra.add("%s (in %s, mapped to %s)".formatted(tensor.name(), shardName,
                            mapped == null ? "no shard" : mapped));
                }
            }
        }
        if (!missing.isEmpty()) {
            String first = missing.iterator().next();
            throw CheckpointException.at(file,
                    "%d tensors are not in the shard that the index maps them to, the first is %s, missing in %s; "
                            + "download the index and the shards again",
                    missing.size(), Names.quote(first), shards.get(first));
        }
        if (!extra.isEmpty()) {
            throw CheckpointException.at(file,
                    "%d tensors lie in shards that the index does not map them to: %s; "
                            + "download the index and the shards again",
                    extra.size(), Names.list(extra));
        }
    }
}
