package dev.fusor.assign;

/** Pairs of rows and columns, the dual variables that belong to them, and the certificate. Immutable. */
public final class Assignment {
    private final int[] columns;
    private final int[] rows;
    private final double[] rowDuals;
    private final double[] columnDuals;
    private final double objective;
    private final Certificate certificate;

    Assignment(int[] columns, int[] rows, double[] rowDuals, double[] columnDuals, double objective,
            Certificate certificate) {
        this.columns = columns;
        this.rows = rows;
        this.rowDuals = rowDuals;
        this.columnDuals = columnDuals;
        this.objective = objective;
        this.certificate = certificate;
    }

    /** {@return the column of each row, -1 for a row that has none} */
    public int[] columns() {
        return columns.clone();
    }

    /** {@return the row of each column, -1 for a column that has none} */
    public int[] rows() {
        return rows.clone();
    }

    /** {@return the dual variable u_i of each row} u_i + v_j is the cost of each pair, but for rounding. */
    public double[] rowDuals() {
        return rowDuals.clone();
    }

    /** {@return the dual variable v_j of each column} */
    public double[] columnDuals() {
        return columnDuals.clone();
    }

    /** {@return the sum of the costs of the pairs} Exact for integers; of floats, summed with compensation in float64. */
    public double objective() {
        return objective;
    }

    /** {@return how far from the optimum this can be at most} */
    public Certificate certificate() {
        return certificate;
    }
}
