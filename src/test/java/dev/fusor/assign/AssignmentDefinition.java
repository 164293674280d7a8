package dev.fusor.assign;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.stream.IntStream;

/** The algorithm in the Javadoc of {@link LinearAssignment}, word for word: every cost looked at every time. */
final class AssignmentDefinition {
    private static final double INFINITY = Double.POSITIVE_INFINITY;

    /** Rows no more than columns, the least sum wanted. */
    private final double[][] c;
    private final int n;
    private final int m;
    private final boolean integers;

    final double[] u;
    final double[] v;
    final int[] column;
    final int[] row;

    AssignmentDefinition(double[][] costs, int columns, double[] expected, boolean integers) {
        this.integers = integers;
        c = costs;
        n = costs.length;
        m = columns;
        u = new double[n];
        v = new double[m];
        column = new int[n];
        row = new int[m];
        start(expected);
        bid();
        for (int i = 0; i < n; i++) {
            if (column[i] < 0) {
                search(i);
            }
        }
        for (int i = 0; i < n; i++) {
            u[i] = c[i][column[i]] - v[column[i]];
        }
    }

    private void start(double[] expected) {
        for (int j = 0; j < m && n == m; j++) {
            v[j] = INFINITY;
            for (int i = 0; i < n; i++) {
                v[j] = Math.min(v[j], c[i][j] - expected[i]);
            }
        }
    }

    private void bid() {
        if (n < m) {
            bid(0, 16 * n, 0);
            return;
        }
        double[] begun = v.clone();
        int few = 2 + n / 128;
        if (bid(0, 3 * n, few) <= few) {
            return;
        }
        double[] falls = IntStream.range(0, m).mapToDouble(j -> begun[j] - v[j]).filter(fall -> fall > 0).sorted()
                .toArray();
        double epsilon = powerOfTwoUpTo(16 * falls[falls.length / 2]);
        for (int phase = 0; phase < 6 && (epsilon >= 1 || !integers); phase++) {
            bid(epsilon, 16 * n, few);
            epsilon = epsilon / 4;
        }
        bid(0, 3 * n, few);
    }

    private static double powerOfTwoUpTo(double limit) {
        double power = 1;
        while (power > limit) {
            power /= 2;
        }
        while (2 * power <= limit) {
            power *= 2;
        }
        return power;
    }

    /** {@return how many rows are still in the queue} */
    private int bid(double epsilon, int most, int few) {
        Arrays.fill(column, -1);
        Arrays.fill(row, -1);
        Deque<Integer> queue = new ArrayDeque<>();
        for (int i = 0; i < n; i++) {
            queue.add(i);
        }
        for (int bids = 0; bids < most && queue.size() > few; bids++) {
            int i = queue.remove();
            double[] sorted = new double[m];
            for (int j = 0; j < m; j++) {
                sorted[j] = c[i][j] - v[j];
            }
            Arrays.sort(sorted);
            double least = sorted[0];
            double second = m == 1 ? INFINITY : sorted[1];
            int to = nearestOf(i, least);
            boolean finite = second < INFINITY;
            if (row[to] >= 0) {
                if (!finite || v[to] - (second - least + epsilon) == v[to]) {
                    continue;
                }
                queue.add(row[to]);
                column[row[to]] = -1;
            }
            v[to] = finite ? v[to] - (second - least + epsilon) : v[to];
            column[i] = to;
            row[to] = i;
        }
        return queue.size();
    }

    /** The lowest unassigned column at the least, or the lowest one. */
    private int nearestOf(int i, double least) {
        int lowest = -1;
        for (int j = m - 1; j >= 0; j--) {
            if (c[i][j] - v[j] == least && row[j] >= 0) {
                lowest = j;
            }
        }
        for (int j = m - 1; j >= 0; j--) {
            if (c[i][j] - v[j] == least && row[j] < 0) {
                lowest = j;
            }
        }
        return lowest;
    }

    private void search(int free) {
        double[] distance = new double[m];
        double[] reached = new double[m];
        boolean[] scanned = new boolean[m];
        int[] predecessor = new int[m];
        Arrays.fill(distance, INFINITY);
        double at = -INFINITY;
        double from = 0;
        int i = free;
        while (true) {
            double least = INFINITY;
            for (int j = 0; j < m; j++) {
                if (!scanned[j]) {
                    double offered = c[i][j] - v[j] - from;
                    if (offered < distance[j] || offered == distance[j] && i < predecessor[j]) {
                        distance[j] = offered;
                        predecessor[j] = i;
                    }
                    least = Math.min(least, distance[j]);
                }
            }
            at = Math.max(at, least);
            int to = -1;
            for (int j = m - 1; j >= 0; j--) {
                if (!scanned[j] && distance[j] == least && (to < 0 || row[j] < 0 || row[to] >= 0)) {
                    to = j;
                }
            }
            if (row[to] < 0) {
                for (int j = 0; j < m; j++) {
                    v[j] += scanned[j] ? reached[j] - at : 0;
                }
                takePath(free, to, predecessor);
                return;
            }
            scanned[to] = true;
            reached[to] = at;
            i = row[to];
            from = c[i][to] - v[to] - at;
        }
    }

    private void takePath(int free, int last, int[] predecessor) {
        int to = last;
        int i;
        do {
            i = predecessor[to];
            int next = column[i];
            column[i] = to;
            row[to] = i;
            to = next;
        } while (i != free);
    }
}
