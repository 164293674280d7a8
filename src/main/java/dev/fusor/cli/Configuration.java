package dev.fusor.cli;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;

/** What a plan wants to know of a model's {@code config.json}. */
final class Configuration {
    private Configuration() {}

    /** The number of layers, where the folder has a configuration that tells. */
    static OptionalInt layers(Optional<Path> folder) throws IOException {
        if (folder.isEmpty() || !Files.isRegularFile(folder.get().resolve("config.json"))) {
            return OptionalInt.empty();
        }
        Path file = folder.get().resolve("config.json");
        try (JsonParser json = new JsonFactory().createParser(file.toFile())) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw new IOException(file + " holds no JSON object; mend or remove it");
            }
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String field = json.currentName();
                json.nextToken();
                if (field.equals("num_hidden_layers") && json.currentToken() == JsonToken.VALUE_NUMBER_INT) {
                    return OptionalInt.of(json.getIntValue());
                }
                json.skipChildren();
            }
            return OptionalInt.empty();
        } catch (JacksonException e) {
            throw new IOException("%s is no valid JSON (%s); mend or remove it".formatted(file, e.getOriginalMessage()),
                    e);
        }
    }
}
