package dev.fusor.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.fusor.checkpoint.ShardPlan.Placed;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** The bytes of headers and indexes. */
final class HeaderWriter {
    /** The format asks for 8; a page lets the data be mapped, or written past the page cache, from its first byte. */
    static final int ALIGNMENT = 4096;
    private static final JsonFactory FACTORY = new JsonFactory();

    private HeaderWriter() {}

    /** {@return the length and the JSON, padded with spaces to a multiple of {@link #ALIGNMENT}} */
    static byte[] header(List<Placed> tensors, Map<String, String> metadata) {
        byte[] json = json(generator -> writeHeader(generator, tensors, metadata));
        int length = Math.ceilDiv(Long.BYTES + json.length, ALIGNMENT) * ALIGNMENT;
        if (length - Long.BYTES > SafetensorsHeader.MAX_BYTES) {
            throw new IllegalArgumentException(
                    "the header of a file takes %d bytes, above the limit of %d; use smaller shards"
                            .formatted(length, SafetensorsHeader.MAX_BYTES));
        }
        byte[] padded = new byte[length];
        Arrays.fill(padded, (byte) ' ');
        ByteBuffer.wrap(padded).order(ByteOrder.LITTLE_ENDIAN).putLong(length - Long.BYTES).put(json);
        return padded;
    }

    static byte[] index(List<ShardPlan> shards) {
        long total = shards.stream().flatMap(shard -> shard.tensors().stream()).mapToLong(t -> t.spec().byteSize())
                .sum();
        return json(generator -> {
            generator.useDefaultPrettyPrinter();
            generator.writeStartObject();
            generator.writeObjectFieldStart("metadata");
            generator.writeNumberField("total_size", total);
            generator.writeEndObject();
            generator.writeObjectFieldStart("weight_map");
            for (ShardPlan shard : shards) {
                for (Placed tensor : shard.tensors()) {
                    generator.writeStringField(tensor.spec().name(), shard.fileName());
                }
            }
            generator.writeEndObject();
            generator.writeEndObject();
        });
    }

    private static void writeHeader(JsonGenerator json, List<Placed> tensors, Map<String, String> metadata)
            throws IOException {
        json.writeStartObject();
        json.writeObjectFieldStart(Names.METADATA);
        for (Map.Entry<String, String> entry : metadata.entrySet()) {
            json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
        for (Placed tensor : tensors) {
            json.writeObjectFieldStart(tensor.spec().name());
            json.writeStringField("dtype", tensor.spec().dtype().name());
            json.writeFieldName("shape");
            long[] extents = tensor.spec().shape().toArray();
            json.writeArray(extents, 0, extents.length);
            json.writeFieldName("data_offsets");
            json.writeArray(new long[]{tensor.begin(), tensor.end()}, 0, 2);
            json.writeEndObject();
        }
        json.writeEndObject();
    }

    private interface Content {
        void writeTo(JsonGenerator json) throws IOException;
    }

    private static byte[] json(Content content) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        // Through a Writer, because Jackson's own UTF-8 encoder writes surrogate pairs as two escapes.
        try (JsonGenerator json = FACTORY.createGenerator(new OutputStreamWriter(bytes, StandardCharsets.UTF_8))) {
            content.writeTo(json);
        } catch (IOException e) {
            throw new UncheckedIOException("writing to memory failed", e);
        }
        return bytes.toByteArray();
    }
}
