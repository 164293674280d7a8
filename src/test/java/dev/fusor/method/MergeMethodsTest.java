package dev.fusor.method;

import dev.fusor.device.CpuDevice;
import dev.fusor.method.Parameter.Scope;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/** Worked examples of the methods, computed by hand or published with the papers' code. */
class MergeMethodsTest {
    private static final double[] A = {1, 2, 3, 4};
    private static final double[] B = {4, -1, .5, 2};
    private static final double[][] TASK_VECTORS = {{1, -2, 3, .5, -.1, 0, 4, -.2}, {-1.5, 2, 1, -.5, .2, 0, -.3, .6},
        {.7, .4, -5, .1, -.3, 0, 2, .9}};

    @Test
    void tiesGivesThePublishedValues() {
        assertThat(ties(true, 1, 1, 1)).containsExactly(floats(.85, 2, -5, 0, 0, 0, 3, .75));
        assertThat(ties(true, .5, 1, 2)).containsExactly(floats(.76, 2, -5, 0, 0, 0, 2.4, .8), Offset.offset(1e-6));
        assertThat(ties(false, 1, 1, 1)).containsExactly(floats(1.7, 2, -5, 0, 0, 0, 6, 1.5));
    }

    /** Those of FusionBench for a threshold of 50, which keeps one element more than half of them. */
    @Test
    void tiesGivesTheValuesOfTheAuthorsRules() {
        assertThat(authorsTies(1, 0)).containsExactly(floats(.85, 1.2, -5, .5, 0, 0, 3, .75), Offset.offset(1e-6));
        assertThat(authorsTies(0, 0)).containsExactly(floats(1.7, 2.4, -5, .5, 0, 0, 6, 1.5), Offset.offset(1e-6));
        assertThat(authorsTies(0, 1)).containsExactly(floats(1, 2, -5, .5, 0, 0, 4, .9));
    }

    private static double[] authorsTies(double normalize, double max) {
        List<Tensor> models = Arrays.stream(TASK_VECTORS).map(values -> Tensors.of(DType.F32, values)).toList();
        Tensor out = Tensors.zeros(DType.F32, 8);
        run(new Ties(), Tensors.zeros(DType.F32, 8), models,
                Collections.nCopies(3, Map.of("weight", 1.0, "density", 5.0 / 8)), Map.of("normalize", normalize,
                        "aggregate", max, "all_ties", 1.0, "election", 1.0, "zero_sum", 1.0),
                out);
        return Tensors.values(out);
    }

    @Test
    void magMaxGivesThePublishedValues() {
        assertThat(onZeros(new MagMax(), Map.of("lambda", 1.0), 1, 1, 1))
                .containsExactly(floats(-1.5, 2, -5, -.5, -.3, 0,
                        4, .9));
    }

    /** The first two task vectors: the unified one, the masks and the rescalers. */
    @Test
    void emrGivesThePublishedValues() {
        double[] unified = {-1.5, -2, 3, -.5, .2, 0, 4, .6};
        assertThat(emr(0, 0)).containsExactly(floats(unified));
        for (double rescaler : new double[]{0, 1}) {
            double[] first = emr(1, rescaler);
            double[] second = emr(2, rescaler);
            int[] ofFirst = {0, 1, 1, 0, 0, 0, 1, 0};
            int[] ofSecond = {1, 0, 1, 1, 1, 0, 0, 1};
            for (int i = 0; i < 8; i++) {
                assertThat(first[i]).isCloseTo(1.2 * ofFirst[i] * unified[i], Offset.offset(1e-6));
                assertThat(second[i]).isCloseTo(1.0517242 * ofSecond[i] * unified[i], Offset.offset(1e-6));
            }
        }
    }

    private static double[] emr(double task, double rescaler) {
        Tensor out = Tensors.zeros(DType.F32, 8);
        run(new Emr(), Tensors.zeros(DType.F32, 8),
                Arrays.stream(TASK_VECTORS).limit(2).map(values -> Tensors.of(DType.F32, values)).toList(),
                Collections.nCopies(2, Map.of()), Map.of("task", task, "rescaler", rescaler), out);
        return Tensors.values(out);
    }

