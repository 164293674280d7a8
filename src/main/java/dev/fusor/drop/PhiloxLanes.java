package dev.fusor.drop;

import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Two rounds at a time: halves the loads and stores of one at a time, and is as much as C2 keeps in registers
 * (docs/measured.md).
 */
final class PhiloxLanes implements Philox.Rounds {
    private static final VectorSpecies<Long> LONG = LongVector.SPECIES_PREFERRED;

    PhiloxLanes() {}

    @Override
    public void run(long[] x0, long[] x1, long[] x2, long[] x3, int key0, int key1, int count) {
        for (int r = 0; r < Philox.ROUNDS; r += 2) {
            twoRounds(x0, x1, x2, x3, key0 + r * Philox.WEYL_0, key1 + r * Philox.WEYL_1, count);
        }
    }

    private static void twoRounds(long[] x0, long[] x1, long[] x2, long[] x3, int key0, int key1, int count) {
        for (int b = 0; b < count; b += LONG.length()) {
            LongVector product0 = product(LongVector.fromArray(LONG, x0, b), Philox.MULTIPLIER_0);
            LongVector product1 = product(LongVector.fromArray(LONG, x2, b), Philox.MULTIPLIER_1);
            LongVector left = mixed(product1, LongVector.fromArray(LONG, x1, b), key0);
            LongVector right = mixed(product0, LongVector.fromArray(LONG, x3, b), key1);
            LongVector nextProduct0 = product(left, Philox.MULTIPLIER_0);
            LongVector nextProduct1 = product(right, Philox.MULTIPLIER_1);
            mixed(nextProduct1, product1, key0 + Philox.WEYL_0).intoArray(x0, b);
            nextProduct1.intoArray(x1, b);
            mixed(nextProduct0, product0, key1 + Philox.WEYL_1).intoArray(x2, b);
            nextProduct0.intoArray(x3, b);
        }
    }

    private static LongVector product(LongVector words, long multiplier) {
        return words.and(Philox.LOW).mul(multiplier);
    }

    private static LongVector mixed(LongVector product, LongVector words, int key) {
        return product.lanewise(VectorOperators.LSHR, 32).lanewise(VectorOperators.XOR, words)
                .lanewise(VectorOperators.XOR, (long) key);
    }
}
