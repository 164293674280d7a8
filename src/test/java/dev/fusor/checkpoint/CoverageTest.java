package dev.fusor.checkpoint;

import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class CoverageTest {
    @Test
    void anEmptyRangeIsCoveredFromTheStart() {
        assertThat(new Coverage(0).firstMissing()).isEqualTo(-1);
        assertThat(new Coverage(1).firstMissing()).isZero();
    }

    @Test
    void writingTheSameBytesTwiceDoesNotCountTwice() {
        Coverage coverage = new Coverage(4);
        coverage.add(0, 2);
        coverage.add(0, 2);
        assertThat(coverage.firstMissing()).isEqualTo(2);
        coverage.add(3, 4);
        coverage.add(2, 3);
        assertThat(coverage.firstMissing()).isEqualTo(-1);
    }

    @Test
    void agreesWithABitSet() {
        Random random = new Random(20261120);
        for (int round = 0; round < 500; round++) {
            int size = 1 + random.nextInt(40);
            Coverage coverage = new Coverage(size);
            BitSet bits = new BitSet();
            for (int i = 0; i < 12; i++) {
                int from = random.nextInt(size + 1);
                int to = from + random.nextInt(size - from + 1);
                coverage.add(from, to);
                bits.set(from, to);
                int missing = bits.nextClearBit(0);
                assertThat(coverage.firstMissing()).isEqualTo(missing == size ? -1 : missing);
            }
        }
    }
}