    @Test
    void taskArithmeticGivesThePublishedValues() {
        assertThat(taskArithmetic(1, false, .3, .3, .3))
                .containsExactly(floats(.06, .12, -.3, .03, -.06, 0, 1.71, .39), Offset.offset(1e-6));
        assertThat(taskArithmetic(1, true, .5, 1, 2)).containsExactly(
                floats(.1142857, .5142857, -2.1428571, -.0142857, -.1285714, 0, 1.6285714, .6571429),
                Offset.offset(1e-6));
    }

    @Test
    void lambdaScalesTheTaskVectors() {
        double[] once = taskArithmetic(1, false, .3, .3, .3);
        double[] twice = taskArithmetic(2, false, .3, .3, .3);
        for (int i = 0; i < once.length; i++) {
            assertThat(twice[i]).isEqualTo(2 * once[i]);
        }
    }

    @Test
    void slerpGivesThePublishedValues() {
        assertThat(pair(new Slerp(), A, B, .25))
                .containsExactly(floats(2.0417166, 1.3433425, 2.6239226, 3.9045029), Offset.offset(1e-6));
        assertThat(pair(new Slerp(), A, B, .5))
                .containsExactly(floats(2.9305806, .5861161, 2.0514066, 3.5166969), Offset.offset(1e-6));
    }

    @Test
    void slerpReturnsItsEndsExactly() {
        assertThat(pair(new Slerp(), A, B, 0)).containsExactly(A);
        assertThat(pair(new Slerp(), A, B, 1)).containsExactly(B);
    }

    @Test
    void slerpOfColinearVectorsIsTheStraightLine() {
        assertThat(pair(new Slerp(), A, new double[]{2, 4, 6, 8}, .5)).containsExactly(1.5, 3, 4.5, 6);
        assertThat(pair(new Slerp(), A, new double[]{-1, -2, -3, -4}, .25)).containsExactly(.5, 1, 1.5, 2);
    }

    @Test
    void slerpFromNothingFollowsTheFormulaOfOrthogonalVectors() {
        double[] zeros = new double[4];
        double sine = StrictMath.sin(StrictMath.PI / 4);
        assertThat(pair(new Slerp(), zeros, A, .5)).containsExactly(floats(sine, 2 * sine, 3 * sine, 4 * sine));
    }

    @Test
    void slerpKeepsANaNToItsElement() {
        double[] merged = pair(new Slerp(), new double[]{1, Double.NaN, 3, 4}, B, .5);
        assertThat(merged).containsExactly(2.5, Double.NaN, 1.75, 3);
    }

    @Test
    void nearSwapGivesThePublishedValues() {
        assertThat(pair(new NearSwap(), A, B, .5)).containsExactly(1.5, 1.5, 2.5, 3.5);
    }

    @Test
    void linearDividesByTheSumOfTheWeightsUnlessTold() {
        assertThat(linear(true, 1, 3)).containsExactly(floats(3.25, -.25, 1.125, 2.5));
        assertThat(linear(false, 1, 3)).containsExactly(floats(13, -1, 4.5, 10));
        assertThat(linear(true, 2, -1)).containsExactly(floats(-2, 5, 5.5, 6));
    }

    @Test
    void passthroughCopiesBitsAndScales() {
        Tensor odd = Tensors.anyBits(DType.BF16, 100, 1);
        Tensor out = Tensors.zeros(DType.BF16, 100);
        run(new Passthrough(), null, List.of(odd), List.of(Map.of("scale", 1.0)), Map.of(), out);
        assertThat(Tensors.bytes(out)).isEqualTo(Tensors.bytes(odd));
        Tensor two = Tensors.zeros(DType.F32, 4);
        run(new Passthrough(), null, List.of(Tensors.of(DType.BF16, A)), List.of(Map.of("scale", 2.0)), Map.of(), two);
        assertThat(Tensors.values(two)).containsExactly(2, 4, 6, 8);
    }

    @Test
    void everyMethodHasItsOwnNameAndIsFoundByIt() {
        assertThat(MergeMethods.all()).extracting(MergeMethod::name).doesNotHaveDuplicates()
                .allSatisfy(name -> assertThat(MergeMethods.named(name)).isPresent());
        assertThat(MergeMethods.named("tie")).isEmpty();
    }

