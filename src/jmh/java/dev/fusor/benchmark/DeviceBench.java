package dev.fusor.benchmark;

import dev.fusor.arithmetic.WeightedSumCuda;
import dev.fusor.assign.LinearAssignment.Goal;
import dev.fusor.assign.LinearAssignmentCuda;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Trimmed;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.consensus.DisjointMergeCuda;
import dev.fusor.consensus.DisjointMergeCuda.Item;
import dev.fusor.consensus.TaskVectorFusion;
import dev.fusor.consensus.TaskVectorFusion.Fusion;
import dev.fusor.consensus.TaskVectorFusionCuda;
import dev.fusor.consensus.TrimmedMergeCuda;
import dev.fusor.device.cuda.CudaDevice;
import dev.fusor.device.cuda.CudaEvent;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.drop.DropFactors;
import dev.fusor.drop.MaskedDrop;
import dev.fusor.drop.RandomDrop;
import dev.fusor.drop.RankedDrop;
import dev.fusor.drop.RankedDropCuda;
import dev.fusor.drop.StoredDrop;
import dev.fusor.ensemble.EnsembleGradient;
import dev.fusor.ensemble.EnsembleGradient.Objective;
import dev.fusor.ensemble.EnsembleGradientCuda;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.ensemble.LogitEnsembleCuda;
import dev.fusor.linalg.PermutedInterpolationCuda;
import dev.fusor.linalg.PermutedView;
import dev.fusor.linalg.UnitSimilarityCuda;
import dev.fusor.linalg.UnitSimilarityCuda.Pair;
import dev.fusor.linalg.Units;
import dev.fusor.reduce.ReductionCuda;
import dev.fusor.reduce.ReductionCuda.Kind;
import dev.fusor.reduce.TaskVectorProductsCuda;
import dev.fusor.simulator.NativeBuild;
import dev.fusor.simulator.Simulator;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import dev.fusor.trim.MagnitudeSelectionCuda;
import dev.fusor.trim.RowSelectionCuda;
import dev.fusor.trim.TaskVectorVarianceCuda;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.IntStream;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

/**
 * Device time of each kernel, by events, as GB/s of the fewest bytes it must move and as a share of the device's own copy in the
 * same run: a table, and a file with a JSON array.
 */
public final class DeviceBench {
    private static final int WARM_UPS = 3;
    private static final int RUNS = 11;
    private static final long RANDOM_BYTES = 1 << 24;
    private static final long VOCABULARY = 128_256;
    private static final int BEST_CLASSES = 5;
    private static final long ROW = 4096;

    private final CudaDevice device;
    private final CudaStream stream;
    private final long elements;
    private final List<String> json = new ArrayList<>();
    private double copyRate;

    private DeviceBench(CudaDevice device, CudaStream stream, long elements) {
        this.device = device;
        this.stream = stream;
        this.elements = elements;
    }

    /**
     * Runs all.
     *
     * @param arguments the number of elements of a tensor, and the file
     */
    public static void main(String[] arguments) throws IOException {
        if (Simulator.isLoaded()) {
            System.out.println("On the simulated driver: the figures mean nothing.");
            Simulator.modules(NativeBuild.modules(NativeBuild.Variant.PLAIN));
            Simulator.devices("sm_90", 1);
            Simulator.reset();
        }
        long elements = Long.parseLong(arguments[0]);
        try (CudaDevice device = CudaDevice.open(0); CudaStream stream = CudaStream.open(device)) {
            System.out.println(device + ", " + elements + " elements");
            DeviceBench bench = new DeviceBench(device, stream, elements);
            bench.run();
            Files.writeString(Path.of(arguments[1]), "[" + String.join(",\n", bench.json) + "]\n");
        }
    }

