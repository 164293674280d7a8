package dev.fusor.assign;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.stream.Collectors;

/** One problem: its costs are checked, solved with rows no more than columns, and certified. */
final class Problem {
    /** Columns of a task that goes down all rows: 4 KiB of float32 in each. */
    private static final int STRIP = 1024;

    /** Rows that a message names at most. */
    private static final int MOST_NAMED = 8;

    private final CostMatrix given;
    private final String name;
    private final Passes passes;

    /**
     * Names a problem.
     *
     * @param given the costs
     * @param name what a message starts with
     * @param passes how passes over all costs are run
     */
    Problem(CostMatrix given, String name, Passes passes) {
        this.given = given;
        this.name = name;
        this.passes = passes;
    }

    /**
     * {@return the solution}
     *
     * @param arena has room for a transposed copy where there are more rows than columns
     * @param expected duals of the rows
     */
    Assignment solve(Arena arena, double[] expected) {
        boolean tall = given.rows() > given.columns();
        int pairs = Math.min(given.rows(), given.columns());
        if (pairs == 0) {
            return result(new Matching(0, Math.max(given.rows(), given.columns())), tall);
        }
        CostRows rows = new CostRows(tall ? given.transposed(arena, passes) : given);
        Matching matching = new Matching(rows.costs.rows(), rows.costs.columns());
        survey(rows, expected, matching);
        Shortlists lists = new Shortlists(rows, matching.dual);
        lists.make(passes);
        new Bidding(rows, lists, matching).run();
        PathSearch search = new PathSearch(rows, lists, matching);
        for (int i = 0; i < matching.column.length; i++) {
            if (matching.column[i] == Matching.NONE && !search.assign(i)) {
                throw infeasible(search.scannedRows(i), tall);
            }
        }
        return result(matching, tall);
    }

    /** Looks at every cost once: refuses what cannot be solved, and starts the duals of a square at the columns' least, less what is expected. */
    private void survey(CostRows rows, double[] expected, Matching matching) {
        int columns = rows.costs.columns();
        double[] least = new double[columns];
        Arrays.fill(least, Double.POSITIVE_INFINITY);
        double[] largest = new double[(columns + STRIP - 1) / STRIP];
        passes.run(largest.length, task -> {
            int from = (int) task * STRIP;
            double found = 0;
            for (int i = 0; i < rows.costs.rows(); i++) {
                found = Math.max(found, rows.survey(i, from, Math.min(from + STRIP, columns), expected[i], least));
            }
            largest[(int) task] = found;
        });
        checkMagnitude(Arrays.stream(largest).max().getAsDouble(), CostMatrix.largest(expected));
        if (rows.costs.rows() < columns) {
            return;
        }
        for (int j = 0; j < columns; j++) {
            if (least[j] == Double.POSITIVE_INFINITY) {
                throw infeasible(new int[]{j}, true);
            }
        }
        System.arraycopy(least, 0, matching.dual, 0, columns);
    }

    private void checkMagnitude(double largest, double expected) {
        double most = given.mostMagnitude();
        if (!(largest <= most)) {
            throw firstWrong(most);
        }
        if (!(largest <= most - expected)) {
            throw new IllegalArgumentException(
                    "%sthe expected duals of rows reach %s, the costs %s: their sums would %s, wanted up to %s together"
                            .formatted(name, expected, largest, tooLarge(), most));
        }
    }

    private String tooLarge() {
        return given.integers() ? "be rounded" : "overflow";
    }

    private IllegalArgumentException firstWrong(double most) {
        for (int i = 0; i < given.rows(); i++) {
            for (int j = 0; j < given.columns(); j++) {
                double cost = given.at(i, j);
                if (Double.isNaN(cost)) {
                    return refused(i, j, cost, "wanted numbers");
                }
                if (cost == Double.NEGATIVE_INFINITY) {
                    return refused(i, j, cost, given.negated()
                            ? "-Infinity forbids a pair when maximising"
                            : "Infinity forbids a pair when minimising");
                }
                if (cost < Double.POSITIVE_INFINITY && Math.abs(cost) > most) {
                    return refused(i, j, cost, "sums of such costs would %s, wanted magnitudes up to %s".formatted(
                            tooLarge(), most));
                }
            }
        }
        throw new IllegalStateException(name + "the costs changed while they were looked at");
    }

    private IllegalArgumentException refused(int row, int column, double cost, String why) {
        return new IllegalArgumentException("%sthe cost at [%d, %d] is %s: %s".formatted(name, row, column,
                given.negated() ? -cost : cost, why));
    }

    private IllegalArgumentException infeasible(int[] lines, boolean areColumns) {
        String few = Arrays.stream(lines).limit(MOST_NAMED).mapToObj(Integer::toString)
                .collect(Collectors.joining(", "));
        return new IllegalArgumentException(
                "%severy assignment has a forbidden pair: %s %s%s can only go to %d %s between them".formatted(name,
                        areColumns ? "columns" : "rows", few,
                        lines.length > MOST_NAMED ? " and " + (lines.length - MOST_NAMED) + " more" : "",
                        lines.length - 1, areColumns ? "rows" : "columns"));
    }

    private Assignment result(Matching matching, boolean tall) {
        double[] shortSide = matching.rowDuals();
        int[] columns = tall ? matching.owner : matching.column;
        int[] rows = tall ? matching.column : matching.owner;
        double[] u = tall ? matching.dual : shortSide;
        double[] v = tall ? shortSide : matching.dual;
        Certifier certifier = new Certifier(given, passes);
        return Certifier.certified(given.negated(), columns, rows, u, v, certifier.paid(columns),
                certifier.worstPair(u, v));
    }
}