    /** Every method there is, with its standard parameters and density 0.4. */
    @Test
    void neitherRangesNorThreadsChangeATensor() {
        List<Tensor> models = SparseMerges.models(DType.BF16, Shape.of(83, 61));
        for (MergeMethod method : MergeMethods.all()) {
            int count = Math.min(3, method.mostModels());
            List<Map<String, Double>> perModel = new ArrayList<>();
            for (int m = 0; m < count; m++) {
                perModel.add(values(method, Scope.MODEL, m));
            }
            MergeInputs inputs = SparseMerges.inputs(models.subList(0, 1 + count), perModel,
                    values(method, Scope.TENSOR, 0));
            byte[] whole = Tensors.bytes(SparseMerges.merge(method, inputs, 83 * 61));
            for (int range : new int[]{1024, 613, 61, 7}) {
                assertThat(Tensors.bytes(SparseMerges.merge(method, inputs, range)))
                        .as("%s in ranges of %d, seed %d", method.name(), range, Tensors.SEED).isEqualTo(whole);
            }
            for (int threads = 1; threads <= 8; threads++) {
                assertThat(byThreads(method, inputs, threads))
                        .as("%s by %d threads, seed %d", method.name(), threads, Tensors.SEED).isEqualTo(whole);
            }
        }
    }

    private static Map<String, Double> values(MergeMethod method, Scope scope, int model) {
        Map<String, Double> values = new HashMap<>();
        for (Parameter parameter : method.parameters()) {
            if (parameter.scope() == scope) {
                values.put(parameter.name(), parameter.standard().orElse(0.3 + 0.2 * model));
            }
        }
        values.replace("density", 0.4);
        values.replace("task", 2.0);
        return values;
    }

    /** Ranges of 512 elements, merged by whichever thread comes to them. */
    private static byte[] byThreads(MergeMethod method, MergeInputs inputs, int threads) {
        Tensor out = Tensors.zeros(DType.BF16, inputs.base().elements());
        try (CpuDevice device = CpuDevice.open(threads)) {
            RangeMerge merge = method.prepare(inputs, WholeTensors.on(device));
            device.run((out.elements() + 511) / 512, number -> merge.merge(number * 512,
                    out.slice(number * 512, Math.min(512, out.elements() - number * 512))));
        }
        return Tensors.bytes(out);
    }

    private static double[] ties(boolean normalize, double... weights) {
        return onZeros(new Ties(), Map.of("rescale", 0.0, "lambda", 1.0, "normalize", normalize ? 1.0 : 0.0), weights);
    }

    private static double[] taskArithmetic(double lambda, boolean normalize, double... weights) {
        return onZeros(new TaskArithmetic(), Map.of("lambda", lambda, "normalize", normalize ? 1.0 : 0.0), weights);
    }

    private static double[] onZeros(MergeMethod method, Map<String, Double> parameters, double... weights) {
        List<Tensor> models = Arrays.stream(TASK_VECTORS).map(values -> Tensors.of(DType.F32, values)).toList();
        List<Map<String, Double>> perModel = Arrays.stream(weights)
                .mapToObj(weight -> Map.of("weight", weight, "density", .5)).toList();
        Tensor out = Tensors.zeros(DType.F32, 8);
        run(method, Tensors.zeros(DType.F32, 8), models, perModel, parameters, out);
        return Tensors.values(out);
    }

    private static double[] linear(boolean normalize, double first, double second) {
        Tensor out = Tensors.zeros(DType.F32, 4);
        run(new Linear(), null, List.of(Tensors.of(DType.F32, A), Tensors.of(DType.F32, B)),
                List.of(Map.of("weight", first), Map.of("weight", second)), Map.of("normalize", normalize ? 1.0 : 0.0),
                out);
        return Tensors.values(out);
    }

    private static double[] pair(MergeMethod method, double[] base, double[] other, double t) {
        Tensor out = Tensors.zeros(DType.F32, base.length);
        run(method, Tensors.of(DType.F32, base), List.of(Tensors.of(DType.F32, other)), List.of(Map.of()),
                Map.of("t", t), out);
        return Tensors.values(out);
    }

    private static void run(MergeMethod method, Tensor base, List<Tensor> models, List<Map<String, Double>> perModel,
            Map<String, Double> parameters, Tensor out) {
        try (CpuDevice device = CpuDevice.open(2)) {
            MergeInputs inputs = new MergeInputs("w", Tensors.SEED, base, List.copyOf(models), perModel, parameters);
            method.prepare(SparseMerges.completed(method, inputs), WholeTensors.on(device)).merge(0, out);
        }
    }

    /** The nearest float32 to each value. */
    private static double[] floats(double... values) {
        return Arrays.stream(values).map(value -> (float) value).toArray();
    }
}
