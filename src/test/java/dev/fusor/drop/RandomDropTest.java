package dev.fusor.drop;

import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.BitSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

class RandomDropTest {
    private static final BigDecimal WORDS = BigDecimal.valueOf(1L << 32);
    private static final int RANGE = 1024;

    /** Elements of a statistical test. */
    private static final int MANY = 1 << 20;

    /**
     * Counts of independent keeps stay within this many standard deviations with an error of 2e-9 each; some hundred are
     * looked at, so that one in five million seeds fails without a fault.
     */
    private static final double DEVIATIONS = 6;

    @Test
    void anElementIsKeptIfItsWordIsBelowTheThreshold() {
        long key = Philox.key(Tensors.SEED, "w");
        for (double density : new double[]{0, 1e-10, 0.1, 0.5, 1 / 3.0, 0.999, 1}) {
            RandomDrop drop = new RandomDrop(key, 5, density, true);
            long keeping = new BigDecimal(density).multiply(WORDS).setScale(0, RoundingMode.HALF_EVEN).longValueExact();
            for (long from : new long[]{0, 1, 2, 3, 4, 1021, (1L << 34) - 5, 1L << 40}) {
                for (int count : new int[]{0, 1, 2, 3, 4, 5, 15, 16, 17, 1021, 1022, 1023, 1024}) {
                    float[] factors = factors(drop, from, count);
                    for (int i = 0; i < count; i++) {
                        Float wanted = word(key, 5, from + i) < keeping ? (float) (1 / density) : Float.NaN;
                        assertThat(factors[i])
                                .as("element %d, density %s, seed %d", from + i, density, Tensors.SEED)
                                .isEqualTo(wanted);
                    }
                }
            }
        }
    }

    @Test
    void densitiesOfZeroAndOneAreExact() {
        assertThat(RandomDrop.threshold(0)).isZero();
        assertThat(RandomDrop.threshold(1)).isEqualTo(1L << 32);
        assertThat(factors(new RandomDrop(1, 0, 0, true), 0, RANGE)).containsOnly(Float.NaN);
        assertThat(factors(new RandomDrop(1, 0, 1, true), 0, RANGE)).containsOnly(1f);
    }

    @Test
    void theThresholdIsTheNearestInteger() {
        assertThat(RandomDrop.threshold(0.5)).isEqualTo(1L << 31);
        assertThat(RandomDrop.threshold(0x1p-33)).isZero(); // one half, to even
        assertThat(RandomDrop.threshold(3 * 0x1p-33)).isEqualTo(2);
        assertThat(RandomDrop.threshold(Math.nextDown(1.0))).isEqualTo(1L << 32);
        assertThat(RandomDrop.threshold(0.1)).isEqualTo(429_496_730);
    }

    @Test
    void aDensityOrModelOutsideItsRangeIsRefused() {
        for (double density : new double[]{-0.1, 1.0001, Double.NaN, 20}) {
            assertThatThrownBy(() -> new RandomDrop(0, 0, density, false))
                    .hasMessage("density is a fraction from 0 to 1, got " + density);
        }
        assertThatThrownBy(() -> new RandomDrop(0, -1, 1, false)).hasMessage("models are numbered from 0, got -1");
    }

    @Test
    void withoutRescalingTheFactorIsOne() {
        float[] factors = factors(new RandomDrop(7, 0, 0.25, false), 0, RANGE);
        assertThat(factors).contains(1f, Float.NaN);
        for (float factor : factors) {
            assertThat(factor == 1 || factor != factor).isTrue();
        }
    }

    @Test
    void whatASmallerDensityKeepsALargerOneKeepsToo() {
        BitSet few = kept(new RandomDrop(3, 1, 0.3, false));
        BitSet more = kept(new RandomDrop(3, 1, 0.31, false));
        few.andNot(more);
        assertThat(few.cardinality()).isZero();
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.001, 0.1, 0.5, 0.9, 0.999})
    void keepsTheFractionAsked(double density) {
        for (int model = 0; model < 8; model++) {
            BitSet kept = kept(new RandomDrop(Philox.key(Tensors.SEED, "rate"), model, density, true));
            assertBinomial(kept.cardinality(), MANY, density);
        }
    }

    @Test
    void masksOfModelsTensorsAndSeedsAreIndependent() {
        BitSet[] masks = {kept(new RandomDrop(Philox.key(Tensors.SEED, "layers.0"), 0, 0.5, true)),
            kept(new RandomDrop(Philox.key(Tensors.SEED, "layers.0"), 1, 0.5, true)),
            kept(new RandomDrop(Philox.key(Tensors.SEED, "layers.0"), 2, 0.5, true)),
            kept(new RandomDrop(Philox.key(Tensors.SEED, "layers.1"), 0, 0.5, true)),
            kept(new RandomDrop(Philox.key(Tensors.SEED, "layers.10"), 0, 0.5, true)),
            kept(new RandomDrop(Philox.key(Tensors.SEED + 1, "layers.0"), 0, 0.5, true)),
            kept(new RandomDrop(Philox.key(Tensors.SEED + 2, "layers.0"), 0, 0.5, true))};
        for (int a = 0; a < masks.length; a++) {
            for (int b = 0; b < a; b++) {
                BitSet both = (BitSet) masks[a].clone();
                both.and(masks[b]);
                assertBinomial(both.cardinality(), MANY, 0.25);
            }
        }
    }

    @Test
    void neighboursAndElementsOfOneBlockAreIndependent() {
        BitSet mask = kept(new RandomDrop(Philox.key(Tensors.SEED, "lags"), 0, 0.3, true));
        for (int lag : new int[]{1, 2, 3, 4, 5, 8, 16, 1024, 4096}) {
            int both = 0;
            // Stretches of `lag` elements, every other one: no element is looked at twice.
            int pairs = 0;
            for (int i = 0; i + lag < MANY; i++) {
                if (i / lag % 2 == 0) {
                    both += mask.get(i) && mask.get(i + lag) ? 1 : 0;
                    pairs++;
                }
            }
            assertBinomial(both, pairs, 0.3 * 0.3);
        }
    }

    private static void assertBinomial(long found, long of, double probability) {
        double expected = of * probability;
        assertThat((double) found).as("of %d with probability %s, seed %d", of, probability, Tensors.SEED)
                .isCloseTo(expected, within(DEVIATIONS * Math.sqrt(expected * (1 - probability))));
    }

    private static long word(long key, int model, long index) {
        Philox philox = Philox.mine();
        philox.fill(key, model, index / 4, 1);
        return Integer.toUnsignedLong(philox.word((int) (index % 4)));
    }

    private static BitSet kept(RandomDrop drop) {
        BitSet kept = new BitSet(MANY);
        for (int from = 0; from < MANY; from += RANGE) {
            float[] factors = factors(drop, from, RANGE);
            for (int i = 0; i < RANGE; i++) {
                kept.set(from + i, factors[i] == factors[i]);
            }
        }
        return kept;
    }

    private static float[] factors(DropFactors drop, long from, int count) {
        MemorySegment factors = Arena.ofAuto().allocate(4L * RANGE, 64);
        drop.load(from, count, factors);
        return factors.asSlice(0, 4L * count).toArray(ValueLayout.JAVA_FLOAT);
    }
}
