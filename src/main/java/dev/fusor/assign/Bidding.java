package dev.fusor.assign;

/** The second step of {@link LinearAssignment}: rows bid for columns, in the order of a queue. */
final class Bidding {
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

    Bidding(CostRows rows, Shortlists lists, Matching matching) {
        this.rows = rows;
        this.lists = lists;
        this.matching = matching;
    }

    void run() {
        int count = matching.column.length;
        int[] queue = new int[count];
        for (int i = 0; i < count; i++) {
            queue[i] = i;
        }
        int front = 0;
        int queued = count;
        for (long bids = (long) LinearAssignment.BIDS_PER_ROW * count; queued > 0 && bids > 0; bids--) {
            int row = queue[front];
            front = front + 1 == count ? 0 : front + 1;
            queued--;
            int outbid = bid(row);
            if (outbid != Matching.NONE) {
                queue[(int) ((front + (long) queued++) % count)] = outbid;
            }
        }
    }

    /** {@return the row that lost its column} */
    private int bid(int row) {
        look(row);
        if (column == Matching.NONE) {
            return Matching.NONE; // no column is allowed: the search will say so
        }
        int owner = matching.owner[column];
        double dual = matching.dual[column];
        double fall = second - least;
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
