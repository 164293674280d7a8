package dev.fusor.merge;

import dev.fusor.checkpoint.CheckpointWriter;

/** Closes a writer when the JVM is asked to end, which deletes what it wrote; a commit under way is waited for. */
final class AbortOnExit implements AutoCloseable {
    private final Thread hook;

    AbortOnExit(CheckpointWriter writer) {
        this.hook = new Thread(writer::close, "fusor-abort");
        Runtime.getRuntime().addShutdownHook(hook);
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
