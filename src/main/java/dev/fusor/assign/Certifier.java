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
     * {@return the certificate}
     *
     * @param columns of each row, or -1
     * @param rows of each column, or -1
     * @param u the dual of each row
     * @param v the dual of each column
     */
    Certificate certify(int[] columns, int[] rows, double[] u, double[] v) {
        double infeasibility = Math.max(0, worstPair(u, v));
        if (costs.rows() != costs.columns()) {
            infeasibility = Math.max(infeasibility,
                    Arrays.stream(costs.rows() > costs.columns() ? u : v).max().orElse(0));
        }
        double gap = 0;
        for (int i = 0; i < u.length; i++) {
            gap += columns[i] == Matching.NONE ? -u[i] : costs.at(i, columns[i]) - u[i] - v[columns[i]];
        }
        for (int j = 0; j < v.length; j++) {
            gap -= rows[j] == Matching.NONE ? v[j] : 0;
        }
        int pairs = Math.min(costs.rows(), costs.columns());
        return new Certificate(infeasibility, gap, Math.max(0, gap + pairs * infeasibility));
    }

    /** {@return the largest u_i - (c_ij - v_j)} */
    private double worstPair(double[] u, double[] v) {
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
    static double sum(CostMatrix costs, int[] columns) {
        double sum = 0;
        double lost = 0;
        for (int i = 0; i < columns.length; i++) {
            if (columns[i] != Matching.NONE) {
                double cost = costs.at(i, columns[i]);
                double next = sum + cost;
                lost += Math.abs(sum) >= Math.abs(cost) ? sum - next + cost : cost - next + sum;
                sum = next;
            }
        }
        return sum + lost;
    }
}
