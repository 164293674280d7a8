package dev.fusor.merge;

import dev.fusor.checkpoint.CheckpointWriter;
import java.io.IOException;

/** Closes a writer when the JVM is asked to end, which deletes what it wrote; a commit under way is waited for. */
final class AbortOnExit implements AutoCloseable {
    /** Makes the writer, and with it its first files. */
    interface Opening {
        CheckpointWriter open() throws IOException;
    }

    private final Thread hook = new Thread(this::abort, "fusor-abort");
    private CheckpointWriter writer;
    private boolean ending;

    AbortOnExit() {
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /** Opens the writer while the hook cannot run, so that there is never a file it does not know of. */
    synchronized CheckpointWriter open(Opening opening) throws IOException {
        if (ending) {
            throw new IOException("the JVM is ending");
        }
        writer = opening.open();
        return writer;
    }

    private synchronized void abort() {
        ending = true;
        if (writer != null) {
            writer.close();
        }
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            waitForTheEnd();
        }
    }

    /** The JVM ends as soon as the hook is through: what failed because of it is no news. */
    private void waitForTheEnd() {
        try {
            hook.join();
            Thread.sleep(Long.MAX_VALUE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
