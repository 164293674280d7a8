package dev.fusor.device;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The processor as a device: a fixed number of threads that share out numbered tasks.
 *
 * <p>Which thread runs which task is not defined, so a primitive makes every task write its own place and combines what
 * they leave in the order of their numbers: results do not depend on the number of threads. Any thread may call
 * {@link #run}; calls from several threads share the device. Tasks must not call {@link #run} themselves.
 */
public final class CpuDevice implements AutoCloseable {
    /** Stands for the helpers: who may read what is asked by thread. */
    private static final Thread ANOTHER = Thread.ofPlatform().unstarted(() -> {});

    private final int threads;
    private final ExecutorService helpers;
    private volatile boolean closed;

    private CpuDevice(int threads) {
        this.threads = threads;
        this.helpers = threads == 1 ? null : Executors.newFixedThreadPool(threads - 1, task -> {
            Thread thread = new Thread(task, "fusor-cpu");
            thread.setDaemon(true);
            return thread;
        });
    }

    /** {@return a device with a thread for each processor the JVM may use} */
    public static CpuDevice open() {
        return open(Runtime.getRuntime().availableProcessors());
    }

    /**
     * {@return a device with a number of threads}
     *
     * @param threads 1 or more, the calling thread counted
     * @throws IllegalArgumentException if it is less than 1
     */
    public static CpuDevice open(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("a CPU device needs at least 1 thread, got " + threads);
        }
        return new CpuDevice(threads);
    }

    /** {@return how many tasks can run at the same time} */
    public int threads() {
        return threads;
    }

    /**
     * {@return whether every thread of the device may use a segment} Memory of a confined arena serves a device of one
     * thread, called by the owner.
     *
     * @param memory any segment
     */
    public boolean reaches(MemorySegment memory) {
        return memory.isAccessibleBy(threads == 1 ? Thread.currentThread() : ANOTHER);
    }

    /** A part of a computation. */
    @FunctionalInterface
    public interface Task {
        /**
         * Does one part.
         *
         * @param number from 0 to one less than the number of tasks
         */
        void run(long number);
    }

    /**
     * Runs the tasks 0 to {@code tasks - 1} on the calling thread and its helpers, and returns when all have ended.
     *
     * @param tasks how many
     * @param task does one of them; called at the same time from several threads
     * @throws RuntimeException or an {@link Error}, the first that a task threw; tasks not yet begun are then left out
     * @throws IllegalStateException if the device is closed
     */
    public void run(long tasks, Task task) {
        if (closed) {
            throw new IllegalStateException("the CPU device is closed");
        }
        int wanted = (int) Math.min(threads, tasks);
        Work work = new Work(tasks, task, Math.max(0, wanted - 1));
        for (int i = 1; i < wanted; i++) {
            try {
                helpers.execute(work);
            } catch (RejectedExecutionException | OutOfMemoryError e) { // just closed, or the system is out of threads
                work.helpersDone.countDown(); // the others do its share
            }
        }
        work.drain();
        work.await();
    }

    private static final class Work implements Runnable {
        private final long tasks;
        private final Task task;
        private final AtomicLong next = new AtomicLong();
        private final AtomicReference<Throwable> failure = new AtomicReference<>();
        private final CountDownLatch helpersDone;

        Work(long tasks, Task task, int helpers) {
            this.tasks = tasks;
            this.task = task;
            this.helpersDone = new CountDownLatch(helpers);
        }

        @Override
        public void run() {
            try {
                drain();
            } finally {
                helpersDone.countDown();
            }
        }

        void drain() {
            try {
                for (long i = next.getAndIncrement(); i < tasks && failure.get() == null; i = next.getAndIncrement()) {
                    task.run(i);
                }
            } catch (Throwable e) { // also what a task threw that it did not declare
                failure.compareAndSet(null, e);
            }
        }

        void await() {
            boolean interrupted = false;
            while (true) {
                try {
                    helpersDone.await();
                    break;
                } catch (InterruptedException e) {
                    interrupted = true; // memory of the caller is in use: leave only when the helpers have
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            switch (failure.get()) {
                case null -> {
                }
                case Error e -> throw e;
                case RuntimeException e -> throw e;
                case Throwable e -> throw new IllegalStateException(e);
            }
        }
    }

    /** Ends the helper threads once they are idle. Closing twice is allowed. */
    @Override
    public void close() {
        closed = true;
        if (helpers != null) {
            helpers.shutdown();
        }
    }
}
