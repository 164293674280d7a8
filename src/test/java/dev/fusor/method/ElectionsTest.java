package dev.fusor.method;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

/** Elections of signs and what is made of the votes, on task vectors of which many cancel. */
class ElectionsTest {
    private static final float[] WEIGHTS = {1, -0.5f, 2};
    private static final int[] LENGTHS = {2000, 1, 0, 401};
    private static final List<String> ELECTIONS = List.of("weighted", "unweighted", "count");

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void agreeWithTheirDefinitionWhetherTensorsVoteTogetherOrNot(boolean together) {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        for (int skew : new int[]{-1, 0, 1}) {
            List<float[][]> deltas = IntStream.of(LENGTHS).mapToObj(length -> deltas(length, skew, random)).toList();
            for (int election = 0; election < 3; election++) {
                for (int majority = 0; majority < 2; majority++) {
                    for (int max = 0; max < 2; max++) {
                        for (int normalize = 0; normalize < 2; normalize++) {
                            check(deltas, together, Map.of("scope", together ? 2.0 : 0.0, "election", (double) election,
                                    "zero_sum", (double) majority, "aggregate", (double) max, "normalize",
                                    (double) normalize), skew);
                        }
                    }
                }
            }
        }
    }

    /** Whole numbers of three models, more of one sign than of the other. */
    private static float[][] deltas(int length, int skew, SplittableRandom random) {
        float[][] deltas = new float[3][length];
        for (float[] delta : deltas) {
            for (int i = 0; i < length; i++) {
                delta[i] = random.nextInt(-2, 3) + (random.nextInt(8) == 0 ? skew : 0);
            }
        }
        return deltas;
    }

    private static void check(List<float[][]> deltas, boolean together, Map<String, Double> parameters, int skew) {
        Ties ties = new Ties();
        List<MergeInputs> inputs = new ArrayList<>();
        for (float[][] ofTensor : deltas) {
            List<Tensor> models = new ArrayList<>(List.of(Tensors.zeros(DType.F32, ofTensor[0].length)));
            List<Map<String, Double>> ofModels = new ArrayList<>();
            for (int m = 0; m < 3; m++) {
                Tensor x = Tensors.zeros(DType.F32, ofTensor[m].length);
                for (int i = 0; i < ofTensor[m].length; i++) {
                    Elements.set(x, i, ofTensor[m][i]);
                }
                models.add(x);
                ofModels.add(Map.of("weight", (double) WEIGHTS[m]));
            }
            inputs.add(SparseMerges.completed(ties, SparseMerges.inputs(models, ofModels, parameters)));
        }
        WholeTensors whole = WholeTensors.on(RangeMerge.HERE);
        List<RangeMerge> merges = together
                ? ties.prepareTogether(inputs, whole)
                : inputs.stream().map(tensor -> ties.prepare(tensor, whole)).toList();
        String election = ELECTIONS.get(parameters.get("election").intValue());
        for (int t = 0; t < LENGTHS.length; t++) {
            float[][] ofTensor = deltas.get(t);
            long majority = 0;
            for (float[][] voting : together ? deltas : Collections.singletonList(ofTensor)) {
                for (int i = 0; i < voting[0].length; i++) {
                    majority += (long) Math.signum(mass(voting, i, election));
                }
            }
            Tensor out = Tensors.zeros(DType.F32, LENGTHS[t]);
            merges.get(t).merge(0, out);
            for (int i = 0; i < LENGTHS[t]; i++) {
                float mass = mass(ofTensor, i, election);
                boolean zeroElectsPlus = parameters.get("zero_sum") == 0 || majority > 0;
                boolean plus = mass > 0 || mass == 0 && zeroElectsPlus;
                assertThat((float) Elements.get(out, i))
                        .as("element %d of tensor %d, %s, skew %d, seed %d", i, t, parameters, skew, Tensors.SEED)
                        .isEqualTo(merged(ofTensor, i, election, plus, parameters.get("aggregate") != 0,
                                parameters.get("normalize") != 0));
            }
        }
    }

    private static float mass(float[][] deltas, int i, String election) {
        float mass = 0;
        for (int m = 0; m < 3; m++) {
            float vote = election.equals("unweighted") ? deltas[m][i] : WEIGHTS[m] * deltas[m][i];
            mass += election.equals("count") ? Math.signum(vote) : vote;
        }
        return mass;
    }

    /** The sum of what the models of the elected sign add, or the largest of it, over their weights. */
    private static float merged(float[][] deltas, int i, String election, boolean plus, boolean max,
            boolean normalize) {
        float sum = 0;
        float weights = 0;
        for (int m = 0; m < 3; m++) {
            float part = WEIGHTS[m] * deltas[m][i];
            float sign = election.equals("unweighted") ? deltas[m][i] : part;
            if (plus ? sign > 0 : sign < 0) {
                boolean first = Math.abs(part) > Math.abs(sum);
                weights = max ? first ? WEIGHTS[m] : weights : weights + WEIGHTS[m];
                sum = max ? first ? part : sum : sum + part;
            }
        }
        return normalize && weights != 0 ? sum / weights : sum;
    }
}
