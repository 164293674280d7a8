package dev.fusor.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.fusor.align.ActivationStatistics;
import dev.fusor.align.PermutationSpec;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.merge.Alignment;
import dev.fusor.merge.Alignment.Aligned;
import dev.fusor.merge.Estimate;
import dev.fusor.merge.MergeException;
import dev.fusor.merge.MergeOptions;
import dev.fusor.merge.Merger;
import dev.fusor.merge.Progress;
import dev.fusor.recipe.MergePlan;
import dev.fusor.recipe.PlanOptions;
import dev.fusor.recipe.Planner;
import dev.fusor.recipe.Recipe;
import dev.fusor.recipe.RecipeException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fusor align}: a merge of one model, aligned to another. */
@Command(name = "align", mixinStandardHelpOptions = true, sortOptions = false, description = "Brings the units of a model to the places they have in another, by weight or activation matching, and writes it. Its function stays the same.")
final class AlignCommand implements Callable<Integer> {
    @Spec
    private CommandSpec command;

    @Parameters(index = "0", paramLabel = "A", description = "The model that stays.")
    private Path first;

    @Parameters(index = "1", paramLabel = "B", description = "The model to be aligned.")
    private Path second;

    @Option(names = "--spec", paramLabel = "SPEC.yml", description = "The permutation spec (default: made from names and shapes).")
    private Path spec;

    @Option(names = "--activations-a", paramLabel = "FILE", description = "What the units of A answer to some inputs: a .npz or .safetensors file with an array [inputs, units] for each permutation group, of its name; or a .npy file where there is one group. Units are then matched by activations.")
    private String firstActivations;

    @Option(names = "--activations-b", paramLabel = "FILE", description = "What those of B answer to the same inputs.")
    private String secondActivations;

    @Option(names = "--measure", paramLabel = "MEASURE", defaultValue = "CORRELATION", description = "How activations are compared: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}, Pearson's; a moment is the mean product).")
    private ActivationStatistics.Measure measure;

    @Option(names = {"-o",
        "--output"}, paramLabel = "OUT_DIR", required = true, description = "The folder to make: B aligned, and alignment.json with the permutations.")
    private Path output;

    @Option(names = "--device", paramLabel = "DEVICE", defaultValue = "auto", description = "Where units are matched: auto, cpu, cuda or cuda:N (default: ${DEFAULT-VALUE}, which is cpu).")
    private String device;

    @Mixin
    private MergeLimits limits;

    @Option(names = "--random-seed", paramLabel = "N", defaultValue = "0", description = "Seed of the order in which groups are matched (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(names = "--overwrite", description = "Replace the output if it exists.")
    private boolean overwrite;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean asJson;

    @Option(names = "--quiet", description = "No progress.")
    private boolean quiet;

    AlignCommand() {}

    @Override
    public Integer call() throws IOException, RecipeException, MergeException {
        if ((firstActivations == null) != (secondActivations == null)) {
            throw new UsageException(
                    "--activations-a and --activations-b go together: give the activations of both models");
        }
        MergeOptions options = limits.options(overwrite);
        MergeOptions matching = limits.options(overwrite, Devices.parse(device));
        Path here = Path.of("").toAbsolutePath();
        Recipe recipe = Recipe.parse(recipe(), "fusor align");
        PrintWriter err = command.commandLine().getErr();
        try (RecipeModels models = new RecipeModels(recipe, here)) {
            List<Checkpoint> checkpoints = models.checkpoints();
            MergePlan plan = Planner.plan(recipe, models.descriptions(), new PlanOptions(false, seed));
            MergeCommand.checkOutput(output, overwrite, Estimate.of(plan, checkpoints, options));
            RecipeModels.checkKept(output, checkpoints);
            PermutationSpec groups = Alignments.spec(recipe, here, plan, checkpoints, err).orElseThrow();
            Alignment alignment = firstActivations == null
                    ? Alignments.compute(plan, groups, checkpoints, matching,
                            quiet ? new PrintWriter(Writer.nullWriter()) : err)
                    : Alignment.compute(plan, groups, checkpoints, matching,
                            new ActivationFiles(firstActivations, secondActivations, measure));
            try (Merger merger = new Merger(plan, checkpoints, options, Progress.SILENT, Optional.of(alignment))) {
                merger.merge(output, recipe.text());
            }
            print(alignment.of(1 - plan.alignTo().orElseThrow()));
            return 0;
        }
    }

    private String recipe() {
        return """
                merge_method: passthrough
                models:
                  - model: %s
                align:
                  to: %s
                """.formatted(quoted(second), quoted(first)) + (spec == null ? "" : "  spec: " + quoted(spec) + "\n");
    }

    /** A path as YAML takes it for text. */
    static String quoted(Path path) {
        return "'" + path.toString().replace("'", "''") + "'";
    }

    private void print(Aligned aligned) throws IOException {
        PrintWriter out = command.commandLine().getOut();
        if (asJson) {
            Json.print(out, json -> write(json, aligned));
            return;
        }
        Table table = new Table("sweep", ">objective");
        for (int sweep = 0; sweep < aligned.objectives().size(); sweep++) {
            table.row(sweep == 0 ? "before" : sweep, InspectCommand.number(aligned.objectives().get(sweep)));
        }
        table.row("at most", InspectCommand.number(aligned.match().bound()));
        table.print(out);
        out.println(String.format(Locale.ROOT, "%s: distance %s before, %s after%s", output,
                InspectCommand.number(aligned.distanceBefore()), InspectCommand.number(aligned.distanceAfter()),
                aligned.match().converged() ? "" : "; the last sweep still moved units"));
    }

    private void write(JsonGenerator json, Aligned aligned) throws IOException {
        json.writeStringField("output", output.toString());
        json.writeBooleanField("converged", aligned.match().converged());
        json.writeFieldName("objectives");
        json.writeArray(aligned.objectives().stream().mapToDouble(Double::doubleValue).toArray(), 0,
                aligned.objectives().size());
        json.writeNumberField("bound", aligned.match().bound());
        json.writeNumberField("distance_before", aligned.distanceBefore());
        json.writeNumberField("distance_after", aligned.distanceAfter());
    }
}
