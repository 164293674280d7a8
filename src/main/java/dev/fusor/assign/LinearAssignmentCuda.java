package dev.fusor.assign;

import dev.fusor.assign.LinearAssignment.Goal;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * Linear assignments of costs in device memory, a block for each problem. Several blocks bid together for a problem that is alone and
 * has {@value #FEWEST_TOGETHER} columns or more. Pairs, duals and certificates are those that {@link LinearAssignment} defines, bit for bit.
 *
 * <p>What is prepared once is run as often as wanted, on the costs that are there by then; a run allocates nothing, copies nothing
 * and waits for nothing. {@link #columns} and {@link #rows} are for what is enqueued after it, {@link #fetch} is for the host.
 *
 * <p>It takes 24 to 32 bytes of device memory for each row and column, 128 more where blocks bid together, and room for a copy of
 * the costs where there are more rows than columns. It belongs to the thread that prepared it.
 */
public final class LinearAssignmentCuda implements AutoCloseable {
    private static final int MOST_THREADS = 1024;
    private static final int MOST_THREADS_TO_BID = 512;
    private static final int WARP = 32;
    private static final int CERTIFY_THREADS = 256;
    private static final int TRANSPOSE_THREADS = 256;
    private static final int TILE = 32;

    /** What is in shared memory for each column: dual, distance and owner. */
    private static final int SHARED_BYTES_OF_COLUMN = 2 * Double.BYTES + Integer.BYTES;

    /** What a block has in shared memory beside that, at most. */
    private static final int SHARED_BYTES_OF_BLOCK = 4096;

    /** What it takes for each column while blocks bid together: a dual. */
    private static final int SHARED_BYTES_TO_BID = Double.BYTES;

    /** Blocks that bid together at most, a row each: what a warp serves at a time. */
    private static final int MOST_TOGETHER = 32;

    /** Below this many columns a block is as fast alone (docs/adr/029). */
    private static final int FEWEST_TOGETHER = 2048;

    private static final int OFFER_BYTES = 24;
    private static final int TABLE_BYTES = 8 + 2 * MOST_TOGETHER * OFFER_BYTES;
    private static final int JOB_BYTES = 29 * Long.BYTES;
    private static final byte NONE = -1;

    private final CudaStream stream;
    private final Tensor costs;
    private final CostMatrix given;
    /** What the duals of the rows of every problem are expected to be, after negation. */
    private final double[] expected;
    private final long problems;
    private final boolean tall;
    private final List<CudaMemory> memories = new ArrayList<>();
    private final List<CudaLaunch> launches = new ArrayList<>();

    /** What blocks that bid together tell each other; null where one bids alone. */
    private MemorySegment table;

    // Of each problem one after the other; rows and columns are those of the costs as they were given.
    private final MemorySegment columns;
    private final MemorySegment rows;
    private final MemorySegment rowDuals;
    private final MemorySegment columnDuals;
    private final MemorySegment paid;
    private final MemorySegment worst;
    private final MemorySegment status;

    /**
     * Prepares the launches, and enqueues the copy of what they need.
     *
     * @param stream where they will run
     * @param costs of shape [rows, columns] or [problems, rows, columns], F32, F64, I32 or I64, in device memory
     * @param goal the least or the greatest sums
     * @return the launches
     * @throws IllegalArgumentException if shape or type are others, or memory is not the device's
     */
    public static LinearAssignmentCuda prepare(CudaStream stream, Tensor costs, Goal goal) {
        return prepare(stream, costs, goal, FEWEST_TOGETHER);
    }

    /**
     * Prepares the launches where the duals of rows are nearly known, and enqueues the copy of what they need.
     *
     * @param stream where they will run
     * @param costs of shape [rows, columns], F32, F64, I32 or I64, in device memory
     * @param goal the least or the greatest sum
     * @param rowDuals what the dual of each row is expected to be, as {@link LinearAssignment} takes it
     * @return the launches
     * @throws IllegalArgumentException as without them, or as {@link LinearAssignment} refuses the duals
     */
    public static LinearAssignmentCuda prepare(CudaStream stream, Tensor costs, Goal goal, double[] rowDuals) {
        return prepare(stream, costs, goal, rowDuals, FEWEST_TOGETHER);
    }

    static LinearAssignmentCuda prepare(CudaStream stream, Tensor costs, Goal goal, int fewestTogether) {
        int rank = costs.shape().rank();
        CostMatrix.check(costs, "[rows, columns] or [problems, rows, columns]", rank == 2 || rank == 3);
        CudaFormats.requirePlaced(costs);
        CostMatrix given = CostMatrix.of(costs, goal);
        return new LinearAssignmentCuda(stream, costs, given, new double[given.rows()], fewestTogether);
    }

    static LinearAssignmentCuda prepare(CudaStream stream, Tensor costs, Goal goal, double[] rowDuals,
            int fewestTogether) {
        CostMatrix.check(costs, "[rows, columns]", costs.shape().rank() == 2);
        CudaFormats.requirePlaced(costs);
        CostMatrix given = CostMatrix.of(costs, goal);
        return new LinearAssignmentCuda(stream, costs, given, given.expected(rowDuals), fewestTogether);
    }

    private LinearAssignmentCuda(CudaStream stream, Tensor costs, CostMatrix given, double[] expected,
            int fewestTogether) {
        this.stream = stream;
        this.costs = costs;
        this.given = given;
        this.expected = expected;
        this.problems = costs.shape().rank() == 2 ? 1 : costs.shape().extent(0);
        this.tall = given.rows() > given.columns();
        try {
            columns = allocate(given.rows(), Integer.BYTES);
            rows = allocate(given.columns(), Integer.BYTES);
            rowDuals = allocate(given.rows(), Double.BYTES);
            columnDuals = allocate(given.columns(), Double.BYTES);
            paid = allocate(given.rows(), Double.BYTES);
            worst = allocate(1, Double.BYTES);
            status = allocate(1, Integer.BYTES);
            // What problems without rows or columns have found; the others overwrite it.
            stream.fill(columns, NONE);
            stream.fill(rows, NONE);
            for (MemorySegment zeros : List.of(rowDuals, columnDuals, paid, worst, status)) {
                stream.fill(zeros, (byte) 0);
            }
            if (costs.elements() > 0) {
                prepare(fewestTogether);
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Memory for some numbers of each problem. */
    private MemorySegment allocate(long count, int bytes) {
        return allocate(problems * count * bytes);
    }

    private MemorySegment allocate(long bytes) {
        CudaMemory memory = CudaMemory.allocate(stream, bytes);
        memories.add(memory);
        return memory.segment();
    }

    private void prepare(int fewestTogether) {
        int fewer = Math.min(given.rows(), given.columns());
        int more = Math.max(given.rows(), given.columns());
        MemorySegment wide = costs.data();
        if (tall) {
            wide = allocate((long) fewer * more, given.type().bits() / 8);
            launch("transpose", problems * tiles(given.rows()) * tiles(given.columns()), TRANSPOSE_THREADS, 0,
                    8, 8, 4, 4, 8).set(0, costs.data()).set(1, wide).set(2, given.rows()).set(3, given.columns())
                    .set(4, problems);
        }
        int most = stream.device().sharedMemoryOfBlock() - SHARED_BYTES_OF_BLOCK;
        boolean shares = more <= most / SHARED_BYTES_OF_COLUMN;
        int threads = Math.min(MOST_THREADS, (more + WARP - 1) / WARP * WARP);
        kernel("solve").allowSharedMemory(most);
        int together = 0;
        if (problems == 1 && more >= fewestTogether && more <= most / SHARED_BYTES_TO_BID) {
            kernel("bid").allowSharedMemory(most);
            together = Math.min(MOST_TOGETHER, kernel("bid").residentBlocks(Math.min(threads, MOST_THREADS_TO_BID),
                    (long) more * SHARED_BYTES_TO_BID));
            table = allocate(TABLE_BYTES);
        }
        MemorySegment job = job(wide, fewer, more, shares, together);
        if (together > 0) {
            launch("bid", together, Math.min(threads, MOST_THREADS_TO_BID), more * SHARED_BYTES_TO_BID, 8).cooperative()
                    .set(0, job);
        }
        launch("solve", problems, threads, shares ? more * SHARED_BYTES_OF_COLUMN : 0, 8).set(0, job);
        launch("certify", problems * given.rows() / (CERTIFY_THREADS / WARP) + 1, CERTIFY_THREADS, 0, 8).set(0, job);
    }

    private static long tiles(int extent) {
        return (extent + TILE - 1L) / TILE;
    }

    private CudaKernel kernel(String name) {
        return CudaFormats.kernel(stream, "assign", "linear_assignment", given.type(), name);
    }

    /** A launch of a kernel whose blocks take turns where there are too many of them. */
    private CudaLaunch launch(String kernel, long blocks, int threads, int sharedBytes, int... parameterBytes) {
        CudaLaunch launch = kernel(kernel).prepare(parameterBytes);
        launches.add(launch);
        return launch.grid((int) Math.min(blocks, Integer.MAX_VALUE)).block(threads, sharedBytes);
    }

    /** Writes what linear_assignment.cuh reads. */
    private MemorySegment job(MemorySegment wide, int fewer, int more, boolean shares, int together) {
        MemorySegment there = allocate(JOB_BYTES);
        MemorySegment expectedThere = allocate((long) expected.length * Double.BYTES);
        try (Arena arena = Arena.ofConfined()) {
            stream.upload(arena.allocateFrom(JAVA_DOUBLE, expected), expectedThere);
            stream.upload(arena.allocateFrom(JAVA_LONG,
                    wide.address(),
                    (tall ? columnDuals : rowDuals).address(),
                    (tall ? rowDuals : columnDuals).address(),
                    (tall ? rows : columns).address(),
                    (tall ? columns : rows).address(),
                    status.address(),
                    allocate(fewer, Double.BYTES).address(),
                    allocate(shares ? 0 : more, Double.BYTES).address(),
                    allocate(more, Double.BYTES).address(),
                    allocate(more, Integer.BYTES).address(),
                    allocate(fewer, Integer.BYTES).address(),
                    costs.data().address(),
                    rowDuals.address(),
                    columnDuals.address(),
                    columns.address(),
                    paid.address(),
                    worst.address(),
                    problems,
                    Double.doubleToRawLongBits(given.mostMagnitude() - CostMatrix.largest(expected)),
                    fewer, more, given.rows(), given.columns(), given.negated() ? 1 : 0, shares ? 1 : 0,
                    together == 0 ? 0 : table.address(),
                    allocate((long) together * more * Integer.BYTES).address(),
                    allocate((long) together * fewer * Integer.BYTES).address(),
                    expectedThere.address()), there);
        }
        return there;
    }

    /**
     * Enqueues the launches.
     *
     * @throws dev.fusor.device.cuda.CudaException if the driver refuses one
     */
    public void run() {
        if (table != null) {
            stream.fill(table, (byte) 0);
        }
        launches.forEach(launch -> launch.on(stream));
    }

    /**
     * {@return device memory that holds the column of each row, -1 for a row that has none, once a run is through} I32 of shape
     * [rows] or [problems, rows]. Of a problem that {@link #fetch} refuses it means nothing.
     */
    public Tensor columns() {
        return found(columns, given.rows());
    }

    /**
     * {@return device memory that holds the row of each column, -1 for a column that has none, once a run is through} I32 of shape
     * [columns] or [problems, columns]. Of a problem that {@link #fetch} refuses it means nothing.
     */
    public Tensor rows() {
        return found(rows, given.columns());
    }

    private Tensor found(MemorySegment numbers, int extent) {
        return Tensor.of(numbers, DType.I32,
                costs.shape().rank() == 2 ? Shape.of(extent) : Shape.of(problems, extent));
    }

    /**
     * {@return the assignments of the last run, one for each problem} Waits for the stream.
     *
     * @throws IllegalArgumentException for the first problem that {@link LinearAssignment} refuses, as it says there; to find out why,
     * the costs of that problem are copied to the host and solved there
     * @throws dev.fusor.device.cuda.CudaException if a launch failed
     */
    public List<Assignment> fetch() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment refused = download(arena, status);
            MemorySegment columnsHere = download(arena, columns);
            MemorySegment rowsHere = download(arena, rows);
            MemorySegment u = download(arena, rowDuals);
            MemorySegment v = download(arena, columnDuals);
            MemorySegment paidHere = download(arena, paid);
            MemorySegment worstHere = download(arena, worst);
            stream.synchronize();
            List<Assignment> assignments = new ArrayList<>();
            for (int k = 0; k < problems; k++) {
                if (refused.getAtIndex(JAVA_INT, k) != 0) {
                    throw refusal(k);
                }
                assignments.add(Certifier.certified(given.negated(), ints(columnsHere, k), ints(rowsHere, k),
                        doubles(u, k), doubles(v, k), doubles(paidHere, k), worstHere.getAtIndex(JAVA_DOUBLE, k)));
            }
            return assignments;
        }
    }

    private MemorySegment download(Arena arena, MemorySegment there) {
        MemorySegment here = arena.allocate(there.byteSize(), Long.BYTES);
        stream.download(there, here);
        return here;
    }

    private int[] ints(MemorySegment ofAll, int problem) {
        return part(ofAll, problem).toArray(JAVA_INT);
    }

    private double[] doubles(MemorySegment ofAll, int problem) {
        return part(ofAll, problem).toArray(JAVA_DOUBLE);
    }

    private MemorySegment part(MemorySegment ofAll, int problem) {
        long bytes = ofAll.byteSize() / problems;
        return ofAll.asSlice(problem * bytes, bytes);
    }

    /** What the CPU says of a problem. */
    private RuntimeException refusal(int problem) {
        long bytes = costs.data().byteSize() / problems;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment here = download(arena, costs.data().asSlice(problem * bytes, bytes));
            stream.synchronize();
            String name = costs.shape().rank() == 2 ? "" : "problem " + problem + ": ";
            new Problem(new CostMatrix(here, given.type(), given.negated(), given.rows(), given.columns()), name,
                    Passes.ALONE).solve(arena, expected);
        } catch (IllegalArgumentException e) {
            return e;
        }
        return new IllegalStateException("the costs changed after they were looked at");
    }

    /** Frees the memory, in order with what was enqueued. */
    @Override
    public void close() {
        launches.forEach(CudaLaunch::close);
        memories.forEach(CudaMemory::close);
    }
}
