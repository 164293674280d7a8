package dev.fusor.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.fusor.checkpoint.ArrayReader;
import dev.fusor.checkpoint.ArrayWriter;
import dev.fusor.checkpoint.CheckpointException;
import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaException;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.ensemble.LogitEnsembleCuda;
import dev.fusor.merge.MergeException;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;

/** {@code fusor ensemble}: stored logits of several models in, their quality and one prediction out. */
@Command(name = "ensemble", mixinStandardHelpOptions = true, sortOptions = false, description = "Combines stored logits of several models: shows how good each is and each way to combine them, and writes the combined prediction.")
final class EnsembleCommand implements Callable<Integer> {
    private static final String STANDARD_OUTPUT = "-";

    @picocli.CommandLine.Spec
    private CommandSpec spec;

    @Parameters(arity = "1..*", paramLabel = "LOGITS", description = "Of a model: FILE.npy, FILE.npz, FILE.safetensors, or FILE:NAME where there are several arrays, or - for a .npy on standard input. [rows, classes], or [rows, models, classes] for several models.")
    private List<String> references;

    @Option(names = "--labels", paramLabel = "FILE", description = "The right class of each row, integers [rows].")
    private String labels;

    @Option(names = "--mode", paramLabel = "MODE", split = ",", description = "How the models become one, several to compare: ${COMPLETION-CANDIDATES} (default: all).")
    private List<Mode> modes = List.of(Mode.values());

    @Option(names = "--weights", paramLabel = "W", split = ",", description = "A weight for each model (default: 1).")
    private List<Double> weights;

    @Option(names = "--temperatures", paramLabel = "T", split = ",", description = "What the logits of each model are divided by (default: 1).")
    private List<Double> temperatures;

    @Option(names = "--masks", paramLabel = "FILE", description = "Which classes each model has, BOOL or U8 [models, classes].")
    private String masks;

    @Option(names = "--out", paramLabel = "FILE", description = "Where to write the prediction of one mode: FILE.npy, FILE.safetensors, or - for a .npy on standard output.")
    private String output;

    @Option(names = "--save", paramLabel = "WHAT", split = ",", description = "What to write: ${COMPLETION-CANDIDATES} (default: PROBABILITIES).")
    private List<Output> saved = List.of(Output.PROBABILITIES);

    @Option(names = "--top", paramLabel = "K", defaultValue = "5", description = "How many classes TOP_CLASSES and TOP_LOG_PROBABILITIES have (default: ${DEFAULT-VALUE}).")
    private int top;

    @Option(names = "--overwrite", description = "Replace the output if it exists.")
    private boolean overwrite;

    @Option(names = "--device", paramLabel = "DEVICE", defaultValue = "auto", description = "Where to compute: auto, cpu, cuda or cuda:N (default: ${DEFAULT-VALUE}, which is cpu).")
    private String device;

    @Option(names = "--threads", paramLabel = "N", description = "Threads that compute (default: one per processor).")
    private Integer threads;

    @Option(names = "--max-memory", paramLabel = "SIZE", converter = Sizes.class, defaultValue = "64MB", description = "Memory for logits that are under way (default: ${DEFAULT-VALUE}).")
    private long maxMemory;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean asJson;

    EnsembleCommand() {}

    @Override
    public Integer call() throws IOException, MergeException {
        OptionalInt cuda = Devices.parse(device);
        try {
            return run(cuda);
        } catch (CudaException e) {
            throw CudaCombiner.givenUp(e);
        }
    }

