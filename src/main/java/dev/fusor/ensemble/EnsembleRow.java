package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.ensemble.LogitLoops.Form;
import dev.fusor.simd.FloatMath;
import dev.fusor.simd.Floats;
import dev.fusor.simd.Scratch;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.function.Function;

import static dev.fusor.ensemble.LogitEnsemble.CHUNK;
import static dev.fusor.ensemble.LogitLoops.GROUP;

/** Combines one row after the other; what lies between the steps is in scratch buffers, a chunk in each. */
final class EnsembleRow {
    /** Scratch arrays. */
    static final int FLOATS = 0;
    private static final int TERMS = 1;

    /** Scratch buffers; conversions take number 0. */
    static final int LANE_SUMS = 1;
    static final int FIRST_MODEL = 2;
    static final int RESULT = FIRST_MODEL + GROUP;
    static final int LOGS = RESULT + 1;
    static final int PRESENT_SUM = LOGS + 1;
    static final int PRESENT_SHARE = PRESENT_SUM + 1;
    static final int FIRST_SCORE = PRESENT_SHARE + 1;

    /** Below, logarithms are not taken of rounded sums. */
    private static final float TINY = 0x1p-100f;

    /** What the bound of a chunk's probabilities is raised by: more than all roundings of 64 models. */
    private static final float SLACK = 1.0001f;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Mode mode;
    private final Batch batch;
    private final Map<Output, Tensor> outputs;
    private final int classes;
    private final int chunks;
    private final LogitLoops loops;
    /** Whether the sums of exponentials of single models are needed. */
    private final boolean measured;
    /** Whether scores are looked at again once their sum of exponentials is known. */
    private final boolean normalised;
    /** Whether the entropy of probabilities is needed, and the logarithm of each. */
    private final boolean entropic;
    private final boolean logarithmic;
    private final Shares shares;
    private final ModelChunks[] models;
    private final RowStatistics[] statistics;
    private final RowStatistics combined;
    private final double[] entropies;
    /** What no probability of a chunk exceeds, where that lets chunks be passed over; else null. */
    private final float[] bounds;
    private final TopClasses top;
    private final TopClasses ballot = new TopClasses(1);
    private final int[] ballots;
    private final ChunkScores chunkScores;

    private long row;
    private boolean sound;

    EnsembleRow(Mode mode, Batch batch, Map<Output, Tensor> outputs, Function<Form, LogitLoops> forms) {
        this.mode = mode;
        this.batch = batch;
        this.outputs = outputs;
        this.classes = batch.classes();
        this.chunks = (classes + CHUNK - 1) / CHUNK;
        this.loops = forms.apply(new Form(1, false));
        boolean limited = batch.models().stream().anyMatch(model -> model.present() != null);
        this.measured = mode == Mode.PROBABILITIES || mode == Mode.MOST_CONFIDENT || wants(Output.LOG_SUM_EXP)
                || mode == Mode.LOG_PROBABILITIES && limited;
        this.normalised = wants(Output.LOG_PROBABILITIES) || wants(Output.PROBABILITIES)
                || wants(Output.TOP_LOG_PROBABILITIES) || wants(Output.ENTROPY) || wants(Output.LOSS);
        this.entropic = wants(Output.ENTROPY) || wants(Output.DISAGREEMENT);
        this.logarithmic = wants(Output.LOGITS) || wants(Output.LOG_PROBABILITIES);
        this.shares = new Shares(batch);
        int count = batch.models().size();
        this.models = new ModelChunks[count];
        this.statistics = new RowStatistics[count];
        for (int e = 0; e < count; e++) {
            models[e] = new ModelChunks(batch.models().get(e), classes, loops);
            statistics[e] = measured ? statistics(forms, wants(Output.DISAGREEMENT)) : null;
        }
        this.combined = statistics(forms, wants(Output.ENTROPY));
        this.entropies = new double[chunks];
        this.bounds = mode == Mode.PROBABILITIES && !entropic && !logarithmic && !wants(Output.PROBABILITIES)
                ? new float[chunks]
                : null;
        this.ballots = new int[count];
        this.chunkScores = new ChunkScores(mode, batch, models, statistics, shares, forms);
        Tensor ranked = outputs.getOrDefault(Output.TOP_CLASSES, outputs.get(Output.TOP_LOG_PROBABILITIES));
        this.top = ranked != null
                ? new TopClasses((int) ranked.shape().extent(1))
                : wants(Output.ARGMAX) ? new TopClasses(1) : null;
    }

    /** {@return a count of classes rounded up to whole vectors} */
    static int padded(int count, int width) {
        return (count + width - 1) / width * width;
    }