    private void run() {
        System.out.println("%-40s %10s %10s %8s".formatted("kernel", "GB/s", "ms", "of copy"));
        try (CudaMemory from = CudaMemory.allocate(stream, elements * 4);
                CudaMemory to = CudaMemory.allocate(stream, elements * 4)) {
            stream.fill(from.segment(), (byte) 1);
            copyRate = report("copy", elements * 8, () -> stream.copy(from.segment(), to.segment()));
        }
        for (DType type : CudaFormats.ALL) {
            for (int models : new int[]{1, 2, 3, 4, 8}) {
                sum(type, models, 1, false);
            }
        }
        sum(DType.BF16, 4, 1, true);
        sum(DType.F32, 4, 1, true);
        sum(DType.BF16, 4, 16, false);
        sum(DType.BF16, 16, 1, false);
        for (DType type : CudaFormats.ALL) {
            for (int models : new int[]{3, 8}) {
                merge(type, models, "", _ -> null);
            }
            merge(type, 3, ", drops", _ -> new RandomDrop(1, 0, 0.5, true));
            merge(type, 3, ", masks", this::mask);
            merge(type, 3, ", factors", memories -> new StoredDrop(0, allocate(memories, DType.F32)));
        }
        for (DType type : new DType[]{DType.BF16, DType.F32, DType.F8_E4M3}) {
            for (int models : new int[]{3, 8}) {
                int[] all = IntStream.range(0, models).toArray();
                fusion("largest", TaskVectorFusion.largest(), type, models);
                fusion("unified", TaskVectorFusion.unified(), type, models);
                fusion("TALL masks", TaskVectorFusion.tallMasked(all, new double[models], 2), type, models);
            }
        }
        for (int models : new int[]{3, 8}) {
            variance(DType.BF16, models);
            variance(DType.F32, models);
        }
        selection(DType.BF16, 1);
        selection(DType.BF16, 3);
        selection(DType.F32, 1);
        for (int models : new int[]{3, 8}) {
            trimmed(DType.BF16, models);
            trimmed(DType.F32, models);
        }
        rows(DType.BF16);
        rows(DType.F32);
        ranks(DType.BF16);
        ranks(DType.F32);
        for (DType type : CudaFormats.ALL) {
            for (Kind kind : Kind.values()) {
                reduction(type, kind);
            }
        }
        for (DType type : new DType[]{DType.BF16, DType.F32}) {
            for (int models : new int[]{1, 4, 8}) {
                taskVectorProducts(type, models);
            }
            ensemble(type, VOCABULARY, Mode.LOGITS, Output.ARGMAX);
            ensemble(type, VOCABULARY, Mode.LOGITS, Output.ARGMAX, Output.ENTROPY);
            ensemble(type, VOCABULARY, Mode.LOGITS, Output.TOP_CLASSES, Output.TOP_LOG_PROBABILITIES);
            ensemble(type, VOCABULARY, Mode.PROBABILITIES, Output.ARGMAX);
            ensemble(type, VOCABULARY, Mode.PROBABILITIES, Output.TOP_CLASSES);
            ensemble(type, VOCABULARY, Mode.PROBABILITIES, Output.ENTROPY, Output.DISAGREEMENT);
            ensemble(type, VOCABULARY, Mode.PROBABILITIES, Output.LOG_PROBABILITIES);
            ensemble(type, VOCABULARY, Mode.LOGITS, Output.LOG_PROBABILITIES);
            for (int classes : new int[]{2, 10, 100, 1000}) {
                ensemble(type, classes, Mode.PROBABILITIES, Output.ARGMAX, Output.ENTROPY);
            }
            for (Mode mode : new Mode[]{Mode.LOGITS, Mode.PROBABILITIES}) {
                for (Objective objective : Objective.values()) {
                    gradient(type, mode, objective);
                }
            }
            similarities(type, (int) Math.min(4096, Math.sqrt(elements)));
            for (int axis = 0; axis < 2; axis++) {
                permuted(type, (int) Math.min(4096, Math.sqrt(elements)), axis);
            }
        }
        assignment(1000, 128);
        assignment(1, 1024);
        assignment(1, 4096);
        assignment(1, 8192);
    }

