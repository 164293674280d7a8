package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.consensus.DisjointMergeLoop.Group;
import dev.fusor.consensus.DisjointMergeLoop.Step;
import dev.fusor.consensus.DisjointMergeLoop.Sums;
import dev.fusor.consensus.DisjointMergeLoop.Watch;
import dev.fusor.simd.Convert;
import dev.fusor.simd.Scratch;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.KeyWatch;
import dev.fusor.trim.MagnitudeCut;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

import static dev.fusor.consensus.DisjointMergeLoop.GROUP;
import static dev.fusor.simd.Scratch.ELEMENTS;

/** The disjoint merge of elements by vectors; what does not change between their ranges is looked up once. */
final class DisjointMergeVectors {
    private static final Specialised<DisjointMergeLoop.Form, DisjointMergeLoop> TEMPLATE = new Specialised<>(
            MethodHandles.lookup(), "DisjointMergeLanes", DisjointMergeLoop.class);

    /** Buffers of scratch: three sums, widened operands and factors of a group, then the votes of each model. */
    private static final int MASS = 0;
    private static final int SUM = 1;
    private static final int WEIGHTS = 2;
    private static final int BASE = 3;
    private static final int OPERANDS = 4;
    private static final int FACTORS = OPERANDS + GROUP;
    /** A factor of 1, which changes nothing, for models that have none beside models that have some. */
    private static final int ONES = FACTORS + GROUP;
    private static final int VOTES = ONES + 1;

    private static final ValueLayout.OfFloat FACTOR = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Tensor base;
    private final List<Voter> voters;
    private final long first;
    private final Rule rule;
    private final float allWeights;
    private final Tensor out;
    /** The one type of all inputs if the loop reads it as it is; F32 if they are widened first. */
    private final DType input;
    /** Likewise of the output. */
    private final DType output;
    private final KeyWatch watch;
    private final List<Stage> stages;

    /** A step with one of the groups of models. */
    private record Stage(int group, Step step, DisjointMergeLoop loop) {}

    /**
     * Prepares.
     *
     * @param watch is told of the voters' keys, or null
     */
    DisjointMergeVectors(Tensor base, List<Voter> voters, long first, Rule rule, Tensor out, KeyWatch watch) {
        this.base = base;
        this.voters = voters;
        this.first = first;
        this.rule = rule;
        this.allWeights = DisjointMergeCpu.sumOfWeights(voters);
        this.out = out;
        boolean alike = voters.stream().allMatch(voter -> voter.x().dtype() == base.dtype());
        this.input = alike && base.dtype() == DType.BF16 ? DType.BF16 : DType.F32;
        this.output = out.dtype() == DType.BF16 ? DType.BF16 : DType.F32;
        this.watch = watch;
        this.stages = stages();
    }

    /** One for up to four models; else all groups vote, and then all settle if there is an election. */
    private List<Stage> stages() {
        int groups = (voters.size() + GROUP - 1) / GROUP;
        boolean apart = groups > 1 && rule.election() != Election.NONE;
        List<Stage> all = new ArrayList<>();
        for (int group = 0; group < groups; group++) {
            boolean settles = !apart && group == groups - 1;
            all.add(stage(group, new Step(true, settles, group == 0, settles)));
        }
        for (int group = 0; apart && group < groups; group++) {
            all.add(stage(group, new Step(false, true, group == 0, group == groups - 1)));
        }
        return all;
    }

    private Stage stage(int group, Step step) {
        List<Voter> members = members(group);
        return new Stage(group, step, TEMPLATE.of(new DisjointMergeLoop.Form(input, output, members.size(),
                rule.election(), rule.aggregation(), rule.zero(), rule.normalize(), step.vote() && drops(members),
                watch(), step)));
    }

    private Watch watch() {
        return watch == null ? Watch.NONE : watch.lists() ? Watch.LIST : Watch.COUNT;
    }

    private List<Voter> members(int group) {
        return voters.subList(group * GROUP, Math.min(voters.size(), (group + 1) * GROUP));
    }

