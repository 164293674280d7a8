package dev.fusor.assign;

import java.util.Arrays;
import java.util.stream.IntStream;

/** The second step of {@link LinearAssignment}: rows bid for columns, in the order of a queue, in phases. */
final class Bidding {
    /** Bids for each row, on average, of a phase without epsilon where there are as many rows as columns. */
    private static final int FEW_BIDS = 3;

    /** Bids for each row, on average, of any other phase. */
    private static final int MOST_BIDS = 16;

    /** Phases with an epsilon. */
    private static final int SCALED = 6;

    /** The first epsilon is so many powers of two above the median of what duals fell by. */
    private static final int ABOVE_MEDIAN = 4;

    private final CostRows rows;
    private final Shortlists lists;
    private final Matching matching;
    private final Shortlists.Room room = new Shortlists.Room();
    private final double[] block = new double[Frontier.BLOCK];
    private final double[] two = new double[2];

    /** What {@link #look} found: the least, where, and the second least. */
    private double least;
    private int column;
    private double second;

    /** A ring of rows. */
    private final int[] queue;

    private int front;
    private int queued;

    Bidding(CostRows rows, Shortlists lists, Matching matching) {
        this.rows = rows;
        this.lists = lists;
        this.matching = matching;
        queue = new int[matching.column.length];
    }

    void run() {
        int count = queue.length;
        if (count < matching.dual.length) {
            bid(0, MOST_BIDS, 0);
            return;
        }
        double[] start = matching.dual.clone();
        int few = 2 + count / 128;
        bid(0, FEW_BIDS, few);
        if (queued <= few) {
            return;
        }
        double epsilon = firstEpsilon(start);
        double least = rows.costs.integers() ? 1 : 0;
        for (int phase = 0; phase < SCALED && epsilon >= least; phase++) {
            bid(epsilon, MOST_BIDS, few);
            epsilon /= 4;
        }
        bid(0, FEW_BIDS, few);
    }

    /** {@return the power of two of the median of what duals fell by, of those that did, times 16} */
    private double firstEpsilon(double[] start) {
        double[] falls = IntStream.range(0, start.length).mapToDouble(j -> start[j] - matching.dual[j])
                .filter(fall -> fall > 0).sorted().toArray();
        return Math.scalb(1.0, Math.getExponent(falls[falls.length / 2]) + ABOVE_MEDIAN);
    }

    /** A phase: all rows queue, and bid until few of them do, or so many bids were made for each. */
    private void bid(double epsilon, int perRow, int few) {
        matching.clear();
        Arrays.setAll(queue, i -> i);
        front = 0;
        queued = queue.length;
        for (long bids = (long) perRow * queue.length; queued > few && bids > 0; bids--) {
            int row = queue[front];
            front = front + 1 == queue.length ? 0 : front + 1;
            queued--;
            int outbid = bid(row, epsilon);
            if (outbid != Matching.NONE) {
                queue[(int) ((front + (long) queued++) % queue.length)] = outbid;
            }
        }
    }

    /** {@return the row that lost its column} */
    private int bid(int row, double epsilon) {
        look(row);
        if (column == Matching.NONE) {
            return Matching.NONE; // no column is allowed: the search will say so
        }
        int owner = matching.owner[column];
        double dual = matching.dual[column];
        double fall = second - least + epsilon;
        double lower = fall < Double.POSITIVE_INFINITY ? dual - fall : dual;
        if (owner != Matching.NONE) {
            if (!(lower < dual)) {
                return Matching.NONE;
            }
            matching.column[owner] = Matching.NONE;
        }
        matching.dual[column] = lower;
        matching.pair(row, column, rows.costs.at(row, column));
        return owner;
    }

    private void look(int row) {
        if (lists.limit(row) > Double.NEGATIVE_INFINITY && !lookAtList(row)) {
            lists.make(row, room);
            if (lists.limit(row) > Double.NEGATIVE_INFINITY) {
                lookAtList(row);
            }
        }
        if (lists.limit(row) == Double.NEGATIVE_INFINITY) {
            lookAtAll(row);
        }
    }

    /** {@return whether the list was long enough} */
    private boolean lookAtList(int row) {
        least = Double.POSITIVE_INFINITY;
        second = Double.POSITIVE_INFINITY;
        column = Matching.NONE;
        int[] columns = lists.columns(row);
        double[] costs = lists.costs(row);
        for (int k = 0; k < columns.length; k++) {
            consider(columns[k], costs[k] - matching.dual[columns[k]]);
        }
        return second <= lists.limit(row);
    }

    private void lookAtAll(int row) {
        rows.leastTwo(row, matching.dual, two);
        least = two[0];
        second = two[1];
        column = least < Double.POSITIVE_INFINITY ? columnAtLeast(row) : Matching.NONE;
    }

    /** {@return the lowest unassigned column at the least, or the lowest one} */
    private int columnAtLeast(int row) {
        int first = Matching.NONE;
        for (int b = 0; b < matching.unassigned.length; b++) {
            if (first != Matching.NONE && matching.unassigned[b] == 0) {
                continue;
            }
            int from = b * Frontier.BLOCK;
            int count = Math.min(Frontier.BLOCK, rows.costs.columns() - from);
            rows.costs.load(row, from, block, count);
            for (int k = 0; k < count; k++) {
                int j = from + k;
                if (block[k] - matching.dual[j] == least) {
                    if (matching.owner[j] == Matching.NONE || second > least) {
                        return j;
                    }
                    first = first == Matching.NONE ? j : first;
                }
            }
        }
        return first;
    }

    private void consider(int candidate, double reduced) {
        if (reduced < least) {
            second = least;
            least = reduced;
            column = candidate;
            return;
        }
        second = reduced < second ? reduced : second;
        if (reduced == least && reduced < Double.POSITIVE_INFINITY && matching.owner[column] != Matching.NONE
                && matching.owner[candidate] == Matching.NONE) {
            column = candidate;
        }
    }
}
