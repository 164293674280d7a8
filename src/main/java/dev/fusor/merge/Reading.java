package dev.fusor.merge;

/** How the bytes of the inputs reach the primitives. */
public enum Reading {
    /** As measured: {@link #READS}, which is faster from the disk and no slower from the page cache (docs/measured.md). */
    AUTO,
    /** Files are mapped; the operating system brings pages as they are touched. */
    MAPPED,
    /** Ranges are read into buffers that each thread keeps. */
    READS
}
