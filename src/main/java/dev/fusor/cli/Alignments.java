package dev.fusor.cli;

import dev.fusor.align.MatchingStep;
import dev.fusor.align.PermutationSpec;
import dev.fusor.align.SpecGenerator.Generated;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.merge.Alignment;
import dev.fusor.merge.MergeException;
import dev.fusor.merge.MergeOptions;
import dev.fusor.recipe.MergePlan;
import dev.fusor.recipe.Recipe;
import dev.fusor.recipe.RecipeException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The alignment that a recipe asks for. */
final class Alignments {
    private Alignments() {}

    /**
     * {@return the spec of the models of a plan, if its recipe aligns them: the one that it names, or one that is made}
     *
     * @param folder the recipe's own
     */
    static Optional<PermutationSpec> spec(Recipe recipe, Path folder, MergePlan plan, List<Checkpoint> checkpoints,
            PrintWriter err) throws IOException, RecipeException {
        if (plan.alignTo().isEmpty()) {
            return Optional.empty();
        }
        Checkpoint to = checkpoints.get(plan.alignTo().getAsInt());
        Optional<Path> file = recipe.locateSpec(folder);
        if (file.isPresent()) {
            return Optional.of(Specs.read(file.get(), to));
        }
        Generated generated = Specs.generate(to);
        err.println("note: aligned as " + Table.printable(generated.network()));
        return Optional.of(generated.spec());
    }

    /** Aligns the models of a plan; tells of each sweep. */
    static Alignment compute(MergePlan plan, PermutationSpec spec, List<Checkpoint> checkpoints, MergeOptions options,
            PrintWriter err) throws MergeException {
        return Alignment.compute(plan, spec, checkpoints, options, new Sweeps(spec.groups().size(), err)::matched);
    }

    /** A line for each sweep. */
    private static final class Sweeps {
        private final int groups;
        private final PrintWriter err;
        private int done;
        private int moved;

        Sweeps(int groups, PrintWriter err) {
            this.groups = groups;
            this.err = err;
        }

        void matched(String model, MatchingStep step) {
            moved += step.moved() ? 1 : 0;
            if (++done == groups) {
                err.println(String.format(Locale.ROOT, "aligning %s, sweep %d: %d of %d groups moved, objective %.6g",
                        model, step.sweep() + 1, moved, groups, step.objective()));
                err.flush();
                done = 0;
                moved = 0;
            }
        }
    }
}
