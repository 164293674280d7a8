package dev.fusor.checkpoint;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The JSON of one safetensors header, each entry checked by itself. */
final class HeaderParser {
    static final int MAX_RANK = 64;
    static final int MAX_METADATA = 65_536;
    private static final Map<String, DType> DTYPES = Arrays.stream(DType.values())
            .collect(Collectors.toUnmodifiableMap(DType::name, Function.identity()));

    private final Path file;
    private final StrictJson json;
    private final long dataStart;
    private final long dataSize;
    private final List<TensorEntry> tensors = new ArrayList<>();
    private final long[] counts = new long[MAX_RANK];
    private final Map<String, String> metadata = new LinkedHashMap<>();

    HeaderParser(Path file, StrictJson json, long dataStart, long dataSize) {
        this.file = file;
        this.json = json;
        this.dataStart = dataStart;
        this.dataSize = dataSize;
    }

    List<TensorEntry> tensors() {
        return tensors;
    }

    Map<String, String> metadata() {
        return metadata;
    }

    void parse() throws IOException {
        json.startObject("the top level", null);
        for (String name = json.nextName(); name != null; name = json.nextName()) {
            if (name.equals(Names.METADATA)) {
                parseMetadata();
            } else {
                tensors.add(parseTensor(name));
            }
            if (tensors.size() > SafetensorsHeader.MAX_TENSORS) {
                throw json.fault("names more than %d tensors, the most a file may hold here; split the file",
                        SafetensorsHeader.MAX_TENSORS);
            }
        }
        json.end();
    }

    private void parseMetadata() throws IOException {
        json.startObject(Names.METADATA, null);
        long characters = 0;
        for (String key = json.nextName(); key != null; key = json.nextName()) {
            String value = json.string(Names.METADATA, key);
            metadata.put(key, value);
            characters += key.length() + value.length();
            if (metadata.size() > MAX_METADATA || characters > StrictJson.MAX_STRING) {
                throw json.fault("has more %s than %d entries or %d characters; remove it", Names.METADATA,
                        MAX_METADATA, StrictJson.MAX_STRING);
            }
        }
    }

    private TensorEntry parseTensor(String name) throws IOException {
        String fault = Names.fault(name);
        if (fault != null) {
            throw json.fault("has a tensor %s whose name %s; rename it", Names.quote(name), fault);
        }
        DType dtype = null;
        Shape shape = null;
        long[] offsets = null;
        json.startObject("the entry", name);
        for (String field = json.nextName(); field != null; field = json.nextName()) {
            switch (field) {
                case "dtype" -> dtype = dtype(name);
                case "shape" -> shape = shape(name);
                case "data_offsets" -> offsets = counts("data_offsets", name, 2);
                default ->
                    throw json.fault("has the unknown field %s of tensor %s, wanted dtype, shape and data_offsets",
                            Names.quote(field), Names.quote(name));
            }
        }
        if (dtype == null || shape == null || offsets == null) {
            throw json.fault("lacks %s of tensor %s",
                    dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets", Names.quote(name));
        }
        return entry(name, dtype, shape, offsets);
    }

    private TensorEntry entry(String name, DType dtype, Shape shape, long[] offsets) throws CheckpointException {
        if (offsets.length != 2 || offsets[0] > offsets[1]) {
            throw json.fault("has data_offsets %s of tensor %s, wanted [begin, end] with begin <= end",
                    Arrays.toString(offsets), Names.quote(name));
        }
        if (offsets[1] > dataSize) {
            throw json.fault("puts the end of tensor %s at byte %d of the data, which has only %d bytes; "
                    + "the file is cut short, download it again", Names.quote(name), offsets[1], dataSize);
        }
        long byteSize = byteSize(name, dtype, shape);
        if (byteSize != offsets[1] - offsets[0]) {
            throw json.fault("gives tensor %s %d bytes, but %s %s takes %d", Names.quote(name),
                    offsets[1] - offsets[0], dtype, shape, byteSize);
        }
        return new TensorEntry(name, dtype, shape, file, dataStart + offsets[0], byteSize);
    }

    private long byteSize(String name, DType dtype, Shape shape) throws CheckpointException {
        try {
            return dtype.byteSize(shape.elements());
        } catch (IllegalArgumentException e) {
            throw json.fault("has tensor %s of an impossible size: %s", Names.quote(name), e.getMessage());
        }
    }

    private DType dtype(String name) throws IOException {
        String text = json.string("dtype", name);
        DType dtype = DTYPES.get(text);
        if (dtype == null) {
            throw json.fault("has the unknown dtype %s of tensor %s, wanted one of %s", Names.quote(text),
                    Names.quote(name),
                    Arrays.stream(DType.values()).map(DType::name).collect(Collectors.joining(", ")));
        }
        return dtype;
    }

    private Shape shape(String name) throws IOException {
        long[] extents = counts("shape", name, MAX_RANK);
        try {
            return Shape.of(extents);
        } catch (IllegalArgumentException e) {
            throw json.fault("has tensor %s of an impossible shape: %s", Names.quote(name), e.getMessage());
        }
    }

    private long[] counts(String field, String name, int most) throws IOException {
        json.startArray(field, name);
        int length = 0;
        for (long count = json.nextCount(field, name); count >= 0; count = json.nextCount(field, name)) {
            if (length == most) {
                throw json.fault("has more than %d numbers in %s of tensor %s", most, field, Names.quote(name));
            }
            counts[length++] = count;
        }
        return Arrays.copyOf(counts, length);
    }
}
