package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.ensemble.LogitLoops.Form;
import dev.fusor.simd.FloatMath;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.function.Function;

import static dev.fusor.ensemble.LogitEnsemble.CHUNK;
import static dev.fusor.ensemble.RowBuffers.FIRST_MODEL;
import static dev.fusor.ensemble.RowBuffers.FIRST_SCORE;
import static dev.fusor.ensemble.RowBuffers.LANE_SUMS;
import static dev.fusor.ensemble.RowBuffers.LOGS;
import static dev.fusor.ensemble.RowBuffers.TERMS;
import static dev.fusor.ensemble.RowBuffers.buffer;

/** A row in the modes that combine probabilities or votes, and a row of any mode whose weights make no sense: all of it is NaN. */
final class MixedRow {
    /** Below, logarithms are not taken of rounded sums. */
    private static final float TINY = 0x1p-100f;

    /** What the bound of a chunk's probabilities is raised by: more than all roundings of 64 models. */
    private static final float SLACK = 1.0001f;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Mode mode;
    private final RowResults results;
    private final Chunks chunks;
    private final ModelChunks[] models;
    private final RowStatistics[] statistics;
    private final Shares shares;
    private final LogitLoops loops;
    /** Whether the entropy of probabilities is needed, and the logarithm of each. */
    private final boolean entropic;
    private final boolean logarithmic;
    private final double[] entropies;
    /** What no probability of a chunk exceeds, where that lets chunks be passed over; else null. */
    private final float[] bounds;
    private final TopClasses ballot = new TopClasses(1);
    private final int[] ballots;

    private long row;
    private boolean sound;

    MixedRow(Mode mode, RowResults results, Chunks chunks, ModelChunks[] models, RowStatistics[] statistics,
            Shares shares, Function<Form, LogitLoops> forms) {
        this.mode = mode;
        this.results = results;
        this.chunks = chunks;
        this.models = models;
        this.statistics = statistics;
        this.shares = shares;
        this.loops = forms.apply(new Form(1, false));
        this.entropic = results.wants(Output.ENTROPY) || results.wants(Output.DISAGREEMENT);
        this.logarithmic = results.wants(Output.LOGITS) || results.wants(Output.LOG_PROBABILITIES);
        this.entropies = new double[chunks.number()];
        this.bounds = mode == Mode.PROBABILITIES && !entropic && !logarithmic && !results.wants(Output.PROBABILITIES)
                ? new float[chunks.number()]
                : null;
        this.ballots = new int[models.length];
    }

    /** Combines a row whose shares and statistics are known. */
    void combine(long number, boolean weightsAreSound) {
        row = number;
        sound = weightsAreSound;
        TopClasses top = results.top();
        int label = results.wants(Output.LOSS) ? results.label() : -1;
        if (sound && mode == Mode.VOTE) {
            vote();
        }
        float floor = bounds != null && top != null ? bound() : Float.NaN;
        for (int j = 0; j < chunks.number(); j++) {
            boolean labelled = label >= 0 && label / CHUNK == j;
            if (bounds != null && !labelled && (top == null || bounds[j] < floor || top.isBeyond(bounds[j]))) {
                continue;
            }
            MemorySegment p = buffer(FIRST_SCORE);
            mix(j, p);
            if (top != null) {
                results.offer(p, j, loops.max(p, 0, chunks.width(j)));
            }
            results.store(Output.PROBABILITIES, p, j);
            if (entropic || logarithmic) {
                logarithms(j, p);
            }
            if (labelled) {
                results.number(Output.LOSS, -logProbability(label, p.get(FLOAT, 4L * (label % CHUNK))));
            }
        }
        if (entropic) {
            disagree(-(float) LaneSums.pairs(entropies, chunks.number()));
        }
        results.rank(this::logProbability);
    }

