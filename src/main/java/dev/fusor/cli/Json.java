package dev.fusor.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import dev.fusor.tensor.Shape;
import java.io.IOException;
import java.io.PrintWriter;

/** What commands print for programs: one object, names in snake case, numbers that are not finite as null. */
final class Json {
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .disable(StreamWriteFeature.AUTO_CLOSE_TARGET).build();

    private Json() {}

    /** Writes the fields of the object. */
    @FunctionalInterface
    interface Content {
        void write(JsonGenerator json) throws IOException;
    }

    static void print(PrintWriter out, Content content) throws IOException {
        try (JsonGenerator json = FACTORY.createGenerator(out)) {
            json.setPrettyPrinter(new DefaultPrettyPrinter());
            json.writeStartObject();
            content.write(json);
            json.writeEndObject();
        }
        out.println();
    }

    static void shape(JsonGenerator json, String field, Shape shape) throws IOException {
        json.writeFieldName(field);
        json.writeArray(shape.toArray(), 0, shape.rank());
    }

    static void number(JsonGenerator json, String field, double value) throws IOException {
        if (Double.isFinite(value)) {
            json.writeNumberField(field, value);
        } else {
            json.writeNullField(field);
        }
    }
}
