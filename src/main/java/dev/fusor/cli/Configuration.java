package dev.fusor.cli;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/** What there is to know of a model's {@code config.json}. */
final class Configuration {
    private Configuration() {}

    /** The number of layers, where the folder has a configuration that tells. */
    static OptionalInt layers(Optional<Path> folder) throws IOException {
        Long layers = numbers(folder).get("num_hidden_layers");
        return layers == null || layers > Integer.MAX_VALUE || layers < 0
                ? OptionalInt.empty()
                : OptionalInt.of(layers.intValue());
    }

    /** The whole numbers of the configuration by name, where the folder has one. */
    static Map<String, Long> numbers(Optional<Path> folder) throws IOException {
        Map<String, Long> numbers = new LinkedHashMap<>();
        if (folder.isEmpty() || !Files.isRegularFile(folder.get().resolve("config.json"))) {
            return numbers;
        }
        Path file = folder.get().resolve("config.json");
        try (JsonParser json = new JsonFactory().createParser(file.toFile())) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw new IOException(file + " holds no JSON object; mend or remove it");
            }
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String field = json.currentName();
                if (json.nextToken() == JsonToken.VALUE_NUMBER_INT) {
                    numbers.put(field, json.getLongValue());
                }
                json.skipChildren();
            }
            return numbers;
        } catch (JacksonException e) {
            throw new IOException("%s is no valid JSON (%s); mend or remove it".formatted(file, e.getOriginalMessage()),
                    e);
        }
    }
}
