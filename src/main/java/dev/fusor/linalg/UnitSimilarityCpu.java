package dev.fusor.linalg;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.invoke.MethodHandles;

import static dev.fusor.linalg.ProductLoops.PANEL;
import static dev.fusor.linalg.ProductLoops.ROWS;

/**
 * Similarities on the CPU, as a product of matrices in blocks (Goto and van de Geijn 2008, doi:10.1145/1356052.1356053): both sides
 * are packed a few chunks of columns at a time, one in rows and one in panels, then tiles of the result are shared out.
 */
final class UnitSimilarityCpu implements UnitSimilarity {
    /** Floats of both packed sides: 8 MiB, unless one chunk takes more. */
    private static final int PACKED = 1 << 21;

    /** A packed chunk of so many units still is an array: 4 GiB. */
    private static final int MOST_UNITS = 1 << 22;

    /** Units that a task packs: one panel. */
    private static final int PACKED_UNITS = PANEL;

    /** Rows and columns of the block that a task computes: its sides, 384 KiB, stay in the second-level cache. */
    private static final int BLOCK_ROWS = 32 * ROWS;
    private static final int BLOCK_COLUMNS = 4 * PANEL;

    /**
     * Elements before the first panel. Collectors put arrays this large where a cache line begins, elements come 16 bytes later, and vectors
     * as long as a line take twice as long to load where they lie on two.
     */
    private static final int TO_LINE = 12;

    private static final Specialised<UnitSimilarityLanes.Form, ProductLoops> TEMPLATE = new Specialised<>(
            MethodHandles.lookup(), "UnitSimilarityLanes", ProductLoops.class);

    private final CpuDevice device;

    UnitSimilarityCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public void accumulate(Units a, Units b, Tensor similarities) {
        check(a, b, similarities);
        checkReach(a, b, similarities);
        long columns = a.columns();
        if (columns == 0 || similarities.elements() == 0) {
            return;
        }
        int rows = (a.count() + ROWS - 1) / ROWS * ROWS;
        int panels = (b.count() + PANEL - 1) / PANEL;
        long perChunk = (long) CHUNK * (rows + panels * PANEL);
        int chunks = (int) Math.min((columns + CHUNK - 1) / CHUNK, Math.max(1, PACKED / perChunk));
        Slab slab = new Slab(a, b, rows, panels, chunks, similarities);
        for (long from = 0; from < columns; from += (long) chunks * CHUNK) {
            slab.run(from, (int) Math.min((long) chunks * CHUNK, columns - from));
        }
    }

    /** Checks what does not depend on where memory is. */
    static void check(Units a, Units b, Tensor similarities) {
        if (a.columns() != b.columns()) {
            throw new IllegalArgumentException(
                    "units are alike in as many columns, got %d of %s and %d of %s".formatted(
                            a.columns(), a.source().tensor(), b.columns(), b.source().tensor()));
        }
        if (similarities.dtype() != DType.F32 || !similarities.shape().equals(Shape.of(a.count(), b.count()))) {
            throw new IllegalArgumentException("similarities of %d and %d units are F32 [%d, %d], got %s".formatted(
                    a.count(), b.count(), a.count(), b.count(), similarities));
        }
        if (Math.max(a.count(), b.count()) > MOST_UNITS) {
            throw new IllegalArgumentException("similarities are of up to %d units, got %d and %d".formatted(MOST_UNITS,
                    a.count(), b.count()));
        }
        for (Units units : new Units[]{a, b}) {
            if (!units.source().tensor().dtype().isArithmetic()) {
                throw new IllegalArgumentException(
                        "similarities take units of an arithmetic type, got " + units.source().tensor());
            }
        }
    }

