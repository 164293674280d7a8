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
        json.startObject("the top level");
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
        json.startObject(Names.METADATA);
        long characters = 0;
        for (String key = json.nextName(); key != null; key = json.nextName()) {
            String value = json.string(Names.METADATA + " of " + Names.quote(key));
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
        String tensor = "tensor " + Names.quote(name);
        DType dtype = null;
        Shape shape = null;
        long[] offsets = null;
        json.startObject(tensor);
        for (String field = json.nextName(); field != null; field = json.nextName()) {
            switch (field) {
                case "dtype" -> dtype = dtype(tensor);
                case "shape" -> shape = shape(tensor);
                case "data_offsets" -> offsets = counts("data_offsets of " + tensor, 2);
                default -> throw json.fault("has the unknown field %s in %s, wanted dtype, shape and data_offsets",
                        Names.quote(field), tensor);
            }
        }
        if (dtype == null || shape == null || offsets == null) {
            throw json.fault("lacks %s of %s",
                    dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets", tensor);
        }
        return entry(name, tensor, dtype, shape, offsets);
    }

    private TensorEntry entry(String name, String tensor, DType dtype, Shape shape, long[] offsets)
            throws CheckpointException {
        if (offsets.length != 2 || offsets[0] > offsets[1]) {
            throw json.fault("has data_offsets %s of %s, wanted [begin, end] with begin <= end",
                    Arrays.toString(offsets), tensor);
        }
        if (offsets[1] > dataSize) {
            throw json.fault("puts the end of %s at byte %d of the data, which has only %d bytes; "
                    + "the file is cut short, download it again", tensor, offsets[1], dataSize);
        }
        long byteSize = byteSize(tensor, dtype, shape);
        if (byteSize != offsets[1] - offsets[0]) {
            throw json.fault("gives %s %d bytes, but %s %s takes %d", tensor, offsets[1] - offsets[0], dtype, shape,
                    byteSize);
        }
        return new TensorEntry(name, dtype, shape, file, dataStart + offsets[0], byteSize);
    }

    private long byteSize(String tensor, DType dtype, Shape shape) throws CheckpointException {
        try {
            return dtype.byteSize(shape.elements());
        } catch (IllegalArgumentException e) {
            throw json.fault("has %s of an impossible size: %s", tensor, e.getMessage());
        }
    }

    private DType dtype(String tensor) throws IOException {
        String text = json.string("dtype of " + tensor);
        DType dtype = DTYPES.get(text);
        if (dtype == null) {
            throw json.fault("has the unknown dtype %s of %s, wanted one of %s", Names.quote(text), tensor,
                    Arrays.stream(DType.values()).map(DType::name).collect(Collectors.joining(", ")));
        }
        return dtype;
    }

    private Shape shape(String tensor) throws IOException {
        long[] extents = counts("shape of " + tensor, MAX_RANK);
        if (extents.length > MAX_RANK) {
            throw json.fault("gives %s more than %d axes", tensor, MAX_RANK);
        }
        try {
            return Shape.of(extents);
        } catch (IllegalArgumentException e) {
            throw json.fault("has %s of an impossible shape: %s", tensor, e.getMessage());
        }
    }

    /** {@return the numbers of an array, of which those after the first {@code most + 1} are not kept} */
    private long[] counts(String what, int most) throws IOException {
        json.startArray(what);
        long[] counts = new long[most + 1];
        int length = 0;
        for (long count = json.nextCount(what); count >= 0; count = json.nextCount(what)) {
            counts[Math.min(length, most)] = count;
            length = Math.min(length + 1, most + 1);
        }
        return Arrays.copyOf(counts, length);
    }
}
