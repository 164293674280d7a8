package dev.fusor.drop;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class ScaledDropTest {
    @Test
    void multipliesTheFactorsAndDropsWhatIsDropped() {
        float[] factors = factors(new RandomDrop(1, 0, 0.3, true), 5, 1000);
        float[] scaled = factors(new ScaledDrop(new RandomDrop(1, 0, 0.3, true), 0.7f), 5, 1000);
        assertThat(factors).contains(Float.NaN, (float) (1 / 0.3));
        for (int i = 0; i < 1000; i++) {
            Float wanted = 0.7f * factors[i];
            assertThat(scaled[i]).isEqualTo(wanted);
        }
    }

    @Test
    void withoutADropEveryFactorIsTheNumber() {
        assertThat(factors(new ScaledDrop(null, 3), 0, 1024)).containsOnly(3);
    }

    @Test
    void aNumberThatIsNoneIsRefused() {
        assertThatThrownBy(() -> new ScaledDrop(null, Float.NaN))
                .hasMessage("factors are multiplied by a number, got NaN");
    }

    private static float[] factors(DropFactors drop, long from, int count) {
        MemorySegment factors = Arena.ofAuto().allocate(4L * 1024, 64);
        drop.load(from, count, factors);
        return factors.asSlice(0, 4L * count).toArray(ValueLayout.JAVA_FLOAT);
    }
}
