package dev.fusor.assign;

import java.util.Arrays;

/** Distances of the columns that a search has not scanned yet, with the least of each block. */
final class Frontier {
    /** Columns of a block. */
    static final int BLOCK = 64;

    /** The distance of each column; infinite where none is known or the column was scanned. */
    final double[] distance;

    /** The row from which each is reached: a number that vectors of distances can be compared beside. */
    final double[] predecessor;

    /** The least distance of each block. */
    final double[] least;

    /** How many columns of each block were not scanned: of a block without any, nothing changes any more. */
    final int[] left;

    Frontier(int columns) {
        distance = new double[columns];
        predecessor = new double[columns];
        least = new double[blocks(columns)];
        left = new int[least.length];
    }

    static int blocks(int columns) {
        return (columns + BLOCK - 1) / BLOCK;
    }

    void clear() {
        Arrays.fill(distance, Double.POSITIVE_INFINITY);
        Arrays.fill(least, Double.POSITIVE_INFINITY);
        for (int b = 0; b < left.length; b++) {
            left[b] = end(b) - b * BLOCK;
        }
    }

    /** Offers a distance to a column; NaN, the offer to a column that was scanned, is never taken. */
    void offer(int column, double offered, int row) {
        double known = distance[column];
        if (offered < known) {
            distance[column] = offered;
            predecessor[column] = row;
            if (offered < least[column / BLOCK]) {
                least[column / BLOCK] = offered;
            }
        } else if (offered == known && row < predecessor[column]) {
            predecessor[column] = row;
        }
    }

    double nearest() {
        double nearest = Double.POSITIVE_INFINITY;
        for (double candidate : least) {
            nearest = candidate < nearest ? candidate : nearest;
        }
        return nearest;
    }

    /** {@return the lowest unassigned column at this distance, or the lowest one} There has to be one. */
    int pick(double at, Matching matching) {
        int first = Matching.NONE;
        for (int b = 0; b < least.length; b++) {
            if (least[b] != at || first != Matching.NONE && matching.unassigned[b] == 0) {
                continue;
            }
            for (int j = b * BLOCK; j < end(b); j++) {
                if (distance[j] == at) {
                    if (matching.owner[j] == Matching.NONE) {
                        return j;
                    }
                    first = first == Matching.NONE ? j : first;
                }
            }
        }
        return first;
    }

    /** Takes a column out. */
    void remove(int column) {
        distance[column] = Double.POSITIVE_INFINITY;
        int b = column / BLOCK;
        left[b]--;
        double nearest = Double.POSITIVE_INFINITY;
        for (int j = b * BLOCK; j < end(b); j++) {
            nearest = distance[j] < nearest ? distance[j] : nearest;
        }
        least[b] = nearest;
    }

    private int end(int block) {
        return Math.min((block + 1) * BLOCK, distance.length);
    }
}
