package dev.fusor.assign;

import java.util.Arrays;

/** Pairs so far and the duals of the columns. Rows are no more than columns. */
final class Matching {
    static final int NONE = -1;

    /** The column of each row. */
    final int[] column;

    /** The row of each column. */
    final int[] owner;

    /** How many columns of each block of {@link Frontier} have no row. */
    final int[] unassigned;

    /** The cost of the pair of each row. */
    final double[] paid;

    /** The dual of each column: it never rises. */
    final double[] dual;

    Matching(int rows, int columns) {
        column = new int[rows];
        owner = new int[columns];
        paid = new double[rows];
        dual = new double[columns];
        unassigned = new int[Frontier.blocks(columns)];
        clear();
    }

    /** Gives up all pairs, and keeps the duals. */
    void clear() {
        Arrays.fill(column, NONE);
        Arrays.fill(owner, NONE);
        Arrays.fill(unassigned, 0);
        for (int j = 0; j < owner.length; j++) {
            unassigned[j / Frontier.BLOCK]++;
        }
    }

    /** Gives a column to a row. Whose it was has none until it is given another. */
    void pair(int row, int to, double cost) {
        if (owner[to] == NONE) {
            unassigned[to / Frontier.BLOCK]--;
        }
        column[row] = to;
        owner[to] = row;
        paid[row] = cost;
    }

    double[] rowDuals() {
        double[] duals = new double[column.length];
        for (int i = 0; i < duals.length; i++) {
            duals[i] = paid[i] - dual[column[i]];
        }
        return duals;
    }
}
