package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitLoops.Form;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;

import static dev.fusor.ensemble.LogitLoops.GROUP;
import static dev.fusor.ensemble.RowBuffers.FIRST_MODEL;
import static dev.fusor.ensemble.RowBuffers.PRESENT_SHARE;
import static dev.fusor.ensemble.RowBuffers.PRESENT_SUM;

/** The modes of scores, a chunk of a row at a time. */
final class ChunkScores {
    private final Mode mode;
    private final Chunks chunks;
    private final ModelChunks[] models;
    private final RowStatistics[] statistics;
    private final Shares shares;
    private final boolean limited;
    private final LogitLoops loops;
    /** By the number of models. */
    private final LogitLoops[] weighing = new LogitLoops[GROUP + 1];
    private final MemorySegment[] group = new MemorySegment[GROUP];
    private final long[] groupAt = new long[GROUP];
    private final float[] groupShares = new float[GROUP];

    private long row;
    private int confident;

    ChunkScores(Mode mode, Batch batch, ModelChunks[] models, RowStatistics[] statistics, Shares shares,
            Chunks chunks, Function<Form, LogitLoops> forms) {
        this.mode = mode;
        this.chunks = chunks;
        this.models = models;
        this.statistics = statistics;
        this.shares = shares;
        this.limited = batch.models().stream().anyMatch(model -> model.present() != null);
        this.loops = forms.apply(new Form(1, false));
        for (int size = 1; size <= GROUP; size++) {
            weighing[size] = forms.apply(new Form(size, false));
        }
    }

    /** Turns to a row, whose shares and statistics are known. */
    void turnTo(long number) {
        row = number;
        confident = mode == Mode.MOST_CONFIDENT ? mostConfident() : 0;
    }

    /** Makes the scores of a chunk, filled up with -infinity; {@return the largest} */
    float make(int chunk, MemorySegment s) {
        return switch (mode) {
            case MAXIMUM -> maximum(chunk, s);
            case MOST_CONFIDENT -> copy(chunk, s);
            default -> limited ? meanOfThePresent(chunk, s) : mean(chunk, s);
        };
    }

    private int mostConfident() {
        int best = shares.member(0);
        for (int i = 1; i < shares.members(); i++) {
            double sum = statistics[shares.member(i)].sum();
            double least = statistics[best].sum();
            if (sum < least || least != least && sum == sum) {
                best = shares.member(i);
            }
        }
        return best;
    }

    private float copy(int chunk, MemorySegment s) {
        models[confident].load(row, chunk, s);
        return loops.max(s, 0, chunks.width(chunk));
    }

    private float maximum(int chunk, MemorySegment s) {
        models[shares.member(0)].load(row, chunk, s);
        for (int i = 1; i < shares.members(); i++) {
            ModelChunks model = models[shares.member(i)];
            model.bring(row, chunk, FIRST_MODEL);
            loops.raise(model.data(), model.at(), s, chunks.width(chunk));
        }
        return loops.max(s, 0, chunks.width(chunk));
    }

    /** {@return the largest score of a chunk, found without storing one, or NaN if it takes storing them} */
    float largest(int chunk) {
        boolean atOnce = (mode == Mode.LOGITS || mode == Mode.LOG_PROBABILITIES) && !limited
                && shares.members() <= GROUP;
        return atOnce ? mean(chunk, null) : Float.NaN;
    }

    private float mean(int chunk, MemorySegment s) {
        float max = Float.NaN;
        for (int i = 0; i < shares.members(); i += GROUP) {
            int size = Math.min(GROUP, shares.members() - i);
            for (int g = 0; g < size; g++) {
                ModelChunks model = models[shares.member(i + g)];
                model.bring(row, chunk, FIRST_MODEL + g);
                group[g] = model.data();
                groupAt[g] = model.at();
                groupShares[g] = shares.of(shares.member(i + g));
            }
            max = weighing[size].weigh(group, groupAt, groupShares, i > 0, s, chunks.width(chunk));
        }
        return max;
    }

    private float meanOfThePresent(int chunk, MemorySegment s) {
        MemorySegment sums = RowBuffers.buffer(PRESENT_SUM);
        MemorySegment totals = RowBuffers.buffer(PRESENT_SHARE);
        sums.fill((byte) 0);
        totals.fill((byte) 0);
        for (int i = 0; i < shares.members(); i++) {
            int e = shares.member(i);
            float shift = mode == Mode.LOG_PROBABILITIES ? statistics[e].logSumExp() : 0f;
            models[e].bring(row, chunk, FIRST_MODEL);
            loops.weighPresent(models[e].data(), models[e].at(), shares.of(e), shift, models[e].present(),
                    Chunks.first(chunk), sums, totals, chunks.count(chunk));
        }
        loops.divide(sums, totals, s, chunks.width(chunk));
        return loops.max(s, 0, chunks.width(chunk));
    }
}
