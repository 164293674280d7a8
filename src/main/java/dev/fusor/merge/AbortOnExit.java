package dev.fusor.merge;

import dev.fusor.checkpoint.StagedWriter;
import java.io.IOException;

/**
 * Closes a writer when the JVM is asked to end, which deletes what it wrote; a commit under way is waited for.
 *
 * @param <W> the writer
 */
public final class AbortOnExit<W extends StagedWriter> implements AutoCloseable {
    /**
     * Makes the writer, and with it its first files.
     *
     * @param <W> the writer
     */
    @FunctionalInterface
    public interface Opening<W> {
        /**
         * {@return the writer}
         *
         * @throws IOException if it cannot be made
         */
        W open() throws IOException;
    }

    private final Thread hook = new Thread(this::abort, "fusor-abort");
    private W writer;
    private boolean ending;

    /** Begins to watch for the end of the JVM. */
    public AbortOnExit() {
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /**
     * {@return the writer, opened while the hook cannot run, so that there is never a file it does not know of}
     *
     * @param opening makes it
     * @throws IOException if it cannot be made
     */
    public synchronized W open(Opening<W> opening) throws IOException {
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
