package dev.fusor.device;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class CpuDeviceTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void everyTaskRunsExactlyOnce(int threads) {
        try (CpuDevice device = CpuDevice.open(threads)) {
            for (int tasks : new int[]{0, 1, 2, 7, 1000}) {
                AtomicIntegerArray runs = new AtomicIntegerArray(Math.max(1, tasks));
                device.run(tasks, number -> runs.incrementAndGet((int) number));
                for (int i = 0; i < tasks; i++) {
                    assertThat(runs.get(i)).as("task %d of %d", i, tasks).isEqualTo(1);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void whatATaskThrowsReachesTheCallerAndTheDeviceGoesOn(int threads) {
        try (CpuDevice device = CpuDevice.open(threads)) {
            assertThatThrownBy(() -> device.run(1000, number -> {
                if (number == 13) {
                    throw new IllegalStateException("thirteen");
                }
            })).hasMessage("thirteen");
            AtomicLong sum = new AtomicLong();
            device.run(100, sum::addAndGet);
            assertThat(sum).hasValue(4950);
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
    void closingTwiceIsAllowedAndNoThreadsAreRefused() {
        CpuDevice device = CpuDevice.open(2);
        device.close();
        device.close();
        assertThatThrownBy(() -> CpuDevice.open(0)).hasMessage("a CPU device needs at least 1 thread, got 0");
    }
}
