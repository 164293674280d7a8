package dev.fusor.method;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/** All tensors of a model trimmed as one vector. */
class ModelScopeTest {
    private static final double[] WEIGHTS = {0.4, -0.7, 1.1};
    private static final int[] LENGTHS = {700, 1, 0, 5003, 31, 33};

    /** The place of an element among all of its model. */
    private record Place(int tensor, int index, float magnitude) {}

    @ParameterizedTest
    @CsvSource({"ties,true", "ties,false", "breadcrumbs,false", "breadcrumbs,true", "breadcrumbs_ties,false"})
    void agreesWithItsDefinitionBitForBit(String name, boolean allTies) {
        MergeMethod method = MergeMethods.named(name).orElseThrow();
        for (DType type : List.of(DType.BF16, DType.F32)) {
            for (double density : new double[]{0, 0.1, 0.5, 0.95, 1}) {
                List<List<Tensor>> tensors = tensors(type);
                double gamma = name.equals("ties") ? 0 : 0.07;
                List<List<float[]>> sparse = new ArrayList<>();
                for (int m = 0; m < WEIGHTS.length; m++) {
                    int model = m;
                    sparse.add(trimmed(tensors.stream()
                            .map(models -> SparseMerges.taskVector(models.getFirst(), models.get(1 + model))).toList(),
                            density, gamma, allTies));
                }
                List<MergeInputs> inputs = inputs(tensors, density, gamma, allTies, name.equals("ties"));
                List<RangeMerge> merges = method.prepareTogether(inputs, WholeTensors.on(RangeMerge.HERE));
                for (int t = 0; t < LENGTHS.length; t++) {
                    int tensor = t;
                    Tensor base = tensors.get(t).getFirst();
                    Tensor wanted = SparseMerges.merge(base, sparse.stream().map(all -> all.get(tensor)).toList(),
                            WEIGHTS, name.endsWith("ties"), name.equals("ties"), 0.9);
                    Tensor out = Tensors.misaligned(type, LENGTHS[t]);
                    merges.get(t).merge(0, out);
                    assertThat(Tensors.bytes(out)).as("%s %s, density %s, all_ties %s, tensor %d, seed %d", name, type,
                            density, allTies, t, Tensors.SEED).isEqualTo(Tensors.bytes(wanted));
                }
            }
        }
    }

    @Test
    void oneTensorIsTrimmedTheSameInBothScopes() {
        List<Tensor> models = SparseMerges.models(DType.BF16, Shape.of(41, 77));
        Tensor together = Tensors.zeros(DType.BF16, 41 * 77);
        List<MergeInputs> inputs = inputs(List.of(models), 0.3, 0, false, true);
        new Ties().prepareTogether(inputs, WholeTensors.on(RangeMerge.HERE)).getFirst().merge(0, together);
        assertThat(Tensors.bytes(together))
                .isEqualTo(Tensors.bytes(SparseMerges.merge(new Ties(), inputs.getFirst(), 500)));
    }

    @Test
    void aLayerThatHardlyChangedIsTrimmedAway() {
        Tensor base = Tensors.zeros(DType.F32, 4);
        List<List<Tensor>> tensors = List.of(List.of(base, Tensors.of(DType.F32, 1, 2, 3, 4)),
                List.of(base, Tensors.of(DType.F32, .1, .2, .3, .4)));
        List<MergeInputs> inputs = new ArrayList<>();
        for (List<Tensor> models : tensors) {
            inputs.add(SparseMerges.completed(new Ties(),
                    SparseMerges.inputs(models, List.of(Map.of("weight", 1.0, "density", 0.5)), Map.of())));
        }
        List<RangeMerge> merges = new Ties().prepareTogether(inputs, WholeTensors.on(RangeMerge.HERE));
        Tensor out = Tensors.zeros(DType.F32, 4);
        merges.get(0).merge(0, out);
        assertThat(Tensors.values(out)).containsExactly(1, 2, 3, 4);
        merges.get(1).merge(0, out);
        assertThat(Tensors.values(out)).containsExactly(0, 0, 0, 0);
    }

    /** For each tensor a base and three models, which differ more from it the later the tensor comes. */
    private static List<List<Tensor>> tensors(DType type) {
        List<List<Tensor>> tensors = new ArrayList<>();
        for (int t = 0; t < LENGTHS.length; t++) {
            Tensor base = Tensors.random(type, LENGTHS[t], 50 + t, null, 0.02);
            List<Tensor> all = new ArrayList<>(List.of(base));
            for (int m = 0; m < WEIGHTS.length; m++) {
                all.add(Tensors.random(type, LENGTHS[t], 100 * t + m, base, 1e-3 * (t + 1)));
            }
            tensors.add(all);
        }
        return tensors;
    }

    private static List<MergeInputs> inputs(List<List<Tensor>> tensors, double density, double gamma, boolean allTies,
            boolean normalize) {
        List<MergeInputs> inputs = new ArrayList<>();
        for (List<Tensor> models : tensors) {
            List<Map<String, Double>> perModel = new ArrayList<>();
            for (int m = 0; m < WEIGHTS.length; m++) {
                perModel.add(Map.of("weight", WEIGHTS[m], "density", density, "gamma", gamma));
            }
            Map<String, Double> parameters = new HashMap<>(Map.of("rescale", 0.0, "lambda", 0.9, "scope", 2.0));
            parameters.put("normalize", normalize ? 1.0 : 0.0);
            parameters.put("all_ties", allTies ? 1.0 : 0.0);
            inputs.add(SparseMerges.completed(new Ties(), SparseMerges.inputs(models, perModel, parameters)));
        }
        return inputs;
    }

    /** Sorted by magnitude over all tensors, of equals the first first, a slice stays; with all ties, cuts move to their ends. */
    private static List<float[]> trimmed(List<float[]> deltas, double density, double gamma, boolean allTies) {
        List<Place> order = IntStream.range(0, deltas.size()).boxed()
                .flatMap(t -> IntStream.range(0, deltas.get(t).length)
                        .mapToObj(i -> new Place(t, i, Math.abs(deltas.get(t)[i]))))
                .sorted(Comparator.comparing(Place::magnitude).reversed()).toList();
        int kept = (int) (density * order.size());
        int top = Math.min((int) (gamma * order.size()), order.size() - kept);
        int from = allTies ? endOfTies(order, top) : top;
        int to = allTies ? endOfTies(order, kept + top) : kept + top;
        List<float[]> left = deltas.stream().map(delta -> new float[delta.length]).toList();
        for (Place place : order.subList(from, to)) {
            left.get(place.tensor)[place.index] = deltas.get(place.tensor)[place.index];
        }
        return left;
    }

    private static int endOfTies(List<Place> order, int count) {
        int end = count;
        while (end > 0 && end < order.size() && order.get(end).magnitude == order.get(end - 1).magnitude) {
            end++;
        }
        return end;
    }
}