    /**
     * Merges elements of the output, on the calling thread; their keys kept must be the same throughout.
     *
     * @param place of the first one in the range that is watched
     */
    void merge(long from, int count, int place) {
        Scratch scratch = Scratch.mine();
        if (drops(voters)) {
            MemorySegment ones = scratch.buffer(ONES);
            for (int i = 0; i < ELEMENTS; i++) {
                ones.setAtIndex(FACTOR, i, 1f);
            }
        }
        Group[] groups = new Group[(voters.size() + GROUP - 1) / GROUP];
        for (int g = 0; g < groups.length; g++) {
            groups[g] = group(g, from, scratch);
        }
        Sums sums = new Sums(scratch.buffer(MASS), scratch.buffer(SUM), scratch.buffer(WEIGHTS), allWeights,
                (float) rule.lambda());
        int block = needsScratch() ? ELEMENTS : count;
        for (int done = 0; done < count; done += block) {
            for (Group group : groups) {
                group.place = place + done;
            }
            mergeBlock(groups, sums, from + done, Math.min(block, count - done));
        }
        for (int m = 0; watch != null && m < voters.size(); m++) {
            watch.add(m, groups[m / GROUP].kept[m % GROUP], groups[m / GROUP].near[m % GROUP] - watch.near(m));
        }
    }

    /** Whether anything passes through buffers, which hold so many elements. */
    private boolean needsScratch() {
        return stages.size() > 1 || out.dtype() != output || base.dtype() != input
                || voters.stream().anyMatch(voter -> voter.x().dtype() != input) || drops(voters);
    }

    private static boolean drops(List<Voter> voters) {
        return voters.stream().anyMatch(voter -> voter.drop() != null);
    }

    /** What the loop is told of a group of models in a range of the output. */
    private Group group(int number, long from, Scratch scratch) {
        List<Voter> members = members(number);
        Group group = new Group();
        for (int m = 0; m < members.size(); m++) {
            Voter voter = members.get(m);
            group.x[m] = voter.x().dtype() == input ? voter.x().data() : scratch.buffer(OPERANDS + m);
            group.weight[m] = (float) voter.weight();
            group.least[m] = voter.band().leastKey(first + from);
            group.width[m] = width(group.least[m], voter.band().limitKey(first + from));
            group.factors[m] = scratch.buffer(voter.drop() == null ? ONES : FACTORS + m);
            group.votes[m] = scratch.buffer(VOTES + number * GROUP + m);
            if (watch != null) {
                group.watched[m] = watch.least(number * GROUP + m);
                group.span[m] = watch.span(number * GROUP + m);
                group.near[m] = watch.near(number * GROUP + m);
            }
            if (watch != null && watch.lists()) {
                group.places[m] = watch.places(number * GROUP + m);
                group.keys[m] = watch.keys(number * GROUP + m);
            }
        }
        return group;
    }

    /** How many magnitudes, as bit patterns, are kept; a NaN has one from its key to the largest, by its payload. */
    private static int width(int least, int limit) {
        if (least > MagnitudeCut.NAN_KEY) {
            return 0;
        }
        return (limit > MagnitudeCut.NAN_KEY ? Integer.MIN_VALUE : Math.max(least, limit)) - least;
    }

    private void mergeBlock(Group[] groups, Sums sums, long from, int count) {
        Scratch scratch = Scratch.mine();
        MemorySegment b = base.dtype() == input ? base.data() : scratch.buffer(BASE);
        long baseAt = operand(base, from, count, b);
        boolean straight = out.dtype() == output;
        MemorySegment to = straight ? out.data() : scratch.buffer(SUM);
        for (Stage stage : stages) {
            Group group = groups[stage.group];
            List<Voter> members = stage.step.vote() ? members(stage.group) : List.of();
            for (int m = 0; m < members.size(); m++) {
                Voter voter = members.get(m);
                group.at[m] = operand(voter.x(), from, count, group.x[m]);
                if (voter.drop() != null) {
                    voter.drop().load(first + from, count, group.factors[m]);
                }
            }
            stage.loop.run(group, sums, b, baseAt, to, straight ? output.byteSize(from) : 0, count);
        }
        if (!straight) {
            Convert.round(to, out, from, count);
        }
    }

    /** Widens a range into a buffer if need be, and returns where it starts there. */
    private long operand(Tensor tensor, long from, int count, MemorySegment buffer) {
        if (tensor.dtype() == input) {
            return input.byteSize(from);
        }
        Convert.widen(tensor, from, buffer, count);
        return 0;
    }
}
