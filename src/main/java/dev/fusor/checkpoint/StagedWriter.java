package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.file.Path;

/** Writes a folder beside its final name, which it takes when all of it is on disk. */
public sealed interface StagedWriter extends AutoCloseable permits CheckpointWriter, FolderWriter {
    /** {@return the folder beside the final name; what else is written there takes part} */
    Path staging();

    /**
     * Puts everything on disk and gives the folder its name.
     *
     * @throws IOException if that fails; what had the name before still has it
     */
    void commit() throws IOException;

    /**
     * Deletes everything that was written, unless it was committed; a second call does nothing.
     *
     * @throws java.io.UncheckedIOException if it cannot be deleted
     */
    @Override
    void close();
}
