package dev.fusor.method;

import dev.fusor.drop.DropFactors;
import dev.fusor.trim.MagnitudeBand;

/**
 * What a merge keeps of one model's task vector.
 *
 * @param band what is kept by magnitude
 * @param drop what is dropped at random
 */
record Sparsity(MagnitudeBand band, Drop drop) {
    /** What is dropped at random of a range. */
    @FunctionalInterface
    interface Drop {
        /** Nothing is. */
        Drop NOTHING = (from, count) -> null;

        /**
         * {@return the factors, or null for none} They are asked for before the range's tensors are.
         *
         * @param from the flat index of the range's first element
         * @param count how many elements it has
         */
        DropFactors factors(long from, long count);
    }
}
