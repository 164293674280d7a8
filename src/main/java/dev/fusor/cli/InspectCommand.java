package dev.fusor.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.TensorEntry;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fusor inspect}: what is in a checkpoint, from its headers, or from its data if asked. */
@Command(name = "inspect", mixinStandardHelpOptions = true, sortOptions = false, description = "Shows what is in a checkpoint: its tensors in the order in which they lie on disk, and its metadata. Only headers are read.")
final class InspectCommand implements Callable<Integer> {
    /** Characters of a metadata value that people are shown. */
    private static final int LONGEST = 200;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "PATH", description = "A .safetensors file, an index, or a folder.")
    private Path path;

    @Option(names = "--stats", description = "Read the data too: smallest and largest number, how many NaN and infinities.")
    private boolean withStatistics;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean asJson;

    InspectCommand() {}

    /** Totals of one element type. */
    private record Total(long tensors, long elements, long bytes) {
        Total plus(Total other) {
            return new Total(tensors + other.tensors, elements + other.elements, bytes + other.bytes);
        }
    }

    @Override
    public Integer call() throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        try (Checkpoint checkpoint = Checkpoint.open(path); CpuDevice device = CpuDevice.open()) {
            if (asJson) {
                Json.print(out, json -> write(json, checkpoint, device));
            } else {
                print(out, checkpoint, device);
            }
        }
        return 0;
    }

    private void print(PrintWriter out, Checkpoint checkpoint, CpuDevice device) {
        Table table = withStatistics
                ? new Table("name", "dtype", "shape", ">bytes", ">aligned to", "file", ">min", ">max", ">NaN",
                        ">infinite")
                : new Table("name", "dtype", "shape", ">bytes", ">aligned to", "file");
        for (TensorEntry tensor : inFileOrder(checkpoint)) {
            String bytes = grouped(tensor.byteSize());
            Path file = tensor.file().getFileName();
            if (!withStatistics) {
                table.row(tensor.name(), tensor.dtype(), tensor.shape(), bytes, alignment(tensor), file);
            } else if (!tensor.dtype().isArithmetic()) {
                table.row(tensor.name(), tensor.dtype(), tensor.shape(), bytes, alignment(tensor), file, "-", "-", "-",
                        "-");
            } else {
                TensorStatistics seen = TensorStatistics.of(checkpoint.map(tensor.name()), device);
                table.row(tensor.name(), tensor.dtype(), tensor.shape(), bytes, alignment(tensor), file,
                        number(seen.min()), number(seen.max()), grouped(seen.nonFinite().nan()),
                        grouped(seen.nonFinite().infinite()));
            }
        }
        table.print(out);
        totals(checkpoint).forEach((dtype, total) -> out.println("%s: %s tensors, %s elements, %s".formatted(dtype,
                grouped(total.tensors()), grouped(total.elements()), Sizes.words(total.bytes()))));
        Total all = total(checkpoint);
        out.println("%s: %s tensors, %s parameters, %s in %d %s".formatted(checkpoint.path(), grouped(all.tensors()),
                grouped(all.elements()), Sizes.words(all.bytes()), checkpoint.files().size(),
                checkpoint.files().size() == 1 ? "file" : "files"));
        checkpoint.metadata().forEach((key, value) -> out.println("metadata %s: %s".formatted(Table.printable(key),
                Table.printable(value.length() <= LONGEST ? value : value.substring(0, LONGEST) + " ..."))));
    }

    private void write(JsonGenerator json, Checkpoint checkpoint, CpuDevice device) throws IOException {
        Total all = total(checkpoint);
        json.writeStringField("path", checkpoint.path().toString());
        json.writeNumberField("tensor_count", all.tensors());
        json.writeNumberField("parameters", all.elements());
        json.writeNumberField("bytes", all.bytes());
        json.writeObjectFieldStart("metadata");
        for (Map.Entry<String, String> entry : checkpoint.metadata().entrySet()) {
            json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
        json.writeArrayFieldStart("files");
        for (Path file : checkpoint.files()) {
            json.writeStartObject();
            json.writeStringField("file", file.getFileName().toString());
            json.writeNumberField("bytes", checkpoint.fileSize(file));
            json.writeStringField("header_sha256", checkpoint.headerSha256(file));
            json.writeEndObject();
        }
        json.writeEndArray();
        json.writeObjectFieldStart("dtypes");
        for (Map.Entry<DType, Total> total : totals(checkpoint).entrySet()) {
            json.writeObjectFieldStart(total.getKey().name());
            json.writeNumberField("tensors", total.getValue().tensors());
            json.writeNumberField("elements", total.getValue().elements());
            json.writeNumberField("bytes", total.getValue().bytes());
            json.writeEndObject();
        }
        json.writeEndObject();
        json.writeArrayFieldStart("tensors");
        for (TensorEntry tensor : inFileOrder(checkpoint)) {
            write(json, tensor, checkpoint, device);
        }
        json.writeEndArray();
    }

    private void write(JsonGenerator json, TensorEntry tensor, Checkpoint checkpoint, CpuDevice device)
            throws IOException {
        json.writeStartObject();
        json.writeStringField("name", tensor.name());
        json.writeStringField("dtype", tensor.dtype().name());
        Json.shape(json, "shape", tensor.shape());
        json.writeNumberField("bytes", tensor.byteSize());
        json.writeStringField("file", tensor.file().getFileName().toString());
        json.writeNumberField("offset", tensor.offset());
        json.writeNumberField("alignment", alignment(tensor));
        if (withStatistics && tensor.dtype().isArithmetic()) {
            TensorStatistics seen = TensorStatistics.of(checkpoint.map(tensor.name()), device);
            Json.number(json, "min", seen.min());
            Json.number(json, "max", seen.max());
            json.writeNumberField("nan", seen.nonFinite().nan());
            json.writeNumberField("infinite", seen.nonFinite().infinite());
        }
        json.writeEndObject();
    }

    /** The order of the data is the one its writer found natural, such as that of the layers. */
    static List<TensorEntry> inFileOrder(Checkpoint checkpoint) {
        return checkpoint.tensors().values().stream()
                .sorted(Comparator.comparing(TensorEntry::file).thenComparing(TensorEntry::offset)).toList();
    }

    private static Map<DType, Total> totals(Checkpoint checkpoint) {
        Map<DType, Total> totals = new EnumMap<>(DType.class);
        for (TensorEntry tensor : checkpoint.tensors().values()) {
            totals.merge(tensor.dtype(), new Total(1, tensor.shape().elements(), tensor.byteSize()), Total::plus);
        }
        return totals;
    }

    private static Total total(Checkpoint checkpoint) {
        return totals(checkpoint).values().stream().reduce(new Total(0, 0, 0), Total::plus);
    }

    /** The power of two that the data's place in the file is a multiple of, up to a page. */
    private static long alignment(TensorEntry tensor) {
        return Math.min(4096, Long.lowestOneBit(tensor.offset()));
    }

    static String grouped(long number) {
        return String.format(Locale.ROOT, "%,d", number);
    }

    static String number(double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%.6g", value) : "-";
    }
}
