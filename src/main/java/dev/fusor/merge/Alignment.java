package dev.fusor.merge;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import dev.fusor.align.MatchingStep;
import dev.fusor.align.PermutationGroup;
import dev.fusor.align.PermutationSpec;
import dev.fusor.align.Permutations;
import dev.fusor.align.PermutedSource;
import dev.fusor.align.WeightMatch;
import dev.fusor.align.WeightMatching;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.TensorEntry;
import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaDevice;
import dev.fusor.device.cuda.CudaException;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.recipe.MergePlan;
import dev.fusor.reduce.Products;
import dev.fusor.reduce.Reduction;
import dev.fusor.tensor.Shape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The units of a plan's models, brought to the places they have in one of them by weight matching ({@link WeightMatching}). Models are
 * matched with that one, each alone.
 */
public final class Alignment {
    static final String NAME = "alignment.json";

    private final MergePlan plan;
    private final PermutationSpec spec;
    private final Map<Integer, Aligned> models = new LinkedHashMap<>();

    /**
     * How one model was aligned.
     *
     * @param match the permutations, and whether they are final
     * @param objectives the sum of the products of corresponding weights, before and after each sweep
     * @param distanceBefore the Euclidean distance of the weights in the spec's groups from those of the model aligned to
     * @param distanceAfter the same once the units are in their places
     */
    public record Aligned(WeightMatch match, List<Double> objectives, double distanceBefore, double distanceAfter) {}

    /** Is told how far matching has come. */
    @FunctionalInterface
    public interface Observer {
        /**
         * A group was matched.
         *
         * @param model the model that is aligned, as the plan names it
         * @param step what was done
         */
        void matched(String model, MatchingStep step);
    }

    /** Finds permutations otherwise than by weights. */
    @FunctionalInterface
    public interface Finder {
        /**
         * {@return the permutations of the only model of the plan that does not stay}
         *
         * @param spec of the groups
         * @param device computes
         * @param stream of the CUDA device to compute on, or null
         * @throws IOException if what they are found by cannot be read, or does not fit
         */
        Permutations find(PermutationSpec spec, CpuDevice device, CudaStream stream) throws IOException;
    }

    private Alignment(MergePlan plan, PermutationSpec spec) {
        this.plan = plan;
        this.spec = spec;
    }

    /**
     * {@return the alignment of every model of a plan to the one it names}
     *
     * @param plan names the model to align to
     * @param spec fits that model
     * @param checkpoints the plan's models, in its order
     * @param options tell threads, memory and where units are matched; the matrix of the largest group has to fit beside the merge
     * @param observer is told of every step
     * @throws MergeException if a model has other tensors or shapes than the one aligned to, if weights cannot be matched, or if
     * the memory allowed is too little, or if the CUDA device fails
     */
    public static Alignment compute(MergePlan plan, PermutationSpec spec, List<Checkpoint> checkpoints,
            MergeOptions options, Observer observer) throws MergeException {
        Alignment alignment = checked(plan, spec, checkpoints, options, 1);
        alignment.run(options, (device, stream) -> {
            WeightMatching matching = stream == null ? WeightMatching.on(device) : WeightMatching.on(device, stream);
            int to = plan.alignTo().orElseThrow();
            for (int model = 0; model < checkpoints.size(); model++) {
                if (model != to) {
                    alignment.align(model, checkpoints.get(to), checkpoints.get(model), device, matching, observer);
                }
            }
        });
        return alignment;
    }

