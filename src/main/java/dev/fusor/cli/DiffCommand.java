package dev.fusor.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.TensorEntry;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fusor diff}: how two checkpoints differ, tensor by tensor. */
@Command(name = "diff", mixinStandardHelpOptions = true, sortOptions = false, exitCodeOnExecutionException = 2, description = "Shows how two checkpoints differ, tensor by tensor. Files, shards and metadata do not count.", exitCodeListHeading = "Exit status:%n", exitCodeList = {
    "0:the same tensors", "1:they differ", "2:one cannot be read, or bad usage"})
final class DiffCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "A", description = "A .safetensors file, an index, or a folder.")
    private Path pathA;

    @Parameters(index = "1", paramLabel = "B", description = "Another one.")
    private Path pathB;

    @Option(names = "--headers", description = "Compare names, types and shapes alone; read no data.")
    private boolean headersOnly;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean asJson;

    DiffCommand() {}

    /**
     * A tensor that both have and that differs.
     *
     * @param a the one
     * @param b the other
     * @param changed how many elements changed, where shapes allow the comparison
     * @param numbers how the numbers differ, where both have some
     */
    private record Change(TensorEntry a, TensorEntry b, OptionalLong changed, Optional<Difference> numbers) {}

    private record Result(List<TensorEntry> onlyInA, List<TensorEntry> onlyInB, List<Change> changes, int equal) {
        boolean same() {
            return onlyInA.isEmpty() && onlyInB.isEmpty() && changes.isEmpty();
        }
    }

    @Override
    public Integer call() throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        try (Checkpoint a = Checkpoint.open(pathA);
                Checkpoint b = Checkpoint.open(pathB);
                CpuDevice device = CpuDevice.open()) {
            Result result = compare(a, b, device);
            if (asJson) {
                Json.print(out, json -> write(json, result));
            } else {
                print(out, result);
            }
            return result.same() ? 0 : 1;
        }
    }

    private Result compare(Checkpoint a, Checkpoint b, CpuDevice device) {
        List<Change> changes = new ArrayList<>();
        int equal = 0;
        for (TensorEntry entry : InspectCommand.inFileOrder(a)) {
            TensorEntry other = b.tensors().get(entry.name());
            if (other != null) {
                Optional<Change> change = compare(entry, other, a, b, device);
                change.ifPresent(changes::add);
                equal += change.isEmpty() ? 1 : 0;
            }
        }
        return new Result(missing(a, b), missing(b, a), changes, equal);
    }

    private static List<TensorEntry> missing(Checkpoint from, Checkpoint in) {
        return InspectCommand.inFileOrder(from).stream().filter(entry -> !in.tensors().containsKey(entry.name()))
                .toList();
    }

    private Optional<Change> compare(TensorEntry entryA, TensorEntry entryB, Checkpoint a, Checkpoint b,
            CpuDevice device) {
        boolean sameType = entryA.dtype() == entryB.dtype();
        boolean sameShape = entryA.shape().equals(entryB.shape());
        Change unread = new Change(entryA, entryB, OptionalLong.empty(), Optional.empty());
        if (headersOnly || !sameShape) {
            return sameType && sameShape ? Optional.empty() : Optional.of(unread);
        }
        Tensor dataA = a.map(entryA.name());
        Tensor dataB = b.map(entryB.name());
        if (Difference.sameBytes(dataA, dataB)) {
            return Optional.empty();
        }
        if (entryA.dtype().isArithmetic() && entryB.dtype().isArithmetic()) {
            Difference numbers = Difference.between(dataA, dataB, device);
            return Optional.of(new Change(entryA, entryB, OptionalLong.of(numbers.changed()), Optional.of(numbers)));
        }
        if (sameType && entryA.dtype().bits() >= 8) {
            long changed = Difference.changedElements(dataA, dataB);
            return Optional.of(new Change(entryA, entryB, OptionalLong.of(changed), Optional.empty()));
        }
        return Optional.of(unread);
    }

    private void print(PrintWriter out, Result result) {
        Table only = new Table("only in", "name", "dtype", "shape");
        result.onlyInA().forEach(tensor -> only.row("A", tensor.name(), tensor.dtype(), tensor.shape()));
        result.onlyInB().forEach(tensor -> only.row("B", tensor.name(), tensor.dtype(), tensor.shape()));
        only.print(out);
        Table table = headersOnly
                ? new Table("name", "dtype", "shape")
                : new Table("name", "dtype", "shape", ">changed", ">share", ">max abs", ">RMS", ">cosine");
        for (Change change : result.changes()) {
            String dtype = pair(change.a().dtype(), change.b().dtype());
            String shape = pair(change.a().shape(), change.b().shape());
            if (headersOnly) {
                table.row(change.a().name(), dtype, shape);
            } else {
                table.row(change.a().name(), dtype, shape,
                        change.changed().isPresent() ? InspectCommand.grouped(change.changed().getAsLong()) : "-",
                        share(change), numbers(change, "%.3e", Difference::maxAbs),
                        numbers(change, "%.3e", Difference::rms), numbers(change, "%.8f", Difference::cosine));
            }
        }
        table.print(out);
        out.println("%s: %d tensors %s, %d differ, %d only in A, %d only in B".formatted(
                result.same() ? "the same" : "different", result.equal(), headersOnly ? "match" : "are equal",
                result.changes().size(), result.onlyInA().size(), result.onlyInB().size()));
    }

    private static String pair(Object a, Object b) {
        return a.equals(b) ? a.toString() : a + " -> " + b;
    }

    private static String share(Change change) {
        return change.changed().isEmpty()
                ? "-"
                : String.format(Locale.ROOT, "%.2f %%",
                        100.0 * change.changed().getAsLong() / Math.max(1, change.a().shape().elements()));
    }

    private static String numbers(Change change, String format,
            ToDoubleFunction<Difference> property) {
        return change.numbers().map(property::applyAsDouble).filter(Double::isFinite)
                .map(value -> String.format(Locale.ROOT, format, value)).orElse("-");
    }

    private void write(JsonGenerator json, Result result) throws IOException {
        json.writeBooleanField("same", result.same());
        json.writeBooleanField("data_compared", !headersOnly);
        json.writeNumberField("equal", result.equal());
        writeMissing(json, "only_in_a", result.onlyInA());
        writeMissing(json, "only_in_b", result.onlyInB());
        json.writeArrayFieldStart("different");
        for (Change change : result.changes()) {
            json.writeStartObject();
            json.writeStringField("name", change.a().name());
            json.writeStringField("dtype_a", change.a().dtype().name());
            json.writeStringField("dtype_b", change.b().dtype().name());
            Json.shape(json, "shape_a", change.a().shape());
            Json.shape(json, "shape_b", change.b().shape());
            if (change.changed().isPresent()) {
                json.writeNumberField("changed", change.changed().getAsLong());
            }
            if (change.numbers().isPresent()) {
                Difference numbers = change.numbers().get();
                Json.number(json, "max_abs", numbers.maxAbs());
                Json.number(json, "rms", numbers.rms());
                Json.number(json, "cosine", numbers.cosine());
                json.writeNumberField("not_finite", change.a().shape().elements() - numbers.finite());
            }
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private static void writeMissing(JsonGenerator json, String field, List<TensorEntry> tensors) throws IOException {
        json.writeArrayFieldStart(field);
        for (TensorEntry tensor : tensors) {
            json.writeStartObject();
            json.writeStringField("name", tensor.name());
            json.writeStringField("dtype", tensor.dtype().name());
            Json.shape(json, "shape", tensor.shape());
            json.writeEndObject();
        }
        json.writeEndArray();
    }
}
