package dev.fusor.merge;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.recipe.MergePlan;
import dev.fusor.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** The small files that go with the weights: configuration, tokenizer and the like, taken from the donor model. */
final class Companions {
    /** Larger files are not configuration. A tokenizer may take some tens of megabytes. */
    private static final long LARGEST = 100_000_000L;

    private static final Set<String> WEIGHTS = Set.of("safetensors", "bin", "pt", "pth", "ckpt", "gguf", "h5",
            "msgpack",
            "onnx", "npz");

    private Companions() {}

    static void copy(Checkpoint donor, MergePlan plan, Path target) throws IOException {
        if (donor.folder().isEmpty()) {
            return;
        }
        List<Path> files;
        try (Stream<Path> entries = Files.list(donor.folder().get())) {
            files = entries.filter(Companions::isSmallFile).sorted().toList();
        }
        for (Path file : files) {
            String name = file.getFileName().toString();
            if (name.equals("config.json")) {
                copyConfiguration(file, plan, target.resolve(name));
            } else {
                Files.copy(file, target.resolve(name));
            }
        }
    }

    private static boolean isSmallFile(Path file) {
        String name = file.getFileName().toString();
        String ending = name.substring(name.lastIndexOf('.') + 1);
        return !name.startsWith(".") && !WEIGHTS.contains(ending) && !name.endsWith(".index.json")
                && !name.equals(Manifest.NAME) && !name.equals(Manifest.RECIPE) && Files.isRegularFile(file)
                && file.toFile().length() <= LARGEST;
    }

    /** Copies a configuration; the number of layers and the dtype become the output's where it states them. */
    private static void copyConfiguration(Path source, MergePlan plan, Path target) throws IOException {
        String dtype = commonType(plan);
        JsonFactory json = new JsonFactory();
        try (JsonParser in = json.createParser(source.toFile());
                JsonGenerator out = json.createGenerator(target.toFile(), JsonEncoding.UTF8)) {
            out.setPrettyPrinter(new DefaultPrettyPrinter());
            int depth = 0;
            while (in.nextToken() != null) {
                JsonToken token = in.currentToken();
                depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
                out.copyCurrentEvent(in);
                if (token != JsonToken.FIELD_NAME || depth != 1) {
                    continue;
                }
                String field = in.currentName();
                if (field.equals("num_hidden_layers") && plan.outputLayers().isPresent()) {
                    in.nextToken();
                    in.skipChildren();
                    out.writeNumber(plan.outputLayers().getAsInt());
                } else if ((field.equals("torch_dtype") || field.equals("dtype")) && dtype != null) {
                    in.nextToken();
                    in.skipChildren();
                    out.writeString(dtype);
                }
            }
        } catch (JacksonException e) {
            throw new IOException(
                    "%s is no valid JSON (%s); mend or remove it".formatted(source, e.getOriginalMessage()),
                    e);
        }
    }

    /** The one arithmetic type of the output under PyTorch's name, or null. */
    private static String commonType(MergePlan plan) {
        Set<DType> types = EnumSet.noneOf(DType.class);
        plan.tensors().stream().map(tensor -> tensor.outDtype()).filter(DType::isArithmetic).forEach(types::add);
        if (types.size() != 1) {
            return null;
        }
        return switch (types.iterator().next()) {
            case F64 -> "float64";
            case F32 -> "float32";
            case F16 -> "float16";
            case BF16 -> "bfloat16";
            case F8_E4M3 -> "float8_e4m3fn";
            case F8_E5M2 -> "float8_e5m2";
            default -> null;
        };
    }
}