    /** Costs are uniform integers, each counted once: what is asked here is the time, which is that of bids and paths. */
    private void assignment(int problems, int size) {
        long units = (long) Math.min(size, Math.sqrt(elements));
        long count = Math.min(problems, elements / (units * units));
        try (CudaMemory memory = CudaMemory.allocate(stream, 4 * count * units * units)) {
            fillRandom(List.of(memory.segment()));
            Tensor costs = memory.tensor(DType.I32, count, units, units);
            try (LinearAssignmentCuda assignment = LinearAssignmentCuda.prepare(stream, costs, Goal.MINIMISE)) {
                report("%d assignments of %d".formatted(count, units), costs.data().byteSize(), assignment::run);
            }
        }
    }

    /** The same random bytes over and over. */
    private void fillRandom(List<MemorySegment> memories) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment block = arena.allocate(RANDOM_BYTES, 8);
            SplittableRandom random = new SplittableRandom(1);
            for (long at = 0; at < RANDOM_BYTES; at++) {
                block.set(JAVA_BYTE, at, (byte) random.nextInt());
            }
            for (MemorySegment memory : memories) {
                for (long at = 0; at < memory.byteSize(); at += RANDOM_BYTES) {
                    long bytes = Math.min(RANDOM_BYTES, memory.byteSize() - at);
                    stream.upload(block.asSlice(0, bytes), memory.asSlice(at, bytes));
                }
            }
            stream.synchronize();
        }
    }

    private void sum(DType type, int models, int outputs, boolean onBase) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            List<Tensor> inputs = new ArrayList<>();
            for (int i = 0; i < models + (onBase ? 1 : 0); i++) {
                inputs.add(allocate(memories, type));
            }
            List<Tensor> outs = new ArrayList<>();
            double[][] weights = new double[outputs][models];
            double[] divisors = new double[outputs];
            for (int k = 0; k < outputs; k++) {
                outs.add(allocate(memories, type));
                Arrays.fill(weights[k], 1.0 / models);
                divisors[k] = 1;
            }
            WeightedSumCuda.Item item = new WeightedSumCuda.Item(onBase ? inputs.getLast() : null,
                    inputs.subList(0, models), outs, weights, divisors);
            try (WeightedSumCuda sum = WeightedSumCuda.prepare(stream, List.of(item))) {
                report("weighted_sum %s of %d%s%s".formatted(type, models, onBase ? " on a base" : "",
                        outputs == 1 ? "" : ", " + outputs + " outputs"),
                        type.byteSize(elements) * (inputs.size() + outputs), sum::run);
            }
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** Half of the elements stay. */
    private MaskedDrop mask(List<CudaMemory> memories) {
        CudaMemory bits = CudaMemory.allocate(stream, RowSelectionCuda.maskBytes(elements));
        memories.add(bits);
        stream.fill(bits.segment(), (byte) 0x3C);
        return new MaskedDrop(0, bits.segment());
    }

    /** TIES with the cuts known, or DARE-TIES, or TIES with rows trimmed. */
    private void merge(DType type, int models, String name, Function<List<CudaMemory>, DropFactors> drop) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            List<Voter> voters = new ArrayList<>();
            for (int m = 0; m < models; m++) {
                DropFactors factors = drop.apply(memories);
                MagnitudeBand band = factors == null
                        ? new MagnitudeBand(new MagnitudeCut(0x3C000000, elements / 2), MagnitudeCut.NONE)
                        : MagnitudeBand.ALL;
                voters.add(new Voter(allocate(memories, type), 0.5, band, factors));
            }
            long dropBytes = memories.stream().mapToLong(memory -> memory.segment().byteSize()).sum()
                    - models * type.byteSize(elements);
            Item item = new Item(allocate(memories, type), voters, 0, allocate(memories, type));
            Rule rule = new Rule(Election.WEIGHTED, 1, true);
            try (DisjointMergeCuda merge = DisjointMergeCuda.prepare(stream, rule, List.of(item))) {
                report("disjoint_merge %s of %d%s".formatted(type, models, name),
                        type.byteSize(elements) * (models + 2L) + dropBytes, merge::run);
            }
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    private void fusion(String name, Fusion fusion, DType type, int models) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            List<Tensor> xs = new ArrayList<>();
            for (int m = 0; m < models; m++) {
                xs.add(allocate(memories, type));
            }
            TaskVectorFusionCuda.Item item = new TaskVectorFusionCuda.Item(allocate(memories, type), xs,
                    allocate(memories, type));
            try (TaskVectorFusionCuda merge = TaskVectorFusionCuda.prepare(stream, fusion, 1, List.of(item))) {
                report("task_vector_fusion %s of %d, %s".formatted(type, models, name),
                        type.byteSize(elements) * (models + 2L), merge::run);
            }
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    private void variance(DType type, int models) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            List<Tensor> xs = new ArrayList<>();
            for (int m = 0; m < models; m++) {
                xs.add(allocate(memories, type));
            }
            Tensor base = allocate(memories, type);
            Tensor out = allocate(memories, DType.F32);
            TaskVectorVarianceCuda variance = TaskVectorVarianceCuda.on(stream);
            report("task_vector_variance %s of %d".formatted(type, models),
                    type.byteSize(elements) * (models + 1L) + out.data().byteSize(),
                    () -> variance.variances(base, xs, out));
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** The k-th magnitudes of task vectors of random bits, by whole selections, the host's part of them too. */
    private void selection(DType type, int models) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            Tensor base = allocate(memories, type);
            List<TensorSource> xs = new ArrayList<>();
            List<Wanted> wanted = new ArrayList<>();
            for (int m = 0; m < models; m++) {
                xs.add(allocate(memories, type));
                wanted.add(new Wanted(m, elements / 5));
            }
            fillRandom(xs.stream().map(x -> ((Tensor) x).data()).toList());
            List<Part> parts = List.of(new Part(base, xs));
            report("k-th magnitudes of %d %s".formatted(models, type), (models + 1) * type.byteSize(elements),
                    () -> MagnitudeSelectionCuda.on(stream).select(parts, wanted, Ties.EXACT_K));
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** TIES of task vectors of random bits with its cuts, the host's part of it too. */
    private void trimmed(DType type, int models) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            List<Trimmed> trimmed = new ArrayList<>();
            for (int m = 0; m < models; m++) {
                trimmed.add(new Trimmed(allocate(memories, type), 0.5, elements / 5));
            }
            fillRandom(memories.stream().map(CudaMemory::segment).toList());
            Tensor base = allocate(memories, type);
            Tensor out = allocate(memories, type);
            Rule rule = new Rule(Election.WEIGHTED, 1, true);
            report("trimmed merge of %d %s".formatted(models, type), (models + 2) * type.byteSize(elements),
                    () -> TrimmedMergeCuda.on(stream).merge(base, trimmed, Ties.EXACT_K, rule, out));
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** A fifth of each row of 4096, and a bit for each element. */
    private void rows(DType type) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            int row = (int) Math.min(elements, ROW);
            Tensor base = allocate(memories, type).slice(0, elements / row * row);
            Tensor x = allocate(memories, type).slice(0, base.elements());
            fillRandom(List.of(x.data()));
            CudaMemory kept = CudaMemory.allocate(stream, RowSelectionCuda.maskBytes(x.elements()));
            memories.add(kept);
            report("rows of %d %s, trimmed".formatted(row, type),
                    2 * x.data().byteSize() + kept.segment().byteSize(), () -> RowSelectionCuda.on(stream).select(base,
                            x, row, row / 5, 0, Ties.EXACT_K, kept.segment()));
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** The factors of DELLA by the ranks in rows of 4096. */
    private void ranks(DType type) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            int row = (int) Math.min(elements, ROW);
            Tensor base = allocate(memories, type).slice(0, elements / row * row);
            Tensor x = allocate(memories, type).slice(0, base.elements());
            fillRandom(List.of(x.data()));
            Tensor factors = allocate(memories, DType.F32).slice(0, base.elements());
            try (RankedDropCuda drop = RankedDropCuda.prepare(stream, 1, 0, new RankedDrop.Window(0.5, 0.2, row, true),
                    new RankedDropCuda.Rows(base, x, 0, factors))) {
                report("rows of %d %s, ranked".formatted(row, type),
                        2 * x.data().byteSize() + factors.data().byteSize(), drop::run);
            }
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** Its bytes are read and not written: a share of the copy above 1 is possible. */
    private void reduction(DType type, Kind kind) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            List<Tensor> item = new ArrayList<>();
            for (int i = 0; i < kind.tensors(); i++) {
                item.add(allocate(memories, type));
            }
            try (ReductionCuda reduction = ReductionCuda.prepare(stream, kind, List.of(item))) {
                report("reduction %s of %s".formatted(kind.name().toLowerCase(Locale.ROOT), type),
                        type.byteSize(elements) * kind.tensors(), reduction::run);
            }
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** A gradient of the models' type times task vectors. */
    private void taskVectorProducts(DType type, int models) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            List<Tensor> tensors = new ArrayList<>();
            for (int i = 0; i < models + 2; i++) {
                tensors.add(allocate(memories, type));
            }
            var item = new TaskVectorProductsCuda.Item(tensors.get(0), tensors.get(1), tensors.subList(2, models + 2));
            try (TaskVectorProductsCuda products = TaskVectorProductsCuda.prepare(stream, List.of(item))) {
                report("gradient times %d task vectors of %s".formatted(models, type),
                        type.byteSize(elements) * (models + 2), products::run);
            }
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** Four language models' logits to best classes, or to a distribution and what is known of it; each logit counted once. */
    private void ensemble(DType type, long vocabulary, Mode mode, Output... wanted) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            int classes = (int) Math.min(elements, vocabulary);
            long rows = elements / classes;
            List<Model> models = new ArrayList<>();
            for (int m = 0; m < 4; m++) {
                models.add(new Model(allocate(memories, type), 0, classes, 1, 1, null));
            }
            Map<Output, Tensor> outputs = new EnumMap<>(Output.class);
            long written = 0;
            for (Output output : wanted) {
                boolean numbers = output == Output.ARGMAX || output == Output.TOP_CLASSES;
                Tensor flat = allocate(memories, numbers ? DType.I32 : DType.F32);
                Shape shape = switch (output) {
                    case LOG_PROBABILITIES -> Shape.of(rows, classes);
                    case TOP_CLASSES, TOP_LOG_PROBABILITIES -> Shape.of(rows, BEST_CLASSES);
                    default -> Shape.of(rows);
                };
                outputs.put(output, Tensor.of(flat.slice(0, shape.elements()).data(), flat.dtype(), shape));
                written += 4 * shape.elements();
            }
            Batch batch = new Batch(models, rows, classes, null, null);
            try (LogitEnsembleCuda ensemble = LogitEnsembleCuda.prepare(stream, mode, batch, outputs)) {
                report("ensemble of 4 %s, %d classes, %s %s".formatted(type, classes, mode, outputs.keySet())
                        .toLowerCase(Locale.ROOT),
                        4 * type.byteSize(rows * classes) + written, ensemble::run);
            }
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** Of four language models by their weights and temperatures; each logit counted once. */
    private void gradient(DType type, Mode mode, Objective objective) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            int classes = (int) Math.min(elements, VOCABULARY);
            long rows = elements / classes;
            List<Model> models = new ArrayList<>();
            for (int m = 0; m < 4; m++) {
                models.add(new Model(allocate(memories, type), 0, classes, 1, 1, null));
            }
            Tensor labels = allocate(memories, DType.I32).slice(0, rows);
            stream.fill(labels.data(), (byte) 0);
            Map<EnsembleGradient.Output, Tensor> outputs = Map.of(EnsembleGradient.Output.WEIGHTS,
                    Tensor.of(allocate(memories, DType.F32).slice(0, 4 * rows).data(), DType.F32, Shape.of(rows, 4)));
            Batch batch = new Batch(models, rows, classes, null, labels);
            try (EnsembleGradientCuda gradient = EnsembleGradientCuda.prepare(stream, mode, objective, batch,
                    outputs)) {
                report("gradient of %s of 4 %s, %s".formatted(objective, type, mode).toLowerCase(Locale.ROOT),
                        4 * type.byteSize(rows * classes), gradient::run);
            }
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** As many units as columns; what counts is the rate of operations beside the peak of fused multiply-adds in float32. */
    private void similarities(DType type, int units) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            List<Tensor> tensors = new ArrayList<>();
            for (DType each : new DType[]{type, type, DType.F32}) {
                Tensor flat = allocate(memories, each);
                tensors.add(Tensor.of(flat.slice(0, (long) units * units).data(), each, Shape.of(units, units)));
            }
            Pair pair = new Pair(Units.along(tensors.get(0), 0), Units.along(tensors.get(1), 0));
            long bytes = 2L * units * units * (type.byteSize(1) + Float.BYTES);
            try (UnitSimilarityCuda similarity = UnitSimilarityCuda.prepare(stream, List.of(pair), tensors.get(2))) {
                double rate = report("similarities of %d units, %s".formatted(units, type), bytes, similarity::run);
                double operations = 2.0 * units * units * units * rate / bytes;
                System.out.println(String.format(Locale.ROOT, "%-40s %10.1f GFLOP/s", "", operations));
            }
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    /** Rows or columns reversed on the way: moved, and interpolated. */
    private void permuted(DType type, int columns, int axis) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            Shape shape = Shape.of(elements / columns, columns);
            int[][] orders = new int[2][];
            orders[axis] = IntStream.iterate((int) shape.extent(axis) - 1, i -> i >= 0, i -> i - 1).toArray();
            Tensor from = allocate(memories, type).slice(0, shape.elements());
            PermutedView view = PermutedView.of(Tensor.of(from.data(), type, shape), orders);
            Tensor first = allocate(memories, type).slice(0, shape.elements());
            Tensor out = allocate(memories, type).slice(0, shape.elements());
            String what = "%s of %s".formatted(axis == 0 ? "rows" : "columns", type);
            long bytes = type.byteSize(shape.elements());
            try (PermutedInterpolationCuda move = PermutedInterpolationCuda.prepare(stream,
                    List.of(PermutedInterpolationCuda.Item.move(view, out)));
                    PermutedInterpolationCuda joined = PermutedInterpolationCuda.prepare(stream,
                            List.of(new PermutedInterpolationCuda.Item(first, view, 0.5, out)))) {
                report("moved " + what, 2 * bytes, move::run);
                report("interpolated " + what, 3 * bytes, joined::run);
            }
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    private Tensor allocate(List<CudaMemory> memories, DType type) {
        CudaMemory memory = CudaMemory.allocate(stream, type.byteSize(elements));
        memories.add(memory);
        stream.fill(memory.segment(), (byte) 0x3C);
        return memory.tensor(type, elements);
    }

    /** The median of some runs, after some that do not count. */
    private double report(String name, long bytes, Runnable work) {
        float[] times = new float[RUNS];
        try (CudaEvent start = CudaEvent.timed(device); CudaEvent end = CudaEvent.timed(device)) {
            for (int run = -WARM_UPS; run < RUNS; run++) {
                start.record(stream);
                work.run();
                end.record(stream);
                end.synchronize();
                if (run >= 0) {
                    times[run] = end.millisecondsSince(start);
                }
            }
        }
        Arrays.sort(times);
        double milliseconds = times[RUNS / 2];
        double rate = bytes / milliseconds / 1e6;
        double share = copyRate == 0 ? 1 : rate / copyRate;
        System.out.println(String.format(Locale.ROOT, "%-40s %10.1f %10.4f %8.3f", name, rate, milliseconds, share));
        json.add(String.format(Locale.ROOT,
                "{\"kernel\": \"%s\", \"bytes\": %d, \"milliseconds\": %.5f, \"gigabytesPerSecond\": %.2f, \"ofCopy\": %.4f}",
                name, bytes, milliseconds, rate, share));
        return rate;
    }
}
