package dev.fusor.align;

import dev.fusor.device.CpuDevice;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.simulator.Simulator;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

/** On a CUDA device matching takes every step that it takes on the CPU, by weights and by activations. */
@RequiresCuda
class WeightMatchingCudaTest extends CudaTensors {
    /** What matching did, but for the time it took. */
    private record Run(WeightMatch match, List<Double> objectives) {
        static Run of(WeightMatching matching, PermutationSpec spec, Map<String, Tensor> first,
                Map<String, Tensor> second) {
            List<Double> objectives = new ArrayList<>();
            WeightMatch match = matching.match(spec, first::get, second::get,
                    Permutations.identity(spec.groups()), WeightMatching.Options.DEFAULT,
                    step -> objectives.add(step.objective()));
            return new Run(match, objectives);
        }
    }

    static Tensor narrowed(DType type, Tensor tensor) {
        Tensor narrow = Tensor.allocate(Arena.ofAuto(), type, tensor.shape().toArray());
        for (long i = 0; i < tensor.elements(); i++) {
            Elements.set(narrow, i, Elements.get(tensor, i));
        }
        return narrow;
    }

    private void takesTheSameSteps(PermutationSpec spec, DType type, long seed, int fewestAssignedThere) {
        Map<String, Tensor> first = WeightMatchingTest.gaussian(spec, seed);
        Map<String, Tensor> second = WeightMatchingTest.gaussian(spec, seed + 1);
        second.replaceAll((name, tensor) -> narrowed(type, tensor));
        try (CpuDevice cpu = CpuDevice.open(2)) {
            Run here = Run.of(WeightMatching.on(cpu), spec, first, second);
            Run there = Run.of(WeightMatching.on(cpu, stream, fewestAssignedThere), spec, first, second);
            assertThat(there).as("%s, %s, from %d units, seed %d", spec.groups(), type, fewestAssignedThere,
                    Tensors.SEED).isEqualTo(here);
        }
    }

    @Test
    void ofPerceptronsAndOfAnySpec() {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        takesTheSameSteps(WeightMatchingTest.perceptron(40, 33, 130, 1, 20), DType.F32, 1,
                CudaSimilarity.FEWEST_ASSIGNED);
        takesTheSameSteps(WeightMatchingTest.perceptron(20, 31, 7, 300), DType.BF16, 2, 8);
        for (int round = 0; round < 5; round++) {
            takesTheSameSteps(WeightMatchingTest.randomSpec(random), round % 2 == 0 ? DType.F32 : DType.F16, round, 1);
        }
    }

    @Test
    void ofTypesThatDevicesDoNotComputeWith() {
        takesTheSameSteps(WeightMatchingTest.perceptron(20, 31, 7, 30), DType.F64, 1, 1);
    }

    @Test
    void activationsAreMultipliedToTheSameBits() {
        try (CpuDevice cpu = CpuDevice.open(2)) {
            ActivationStatistics here = new ActivationStatistics(cpu, 33, 40);
            ActivationStatistics there = new ActivationStatistics(cpu, stream, 33, 40);
            for (int rows : new int[]{1, 0, 300, 7}) {
                Tensor a = batch(DType.BF16, rows, 33);
                Tensor b = batch(DType.F64, rows, 40);
                here.add(a, b);
                there.add(a, b);
            }
            for (ActivationStatistics.Measure measure : ActivationStatistics.Measure.values()) {
                assertThat(Tensors.bytes(there.similarities(measure))).as("%s, seed %d", measure, Tensors.SEED)
                        .isEqualTo(Tensors.bytes(here.similarities(measure)));
            }
        }
    }

    @Test
    void activationsAreMatchedThereAsHere() {
        try (CpuDevice cpu = CpuDevice.open(2)) {
            for (int units : new int[]{1, 31, 65}) {
                ActivationStatistics statistics = new ActivationStatistics(cpu, stream, units, units);
                statistics.add(batch(DType.F32, 50, units), batch(DType.F16, 50, units));
                for (ActivationStatistics.Measure measure : ActivationStatistics.Measure.values()) {
                    assertThat(statistics.match(measure, 1)).as("%d units, %s, seed %d", units, measure, Tensors.SEED)
                            .isEqualTo(statistics.match(measure, units + 1));
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"15, 0", "16, 2"})
    void theDeviceAssignsManyUnitsAndTheProcessorFew(int units, int launchesToAssign) {
        PermutationSpec spec = WeightMatchingTest.perceptron(1, units, 1);
        Map<String, Tensor> model = WeightMatchingTest.gaussian(spec, 1);
        try (CpuDevice cpu = CpuDevice.open(1)) {
            Run.of(WeightMatching.on(cpu, stream, 16), spec, model, model);
        }
        if (Simulator.isLoaded()) { // only the simulator counts calls
            assertThat(Simulator.calls("cuLaunchKernelEx")).as("those of three similarities, and to assign")
                    .isEqualTo(3 * 3 + launchesToAssign);
        }
    }

    @Test
    void similaritiesThatOverflowAreRefusedWithTheirGroup() {
        PermutationSpec spec = WeightMatchingTest.perceptron(2, 3, 2);
        Map<String, Tensor> model = WeightMatchingTest.gaussian(spec, 1);
        Elements.set(model.get("weight1"), 4, 1e30);
        try (CpuDevice cpu = CpuDevice.open(1)) {
            for (int fewestAssignedThere : new int[]{1, 4}) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> Run.of(WeightMatching.on(cpu, stream, fewestAssignedThere), spec, model,
                                model))
                        .withMessageStartingWith(
                                "the similarities of permutation group 'hidden0': the cost at [1, 1] is Infinity");
            }
        }
    }

    private static Tensor batch(DType type, int rows, int units) {
        Tensor flat = Tensors.random(type, (long) rows * units, rows + units, null, 1);
        return Tensor.of(flat.data(), type, Shape.of(rows, units));
    }

    @Test
    void theDeviceIsUsed() {
        PermutationSpec spec = WeightMatchingTest.perceptron(3, 4, 5);
        Map<String, Tensor> model = WeightMatchingTest.gaussian(spec, 1);
        try (CpuDevice cpu = CpuDevice.open(1)) {
            WeightMatching matching = WeightMatching.on(cpu, stream);
            ActivationStatistics statistics = new ActivationStatistics(cpu, stream, 3, 3);
            close();
            assertThatIllegalStateException()
                    .isThrownBy(() -> statistics.add(batch(DType.F32, 2, 3), batch(DType.F32, 2, 3)))
                    .withMessage("the device cuda:0 is closed");
            assertThatIllegalStateException().isThrownBy(() -> Run.of(matching, spec, model, model))
                    .withMessage("the device cuda:0 is closed");
        } finally {
            open();
        }
    }
}
