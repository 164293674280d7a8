package dev.fusor.assign;

import dev.fusor.simd.Specialised;
import java.util.Arrays;

/**
 * For each row the columns that matter: all whose cost - dual was at most a limit when the list was made. Duals never rise, so
 * a column that is missing still lies above the limit, and where the limit decides, a list gives what the whole row would.
 * Rows have no list where so many costs are alike that it would be long, and where they are short themselves.
 */
final class Shortlists {
    /** Columns of a list at most. */
    private static final int MOST = 128;

    /** Below this many columns whole rows are about as fast where lists help, and faster where they do not. */
    private static final int FEWEST_COLUMNS = 1024;

    /** The limit is the so many-th of the least of 64 groups of columns: about 74 of unrelated costs lie below it. */
    private static final int RANK = 44;

    private final CostRows rows;
    private final double[] dual;
    private final int[][] columns;
    private final double[][] costs;
    private final double[] limit;
    private final int[] missed;

    Shortlists(CostRows rows, double[] dual) {
        this.rows = rows;
        this.dual = dual;
        int count = rows.costs.columns() < FEWEST_COLUMNS ? 0 : rows.costs.rows();
        columns = new int[count][];
        costs = new double[count][];
        limit = new double[rows.costs.rows()];
        missed = new int[count];
        Arrays.fill(limit, Double.NEGATIVE_INFINITY);
    }

    /** Makes all of them. */
    void make(Passes passes) {
        int perTask = 64;
        passes.run((columns.length + perTask - 1) / perTask, task -> {
            Room room = new Room();
            for (int i = (int) task * perTask; i < Math.min(columns.length, (task + 1) * perTask); i++) {
                make(i, room);
            }
        });
    }

    /** Makes the list of a row by the duals of now. */
    void make(int row, Room room) {
        rows.leastOfGroups(row, dual, room.least);
        Arrays.sort(room.least);
        double highest = room.least[RANK - 1];
        int count = rows.collect(row, dual, highest, MOST, room.found);
        if (count > MOST) {
            limit[row] = Double.NEGATIVE_INFINITY;
            columns[row] = null;
            return;
        }
        columns[row] = Arrays.copyOf(room.found, count);
        costs[row] = new double[count];
        for (int k = 0; k < count; k++) {
            costs[row][k] = rows.costs.at(row, columns[row][k]);
        }
        limit[row] = highest;
    }

    /** {@return whether the list of a row, which was too short once more, is to be made anew} Ever more seldom it is. */
    boolean isStale(int row) {
        return limit[row] > Double.NEGATIVE_INFINITY && Integer.bitCount(++missed[row]) == 1;
    }

    /** {@return what every missing column lies above; -infinity for a row without a list} */
    double limit(int row) {
        return limit[row];
    }

    int[] columns(int row) {
        return columns[row];
    }

    double[] costs(int row) {
        return costs[row];
    }

    /** Room to make lists in, of one thread. */
    static final class Room {
        private final double[] least = new double[CostRows.GROUPS];
        private final int[] found = new int[MOST + Specialised.MOST_LANES];
    }
}
