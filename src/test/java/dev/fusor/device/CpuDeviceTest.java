package dev.fusor.device;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

/** The timeouts end what would otherwise hang; nothing is measured. */
@Timeout(60)
class CpuDeviceTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void everyTaskRunsExactlyOnce(int threads) {
        try (CpuDevice device = CpuDevice.open(threads)) {
            assertThat(device.threads()).isEqualTo(threads);
            for (int tasks : new int[]{0, 1, 2, 7, 1000}) {
                AtomicIntegerArray runs = new AtomicIntegerArray(Math.max(1, tasks));
                device.run(tasks, number -> runs.incrementAndGet((int) number));
                for (int i = 0; i < tasks; i++) {
                    assertThat(runs.get(i)).as("task %d of %d", i, tasks).isEqualTo(1);
                }
            }
        }
    }

    @Test
    void whatTasksWroteIsSeenByTheCaller() {
        try (CpuDevice device = CpuDevice.open(4)) {
            for (int round = 0; round < 1000; round++) {
                long[] places = new long[16];
                device.run(places.length, number -> places[(int) number] = number + 1);
                for (int i = 0; i < places.length; i++) {
                    assertThat(places[i]).as("round %d", round).isEqualTo(i + 1);
                }
            }
        }
    }

    @Test
    void asManyTasksRunAtOnceAsThereAreThreads() {
        CountDownLatch together = new CountDownLatch(3);
        Set<Thread> threads = ConcurrentHashMap.newKeySet();
        try (CpuDevice device = CpuDevice.open(3)) {
            device.run(3, number -> {
                threads.add(Thread.currentThread());
                meet(together);
            });
        }
        assertThat(threads).hasSize(3).contains(Thread.currentThread());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void whatATaskThrowsReachesTheCallerAndTheDeviceGoesOn(int threads) {
        try (CpuDevice device = CpuDevice.open(threads)) {
            assertThatIllegalStateException().isThrownBy(() -> device.run(1000, number -> {
                if (number == 13) {
                    throw new IllegalStateException("thirteen");
                }
            })).withMessage("thirteen");
            assertThatExceptionOfType(AssertionError.class).isThrownBy(() -> device.run(1000, number -> {
                throw new AssertionError("an error");
            })).withMessage("an error");
            AtomicLong sum = new AtomicLong();
            device.run(100, sum::addAndGet);
            assertThat(sum).hasValue(4950);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void anExceptionThatTheTaskDidNotDeclareIsNotLost(int threads) {
        CountDownLatch together = new CountDownLatch(threads);
        Thread caller = Thread.currentThread();
        try (CpuDevice device = CpuDevice.open(threads)) {
            assertThatIllegalStateException().isThrownBy(() -> device.run(threads, number -> {
                meet(together);
                if (threads == 1 || Thread.currentThread() != caller) {
                    CpuDeviceTest.<RuntimeException>throwUndeclared(new IOException("undeclared"));
                }
            })).withCauseExactlyInstanceOf(IOException.class);
        }
    }

    @SuppressWarnings("unchecked")
    private static <E extends Throwable> void throwUndeclared(Throwable e) throws E {
        throw (E) e;
    }

    @Test
    void afterAFailureNoFurtherTaskIsBegun() {
        try (CpuDevice device = CpuDevice.open(1)) {
            AtomicInteger begun = new AtomicInteger();
            assertThatIllegalStateException().isThrownBy(() -> device.run(1000, number -> {
                begun.incrementAndGet();
                throw new IllegalStateException("the first");
            }));
            assertThat(begun).hasValue(1);
        }
    }

    @Test
    void memoryOfOneThreadIsRefusedToTheHelpersAndTheCallerHearsOfIt() {
        CountDownLatch together = new CountDownLatch(2);
        try (Arena arena = Arena.ofConfined(); CpuDevice device = CpuDevice.open(2)) {
            Tensor tensor = Tensor.allocate(arena, DType.F32, 2);
            assertThat(device.reaches(tensor.data())).isFalse();
            assertThatExceptionOfType(WrongThreadException.class).isThrownBy(() -> device.run(2, number -> {
                meet(together);
                Elements.set(tensor, number, 1);
            }));
        }
    }

    @Test
    void memoryOfOneThreadServesADeviceOfThatThread() {
        try (Arena mine = Arena.ofConfined();
                Arena shared = Arena.ofShared();
                CpuDevice one = CpuDevice.open(1);
                CpuDevice two = CpuDevice.open(2)) {
            assertThat(one.reaches(mine.allocate(1))).isTrue();
            assertThat(one.reaches(shared.allocate(1))).isTrue();
            assertThat(two.reaches(shared.allocate(1))).isTrue();
            assertThat(two.reaches(Arena.ofAuto().allocate(1))).isTrue();
            assertThat(two.reaches(MemorySegment.ofArray(new byte[1]))).isTrue();
        }
    }

    @Test
    void anInterruptedCallerWaitsForItsTasksAndStaysInterrupted() {
        try (CpuDevice device = CpuDevice.open(4)) {
            AtomicLong done = new AtomicLong();
            Thread.currentThread().interrupt();
            device.run(200, number -> done.incrementAndGet());
            assertThat(Thread.interrupted()).isTrue();
            assertThat(done).hasValue(200);
        }
    }

    @Test
    void severalCallersShareADevice() throws InterruptedException {
        int callers = 4;
        AtomicLong done = new AtomicLong();
        try (CpuDevice device = CpuDevice.open(3)) {
            Thread[] threads = new Thread[callers];
            for (int i = 0; i < callers; i++) {
                threads[i] = Thread.ofPlatform().start(() -> {
                    for (int round = 0; round < 50; round++) {
                        device.run(20, number -> done.incrementAndGet());
                    }
                });
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
        assertThat(done).hasValue(callers * 50 * 20);
    }

    @Test
    void thereAreAsManyThreadsAsProcessorsUnlessTold() {
        try (CpuDevice device = CpuDevice.open()) {
            assertThat(device.threads()).isEqualTo(Runtime.getRuntime().availableProcessors());
        }
    }

    @Test
    void closingTwiceIsAllowedAndNoThreadsAreRefused() {
        CpuDevice device = CpuDevice.open(2);
        device.close();
        device.close();
        assertThatIllegalArgumentException().isThrownBy(() -> CpuDevice.open(0))
                .withMessage("a CPU device needs at least 1 thread, got 0");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aClosedDeviceRunsNothing(int threads) {
        CpuDevice device = CpuDevice.open(threads);
        device.close();
        AtomicInteger begun = new AtomicInteger();
        assertThatIllegalStateException().isThrownBy(() -> device.run(10, number -> begun.incrementAndGet()))
                .withMessage("the CPU device is closed");
        assertThat(begun).hasValue(0);
    }

    private static void meet(CountDownLatch latch) {
        latch.countDown();
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
