package dev.fusor.ensemble;

import static dev.fusor.ensemble.LogitEnsemble.CHUNK;

/**
 * The chunks of a row.
 *
 * @param classes of the row
 * @param vector elements that loops take at once
 */
record Chunks(int classes, int vector) {
    /** {@return how many there are} */
    int number() {
        return (classes + CHUNK - 1) / CHUNK;
    }

    /** {@return the first class of a chunk} */
    static int first(int chunk) {
        return chunk * CHUNK;
    }

    /** {@return how many classes a chunk has} */
    int count(int chunk) {
        return Math.min(CHUNK, classes - first(chunk));
    }

    /** {@return that count, rounded up to whole vectors} */
    int width(int chunk) {
        return (count(chunk) + vector - 1) / vector * vector;
    }
}
