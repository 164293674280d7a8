package dev.fusor.cli;

import dev.fusor.align.Curve;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.FolderWriter;
import dev.fusor.merge.AbortOnExit;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fusor path}: checkpoints along a curve through the space of weights, each a merge. */
@Command(name = "path", mixinStandardHelpOptions = true, sortOptions = false, description = "Writes checkpoints along a curve from one model to another, and a table of them, path.csv; all of it or nothing. With losses added to the table, fusor barrier tells the loss barrier and draws it.")
final class PathCommand implements Callable<Integer> {
    /** The table of the points. */
    static final String TABLE = "path.csv";

    @Spec
    private CommandSpec command;

    @Parameters(index = "0", paramLabel = "A", description = "The model at 0.")
    private Path first;

    @Parameters(index = "1", paramLabel = "B", description = "The model at 1.")
    private Path last;

    @Option(names = "--via", paramLabel = "MODEL", description = "A model that bends the curve; may be given several times, in order.")
    private List<Path> via = new ArrayList<>();

    @Option(names = "--curve", paramLabel = "CURVE", defaultValue = "POLYGON", description = "Straight from model to model, or a Bezier curve, quadratic with one --via: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Curve curve;

    @Option(names = "--points", paramLabel = "N", defaultValue = "25", description = "How many checkpoints, the ends included (default: ${DEFAULT-VALUE}).")
    private int points;

    @Option(names = {"-o",
        "--output"}, paramLabel = "DIR", required = true, description = "The folder to write them into: point-000, point-001 ...")
    private Path output;

    @Mixin
    private MergeLimits limits;

    @Option(names = "--overwrite", description = "Replace the folder if it holds a path.")
    private boolean overwrite;

    PathCommand() {}

    @Override
    public Integer call() throws IOException, RecipeException, MergeException {
        MergeOptions options = limits.options(false);
        if (points < 2 || points > 1000) {
            throw new UsageException("--points is 2 to 1000, got " + points);
        }
        if (curve == Curve.BEZIER && via.isEmpty()) {
            throw new UsageException("a Bezier curve of two models is the line between them; bend it with --via");
        }
        List<Path> models = new ArrayList<>(via);
        models.addFirst(first);
        models.addLast(last);
        try (AbortOnExit<FolderWriter> abort = new AbortOnExit<>();
                FolderWriter folder = abort.open(() -> FolderWriter.create(output, overwrite, TABLE))) {
            StringBuilder table = new StringBuilder("t,checkpoint\n");
            for (int i = 0; i < points; i++) {
                double t = (double) i / (points - 1);
                String name = String.format("point-%03d", i);
                write(Recipe.parse(recipe(models, curve.weights(models.size(), t)), "fusor path"),
                        folder.staging().resolve(name), options);
                table.append(t).append(',').append(name).append('\n');
            }
            Files.writeString(folder.staging().resolve(TABLE), table);
            folder.commit();
        }
        command.commandLine().getOut().println("%s: %d checkpoints".formatted(output.resolve(TABLE), points));
        return 0;
    }

    /** Models of weight 0 are left out: what is infinite there would be NaN here. A model that comes twice has the sum. */
    private static String recipe(List<Path> models, double[] weights) {
        Map<Path, Double> sums = new LinkedHashMap<>();
        for (int i = 0; i < weights.length; i++) {
            if (weights[i] != 0) {
                sums.merge(models.get(i), weights[i], Double::sum);
            }
        }
        StringBuilder recipe = new StringBuilder("merge_method: linear\nparameters: {normalize: false}\nmodels:\n");
        sums.forEach((model, weight) -> recipe.append(
                "  - {model: %s, parameters: {weight: %s}}\n".formatted(AlignCommand.quoted(model), weight)));
        return recipe.toString();
    }

    private void write(Recipe recipe, Path point, MergeOptions options)
            throws IOException, RecipeException, MergeException {
        try (RecipeModels models = new RecipeModels(recipe, Path.of("").toAbsolutePath())) {
            List<Checkpoint> checkpoints = models.checkpoints();
            MergePlan plan = Planner.plan(recipe, models.descriptions(), PlanOptions.standard());
            RecipeModels.checkKept(output, checkpoints);
            MergeCommand.checkOutput(point, false, Estimate.of(plan, checkpoints, options));
            try (Merger merger = new Merger(plan, checkpoints, options, Progress.SILENT, Optional.empty())) {
                merger.merge(point, recipe.text());
            }
        }
    }
}