    /**
     * {@return the alignment of the one model of a plan to the other, by permutations that are found otherwise than by weights}
     *
     * @param plan names the model to align to; it has one other
     * @param spec fits that model
     * @param checkpoints the plan's models, in its order
     * @param options tell threads, memory and the CUDA device; two matrices of the largest group have to fit beside the merge
     * @param finder finds the permutations
     * @throws MergeException if a model has other tensors or shapes than the one aligned to, if weights are not finite, if the memory
     * allowed is too little, or if the CUDA device fails
     * @throws IOException if the finder throws one
     */
    public static Alignment compute(MergePlan plan, PermutationSpec spec, List<Checkpoint> checkpoints,
            MergeOptions options, Finder finder) throws MergeException, IOException {
        Alignment alignment = checked(plan, spec, checkpoints, options, 2);
        int to = plan.alignTo().orElseThrow();
        try {
            alignment.run(options, (device, stream) -> {
                try {
                    alignment.put(1 - to, checkpoints.get(to), checkpoints.get(1 - to), device,
                            finder.find(spec, device, stream));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        return alignment;
    }

    private static Alignment checked(MergePlan plan, PermutationSpec spec, List<Checkpoint> checkpoints,
            MergeOptions options, int matrices) throws MergeException {
        Alignment alignment = new Alignment(plan, spec);
        alignment.checkMemory(Estimate.of(plan, checkpoints, options).memory(), options.maxMemory(), matrices);
        int to = plan.alignTo().orElseThrow();
        for (int model = 0; model < checkpoints.size(); model++) {
            if (model != to) {
                alignment.checkTensors(model, checkpoints.get(model));
            }
        }
        return alignment;
    }

    /** Work on a device, and on a CUDA device unless its stream is null. */
    private interface Work {
        void run(CpuDevice device, CudaStream stream) throws MergeException;
    }

    private void run(MergeOptions options, Work work) throws MergeException {
        try (CpuDevice device = CpuDevice.open(options.threads())) {
            if (options.cuda().isEmpty()) {
                work.run(device, null);
                return;
            }
            try (CudaDevice cuda = CudaPipeline.openDevice(options.cuda().getAsInt());
                    CudaStream stream = CudaStream.open(cuda)) {
                work.run(device, stream);
            } catch (CudaException e) {
                throw new MergeException("matching was given up: %s; --device cpu matches to the same bits"
                        .formatted(e.getMessage()));
            }
        }
    }

    private void put(int model, Checkpoint to, Checkpoint checkpoint, CpuDevice device, Permutations permutations)
            throws MergeException {
        try {
            Products before = products(to, checkpoint, Permutations.identity(spec.groups()), device);
            if (!Double.isFinite(before.aa() + before.bb())) {
                throw problem(model, "weights of one of them are NaN or infinite");
            }
            Products after = products(to, checkpoint, permutations, device);
            WeightMatch match = new WeightMatch(permutations, after.ab(), Math.sqrt(after.aa()) * Math.sqrt(after.bb()),
                    1, true);
            models.put(model, new Aligned(match, List.of(before.ab(), after.ab()), distance(before), distance(after)));
        } catch (IllegalArgumentException e) {
            throw problem(model, e.getMessage());
        }
    }

    private void checkMemory(long merge, long allowed, int matrices) throws MergeException {
        for (PermutationGroup group : spec.groups()) {
            long matrix = matrices * (long) group.units() * group.units() * Float.BYTES;
            if (merge + matrix > allowed) {
                throw new MergeException(
                        "--max-memory %d is too little: matching the %d units of group '%s' takes %d bytes, and the merge %d; allow that much"
                                .formatted(allowed, group.units(), group.name(), matrix, merge));
            }
        }
    }

    private void checkTensors(int model, Checkpoint checkpoint) throws MergeException {
        for (Map.Entry<String, Shape> tensor : spec.tensors().entrySet()) {
            TensorEntry entry = checkpoint.tensors().get(tensor.getKey());
            if (entry == null || !entry.shape().equals(tensor.getValue())) {
                throw problem(model, "wanted a tensor '%s' of shape %s, got %s".formatted(tensor.getKey(),
                        tensor.getValue(), entry == null ? "none" : entry.shape()));
            }
        }
        for (String name : checkpoint.tensors().keySet()) {
            if (!spec.tensors().containsKey(name)) {
                throw problem(model, "it has a tensor '%s' that the other lacks".formatted(name));
            }
        }
    }

    private MergeException problem(int model, String problem) {
        return new MergeException("%s cannot be aligned to %s: %s".formatted(plan.models().get(model),
                plan.models().get(plan.alignTo().orElseThrow()), problem));
    }

    private void align(int model, Checkpoint to, Checkpoint checkpoint, CpuDevice device, WeightMatching matching,
            Observer observer) throws MergeException {
        String name = plan.models().get(model);
        Permutations start = Permutations.identity(spec.groups());
        List<Double> objectives = new ArrayList<>();
        try {
            Products before = products(to, checkpoint, start, device);
            objectives.add(before.ab());
            WeightMatch match = matching.match(spec, to::map, checkpoint::map, start,
                    new WeightMatching.Options(plan.seed(), WeightMatching.Options.DEFAULT.tolerance(),
                            WeightMatching.Options.DEFAULT.maxSweeps()),
                    step -> {
                        if (objectives.size() == step.sweep() + 2) {
                            objectives.removeLast();
                        }
                        objectives.add(step.objective());
                        observer.matched(name, step);
                    });
            Products after = products(to, checkpoint, match.permutations(), device);
            models.put(model, new Aligned(match, List.copyOf(objectives), distance(before), distance(after)));
        } catch (IllegalArgumentException e) {
            throw problem(model, e.getMessage());
        }
    }

    /** The products of both models' weights in the spec's groups. */
    private Products products(Checkpoint to, Checkpoint checkpoint, Permutations permutations, CpuDevice device) {
        double aa = 0;
        double bb = 0;
        double ab = 0;
        for (String name : spec.tensors().keySet()) {
            if (!spec.in(name).isEmpty()) {
                Products products = Reduction.on(device).products(to.map(name),
                        PermutedSource.of(checkpoint.map(name), spec.in(name), permutations));
                aa += products.aa();
                bb += products.bb();
                ab += products.ab();
            }
        }
        return new Products(ab, aa, bb);
    }

    private static double distance(Products products) {
        return Math.sqrt(Math.max(0, products.aa() + products.bb() - 2 * products.ab()));
    }

    /**
     * {@return how a model was aligned}
     *
     * @param model its number in the plan
     * @throws IllegalArgumentException if it was not, because all others were aligned to it
     */
    public Aligned of(int model) {
        Aligned aligned = models.get(model);
        if (aligned == null) {
            throw new IllegalArgumentException("the model %d was not aligned".formatted(model));
        }
        return aligned;
    }

    /** Whether units of a tensor may have other places in a model. */
    boolean moves(int model, String tensor) {
        return models.containsKey(model) && !spec.in(tensor).isEmpty();
    }

    /** A tensor that {@link #moves}, with its units in their places. */
    PermutedSource source(int model, TensorEntry tensor, Checkpoint checkpoint) {
        return (PermutedSource) PermutedSource.of(checkpoint.map(tensor.name()), spec.in(tensor.name()),
                models.get(model).match().permutations());
    }

    /** Writes the permutations and how they were found into a folder. */
    void write(Path folder) throws IOException {
        try (JsonGenerator json = new JsonFactory().createGenerator(folder.resolve(NAME).toFile(),
                JsonEncoding.UTF8)) {
            json.setPrettyPrinter(new DefaultPrettyPrinter());
            json.writeStartObject();
            json.writeStringField("aligned_to", plan.models().get(plan.alignTo().getAsInt()));
            json.writeArrayFieldStart("models");
            for (Map.Entry<Integer, Aligned> model : models.entrySet()) {
                json.writeStartObject();
                json.writeStringField("model", plan.models().get(model.getKey()));
                write(json, model.getValue());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        }
    }

    private void write(JsonGenerator json, Aligned aligned) throws IOException {
        json.writeNumberField("sweeps", aligned.match().sweeps());
        json.writeBooleanField("converged", aligned.match().converged());
        json.writeFieldName("objectives");
        json.writeArray(aligned.objectives().stream().mapToDouble(Double::doubleValue).toArray(), 0,
                aligned.objectives().size());
        json.writeNumberField("bound", aligned.match().bound());
        json.writeNumberField("distance_before", aligned.distanceBefore());
        json.writeNumberField("distance_after", aligned.distanceAfter());
        json.writeObjectFieldStart("permutations");
        for (PermutationGroup group : spec.groups()) {
            json.writeFieldName(group.name());
            json.writeArray(aligned.match().permutations().of(group), 0, group.units());
        }
        json.writeEndObject();
    }
}
