package dev.fusor.assign;

import java.util.Arrays;

/** Computes certificates. It looks at the costs as they were given, and knows nothing of how the assignment was found. */
final class Certifier {
    private static final int ROWS_PER_TASK = 64;

    private final CostMatrix costs;
    private final Passes passes;

    Certifier(CostMatrix costs, Passes passes) {
        this.costs = costs;
        this.passes = passes;
    }

    /**
     * {@return the assignment that pairs and duals make, with its certificate}
     *
     * @param negated whether costs are the negated elements; duals and costs of pairs are those after negation
     * @param columns of each row, or -1
     * @param rows of each column, or -1
     * @param u the dual of each row
     * @param v the dual of each column
     * @param paid the cost of the pair of each row that has one
     * @param worstPair by how much a pair breaks its constraint at most; below 0 where none does
     */
    static Assignment certified(boolean negated, int[] columns, int[] rows, double[] u, double[] v, double[] paid,
            double worstPair) {
        double infeasibility = Math.max(0, worstPair);
        if (columns.length != rows.length) {
            infeasibility = Math.max(infeasibility,
                    Arrays.stream(columns.length > rows.length ? u : v).max().orElse(0));
        }
        double gap = 0;
        for (int i = 0; i < u.length; i++) {
            gap += columns[i] == Matching.NONE ? -u[i] : paid[i] - u[i] - v[columns[i]];
        }
        for (int j = 0; j < v.length; j++) {
            gap -= rows[j] == Matching.NONE ? v[j] : 0;
        }
        double objective = sum(columns, paid);
        return new Assignment(columns, rows, signed(u, negated), signed(v, negated),
                negated ? 0.0 - objective : objective, new Certificate(infeasibility, gap,
                        Math.max(0, gap + Math.min(columns.length, rows.length) * infeasibility)));
    }

    /** Duals for the costs as they were given; one zero. */
    private static double[] signed(double[] duals, boolean negated) {
        return Arrays.stream(duals).map(dual -> negated ? 0.0 - dual : dual + 0.0).toArray();
    }

    /** {@return the costs of the pairs of rows that have one} */
    double[] paid(int[] columns) {
        double[] paid = new double[columns.length];
        for (int i = 0; i < columns.length; i++) {
            paid[i] = columns[i] == Matching.NONE ? 0 : costs.at(i, columns[i]);
        }
        return paid;
    }

    /** {@return the largest u_i - (c_ij - v_j)} */
    double worstPair(double[] u, double[] v) {
        CostRows rows = new CostRows(costs);
        double[] worst = new double[(u.length + ROWS_PER_TASK - 1) / ROWS_PER_TASK];
        passes.run(worst.length, task -> {
            double[] least = new double[CostRows.GROUPS];
            double found = Double.NEGATIVE_INFINITY;
            for (int i = (int) task * ROWS_PER_TASK; i < Math.min(u.length, (task + 1) * ROWS_PER_TASK); i++) {
                rows.leastOfGroups(i, v, least);
                found = Math.max(found, u[i] - Arrays.stream(least).min().getAsDouble());
            }
            worst[(int) task] = found;
        });
        return Arrays.stream(worst).max().orElse(0);
    }

    /** {@return the sum of the costs of the pairs, in the order of rows, with compensation} */
    private static double sum(int[] columns, double[] paid) {
        double sum = 0;
        double lost = 0;
        for (int i = 0; i < columns.length; i++) {
            if (columns[i] != Matching.NONE) {
                double cost = paid[i];
                double next = sum + cost;
                lost += Math.abs(sum) >= Math.abs(cost) ? sum - next + cost : cost - next + sum;
                sum = next;
            }
        }
        return sum + lost;
    }
}
