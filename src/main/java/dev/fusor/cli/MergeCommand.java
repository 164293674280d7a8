package dev.fusor.cli;

import dev.fusor.align.PermutationSpec;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.merge.Alignment;
import dev.fusor.merge.Estimate;
import dev.fusor.merge.MergeException;
import dev.fusor.merge.MergeOptions;
import dev.fusor.merge.MergeReport;
import dev.fusor.merge.Merger;
import dev.fusor.merge.Progress;
import dev.fusor.merge.Reading;
import dev.fusor.method.MergeMethod;
import dev.fusor.method.MergeMethods;
import dev.fusor.recipe.MergePlan;
import dev.fusor.recipe.PlanOptions;
import dev.fusor.recipe.Planner;
import dev.fusor.recipe.Recipe;
import dev.fusor.recipe.RecipeException;
import dev.fusor.recipe.TensorPlan;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fusor merge}: a recipe and checkpoints in, a checkpoint out. */
@Command(name = "merge", mixinStandardHelpOptions = true, sortOptions = false, description = "Merges checkpoints as a mergekit recipe says.")
final class MergeCommand implements Callable<Integer> {
    private static final String WHAT_READING = "How inputs are read: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).";

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "RECIPE.yml", description = "The recipe, in mergekit's format.")
    private Path recipeFile;

    @Parameters(index = "1", paramLabel = "OUT_DIR", description = "The folder to make.")
    private Path output;

    @Option(names = "--device", paramLabel = "DEVICE", defaultValue = "auto", description = "Where to compute: auto, cpu, cuda or cuda:N (default: ${DEFAULT-VALUE}, which is cpu).")
    private String device;

    @Mixin
    private MergeLimits limits;

    @Option(names = "--shard-size", paramLabel = "SIZE", converter = Sizes.class, defaultValue = "5GB", description = "Size at which a new output file is begun (default: ${DEFAULT-VALUE}).")
    private long shardSize;

    @Option(names = "--reading", paramLabel = "HOW", defaultValue = "AUTO", description = WHAT_READING)
    private Reading reading;

    @Option(names = "--overwrite", description = "Replace the output if it exists.")
    private boolean overwrite;

    @Option(names = "--dry-run", description = "Check everything and print the plan; write nothing.")
    private boolean dryRun;

    @Option(names = "--hash", description = "Put a SHA-256 of every input and output file into the manifest.")
    private boolean hash;

    @Option(names = "--fail-on-nan", description = "Fail if an input or the output has NaN or infinities.")
    private boolean failOnNan;

    @Option(names = "--cut-embeddings", description = "Cut embeddings of different vocabularies to the rows that all models have.")
    private boolean cutEmbeddings;

    @Option(names = "--random-seed", paramLabel = "N", defaultValue = "0", description = "Seed of the methods that drop at random (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(names = "--quiet", description = "No progress.")
    private boolean quiet;

    @Option(names = "--json", description = "Print what was done, or with --dry-run what it would take, as JSON.")
    private boolean json;

    MergeCommand() {}

    @Override
    public Integer call() throws IOException, RecipeException, MergeException {
        if (shardSize < 1) {
            throw new UsageException("--shard-size is 1 byte or more, got " + shardSize);
        }
        OptionalInt cuda = Devices.parse(device);
        int threads = limits.threads();
        Recipe recipe = Recipe.read(recipeFile);
        try (RecipeModels models = new RecipeModels(recipe, folder())) {
            MergePlan plan = Planner.plan(recipe, models.descriptions(), new PlanOptions(cutEmbeddings, seed));
            return merge(plan, recipe, models.checkpoints(), new MergeOptions(threads, cuda, reading,
                    limits.maxMemory(), shardSize, overwrite, hash, failOnNan));
        }
    }

    private Path folder() {
        return recipeFile.toAbsolutePath().getParent();
    }

    private int merge(MergePlan plan, Recipe recipe, List<Checkpoint> checkpoints, MergeOptions options)
            throws IOException, MergeException, RecipeException {
        Estimate estimate = Estimate.of(plan, checkpoints, options);
        PrintWriter err = spec.commandLine().getErr();
        PrintWriter out = spec.commandLine().getOut();
        plan.notes().forEach(note -> err.println("note: " + note));
        checkOutput(output, overwrite, estimate);
        RecipeModels.checkKept(output, checkpoints);
        Optional<PermutationSpec> permutations = Alignments.spec(recipe, folder(), plan, checkpoints, err);
        String looked = estimate.bytesToLookAt() == 0
                ? ""
                : " and up to %s more to look at whole tensors".formatted(Sizes.words(estimate.bytesToLookAt()));
        if (dryRun && json) {
            Json.print(out, plan(plan, estimate));
            return 0;
        }
        String work = String.format("%d tensors, %s to read%s, %s to write, at most %s of memory",
                plan.tensors().size(), Sizes.words(estimate.bytesToRead()), looked,
                Sizes.words(estimate.bytesToWrite()), Sizes.words(estimate.memory()));
        if (dryRun) {
            plan.tensors().forEach(tensor -> out.println(line(tensor, plan)));
            out.println(work);
            return 0;
        }
        err.println(work);
        boolean terminal = Boolean.getBoolean("fusor.terminal");
        Progress progress = quiet
                ? Progress.SILENT
                : new ProgressLine(err, estimate.bytesToRead() + estimate.bytesToWrite(), terminal);
        Optional<Alignment> alignment = permutations.isEmpty()
                ? Optional.empty()
                : Optional.of(Alignments.compute(plan, permutations.get(), checkpoints, options, progressOf(err)));
        try (Merger merger = new Merger(plan, checkpoints, options, progress, alignment)) {
            MergeReport report = merger.merge(output, recipe.text());
            if (json) {
                Json.print(out, done(plan, report));
                return 0;
            }
            report.notFinite().forEach(line -> err.println("not finite: " + line));
            out.println(String.format(Locale.ROOT, "%s: %s read, %s written in %.2f s, %s", output,
                    Sizes.words(report.bytesRead()), Sizes.words(report.bytesWritten()), report.seconds(),
                    Sizes.rate((report.bytesRead() + report.bytesWritten()) / report.seconds())));
        }
        return 0;
    }

    private static Json.Content plan(MergePlan plan, Estimate estimate) {
        return json -> {
            json.writeNumberField("tensors", plan.tensors().size());
            json.writeNumberField("bytes_to_read", estimate.bytesToRead());
            json.writeNumberField("bytes_to_look_at", estimate.bytesToLookAt());
            json.writeNumberField("bytes_to_write", estimate.bytesToWrite());
            json.writeNumberField("memory", estimate.memory());
        };
    }

    private Json.Content done(MergePlan plan, MergeReport report) {
        return json -> {
            json.writeStringField("output", output.toString());
            json.writeNumberField("tensors", plan.tensors().size());
            json.writeNumberField("bytes_read", report.bytesRead());
            json.writeNumberField("bytes_looked_at", report.bytesLookedAt());
            json.writeNumberField("bytes_written", report.bytesWritten());
            Json.number(json, "seconds", report.seconds());
            json.writeArrayFieldStart("not_finite");
            for (String line : report.notFinite()) {
                json.writeString(line);
            }
            json.writeEndArray();
        };
    }

    private PrintWriter progressOf(PrintWriter err) {
        return quiet ? new PrintWriter(Writer.nullWriter()) : err;
    }

    /** Whether the output may be made, and has room. */
    static void checkOutput(Path output, boolean overwrite, Estimate estimate) throws IOException, MergeException {
        Path parent = output.toAbsolutePath().normalize().getParent();
        while (parent != null && !Files.isDirectory(parent)) {
            parent = parent.getParent();
        }
        if (Files.exists(output) && !overwrite) {
            throw new MergeException(output + " exists; give another folder, or --overwrite to replace it");
        }
        long free = parent == null ? Long.MAX_VALUE : Files.getFileStore(parent).getUsableSpace();
        if (free < estimate.bytesToWrite()) {
            throw new MergeException("%s has %s free and the output takes %s; make room or choose another disk"
                    .formatted(parent, Sizes.words(free), Sizes.words(estimate.bytesToWrite())));
        }
    }

    private static String line(TensorPlan tensor, MergePlan plan) {
        List<String> inputs = new ArrayList<>();
        for (int i = 0; i < tensor.inputs().size(); i++) {
            String model = plan.models().get(tensor.inputs().get(i).model());
            boolean base = tensor.base().isPresent() && tensor.base().getAsInt() == i;
            inputs.add(model + (base ? " base" : "") + values(tensor, tensor.inputs().get(i).parameters()));
        }
        return "%s %s %s = %s%s of %s".formatted(tensor.name(), tensor.outDtype(), tensor.shape(),
                tensor.carried() ? "carried" : tensor.method(), values(tensor, tensor.parameters()),
                String.join(", ", inputs));
    }

    private static String values(TensorPlan tensor, Map<String, Double> values) {
        MergeMethod method = MergeMethods.named(tensor.method()).orElseThrow();
        Map<String, String> written = new LinkedHashMap<>();
        values.forEach((name, value) -> written.put(name, method.parameter(name).written(value)));
        return written.isEmpty() ? "" : " " + written;
    }
}