    private RowStatistics statistics(Function<Form, LogitLoops> forms, boolean moments) {
        return new RowStatistics(forms.apply(new Form(1, moments)), moments, chunks);
    }

    private boolean wants(Output output) {
        return outputs.containsKey(output);
    }

    /** Combines a row. */
    void combine(long number) {
        row = number;
        sound = shares.turnTo(row);
        if (measured) {
            measure();
        }
        if (top != null) {
            top.clear();
        }
        if (sound && mode != Mode.PROBABILITIES && mode != Mode.VOTE) {
            scores();
        } else {
            probabilities();
        }
    }

    private void measure() {
        for (int e = 0; e < models.length; e++) {
            if (!wants(Output.LOG_SUM_EXP) && shares.of(e) == 0) {
                continue;
            }
            for (int j = 0; j < chunks; j++) {
                models[e].bring(row, j, FIRST_MODEL);
                MemorySegment x = models[e].data();
                long at = models[e].at();
                statistics[e].add(j, x, at, width(j), loops.max(x, at, width(j)));
            }
            statistics[e].finish();
            if (wants(Output.LOG_SUM_EXP)) {
                Elements.set(outputs.get(Output.LOG_SUM_EXP), row * models.length + e, statistics[e].logSumExp());
            }
        }
    }

    private int count(int chunk) {
        return Math.min(CHUNK, classes - chunk * CHUNK);
    }

    private int width(int chunk) {
        return padded(count(chunk), loops.width());
    }

    private void scores() {
        chunkScores.turnTo(row);
        boolean passes = top != null && top.size() == 1 && !normalised && !wants(Output.LOGITS);
        for (int j = 0; j < chunks; j++) {
            if (passes && top.isBeyond(chunkScores.largest(j))) {
                continue;
            }
            MemorySegment s = scores(j);
            float max = chunkScores.make(j, s);
            if (normalised) {
                combined.add(j, s, 0, width(j), max);
            }
            if (top != null) {
                top.offer(s, 0, count(j), j * CHUNK, max);
            }
            store(Output.LOGITS, s, j);
        }
        if (normalised) {
            combined.finish();
            normalise();
        }
        rank();
    }

    /** Where the scores of a chunk lie: each in a place of its own if they are looked at again. */
    private MemorySegment scores(int chunk) {
        return Scratch.mine().buffer(FIRST_SCORE + (normalised ? chunk : 0));
    }

    private void normalise() {
        float logSum = combined.logSum();
        float scale = (float) (1 / combined.sum());
        MemorySegment result = Scratch.mine().buffer(RESULT);
        for (int j = 0; j < chunks; j++) {
            if (wants(Output.LOG_PROBABILITIES)) {
                loops.logSoftmax(scores(j), combined.max(), logSum, result, width(j));
                store(Output.LOG_PROBABILITIES, result, j);
            }
            if (wants(Output.PROBABILITIES)) {
                result.fill((byte) 0);
                loops.mix(scores(j), 0, combined.max(), scale, result, width(j));
                store(Output.PROBABILITIES, result, j);
            }
        }
        number(Output.ENTROPY, row, combined.entropy());
        if (wants(Output.LOSS)) {
            int label = label();
            number(Output.LOSS, row,
                    -logProbability(label, scores(label / CHUNK).get(FLOAT, 4L * (label % CHUNK))));
        }
    }

    private int label() {
        return (int) BatchCheck.label(batch.labels(), row);
    }

    private void probabilities() {
        int label = wants(Output.LOSS) ? label() : -1;
        if (sound && mode == Mode.VOTE) {
            vote();
        }
        float floor = bounds != null && top != null ? bound() : Float.NaN;
        for (int j = 0; j < chunks; j++) {
            boolean labelled = label >= 0 && label / CHUNK == j;
            if (bounds != null && !labelled && (top == null || bounds[j] < floor || top.isBeyond(bounds[j]))) {
                continue;
            }
            MemorySegment p = Scratch.mine().buffer(FIRST_SCORE);
            mix(j, p);
            if (top != null) {
                top.offer(p, 0, count(j), j * CHUNK, loops.max(p, 0, width(j)));
            }
            store(Output.PROBABILITIES, p, j);
            if (entropic || logarithmic) {
                logarithms(j, p);
            }
            if (labelled) {
                number(Output.LOSS, row, -logProbability(label, p.get(FLOAT, 4L * (label % CHUNK))));
            }
        }
        if (entropic) {
            disagree(-(float) LaneSums.pairs(entropies, chunks));
        }
        rank();
    }

