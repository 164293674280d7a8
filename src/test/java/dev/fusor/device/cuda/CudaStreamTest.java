package dev.fusor.device.cuda;

import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/** Memory, copies, launches and graphs on a stream. */
@RequiresCuda
class CudaStreamTest {
    private CudaDevice device;
    private CudaStream stream;

    @BeforeEach
    void open() {
        device = CudaDevice.open(0);
        stream = CudaStream.open(device);
    }

    @AfterEach
    void close() {
        stream.close();
        device.close();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 3, 4095, 4096, 4097, 1_000_003})
    void whatIsUploadedComesBack(long bytes) {
        try (PinnedMemory there = PinnedMemory.allocate(device, bytes);
                PinnedMemory back = PinnedMemory.allocate(device, bytes);
                CudaMemory first = CudaMemory.allocate(stream, bytes);
                CudaMemory second = CudaMemory.allocate(stream, bytes)) {
            for (long i = 0; i < bytes; i++) {
                there.segment().set(JAVA_BYTE, i, (byte) (i * 31 + 7));
            }
            stream.upload(there.segment(), first.segment());
            stream.copy(first.segment(), second.segment());
            stream.download(second.segment(), back.segment());
            stream.synchronize();
            assertThat(back.segment().mismatch(there.segment())).isEqualTo(-1);
        }
    }

    @Test
    void aSliceOfDeviceMemoryIsCopiedAlone() {
        try (CudaMemory memory = CudaMemory.allocate(stream, 100);
                PinnedMemory host = PinnedMemory.allocate(device, 100)) {
            stream.fill(memory.segment(), (byte) 1);
            stream.fill(memory.segment().asSlice(33, 7), (byte) 2);
            stream.download(memory.segment(), host.segment());
            stream.synchronize();
            for (int i = 0; i < 100; i++) {
                assertThat(host.segment().get(JAVA_BYTE, i)).isEqualTo((byte) (i >= 33 && i < 40 ? 2 : 1));
            }
        }
    }

    @Test
    void theHostCannotTouchDeviceMemoryAndDoesNotCrash() {
        try (CudaMemory memory = CudaMemory.allocate(stream, 64)) {
            Tensor tensor = memory.tensor(DType.F32, 4, 4);
            assertThat(CudaMemory.isDevice(tensor.data())).isTrue();
            assertThat(CudaMemory.isDevice(tensor.slice(3, 2).data())).isTrue();
            assertThatThrownBy(() -> Elements.get(tensor, 0)).isInstanceOf(WrongThreadException.class);
            assertThatThrownBy(() -> memory.segment().fill((byte) 0)).isInstanceOf(WrongThreadException.class);
            assertThatThrownBy(() -> memory.tensor(DType.F32, 17)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void hostMemoryIsRefusedWhereDeviceMemoryIsWanted() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(16);
            assertThatThrownBy(() -> stream.copy(host, host)).isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "wanted device memory, got host memory of 16 bytes: copy it to the device first, by CudaStream.upload");
            assertThatThrownBy(() -> stream.fill(host, (byte) 0)).isInstanceOf(IllegalArgumentException.class);
        }
        try (CudaMemory memory = CudaMemory.allocate(stream, 16)) {
            assertThatThrownBy(() -> stream.upload(memory.segment(), memory.segment()))
                    .hasMessage("an upload reads host memory, got device memory");
            assertThatThrownBy(() -> stream.download(memory.segment(), memory.segment()))
                    .hasMessage("a download writes host memory, got device memory");
            assertThatThrownBy(() -> stream.copy(memory.segment(), memory.segment().asSlice(1)))
                    .hasMessage("a copy takes memory of one size, got 16 and 15 bytes");
        }
    }

    @Test
    void pinnedMemoryEndsWithItsOwner() {
        PinnedMemory memory = PinnedMemory.allocate(device, 16);
        memory.close();
        memory.close();
        assertThatThrownBy(() -> memory.segment().get(JAVA_INT, 0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aStreamWaitsForTheEventOfAnother() {
        try (CudaStream other = CudaStream.open(device);
                CudaEvent filled = CudaEvent.open(device);
                CudaMemory memory = CudaMemory.allocate(stream, 1 << 20);
                PinnedMemory host = PinnedMemory.allocate(device, 1 << 20)) {
            for (int round = 0; round < 20; round++) {
                stream.fill(memory.segment(), (byte) round);
                filled.record(stream);
                other.waitFor(filled);
                other.download(memory.segment(), host.segment());
                other.synchronize();
                assertThat(filled.isDone()).isTrue();
                assertThat(host.segment().get(JAVA_BYTE, (1 << 20) - 1)).isEqualTo((byte) round);
            }
        }
    }

    @Test
    void timedEventsTellTheTimeBetweenThem() {
        try (CudaEvent start = CudaEvent.timed(device); CudaEvent end = CudaEvent.timed(device)) {
            start.record(stream);
            end.record(stream);
            end.synchronize();
            assertThat(end.millisecondsSince(start)).isGreaterThanOrEqualTo(0);
        }
    }

    /** The sum of the numbers 1 to n. */
    private static void sum(CudaLaunch launch, CudaStream on, int n, CudaMemory values, CudaMemory partials,
            CudaMemory arrived, CudaMemory total) {
        launch.grid((n + 2047) / 2048).block(256, 0).set(0, values.segment()).set(1, (long) n)
                .set(2, partials.segment()).set(3, arrived.segment()).set(4, total.segment()).on(on);
    }

    @Test
    void aPreparedLaunchRunsAgainWithOtherParameters() {
        int most = 10_000;
        try (CudaLaunch launch = device.kernelOf(TestKernels.ptx("block_sum"), "block_sum_f32").prepare(8, 8, 8, 8, 8);
                CudaMemory values = CudaMemory.allocate(stream, 4 * most);
                CudaMemory partials = CudaMemory.allocate(stream, 8 * 8);
                CudaMemory arrived = CudaMemory.allocate(stream, 4);
                CudaMemory total = CudaMemory.allocate(stream, 8);
                PinnedMemory host = PinnedMemory.allocate(device, 4 * most);
                PinnedMemory result = PinnedMemory.allocate(device, 8)) {
            for (int i = 0; i < most; i++) {
                host.segment().setAtIndex(JAVA_FLOAT, i, i + 1);
            }
            stream.upload(host.segment(), values.segment());
            stream.fill(arrived.segment(), (byte) 0);
            for (int n : new int[]{1, 255, 2048, 2049, most}) {
                sum(launch, stream, n, values, partials, arrived, total);
                stream.download(total.segment(), result.segment());
                stream.synchronize();
                assertThat(result.segment().get(JAVA_DOUBLE, 0)).isEqualTo(n * (n + 1.0) / 2);
            }
            launch.grid(0).on(stream); // nothing
            CudaGraph graph = stream.capture(() -> {
                sum(launch, stream, 100, values, partials, arrived, total);
                stream.download(total.segment(), result.segment());
            });
            try (graph) {
                result.segment().set(JAVA_DOUBLE, 0, -1);
                stream.synchronize();
                assertThat(result.segment().get(JAVA_DOUBLE, 0)).isEqualTo(-1); // captured, not run
                graph.on(stream);
                graph.on(stream);
                stream.synchronize();
                assertThat(result.segment().get(JAVA_DOUBLE, 0)).isEqualTo(5050);
            }
        }
    }

    @Test
    void aCaptureThatFailsLeavesTheStreamUsable() {
        assertThatThrownBy(() -> stream.capture(() -> {
            throw new IllegalArgumentException("thrown while capturing");
        })).hasMessage("thrown while capturing");
        assertThatThrownBy(() -> stream.capture(stream::synchronize)).isInstanceOf(CudaException.class)
                .hasMessageContaining("cuStreamSynchronize");
        try (CudaMemory memory = CudaMemory.allocate(stream, 8)) {
            stream.fill(memory.segment(), (byte) 0);
            stream.synchronize();
        }
    }

    @Test
    void parametersOfTheWrongSizeAndHostMemoryAreRefused() {
        CudaKernel kernel = device.kernelOf(TestKernels.ptx("histogram"), "histogram_f32");
        try (CudaLaunch launch = kernel.prepare(8, 8, 8); Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> launch.set(1, 5)).isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("parameter 1 of histogram_f32 takes 8 bytes, got a value of 4");
            assertThatThrownBy(() -> launch.set(0, arena.allocate(8))).hasMessageStartingWith("wanted device memory");
        }
        assertThatThrownBy(() -> kernel.prepare(8, 8)).isInstanceOf(IllegalArgumentException.class)
                .hasMessage("histogram_f32 has parameters of [8, 8, 8] bytes, got [8, 8]");
        assertThatThrownBy(() -> kernel.prepare(8, 4, 8)).hasMessageContaining("got [8, 4, 8]");
    }

    @Test
    void aPreparedLaunchBelongsToItsThread() {
        try (CudaLaunch launch = device.kernelOf(TestKernels.ptx("histogram"), "histogram_f32").prepare(8, 8, 8)) {
            CompletableFuture<Void> elsewhere = CompletableFuture.runAsync(() -> launch.grid(1));
            assertThatThrownBy(elsewhere::join).isInstanceOf(CompletionException.class)
                    .hasRootCauseInstanceOf(WrongThreadException.class)
                    .hasMessageContaining("a prepared launch belongs to the thread that made it");
        }
    }

    @Test
    void aClosedDeviceSaysSo() {
        CudaDevice closed = CudaDevice.open(0);
        closed.close();
        closed.close();
        assertThatThrownBy(() -> CudaStream.open(closed)).isInstanceOf(IllegalStateException.class)
                .hasMessage("the device cuda:0 is closed");
    }
}
