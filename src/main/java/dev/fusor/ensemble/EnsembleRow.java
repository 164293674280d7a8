package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.ensemble.LogitLoops.Form;
import dev.fusor.tensor.Tensor;
import java.util.Map;
import java.util.function.Function;

/** Combines one row after the other. */
final class EnsembleRow {
    private final RowResults results;
    private final Shares shares;
    private final ModelChunks[] models;
    private final RowStatistics[] statistics;
    /** Whether the sums of exponentials of single models are needed. */
    private final boolean measured;
    /** Null for the modes without scores. */
    private final ScoredRow scored;
    private final MixedRow mixed;

    EnsembleRow(Mode mode, Batch batch, Map<Output, Tensor> outputs, Function<Form, LogitLoops> forms) {
        Chunks chunks = new Chunks(batch.classes(), forms.apply(new Form(1, false)).width());
        this.results = new RowResults(batch, outputs, chunks);
        boolean limited = batch.models().stream().anyMatch(model -> model.present() != null);
        this.measured = mode == Mode.PROBABILITIES || mode == Mode.MOST_CONFIDENT || results.wants(Output.LOG_SUM_EXP)
                || mode == Mode.LOG_PROBABILITIES && limited;
        this.shares = new Shares(batch);
        this.models = ModelChunks.of(batch, chunks, forms);
        this.statistics = new RowStatistics[models.length];
        for (int e = 0; e < models.length && measured; e++) {
            statistics[e] = RowStatistics.of(forms, results.wants(Output.DISAGREEMENT), chunks);
        }
        this.scored = mode == Mode.PROBABILITIES || mode == Mode.VOTE
                ? null
                : new ScoredRow(results, chunks,
                        new ChunkScores(mode, batch, models, statistics, shares, chunks, forms),
                        forms);
        this.mixed = new MixedRow(mode, results, chunks, models, statistics, shares, forms);
    }

    /** Combines a row. */
    void combine(long row) {
        boolean sound = shares.turnTo(row);
        results.turnTo(row);
        if (measured) {
            measure(row);
        }
        if (sound && scored != null) {
            scored.combine(row);
        } else {
            mixed.combine(row, sound);
        }
    }

    private void measure(long row) {
        for (int e = 0; e < models.length; e++) {
            if (results.wants(Output.LOG_SUM_EXP) || shares.of(e) != 0) {
                statistics[e].measure(models[e], row);
                results.number(Output.LOG_SUM_EXP, e, statistics[e].logSumExp());
            }
        }
    }
}