    private void checkReach(Units a, Units b, Tensor similarities) {
        for (Tensor tensor : new Tensor[]{a.source().tensor(), b.source().tensor(), similarities}) {
            if (!device.reaches(tensor.data())) {
                throw new IllegalArgumentException(
                        "similarities on %d threads take memory that all of them may use, got %s in an arena of one thread: wanted a shared or automatic one"
                                .formatted(device.threads(), tensor));
            }
        }
    }

    private static ProductLoops loops() {
        return Specialised.available() && 2 * Lanes.LENGTH <= PANEL
                ? TEMPLATE.of(new UnitSimilarityLanes.Form(4 * Lanes.LENGTH == PANEL))
                : new UnitSimilarityPlain();
    }

    /** Some chunks of columns: packed, then multiplied. */
    private final class Slab {
        private final Units a;
        private final Units b;
        private final Tensor similarities;
        private final int rows;
        private final int panels;
        private final float[] packedRows;
        private final float[] packedPanels;
        private final ProductLoops loops = loops();

        Slab(Units a, Units b, int rows, int panels, int chunks, Tensor similarities) {
            this.a = a;
            this.b = b;
            this.similarities = similarities;
            this.rows = rows;
            this.panels = panels;
            this.packedRows = new float[rows * CHUNK * chunks];
            this.packedPanels = new float[TO_LINE + panels * PANEL * CHUNK * chunks];
        }

        void run(long from, int columns) {
            int chunks = (columns + CHUNK - 1) / CHUNK;
            long sideRows = (a.count() + PACKED_UNITS - 1) / PACKED_UNITS;
            long tasks = sideRows + panels;
            device.run(chunks * tasks, task -> {
                int chunk = (int) (task / tasks);
                long side = task % tasks;
                long start = from + (long) chunk * CHUNK;
                int count = Math.min(CHUNK, columns - chunk * CHUNK);
                if (side < sideRows) {
                    packRows((int) side * PACKED_UNITS, chunk, start, count);
                } else {
                    packPanel((int) (side - sideRows), chunk, start, count);
                }
            });
            int across = (b.count() + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
            device.run((long) across * ((rows + BLOCK_ROWS - 1) / BLOCK_ROWS),
                    task -> multiply((int) (task / across) * BLOCK_ROWS, (int) (task % across) * BLOCK_COLUMNS,
                            columns));
        }

        private void packRows(int first, int chunk, long from, int columns) {
            new UnitPacking(a).pack(first, Math.min(PACKED_UNITS, a.count() - first), from, columns, packedRows,
                    (chunk * rows + first) * CHUNK, CHUNK, 1);
        }

        private int panelAt(int chunk, int panel) {
            return TO_LINE + (chunk * panels + panel) * PANEL * CHUNK;
        }

        private void packPanel(int panel, int chunk, long from, int columns) {
            int first = panel * PANEL;
            new UnitPacking(b).pack(first, Math.min(PANEL, b.count() - first), from, columns, packedPanels,
                    panelAt(chunk, panel), 1, PANEL);
        }

        private void multiply(int firstRow, int firstColumn, int columns) {
            float[] tile = new float[ROWS * PANEL];
            int endRow = Math.min(firstRow + BLOCK_ROWS, a.count());
            int endColumn = Math.min(firstColumn + BLOCK_COLUMNS, b.count());
            for (int k = 0; k < columns; k += CHUNK) {
                int chunk = k / CHUNK;
                for (int j = firstColumn; j < endColumn; j += PANEL) {
                    int panel = panelAt(chunk, j / PANEL);
                    for (int i = firstRow; i < endRow; i += ROWS) {
                        loops.multiply(packedRows, (chunk * rows + i) * CHUNK, packedPanels, panel,
                                Math.min(CHUNK, columns - k), tile);
                        for (int row = i; row < Math.min(i + ROWS, endRow); row++) {
                            loops.add(tile, (row - i) * PANEL, similarities.data(),
                                    ((long) row * b.count() + j) * Float.BYTES, Math.min(PANEL, endColumn - j));
                        }
                    }
                }
            }
        }
    }
}