    private int run(OptionalInt cuda) throws IOException, MergeException {
        modes = modes.stream().distinct().toList();
        saved = saved.stream().distinct().toList();
        check(output != null || saved.equals(List.of(Output.PROBABILITIES)), "--save takes --out");
        check(output == null || modes.size() == 1, "--out takes one --mode, such as probabilities, got %s", modes);
        check(ranked() || !spec.commandLine().getParseResult().hasMatchedOption("--top"),
                "--top takes --save TOP_CLASSES or TOP_LOG_PROBABILITIES, got --save %s", saved);
        check(threads == null || threads >= 1, "--threads is 1 or more, got %s", threads);
        check(Collections.frequency(references, LogitFiles.STANDARD_INPUT) <= 1,
                "standard input has the logits of one LOGITS, - was given more than once");
        try (Arena arena = Arena.ofShared();
                LogitFiles logits = LogitFiles.open(references, System.in, maxMemory, arena);
                LabelFile right = labels == null ? null : LabelFile.open(labels, logits, arena);
                Combiner combiner = combiner(cuda)) {
            checkModels(logits);
            check(cuda.isEmpty() || logits.classes() <= LogitEnsembleCuda.MOST_CLASSES,
                    "--device %s takes up to %d classes, got %d; --device cpu takes any number", device,
                    LogitEnsembleCuda.MOST_CLASSES, logits.classes());
            check(cuda.isEmpty() || !ranked() || top <= LogitEnsembleCuda.MOST_RANKS,
                    "--device %s takes --top up to %d, got %d; --device cpu takes any number", device,
                    LogitEnsembleCuda.MOST_RANKS, top);
            List<Tensor> present = masks(logits, arena);
            PrintWriter err = spec.commandLine().getErr();
            logits.rounded().forEach(name -> err.println(
                    "note: " + name + " is F64 and rounded to F32, in which logits are combined"));
            EnsembleEvaluation evaluation = new EnsembleEvaluation(combiner, logits, modes,
                    output == null ? List.of() : saved, ranked() ? top : 1, labels != null, arena);
            try (ArrayWriter writer = output == null ? null : writer(logits)) {
                for (long row = 0; row < logits.rows(); row += logits.blockRows()) {
                    int count = (int) Math.min(logits.blockRows(), logits.rows() - row);
                    Batch batch = new Batch(models(logits.read(count), present), count, logits.classes(), null,
                            right == null ? null : right.read(count));
                    for (Map.Entry<Output, Tensor> result : evaluation.add(batch).entrySet()) {
                        writer.write(name(result.getKey()), result.getValue().data());
                    }
                }
                if (writer != null) {
                    writer.commit();
                }
            }
            if (STANDARD_OUTPUT.equals(output) && System.out.checkError()) {
                throw new IOException("standard output was closed before its end; what it got is not complete");
            }
            for (int e = 0; e < logits.models(); e++) {
                long undefined = evaluation.model(e).undefined();
                if (undefined > 0) {
                    err.println("note: %s has %d rows with NaN or infinities that leave no distribution"
                            .formatted(logits.names().get(e), undefined));
                }
            }
            report(logits, evaluation);
            return 0;
        }
    }

    private Combiner combiner(OptionalInt cuda) throws MergeException {
        return cuda.isPresent()
                ? CudaCombiner.open(cuda.getAsInt())
                : Combiner.on(threads == null ? CpuDevice.open() : CpuDevice.open(threads));
    }

    private void check(boolean holds, String message, Object... values) {
        if (!holds) {
            throw new ParameterException(spec.commandLine(), message.formatted(values));
        }
    }

    private void checkModels(LogitFiles logits) {
        int models = logits.models();
        check(weights == null || weights.size() == models, "--weights has one for each of %d models, got %s", models,
                weights);
        check(weights == null || weights.stream().allMatch(w -> w >= 0 && w < Double.POSITIVE_INFINITY)
                && weights.stream().anyMatch(w -> w > 0),
                "--weights are 0 or more, finite, and one is more than 0, got %s", weights);
        check(temperatures == null || temperatures.size() == models,
                "--temperatures has one for each of %d models, got %s", models, temperatures);
        check(temperatures == null || temperatures.stream().allMatch(t -> t >= 1e-30 && t <= 1e30),
                "--temperatures are 1e-30 to 1e30, got %s", temperatures);
        check(!ranked() || top >= 1 && top <= logits.classes(), "--top is 1 to %d, the number of classes, got %d",
                logits.classes(), top);
        check(!saved.contains(Output.LOSS) || labels != null, "--save LOSS takes --labels");
        check(!saved.contains(Output.DISAGREEMENT) || modes.contains(Mode.PROBABILITIES),
                "--save DISAGREEMENT is of --mode PROBABILITIES, got %s", modes);
    }

    private boolean ranked() {
        return saved.contains(Output.TOP_CLASSES) || saved.contains(Output.TOP_LOG_PROBABILITIES);
    }

