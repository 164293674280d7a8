package dev.fusor.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A pull reader of JSON that came from outside: strict UTF-8, no name twice in one object, nothing unbounded held in
 * memory, and every departure a sentence that names the file.
 */
final class StrictJson implements Closeable {
    /** The longest string value; training logs of a few million characters are found in real metadata. */
    static final int MAX_STRING = 1 << 24;
    private static final int BUFFER = 1 << 16;
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(16)
                    .maxNumberLength(64)
                    .maxNameLength(Names.MAX_LENGTH)
                    .maxStringLength(MAX_STRING)
                    .build())
            .build();

    private final Path file;
    private final String part;
    private final JsonParser parser;

    /**
     * @param part what is read, as the sentences call it: "the header"
     */
    StrictJson(Path file, String part, ReadableByteChannel bytes) throws IOException {
        this.file = file;
        this.part = part;
        // Jackson's own UTF-8 decoder lets encoded surrogate halves pass; the one of the JDK does not.
        this.parser = FACTORY.createParser(Channels.newReader(bytes, StandardCharsets.UTF_8.newDecoder(), BUFFER));
    }

    /** A value is named by its field and, unless null, what it belongs to, apart so that no text is made for nothing. */
    void startObject(String field, String owner) throws IOException {
        expect(JsonToken.START_OBJECT, field, owner, "an object");
    }

    /** {@return the next name of the object, or null at its end} */
    String nextName() throws IOException {
        if (advance() == JsonToken.END_OBJECT) {
            return null;
        }
        return wellFormed(text());
    }

    String string(String field, String owner) throws IOException {
        expect(JsonToken.VALUE_STRING, field, owner, "a string");
        return wellFormed(text());
    }

    void startArray(String field, String owner) throws IOException {
        expect(JsonToken.START_ARRAY, field, owner, "an array");
    }

    /** {@return the next element, a whole number from 0 to 2^63 - 1, or -1 at the end of the array} */
    long nextCount(String field, String owner) throws IOException {
        JsonToken token = advance();
        if (token == JsonToken.END_ARRAY) {
            return -1;
        }
        if (token != JsonToken.VALUE_NUMBER_INT || !isCount(text())) {
            throw unexpected(token, field, owner, "plain whole numbers from 0 to 2^63 - 1");
        }
        return Long.parseLong(text());
    }

    /** Steps over a value of any kind; {@return it if it is a whole number from 0 to 2^63 - 1, or -1} */
    long skipValue() throws IOException {
        JsonToken token = advance();
        if (token == JsonToken.VALUE_NUMBER_INT && isCount(text())) {
            return Long.parseLong(text());
        }
        try {
            parser.skipChildren();
        } catch (IOException e) {
            throw explain(e);
        }
        return -1;
    }

    /** Checks that nothing but white space follows. */
    void end() throws IOException {
        if (advance() != null) {
            throw fault("goes on after its closing brace");
        }
    }

    CheckpointException fault(String format, Object... arguments) {
        return CheckpointException.at(file, "%s %s", part, format.formatted(arguments));
    }

    private static boolean isCount(String digits) {
        boolean small = digits.length() < 19 || digits.length() == 19 && digits.compareTo("9223372036854775807") <= 0;
        return small && digits.charAt(0) != '-';
    }

    private void expect(JsonToken wanted, String field, String owner, String kind) throws IOException {
        JsonToken got = advance();
        if (got != wanted) {
            throw unexpected(got, field, owner, kind);
        }
    }

    private CheckpointException unexpected(JsonToken got, String field, String owner, String kind) throws IOException {
        return fault("has %s where %s needs %s", shown(got),
                owner == null ? field : field + " of " + Names.quote(owner), kind);
    }

    private String shown(JsonToken token) throws IOException {
        return switch (token) {
            case null -> "nothing";
            case START_OBJECT -> "an object";
            case START_ARRAY -> "an array";
            case VALUE_STRING -> "the string " + Names.quote(text());
            default -> Names.printable(text());
        };
    }

    private String wellFormed(String text) throws CheckpointException {
        if (!Names.isWellFormed(text)) {
            throw fault("is not valid Unicode: %s holds half a surrogate pair; export the file again",
                    Names.quote(text));
        }
        return text;
    }

    private JsonToken advance() throws IOException {
        try {
            return parser.nextToken();
        } catch (IOException e) {
            throw explain(e);
        }
    }

    private String text() throws IOException {
        try {
            return parser.getText();
        } catch (IOException e) {
            throw explain(e);
        }
    }

    private IOException explain(IOException e) {
        return switch (e) {
            case CheckpointException known -> known;
            case CharacterCodingException coding -> CheckpointException.at(file, coding,
                    "%s is not valid UTF-8 near character %d; download or export the file again", part,
                    parser.currentLocation().getCharOffset());
            case JsonProcessingException syntax -> CheckpointException.at(file, syntax,
                    "%s is not valid JSON near character %d: %s; download or export the file again", part,
                    parser.currentLocation().getCharOffset(), Names.printable(syntax.getOriginalMessage()));
            default -> CheckpointException.at(file, e, "%s cannot be read: %s", part, e.getMessage());
        };
    }

    @Override
    public void close() throws IOException {
        parser.close();
    }
}
