package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.ensemble.LogitLoops.Form;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.function.Function;

import static dev.fusor.ensemble.LogitEnsemble.CHUNK;
import static dev.fusor.ensemble.RowBuffers.FIRST_SCORE;
import static dev.fusor.ensemble.RowBuffers.RESULT;
import static dev.fusor.ensemble.RowBuffers.buffer;

/** A row in the modes that combine logits into scores: probabilities are the softmax of those. */
final class ScoredRow {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private final RowResults results;
    private final Chunks chunks;
    private final ChunkScores chunkScores;
    private final LogitLoops loops;
    private final RowStatistics statistics;
    /** Whether scores are looked at again once their sum of exponentials is known. */
    private final boolean normalised;
    /** Whether chunks that cannot hold the best class are passed over. */
    private final boolean passes;

    ScoredRow(RowResults results, Chunks chunks, ChunkScores chunkScores, Function<Form, LogitLoops> forms) {
        this.results = results;
        this.chunks = chunks;
        this.chunkScores = chunkScores;
        this.loops = forms.apply(new Form(1, false));
        this.statistics = RowStatistics.of(forms, results.wants(Output.ENTROPY), chunks);
        this.normalised = results.wants(Output.LOG_PROBABILITIES) || results.wants(Output.PROBABILITIES)
                || results.wants(Output.TOP_LOG_PROBABILITIES) || results.wants(Output.ENTROPY)
                || results.wants(Output.LOSS);
        this.passes = results.wantsOneBest() && !normalised && !results.wants(Output.LOGITS);
    }

    /** Combines a row whose shares and statistics are known. */
    void combine(long row) {
        chunkScores.turnTo(row);
        for (int j = 0; j < chunks.number(); j++) {
            if (passes && results.top().isBeyond(chunkScores.largest(j))) {
                continue;
            }
            MemorySegment s = scores(j);
            float max = chunkScores.make(j, s);
            if (normalised) {
                statistics.add(j, s, 0, chunks.width(j), max);
            }
            results.offer(s, j, max);
            results.store(Output.LOGITS, s, j);
        }
        if (normalised) {
            statistics.finish();
            normalise();
        }
        results.rank((_, score) -> logProbability(score));
    }

    /** Where the scores of a chunk lie: each in a place of its own if they are looked at again. */
    private MemorySegment scores(int chunk) {
        return buffer(FIRST_SCORE + (normalised ? chunk : 0));
    }

    private void normalise() {
        float logSum = statistics.logSum();
        float scale = (float) (1 / statistics.sum());
        MemorySegment result = buffer(RESULT);
        for (int j = 0; j < chunks.number(); j++) {
            if (results.wants(Output.LOG_PROBABILITIES)) {
                loops.logSoftmax(scores(j), statistics.max(), logSum, result, chunks.width(j));
                results.store(Output.LOG_PROBABILITIES, result, j);
            }
            if (results.wants(Output.PROBABILITIES)) {
                result.fill((byte) 0);
                loops.mix(scores(j), 0, statistics.max(), scale, result, chunks.width(j));
                results.store(Output.PROBABILITIES, result, j);
            }
        }
        results.number(Output.ENTROPY, statistics.entropy());
        if (results.wants(Output.LOSS)) {
            int label = results.label();
            float score = scores(label / CHUNK).get(FLOAT, 4L * (label % CHUNK));
            results.number(Output.LOSS, -logProbability(score));
        }
    }

    private float logProbability(float score) {
        return score - statistics.max() - statistics.logSum();
    }
}
