package dev.fusor.align;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class ManyMatchingTest {
    private static final long SEED = Tensors.SEED;
    private static final WeightMatching.Options EXACT = new WeightMatching.Options(SEED, 0, 100);

    @Test
    void shuffledCopiesBecomeEqual() {
        PermutationSpec spec = WeightMatchingTest.perceptron(150, 33, 20, 100);
        Map<String, Tensor> model = WeightMatchingTest.gaussian(spec, 1);
        List<Map<String, Tensor>> copies = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            copies.add(WeightMatchingTest.permuted(spec, model, WeightMatchingTest.shuffled(spec, i)));
        }
        List<Map<String, Tensor>> matched = apply(spec, copies, match(spec, copies));
        for (Map<String, Tensor> other : matched) {
            for (String name : spec.tensors().keySet()) {
                assertThat(Tensors.bytes(other.get(name))).as("%s, seed %d", name, SEED)
                        .isEqualTo(Tensors.bytes(matched.getFirst().get(name)));
            }
        }
    }

    /** Small integers and powers of two of others: means are exact. */
    @Test
    void pairsOfModelsComeNearerAndStayThere() {
        SplittableRandom random = new SplittableRandom(SEED);
        for (int round = 0; round < 20; round++) {
            PermutationSpec spec = WeightMatchingTest.randomSpec(random);
            List<Map<String, Tensor>> models = new ArrayList<>();
            for (int i = 0; i < new int[]{1, 2, 3, 5}[round % 4]; i++) {
                models.add(WeightMatchingTest.integers(spec, random));
            }
            List<Permutations> permutations = match(spec, models);
            List<Map<String, Tensor>> matched = apply(spec, models, permutations);
            String what = "round %d, seed %d".formatted(round, SEED);
            assertThat(pairs(spec, matched)).as(what).isGreaterThanOrEqualTo(pairs(spec, models));
            List<Permutations> again = match(spec, matched);
            assertThat(again).as(what).allSatisfy(
                    same -> assertThat(same).isEqualTo(Permutations.identity(spec.groups())));
        }
    }

    @Test
    void noModelsHaveNoPermutationsAndWrongOnesAreNamed() {
        PermutationSpec spec = WeightMatchingTest.perceptron(2, 3, 2);
        assertThat(match(spec, List.of())).isEmpty();
        Map<String, Tensor> good = WeightMatchingTest.gaussian(spec, 1);
        Map<String, Tensor> bad = new HashMap<>(good);
        bad.put("bias0", Tensor.allocate(Arena.ofAuto(), DType.F32, 2));
        assertThatThrownBy(() -> match(spec, List.of(good, good, bad))).isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tensor 'bias0' of model 2: wanted numbers of shape [3], got F32 [2]");
    }

    private static List<Permutations> match(PermutationSpec spec, List<Map<String, Tensor>> models) {
        try (CpuDevice device = CpuDevice.open(2)) {
            List<Function<String, Tensor>> tensors = new ArrayList<>();
            models.forEach(model -> tensors.add(model::get));
            return ManyMatching.on(device).match(spec, tensors, EXACT);
        }
    }

    private static List<Map<String, Tensor>> apply(PermutationSpec spec, List<Map<String, Tensor>> models,
            List<Permutations> permutations) {
        List<Map<String, Tensor>> permuted = new ArrayList<>();
        for (int i = 0; i < models.size(); i++) {
            permuted.add(WeightMatchingTest.permuted(spec, models.get(i), permutations.get(i)));
        }
        return permuted;
    }

    private static double pairs(PermutationSpec spec, List<Map<String, Tensor>> models) {
        double sum = 0;
        for (int i = 0; i < models.size(); i++) {
            for (int j = i + 1; j < models.size(); j++) {
                sum += WeightMatchingTest.objective(spec, models.get(i), models.get(j));
            }
        }
        return sum;
    }
}