    /**
     * Bounds the probabilities of each chunk; {@return what the best class has at least, if there is one best class to
     * find: the best of the most promising chunk}
     */
    private float bound() {
        int promising = 0;
        for (int j = 0; j < chunks; j++) {
            float bound = sound ? 0 : Float.NaN;
            for (int i = 0; i < shares.members(); i++) {
                int e = shares.member(i);
                bound += (float) (shares.of(e) / statistics[e].sum()) * statistics[e].largest(j);
            }
            bounds[j] = bound * SLACK + Float.MIN_NORMAL;
            promising = bounds[j] > bounds[promising] ? j : promising;
        }
        if (top.size() > 1) {
            return Float.NaN;
        }
        MemorySegment p = Scratch.mine().buffer(FIRST_SCORE);
        mix(promising, p);
        return loops.max(p, 0, width(promising));
    }

    private void mix(int chunk, MemorySegment p) {
        p.fill((byte) 0);
        if (!sound) {
            for (int c = 0; c < count(chunk); c++) {
                p.set(FLOAT, 4L * c, Float.NaN);
            }
            return;
        }
        for (int i = 0; i < shares.members(); i++) {
            int e = shares.member(i);
            if (mode == Mode.PROBABILITIES) {
                float scale = (float) (shares.of(e) / statistics[e].sum());
                models[e].bring(row, chunk, FIRST_MODEL);
                loops.mix(models[e].data(), models[e].at(), statistics[e].max(), scale, p, width(chunk));
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
            for (int j = 0; j < chunks; j++) {
                model.bring(row, j, FIRST_MODEL);
                ballot.offer(model.data(), model.at(), count(j), j * CHUNK,
                        loops.max(model.data(), model.at(), width(j)));
            }
            ballots[shares.member(i)] = ballot.number(0);
        }
    }

    private void logarithms(int chunk, MemorySegment p) {
        MemorySegment logs = Scratch.mine().buffer(LOGS);
        loops.logs(p, logs, width(chunk));
        if (entropic) {
            MemorySegment lanes = Scratch.mine().buffer(LANE_SUMS);
            lanes.fill((byte) 0);
            loops.products(p, logs, 0, 0, lanes, width(chunk));
            entropies[chunk] = LaneSums.fold(lanes, 0);
        }
        if (logarithmic) {
            for (int c = 0; c < count(chunk); c++) {
                if (p.get(FLOAT, 4L * c) < TINY) {
                    logs.set(FLOAT, 4L * c, logProbability(chunk * CHUNK + c, p.get(FLOAT, 4L * c)));
                }
            }
            store(Output.LOGITS, logs, chunk);
            store(Output.LOG_PROBABILITIES, logs, chunk);
        }
    }

    private void disagree(float entropy) {
        number(Output.ENTROPY, row, entropy);
        float disagreement = entropy;
        for (int i = 0; i < shares.members() && wants(Output.DISAGREEMENT); i++) {
            int e = shares.member(i);
            disagreement = Math.fma(-shares.of(e), statistics[e].entropy(), disagreement);
        }
        number(Output.DISAGREEMENT, row, disagreement);
    }

    /** Of a class, given its score or its probability. */
    private float logProbability(int number, float value) {
        if (sound && mode != Mode.PROBABILITIES && mode != Mode.VOTE) {
            return value - combined.max() - combined.logSum();
        }
        return mode == Mode.PROBABILITIES && value < TINY ? logOfTheTiny(number) : FloatMath.log(value);
    }

    private float logOfTheTiny(int number) {
        float[] terms = Scratch.mine().floats(TERMS);
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

    private void rank() {
        if (wants(Output.ARGMAX)) {
            outputs.get(Output.ARGMAX).data().set(INT, 4 * row, top.number(0));
        }
        for (int i = 0; top != null && i < top.size(); i++) {
            long at = row * top.size() + i;
            if (wants(Output.TOP_CLASSES)) {
                outputs.get(Output.TOP_CLASSES).data().set(INT, 4 * at, top.number(i));
            }
            if (wants(Output.TOP_LOG_PROBABILITIES)) {
                number(Output.TOP_LOG_PROBABILITIES, at, logProbability(top.number(i), top.value(i)));
            }
        }
    }

    private void number(Output output, long at, float value) {
        if (wants(output)) {
            Elements.set(outputs.get(output), at, value);
        }
    }

    private void store(Output output, MemorySegment values, int chunk) {
        if (wants(output)) {
            float[] numbers = Scratch.mine().floats(FLOATS);
            MemorySegment.copy(values, FLOAT, 0, numbers, 0, count(chunk));
            Floats.store(numbers, outputs.get(output), row * classes + (long) chunk * CHUNK, count(chunk));
        }
    }
}