    /**
     * Bounds the probabilities of each chunk; {@return what the best class has at least, if there is one best class to
     * find: the best of the most promising chunk}
     */
    private float bound() {
        int promising = 0;
        for (int j = 0; j < bounds.length; j++) {
            float bound = sound ? 0 : Float.NaN;
            for (int i = 0; i < shares.members(); i++) {
                int e = shares.member(i);
                bound += scale(e) * statistics[e].largest(j);
            }
            bounds[j] = bound * SLACK + Float.MIN_NORMAL;
            promising = bounds[j] > bounds[promising] ? j : promising;
        }
        if (!results.wantsOneBest()) {
            return Float.NaN;
        }
        MemorySegment p = buffer(FIRST_SCORE);
        mix(promising, p);
        return loops.max(p, 0, chunks.width(promising));
    }

    /** What the exponentials of a model are multiplied by. */
    private float scale(int model) {
        return (float) (shares.of(model) / statistics[model].sum());
    }

    private void mix(int chunk, MemorySegment p) {
        p.fill((byte) 0);
        if (!sound) {
            for (int c = 0; c < chunks.count(chunk); c++) {
                p.set(FLOAT, 4L * c, Float.NaN);
            }
            return;
        }
        for (int i = 0; i < shares.members(); i++) {
            int e = shares.member(i);
            if (mode == Mode.PROBABILITIES) {
                models[e].bring(row, chunk, FIRST_MODEL);
                loops.mix(models[e].data(), models[e].at(), statistics[e].max(), scale(e), p, chunks.width(chunk));
            } else if (ballots[e] / CHUNK == chunk) {
                long at = 4L * (ballots[e] % CHUNK);
                p.set(FLOAT, at, p.get(FLOAT, at) + shares.of(e));
            }
        }
    }

    private void vote() {
        for (int i = 0; i < shares.members(); i++) {
            ModelChunks model = models[shares.member(i)];
            ballot.clear();
            for (int j = 0; j < chunks.number(); j++) {
                model.bring(row, j, FIRST_MODEL);
                ballot.offer(model.data(), model.at(), chunks.count(j), Chunks.first(j),
                        loops.max(model.data(), model.at(), chunks.width(j)));
            }
            ballots[shares.member(i)] = ballot.number(0);
        }
    }

    private void logarithms(int chunk, MemorySegment p) {
        MemorySegment logs = buffer(LOGS);
        loops.logs(p, logs, chunks.width(chunk));
        if (entropic) {
            MemorySegment lanes = buffer(LANE_SUMS);
            lanes.fill((byte) 0);
            loops.products(p, logs, 0, 0, lanes, chunks.width(chunk));
            entropies[chunk] = LaneSums.fold(lanes, 0);
        }
        if (logarithmic) {
            for (int c = 0; c < chunks.count(chunk); c++) {
                if (p.get(FLOAT, 4L * c) < TINY) {
                    logs.set(FLOAT, 4L * c, logProbability(Chunks.first(chunk) + c, p.get(FLOAT, 4L * c)));
                }
            }
            results.store(Output.LOGITS, logs, chunk);
            results.store(Output.LOG_PROBABILITIES, logs, chunk);
        }
    }

    private void disagree(float entropy) {
        results.number(Output.ENTROPY, entropy);
        float disagreement = entropy;
        for (int i = 0; i < shares.members() && results.wants(Output.DISAGREEMENT); i++) {
            int e = shares.member(i);
            disagreement = Math.fma(-shares.of(e), statistics[e].entropy(), disagreement);
        }
        results.number(Output.DISAGREEMENT, disagreement);
    }

    private float logProbability(int number, float probability) {
        return mode == Mode.PROBABILITIES && probability < TINY ? logOfTheTiny(number) : FloatMath.log(probability);
    }

    private float logOfTheTiny(int number) {
        float[] terms = RowBuffers.floats(TERMS);
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < shares.members(); i++) {
            int e = shares.member(i);
            float x = models[e].x(row, number) - statistics[e].max();
            terms[i] = FloatMath.log(shares.of(e)) + x - statistics[e].logSum();
            max = Math.max(max, terms[i]);
        }
        float sum = 0;
        for (int i = 0; i < shares.members() && max != Float.NEGATIVE_INFINITY; i++) {
            sum += FloatMath.exp(terms[i] - max);
        }
        return max == Float.NEGATIVE_INFINITY ? max : max + FloatMath.log(sum);
    }
}
