package dev.fusor.linalg;

import java.lang.foreign.MemorySegment;

/** The loops over packed units: rows of one side, a panel of the other. */
interface ProductLoops {
    /** Rows of a tile. */
    int ROWS = 4;
    /** Columns of a tile: what a panel holds. */
    int PANEL = 64;

    /**
     * Writes the products of rows with a panel, from +0.
     *
     * @param rows the rows, {@link UnitSimilarity#CHUNK} apart
     * @param rowsAt where the first of them starts
     * @param panel the panel, {@link #PANEL} numbers for each column
     * @param panelAt where it starts
     * @param columns how many to sum over
     * @param tile receives {@link #ROWS} times {@link #PANEL} numbers
     */
    void multiply(float[] rows, int rowsAt, float[] panel, int panelAt, int columns, float[] tile);

    /**
     * Adds numbers to float32 in memory.
     *
     * @param tile the numbers
     * @param at where they start
     * @param sums what they are added to
     * @param sumsByte where the first of these starts
     * @param count how many
     */
    void add(float[] tile, int at, MemorySegment sums, long sumsByte, int count);
}
