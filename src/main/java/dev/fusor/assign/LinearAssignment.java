package dev.fusor.assign;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;
import java.util.List;

/**
 * The linear assignment problem: pairs of rows and columns, no row and no column in two of them, every row of the smaller
 * side in one, so that the sum of their costs is least, or greatest. Exact, with dual variables and a certificate.
 *
 * <p>Costs are dense F32, F64, I32 or I64. A pair that costs +infinity is forbidden when minimising, one that costs -infinity
 * when maximising; integers cannot forbid. The arithmetic is float64, which is exact for every I32 problem of up to 32,767
 * rows, and for I64 as long as the largest magnitude times 128 times the rows and one stays below 2^53. Of F32 and F64 costs an
 * assignment is optimal up to rounding, and the certificate tells how far that is.
 *
 * <p>Among assignments of equal cost the result is the one that this algorithm reaches with every minimum taken at its lowest
 * index. It does not depend on threads, on vectors or on the machine; it is not the first of all optimal ones in any order of
 * assignments. Costs are negated first when maximising, and rows and columns change places where there are more rows.
 *
 * <ol>
 *   <li>Column duals v_j start at min_i (c_ij - e_i) where there are as many rows as columns, otherwise at 0. e_i is what the dual of
 *       row i is expected to be: 0 unless it is given.
 *   <li>Rows bid in phases. At the beginning of one no row has a column, and all of them queue, row 0 first. The row i in front
 *       finds the least c_ij - v_j, at an unassigned column if one has it, and the second least. It is given an unassigned
 *       column at once. For an assigned one it pays: the other row goes to the end of the queue. v_j falls by the second less
 *       the least plus the epsilon of the phase, if that is finite. Where that does not change the v_j of an assigned column,
 *       row i leaves the queue without one (Jonker and Volgenant 1987, doi:10.1007/BF02278710, with a queue for their stack).
 *       <p>Fewer rows than columns have one phase, of epsilon 0. It ends after 16 bids for each row, or when the queue is empty.
 *       <p>n rows and n columns have a phase of epsilon 0, which ends after 3 n bids, or when no more than 2 + n / 128 rows
 *       queue. If more queue when it has ended, six follow, each of which ends after 16 n bids or as the first does, and one like
 *       the first. The first of the six has the greatest power of two for its epsilon that is no more than 16 times the
 *       median of what duals have fallen by, of those that fell (of k, the one that k / 2 come before), but 2^-1019 at least;
 *       the next ones have a quarter of the one before. Of integers those below 1 are left out (scaling of
 *       epsilon: Bertsekas 1988, doi:10.1007/BF02186476).
 *   <li>Each row left, lowest first, is assigned along a shortest path of reduced costs (Dijkstra's algorithm from the row to
 *       the nearest unassigned column, doi:10.1007/BF02278710 and Crouse 2016, doi:10.1109/TAES.2016.140952). A scanned row at
 *       distance h, the c_ij - v_j of its own column less the distance of that column, offers column j the distance
 *       (c_ij - v_j) - h; the row it starts from has h = 0. At equal distance a column is reached from the lowest row; among nearest columns an unassigned one
 *       is taken before the others. v_j of each scanned column then falls by what its distance lacks to the last.
 *   <li>The dual of a row is c_ij - v_j of its pair, or 0 without one.
 * </ol>
 */
public sealed interface LinearAssignment permits LinearAssignmentCpu {
    /** What is wanted of the sum. */
    enum Goal {
        /** The least sum; +infinity forbids a pair. */
        MINIMISE,
        /** The greatest sum; -infinity forbids a pair. */
        MAXIMISE
    }

    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static LinearAssignment on(CpuDevice device) {
        return new LinearAssignmentCpu(device);
    }

    /**
     * {@return the best assignment} Where there are no rows or no columns it has no pairs.
     *
     * @param costs of shape [rows, columns], F32, F64, I32 or I64
     * @param goal the least or the greatest sum
     * @throws IllegalArgumentException if shape or type are others; if a cost is NaN or the infinity that forbids nothing, with
     * its place; if every assignment has a forbidden pair, with rows or columns that share too few; if sums of the costs would
     * overflow or, for integers, be rounded
     */
    default Assignment solve(Tensor costs, Goal goal) {
        CostMatrix.check(costs, "[rows, columns]", costs.shape().rank() == 2);
        return solve(costs, goal, new double[Math.toIntExact(costs.shape().extent(0))]);
    }

    /**
     * {@return the best assignment} It is found sooner where the duals of rows are nearly known, as they are of costs that were assigned
     * and have changed a little since. Another assignment of equal cost may be the result, or one that rounding cannot tell from it.
     *
     * @param costs of shape [rows, columns], F32, F64, I32 or I64
     * @param goal the least or the greatest sum
     * @param rowDuals what the dual of each row is expected to be, such as {@link Assignment#rowDuals} of the costs before. Where rows
     * and columns are not as many, they are not used
     * @throws IllegalArgumentException as without them; if there is not one for each row, if one is NaN or infinite or, for integers, no
     * whole number; if the largest of them and the largest cost together are more than a cost may be
     */
    Assignment solve(Tensor costs, Goal goal, double[] rowDuals);

    /**
     * {@return the best assignments of many problems} Each is what {@link #solve} gives for it alone. Problems are shared out
     * among threads, so many small ones are faster this way, and a few large ones are not.
     *
     * @param costs of shape [problems, rows, columns], F32, F64, I32 or I64
     * @param goal the least or the greatest sums
     * @throws IllegalArgumentException as for one problem, the message with its number
     */
    List<Assignment> solveAll(Tensor costs, Goal goal);
}
