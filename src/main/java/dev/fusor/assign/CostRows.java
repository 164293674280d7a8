package dev.fusor.assign;

import dev.fusor.simd.Scratch;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.util.Arrays;

/** What is done with rows of costs: whole blocks by vectors where they are there, the rest by plain loops of the same bits. */
final class CostRows {
    /** Columns whose number leaves the same rest form a group. */
    static final int GROUPS = 64;

    private static final Specialised<Form, Loops> TEMPLATE = new Specialised<>(MethodHandles.lookup(), "CostRowsLanes",
            Loops.class);

    /**
     * What is constant in a loop.
     *
     * @param type of the elements
     * @param negated whether costs are the negated elements
     */
    record Form(DType type, boolean negated) {}

    /**
     * The methods of {@link CostRows} over the first columns of a row, whole blocks of them: {@code at} is the byte where the row
     * starts, {@code to} the column where they end.
     */
    interface Loops {
        double survey(MemorySegment data, long at, int from, int to, double expected, double[] least);

        void leastOfGroups(MemorySegment data, long at, int to, double[] dual, double[] least);

        void leastTwo(MemorySegment data, long at, int to, double[] dual, double[] two, double[] lanes);

        int collect(MemorySegment data, long at, int to, double[] dual, double limit, int most, int[] found);

        void relax(MemorySegment data, long at, int to, double[] dual, double distance, int row, Frontier frontier);
    }

    final CostMatrix costs;

    private final Loops vectors;
    private final int whole;

    CostRows(CostMatrix costs) {
        this.costs = costs;
        whole = Specialised.available() ? costs.columns() - costs.columns() % Frontier.BLOCK : 0;
        vectors = whole == 0 ? null : TEMPLATE.of(new Form(costs.type(), costs.negated()));
    }

    /**
     * Lowers {@code least} to the costs of columns {@code from} to {@code to} of a row, less its expected dual.
     *
     * @param from the first, at the start of a block
     * @return the largest finite magnitude, or NaN if a cost is NaN or -infinity
     */
    double survey(int row, int from, int to, double expected, double[] least) {
        int split = Math.max(from, Math.min(to - to % Frontier.BLOCK, whole));
        double largest = split == from
                ? 0
                : vectors.survey(costs.data(), costs.offset(row), from, split, expected, least);
        double[] tile = Scratch.mine().doubles(0);
        for (int j = split; j < to; j += tile.length) {
            int count = Math.min(tile.length, to - j);
            costs.load(row, j, tile, count);
            for (int k = 0; k < count; k++) {
                double cost = tile[k];
                if (!(cost > Double.NEGATIVE_INFINITY)) {
                    return Double.NaN;
                }
                double reduced = cost - expected;
                least[j + k] = reduced < least[j + k] ? reduced : least[j + k];
                double magnitude = Math.abs(cost);
                largest = magnitude < Double.POSITIVE_INFINITY && magnitude > largest ? magnitude : largest;
            }
        }
        return largest;
    }

    /** Finds the least cost - dual of each group of columns. */
    void leastOfGroups(int row, double[] dual, double[] least) {
        Arrays.fill(least, 0, GROUPS, Double.POSITIVE_INFINITY);
        if (whole > 0) {
            vectors.leastOfGroups(costs.data(), costs.offset(row), whole, dual, least);
        }
        double[] tile = Scratch.mine().doubles(0);
        for (int j = whole; j < costs.columns(); j += tile.length) {
            int count = Math.min(tile.length, costs.columns() - j);
            costs.load(row, j, tile, count);
            for (int k = 0; k < count; k++) {
                double reduced = tile[k] - dual[j + k];
                int group = (j + k) % GROUPS;
                least[group] = reduced < least[group] ? reduced : least[group];
            }
        }
    }

    /** Finds the least cost - dual of all columns and the second least, infinite where there is none. */
    void leastTwo(int row, double[] dual, double[] two) {
        two[0] = Double.POSITIVE_INFINITY;
        two[1] = Double.POSITIVE_INFINITY;
        double[] tile = Scratch.mine().doubles(0);
        if (whole > 0) {
            vectors.leastTwo(costs.data(), costs.offset(row), whole, dual, two, tile);
        }
        for (int j = whole; j < costs.columns(); j += tile.length) {
            int count = Math.min(tile.length, costs.columns() - j);
            costs.load(row, j, tile, count);
            for (int k = 0; k < count; k++) {
                lower(two, tile[k] - dual[j + k]);
            }
        }
    }

    /** Takes a value among the two least. */
    static void lower(double[] two, double value) {
        if (value < two[0]) {
            two[1] = two[0];
            two[0] = value;
        } else if (value < two[1]) {
            two[1] = value;
        }
    }

    /**
     * Collects the columns whose cost - dual is finite and at most a limit, in order.
     *
     * @param most where the search may end: more than so many need not all be found
     * @param found receives them, with room for {@code most} and a vector more
     * @return how many were found
     */
    int collect(int row, double[] dual, double limit, int most, int[] found) {
        int count = whole == 0
                ? 0
                : vectors.collect(costs.data(), costs.offset(row), whole, dual, limit, most, found);
        double[] tile = Scratch.mine().doubles(0);
        for (int j = whole; j < costs.columns() && count <= most; j += tile.length) {
            int loaded = Math.min(tile.length, costs.columns() - j);
            costs.load(row, j, tile, loaded);
            for (int k = 0; k < loaded && count <= most; k++) {
                double reduced = tile[k] - dual[j + k];
                if (reduced <= limit && reduced < Double.POSITIVE_INFINITY) {
                    found[count++] = j + k;
                }
            }
        }
        return count;
    }

    /** Offers every column the distance (cost - dual) - {@code distance}. */
    void relax(int row, double[] dual, double distance, Frontier frontier) {
        if (whole > 0) {
            vectors.relax(costs.data(), costs.offset(row), whole, dual, distance, row, frontier);
        }
        double[] tile = Scratch.mine().doubles(0);
        for (int j = whole; j < costs.columns(); j += tile.length) {
            int count = Math.min(tile.length, costs.columns() - j);
            costs.load(row, j, tile, count);
            for (int k = 0; k < count; k++) {
                frontier.offer(j + k, tile[k] - dual[j + k] - distance, row);
            }
        }
    }
}
