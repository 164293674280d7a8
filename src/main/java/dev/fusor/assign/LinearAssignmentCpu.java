package dev.fusor.assign;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;

/** Assignment on the CPU: passes over all costs on all threads, bids and searches on one. */
final class LinearAssignmentCpu implements LinearAssignment {
    private final CpuDevice device;

    LinearAssignmentCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public Assignment solve(Tensor costs, Goal goal, double[] rowDuals) {
        check(costs, 2, "[rows, columns]");
        CostMatrix matrix = CostMatrix.of(costs, goal);
        try (Arena arena = Arena.ofShared()) {
            return new Problem(matrix, "", device::run).solve(arena, matrix.expected(rowDuals));
        }
    }

    @Override
    public List<Assignment> solveAll(Tensor costs, Goal goal) {
        check(costs, 3, "[problems, rows, columns]");
        Assignment[] solved = new Assignment[Math.toIntExact(costs.shape().extent(0))];
        long elements = solved.length == 0 ? 0 : costs.elements() / solved.length;
        device.run(solved.length, number -> {
            Tensor one = Tensor.of(costs.slice(number * elements, elements).data(), costs.dtype(),
                    Shape.of(costs.shape().extent(1), costs.shape().extent(2)));
            try (Arena arena = Arena.ofConfined()) {
                solved[(int) number] = new Problem(CostMatrix.of(one, goal), "problem " + number + ": ", Passes.ALONE)
                        .solve(arena, new double[(int) one.shape().extent(0)]);
            }
        });
        return Arrays.asList(solved);
    }

    private void check(Tensor costs, int rank, String shape) {
        CostMatrix.check(costs, shape, costs.shape().rank() == rank);
        if (!device.reaches(costs.data())) {
            throw new IllegalArgumentException(
                    "an assignment on %d threads takes memory that all of them may use, got %s in an arena of one thread: wanted a shared or automatic one"
                            .formatted(device.threads(), costs));
        }
    }
}