    private List<Tensor> masks(LogitFiles logits, Arena arena) throws IOException {
        if (masks == null) {
            return Collections.nCopies(logits.models(), null);
        }
        try (ArrayReader reader = ArrayReader.open(masks)) {
            Shape wanted = Shape.of(logits.models(), logits.classes());
            if (reader.dtype() != DType.BOOL && reader.dtype() != DType.U8 || !reader.shape().equals(wanted)) {
                throw new CheckpointException("%s: wanted masks, BOOL or U8 %s, got %s %s".formatted(reader.name(),
                        wanted, reader.dtype(), reader.shape()));
            }
            Tensor all = Tensor.allocate(arena, reader.dtype(), wanted.toArray());
            reader.read(all.data());
            List<Tensor> rows = new ArrayList<>();
            for (int e = 0; e < logits.models(); e++) {
                rows.add(all.slice((long) e * logits.classes(), logits.classes()));
            }
            return rows;
        }
    }

    private List<Model> models(List<Model> block, List<Tensor> present) {
        List<Model> models = new ArrayList<>();
        for (int e = 0; e < block.size(); e++) {
            models.add(block.get(e).weighted(weights == null ? 1 : weights.get(e))
                    .tempered(temperatures == null ? 1 : temperatures.get(e)).limited(present.get(e)));
        }
        return models;
    }

    private ArrayWriter writer(LogitFiles logits) throws IOException {
        List<Spec> arrays = saved.stream().map(kind -> new Spec(name(kind), EnsembleEvaluation.type(kind),
                EnsembleEvaluation.shape(kind, logits.rows(), logits.classes(), logits.models(), top))).toList();
        check(!output.equals(STANDARD_OUTPUT) || arrays.size() == 1, "standard output takes one array, got %s", saved);
        return output.equals(STANDARD_OUTPUT)
                ? ArrayWriter.stream(System.out, arrays.getFirst())
                : ArrayWriter.create(Path.of(output), arrays, overwrite);
    }

    private void report(LogitFiles logits, EnsembleEvaluation evaluation) throws IOException {
        boolean taken = STANDARD_OUTPUT.equals(output);
        PrintWriter out = taken ? spec.commandLine().getErr() : spec.commandLine().getOut();
        if (asJson) {
            Json.print(out, json -> write(json, logits, evaluation));
            return;
        }
        Table table = new Table("prediction", ">accuracy", ">loss", ">ECE", ">entropy", ">confidence", ">disagreement");
        for (int e = 0; e < logits.models(); e++) {
            row(table, logits.names().get(e), evaluation.model(e));
        }
        modes.forEach(mode -> row(table, name(mode), evaluation.mode(mode)));
        table.print(out);
        out.println("%d rows, %d classes%s".formatted(logits.rows(), logits.classes(),
                modes.contains(Mode.PROBABILITIES)
                        ? "; mutual information of class and model " + number("%.4f", evaluation.mutualInformation())
                        : ""));
        if (output != null && !taken) {
            out.println(output + ": " + String.join(", ", saved.stream().map(EnsembleCommand::name).toList()) + " of "
                    + name(modes.getFirst()));
        }
    }

    private static void row(Table table, String name, PredictionQuality quality) {
        table.row(name, number("%.2f %%", 100 * quality.accuracy()), number("%.4f", quality.loss()),
                number("%.4f", quality.calibrationError()), number("%.4f", quality.entropy()),
                number("%.4f", quality.confidence()), number("%.2f %%", 100 * quality.disagreement()));
    }

    private static String number(String format, double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, format, value) : Double.isNaN(value) ? "-" : "inf";
    }

    private void write(JsonGenerator json, LogitFiles logits, EnsembleEvaluation evaluation) throws IOException {
        json.writeNumberField("rows", logits.rows());
        json.writeNumberField("classes", logits.classes());
        json.writeNumberField("calibration_bins", PredictionQuality.BINS);
        Json.number(json, "mutual_information", evaluation.mutualInformation());
        json.writeArrayFieldStart("models");
        for (int e = 0; e < logits.models(); e++) {
            write(json, "name", logits.names().get(e), evaluation.model(e));
        }
        json.writeEndArray();
        json.writeArrayFieldStart("modes");
        for (Mode mode : modes) {
            write(json, "mode", name(mode), evaluation.mode(mode));
        }
        json.writeEndArray();
    }

    private static void write(JsonGenerator json, String field, String name, PredictionQuality quality)
            throws IOException {
        json.writeStartObject();
        json.writeStringField(field, name);
        Json.number(json, "accuracy", quality.accuracy());
        Json.number(json, "loss", quality.loss());
        Json.number(json, "calibration_error", quality.calibrationError());
        Json.number(json, "entropy", quality.entropy());
        Json.number(json, "confidence", quality.confidence());
        Json.number(json, "disagreement", quality.disagreement());
        json.writeEndObject();
    }

    private static String name(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
