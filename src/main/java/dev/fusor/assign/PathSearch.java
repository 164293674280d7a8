package dev.fusor.assign;

import java.util.Arrays;

/**
 * The third step of {@link LinearAssignment}: shortest paths to an unassigned column.
 *
 * <p>A row is scanned by its shortlist as long as nothing that is missing there can be nearest: a missing column is farther
 * than the limit of the list. Rows of which that is not known any more are scanned whole, and leave what they would have left at
 * once, because neither distances nor predecessors depend on the order of offers.
 */
final class PathSearch {
    private final CostRows rows;
    private final Shortlists lists;
    private final Matching matching;
    private final Frontier frontier;
    private final Shortlists.Room room = new Shortlists.Room();

    /** Columns scanned, with what their duals and distances were. */
    private final int[] scanned;
    private final double[] scannedDual;
    private final double[] scannedAt;
    private int scans;

    /** Rows scanned by their lists: what is missing there is farther than {@code beyond}. */
    private final int[] partial;
    private final double[] partialDistance;
    private final double[] beyond;
    private int partials;
    private double nearestMissing;

    /** Rows whose lists were too short. */
    private final int[] exhausted;
    private int exhaustions;

    PathSearch(CostRows rows, Shortlists lists, Matching matching) {
        this.rows = rows;
        this.lists = lists;
        this.matching = matching;
        int count = matching.column.length;
        frontier = new Frontier(matching.owner.length);
        scanned = new int[count];
        scannedDual = new double[count];
        scannedAt = new double[count];
        partial = new int[count];
        partialDistance = new double[count];
        beyond = new double[count];
        exhausted = new int[count];
    }

    /** {@return whether a path for this row was found, and taken} */
    boolean assign(int row) {
        frontier.clear();
        scans = 0;
        partials = 0;
        nearestMissing = Double.POSITIVE_INFINITY;
        exhaustions = 0;
        double at = Double.NEGATIVE_INFINITY;
        scan(row, 0, at);
        while (true) {
            double nearest = nearest();
            if (nearest == Double.POSITIVE_INFINITY) {
                return false;
            }
            at = Math.max(at, nearest) + 0.0; // one zero
            int column = frontier.pick(nearest, matching);
            int owner = matching.owner[column];
            if (owner == Matching.NONE) {
                finish(row, column, at);
                return true;
            }
            double dual = matching.dual[column];
            scanned[scans] = column;
            scannedDual[scans] = dual;
            scannedAt[scans++] = at;
            matching.dual[column] = Double.NaN; // no offer to it will be taken
            frontier.remove(column);
            scan(owner, matching.paid[owner] - dual - at, at);
        }
    }

    /** {@return the rows that the last search scanned: where it failed, they share one column less than they are} */
    int[] scannedRows(int row) {
        int[] found = new int[scans + 1];
        found[0] = row;
        for (int k = 0; k < scans; k++) {
            found[k + 1] = matching.owner[scanned[k]];
        }
        Arrays.sort(found);
        return found;
    }

    private void scan(int row, double distance, double at) {
        double missing = lists.limit(row) - distance;
        if (!(missing > at)) {
            scanWhole(row, distance);
            return;
        }
        int[] columns = lists.columns(row);
        double[] costs = lists.costs(row);
        for (int k = 0; k < columns.length; k++) {
            frontier.offer(columns[k], costs[k] - matching.dual[columns[k]] - distance, row);
        }
        if (missing < Double.POSITIVE_INFINITY) {
            partial[partials] = row;
            partialDistance[partials] = distance;
            beyond[partials++] = missing;
            nearestMissing = Math.min(nearestMissing, missing);
        }
    }

    private void scanWhole(int row, double distance) {
        rows.relax(row, matching.dual, distance, frontier);
        exhausted[exhaustions++] = row;
    }

    /** {@return the least distance, whole rows scanned where lists do not tell} */
    private double nearest() {
        double nearest = frontier.nearest();
        while (nearestMissing < Double.POSITIVE_INFINITY && nearest >= nearestMissing) {
            completeUpTo(nearest);
            nearest = frontier.nearest();
        }
        return nearest;
    }

    private void completeUpTo(double distance) {
        int left = 0;
        nearestMissing = Double.POSITIVE_INFINITY;
        for (int k = 0; k < partials; k++) {
            if (beyond[k] <= distance) {
                scanWhole(partial[k], partialDistance[k]);
                continue;
            }
            partial[left] = partial[k];
            partialDistance[left] = partialDistance[k];
            beyond[left++] = beyond[k];
            nearestMissing = Math.min(nearestMissing, beyond[k]);
        }
        partials = left;
    }

    private void finish(int row, int last, double at) {
        for (int k = 0; k < scans; k++) {
            matching.dual[scanned[k]] = scannedDual[k] + (scannedAt[k] - at);
        }
        int column = last;
        int from;
        do {
            from = (int) frontier.predecessor[column];
            int next = matching.column[from];
            matching.pair(from, column, rows.costs.at(from, column));
            column = next;
        } while (from != row);
        for (int k = 0; k < exhaustions; k++) {
            if (lists.isStale(exhausted[k])) {
                lists.make(exhausted[k], room);
            }
        }
    }
}
