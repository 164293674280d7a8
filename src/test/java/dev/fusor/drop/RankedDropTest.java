package dev.fusor.drop;

import dev.fusor.testing.ScalarPhilox;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

class RankedDropTest {
    private static final int RANGE = 1024;

    /** The probabilities published for the row [.1, -.5, .3, .2, -.4], whose ranks these are. */
    private static final int[] RANKS = {0, 4, 2, 1, 3};
    private static final double[] PROBABILITIES = {.35, .65, .5, .425, .575};

    @Test
    void keepsWhatTheProbabilityOfItsRankKeeps() {
        RankedDrop.Window window = new RankedDrop.Window(.5, .15, 5, true);
        long key = Philox.key(Tensors.SEED, "w");
        for (int first : new int[]{0, 5, 10, 1000}) {
            float[] factors = factors(new RankedDrop(key, 2, window, first, RANKS), first, 5);
            for (int i = 0; i < 5; i++) {
                boolean kept = ScalarPhilox.word(key, 2, first + i) < PROBABILITIES[i] * 0x1p32;
                Float wanted = kept ? (float) (1 / PROBABILITIES[i]) : Float.NaN;
                assertThat(factors[i]).as("element %d, seed %d", first + i, Tensors.SEED).isEqualTo(wanted);
            }
        }
    }

    /** Each within 6 deviations of the binomial, an error of 2e-9, over 200,000 rows. */
    @Test
    void everyRankIsKeptAsOftenAsItsProbabilitySays() {
        int rows = 200_000;
        int[] ranks = new int[5 * rows];
        for (int i = 0; i < ranks.length; i++) {
            ranks[i] = RANKS[i % 5];
        }
        RankedDrop drop = new RankedDrop(Philox.key(Tensors.SEED, "rates"), 0,
                new RankedDrop.Window(.5, .15, 5, false), 0, ranks);
        int[] kept = new int[5];
        for (int from = 0; from < ranks.length; from += RANGE) {
            int count = Math.min(RANGE, ranks.length - from);
            float[] factors = factors(drop, from, count);
            for (int i = 0; i < count; i++) {
                kept[(from + i) % 5] += factors[i] == 1 ? 1 : 0;
            }
        }
        for (int i = 0; i < 5; i++) {
            double p = PROBABILITIES[i];
            assertThat((double) kept[i]).as("rank %d, seed %d", RANKS[i], Tensors.SEED)
                    .isCloseTo(rows * p, within(6 * Math.sqrt(rows * p * (1 - p))));
        }
    }

    @Test
    void aWindowOfNoWidthIsThePlainDrop() {
        int[] ranks = new int[RANGE];
        for (int i = 0; i < RANGE; i++) {
            ranks[i] = i;
        }
        RankedDrop ranked = new RankedDrop(5, 1, new RankedDrop.Window(.3, 0, RANGE, true), 0, ranks);
        assertThat(factors(ranked, 0, RANGE)).containsExactly(factors(new RandomDrop(5, 1, .3, true), 0, RANGE));
        RankedDrop alone = new RankedDrop(5, 1, new RankedDrop.Window(.3, .2, 1, true), 0, new int[RANGE]);
        assertThat(factors(alone, 0, RANGE)).containsExactly(factors(new RandomDrop(5, 1, .3, true), 0, RANGE));
    }

    @Test
    void aWindowMayTouchItsEndsButNotPassThem() {
        RankedDrop.Window touching = new RankedDrop.Window(.5, .5, 3, true);
        float[] factors = factors(new RankedDrop(5, 1, touching, 0, new int[RANGE]), 0, RANGE);
        assertThat(factors).containsOnly(Float.NaN);
        assertThatThrownBy(() -> new RankedDrop.Window(.9, .15, 3, true))
                .hasMessage("density +- epsilon are fractions from 0 to 1, got 0.9 +- 0.15");
        assertThat(RankedDrop.Window.fits(.1, .15)).isFalse();
        assertThat(RankedDrop.Window.fits(.5, -.1)).isFalse();
        assertThat(RankedDrop.Window.fits(.5, Double.NaN)).isFalse();
    }

    private static float[] factors(DropFactors drop, long from, int count) {
        MemorySegment factors = Arena.ofAuto().allocate(4L * RANGE, 64);
        drop.load(from, count, factors);
        return factors.asSlice(0, 4L * count).toArray(ValueLayout.JAVA_FLOAT);
    }
}
