package dev.fusor.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;

/** A folder of anything, checkpoints for example. */
public final class FolderWriter implements StagedWriter {
    private final StagingFolder staging;
    private boolean done;

    private FolderWriter(StagingFolder staging) {
        this.staging = staging;
    }

    /**
     * {@return a writer of an empty folder beside the one to be made}
     *
     * @param folder to be made; its parent exists
     * @param overwrite true to replace it in {@link #commit}, if it is there and has a file of that name
     * @param file the name of a file that tells that a folder may be replaced
     * @throws CheckpointException if the folder cannot be written, or exists and may not be replaced
     * @throws IOException if the system reports another failure
     */
    public static FolderWriter create(Path folder, boolean overwrite, String file) throws IOException {
        return new FolderWriter(StagingFolder.create(OutputFolder.of(folder, overwrite, file)));
    }

    @Override
    public Path staging() {
        return staging.path();
    }

    @Override
    public synchronized void commit() throws IOException {
        staging.publish();
        done = true;
    }

    @Override
    public synchronized void close() {
        if (done) {
            return;
        }
        done = true;
        try {
            staging.delete();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
