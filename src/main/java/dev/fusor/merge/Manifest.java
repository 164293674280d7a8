package dev.fusor.merge;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.CheckpointWriter;
import dev.fusor.merge.MergeReport.TensorHealth;
import dev.fusor.method.MergeMethod;
import dev.fusor.method.MergeMethods;
import dev.fusor.method.Parameter;
import dev.fusor.method.Parameter.Kind;
import dev.fusor.recipe.MergePlan;
import dev.fusor.recipe.TensorInput;
import dev.fusor.recipe.TensorPlan;
import dev.fusor.reduce.NonFinite;
import dev.fusor.simd.Specialised;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;

/** What was merged, from what, how: written beside the weights. */
final class Manifest {
    static final String NAME = "merge-manifest.json";
    static final String RECIPE = "recipe.yml";

    private final MergePlan plan;
    private final List<Checkpoint> checkpoints;
    private final MergeOptions options;
    private final SequencedMap<String, TensorHealth> health;

    Manifest(MergePlan plan, List<Checkpoint> checkpoints, MergeOptions options,
            SequencedMap<String, TensorHealth> health) {
        this.plan = plan;
        this.checkpoints = checkpoints;
        this.options = options;
        this.health = health;
    }

    void write(CheckpointWriter writer, String recipe) throws IOException {
        Files.writeString(writer.staging().resolve(RECIPE), recipe);
        try (JsonGenerator json = new JsonFactory()
                .createGenerator(writer.staging().resolve(NAME).toFile(), JsonEncoding.UTF8)) {
            json.setPrettyPrinter(new DefaultPrettyPrinter());
            json.writeStartObject();
            json.writeObjectFieldStart("fusor");
            json.writeStringField("version", Merger.version());
            json.writeStringField("java", Runtime.version().toString());
            json.writeStringField("device", "cpu");
            json.writeStringField("code", Specialised.available() ? "vector" : "plain");
            json.writeStringField("reading", options.reading().name().toLowerCase(Locale.ROOT));
            json.writeNumberField("threads", options.threads());
            json.writeNumberField("random_seed", plan.seed());
            json.writeEndObject();
            writeModels(json);
            json.writeArrayFieldStart("outputs");
            for (Path file : writer.files()) {
                writeFile(json, file, null);
            }
            json.writeEndArray();
            json.writeArrayFieldStart("notes");
            for (String note : plan.notes()) {
                json.writeString(note);
            }
            json.writeEndArray();
            json.writeArrayFieldStart("tensors");
            for (TensorPlan tensor : plan.tensors()) {
                writeTensor(json, tensor);
            }
            json.writeEndArray();
            json.writeEndObject();
        }
    }

    private void writeModels(JsonGenerator json) throws IOException {
        json.writeArrayFieldStart("models");
        for (int i = 0; i < checkpoints.size(); i++) {
            Checkpoint checkpoint = checkpoints.get(i);
            json.writeStartObject();
            json.writeStringField("model", plan.models().get(i));
            json.writeBooleanField("base", plan.baseModel().isPresent() && plan.baseModel().getAsInt() == i);
            json.writeArrayFieldStart("files");
            for (Path file : checkpoint.files()) {
                writeFile(json, file, checkpoint.headerSha256(file));
            }
            json.writeEndArray();
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private void writeFile(JsonGenerator json, Path file, String headerSha256) throws IOException {
        json.writeStartObject();
        json.writeStringField("file", file.getFileName().toString());
        json.writeNumberField("bytes", Files.size(file));
        if (headerSha256 != null) {
            json.writeStringField("header_sha256", headerSha256);
        }
        if (options.hash()) {
            json.writeStringField("sha256", sha256(file));
        }
        json.writeEndObject();
    }

    private void writeTensor(JsonGenerator json, TensorPlan tensor) throws IOException {
        json.writeStartObject();
        json.writeStringField("name", tensor.name());
        json.writeStringField("method", tensor.carried() ? "carried" : tensor.method());
        json.writeStringField("dtype", tensor.outDtype().name());
        json.writeFieldName("shape");
        long[] extents = tensor.shape().toArray();
        json.writeArray(extents, 0, extents.length);
        writeValues(json, tensor, tensor.parameters());
        json.writeArrayFieldStart("inputs");
        TensorHealth found = health.get(tensor.name());
        for (int i = 0; i < tensor.inputs().size(); i++) {
            TensorInput input = tensor.inputs().get(i);
            json.writeStartObject();
            json.writeNumberField("model", input.model());
            json.writeStringField("tensor", input.tensor());
            if (tensor.base().isPresent() && tensor.base().getAsInt() == i) {
                json.writeBooleanField("base", true);
            }
            writeValues(json, tensor, input.parameters());
            writeHealth(json, found == null ? NonFinite.NONE : found.inputs().get(i));
            json.writeEndObject();
        }
        json.writeEndArray();
        writeHealth(json, found == null ? NonFinite.NONE : found.output());
        json.writeEndObject();
    }

    private static void writeValues(JsonGenerator json, TensorPlan tensor, Map<String, Double> values)
            throws IOException {
        MergeMethod method = MergeMethods.named(tensor.method()).orElseThrow();
        json.writeObjectFieldStart("parameters");
        for (Map.Entry<String, Double> value : values.entrySet()) {
            Parameter parameter = method.parameter(value.getKey());
            if (parameter.kind() == Kind.WORD) {
                json.writeStringField(parameter.name(), parameter.written(value.getValue()));
            } else {
                json.writeNumberField(parameter.name(), value.getValue());
            }
        }
        json.writeEndObject();
    }

    private static void writeHealth(JsonGenerator json, NonFinite counts) throws IOException {
        if (counts.any()) {
            json.writeNumberField("nan", counts.nan());
            json.writeNumberField("infinite", counts.infinite());
        }
    }

    private static String sha256(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
            while (channel.read(buffer) >= 0) {
                digest.update(buffer.flip());
                buffer.clear();
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
