package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import dev.fusor.simulator.RequiresSimulator;
import dev.fusor.simulator.Simulator;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Field;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import jcuda.NativePointerObject;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/** Devices, contexts of others, and what goes wrong with them; faults are the simulator's. */
@RequiresSimulator
class CudaDeviceTest {
    @Test
    void theDriverSaysWhatThereIs() {
        Simulator.devices("sm_80", 2);
        Simulator.reset();

        assertThat(CudaDriver.probe()).isInstanceOfSatisfying(CudaSupport.Ready.class, ready -> {
            assertThat(ready.devices()).extracting(CudaDeviceInfo::ordinal).containsExactly(0, 1);
            assertThat(ready.devices()).extracting(CudaDeviceInfo::computeCapability).containsExactly(80, 80);
            assertThat(ready.describe()).startsWith("driver for CUDA 13.0; cuda:0 Simulated A100")
                    .contains("compute capability 8.0, 108 multiprocessors, 17.2 GB; cuda:1");
        });
        assertThatThrownBy(() -> CudaDevice.open(2)).isInstanceOf(IllegalStateException.class)
                .hasMessageStartingWith("there is no device cuda:2: wanted 0 to 1 (");
    }

    @Test
    void noDeviceIsAValueWithAReasonAndARemedy() {
        Simulator.fault("cuInit", 1, LibCuda.CUDA_ERROR_NO_DEVICE());

        assertThat(CudaDriver.probe()).isInstanceOfSatisfying(CudaSupport.Unusable.class, unusable -> {
            assertThat(unusable.reason())
                    .isEqualTo("cuInit failed with CUDA_ERROR_NO_DEVICE (100) while starting the driver");
            assertThat(unusable.remedy()).contains("nvidia-smi").contains("CUDA_VISIBLE_DEVICES");
        });
        Simulator.fault("cuInit", 1, LibCuda.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH());
        assertThatThrownBy(() -> CudaDevice.open(0)).isInstanceOf(IllegalStateException.class)
                .hasMessageStartingWith(
                        "CUDA cannot be used: cuInit failed with CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)");
    }

    @Test
    void anOldDriverIsAValueToo() {
        assertThat(CudaDriver.tooOld(11070)).hasValueSatisfying(unusable -> assertThat(unusable.describe())
                .isEqualTo("the NVIDIA driver is for CUDA 11.7, wanted 11.8 or later; install driver 520 or later"));
        assertThat(CudaDriver.tooOld(11080)).isEmpty();
    }

    /** Run by the next test in a process without the simulated driver. */
    static final class Probe {
        private Probe() {}

        static void main() {
            System.out.println(CudaDriver.probe().describe());
        }
    }

    private static String probe(String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(List.of(options));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Probe.class.getName()));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("LD_LIBRARY_PATH", "/nowhere");
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
        return said.strip();
    }

    @Test
    void noDriverAndNoPermissionAreValuesToo() throws Exception {
        assertThat(probe("--enable-native-access=ALL-UNNAMED")).satisfiesAnyOf(
                said -> assertThat(said).isEqualTo(
                        "there is no NVIDIA driver (libcuda.so.1); install NVIDIA's driver, 520 or later, or compute on the CPU"),
                said -> assertThat(said).startsWith("driver for CUDA")); // on a machine that has one
        assertThat(probe("--illegal-native-access=deny"))
                .isEqualTo("native code may not be called; run java with --enable-native-access=ALL-UNNAMED");
    }

    @Test
    void anErrorNamesFunctionResultAndWhatWasBeingDone() {
        Simulator.capacity(1 << 20);
        Simulator.reset();
        try (CudaDevice device = CudaDevice.open(0); CudaStream stream = CudaStream.open(device)) {
            assertThatThrownBy(() -> CudaMemory.allocate(stream, 1 << 24))
                    .isInstanceOfSatisfying(CudaException.class, e -> {
                        assertThat(e.isOutOfMemory()).isTrue();
                        assertThat(e.isContextLost()).isFalse();
                        assertThat(e.function()).isEqualTo("cuMemAllocFromPoolAsync");
                        assertThat(e.result()).isEqualTo("CUDA_ERROR_OUT_OF_MEMORY");
                        assertThat(e.code()).isEqualTo(2);
                    })
                    .hasMessage(
                            "cuMemAllocFromPoolAsync failed with CUDA_ERROR_OUT_OF_MEMORY (2) while allocating 16777216 bytes on cuda:0; free device memory, or work on smaller pieces");
            try (CudaMemory small = CudaMemory.allocate(stream, 1 << 10)) {
                stream.fill(small.segment(), (byte) 0);
                stream.synchronize();
            }
        }
    }

    @Test
    void aLostContextIsNamedAndTheDeviceCanBeOpenedAnew() {
        try (CudaDevice device = CudaDevice.open(0);
                CudaStream stream = CudaStream.open(device);
                CudaMemory memory = CudaMemory.allocate(stream, 4096);
                CudaLaunch launch = device.kernelOf(TestKernels.ptx("histogram"), "histogram_f32").prepare(8, 8, 8)) {
            launch.grid(1).block(256, 0).set(0, CudaMemory.wrap(64, 4)).set(1, 1000L).set(2, memory.segment())
                    .on(stream);
            assertThatThrownBy(stream::synchronize).isInstanceOfSatisfying(CudaException.class,
                    e -> assertThat(e.isContextLost()).isTrue())
                    .hasMessageContaining("; the context is lost: close the device, and open it anew");
        }
        try (CudaDevice device = CudaDevice.open(0); CudaStream stream = CudaStream.open(device)) {
            stream.synchronize();
        }
    }

    @Test
    void whatTheCompilerSaysIsInTheError() {
        try (CudaDevice device = CudaDevice.open(0)) {
            assertThatThrownBy(() -> device.kernelOf(".version 7.0\n.target sm_75\n", "nothing"))
                    .isInstanceOf(CudaException.class)
                    .hasMessageStartingWith(
                            "cuModuleLoadDataEx failed with CUDA_ERROR_INVALID_PTX (218) while compiling PTX with nothing: ")
                    .hasMessageContaining("was not translated");
            assertThatThrownBy(() -> device.kernel("nobody/nothing", "nothing"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("there are no kernels named nobody/nothing");
            assertThatThrownBy(() -> device.kernelOf(TestKernels.ptx("histogram"), "nothing"))
                    .isInstanceOf(CudaException.class).hasMessageContaining("looking for nothing in");
        }
    }

    @Test
    void aModuleIsCompiledOnce() {
        try (CudaDevice device = CudaDevice.open(0)) {
            device.kernelOf(TestKernels.ptx("histogram"), "histogram_f32");
            device.kernelOf(TestKernels.ptx("histogram"), "histogram_f32");
        }
        assertThat(Simulator.calls("cuModuleLoadDataEx")).isEqualTo(1);
    }

    @Test
    void aMappedFileIsRegisteredAndCopiedFrom(@TempDir Path folder) throws IOException {
        Path file = Files.write(folder.resolve("weights"), new byte[]{1, 2, 3, 4, 5});
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
                CudaDevice device = CudaDevice.open(0);
                CudaStream stream = CudaStream.open(device);
                CudaMemory memory = CudaMemory.allocate(stream, 5);
                PinnedMemory back = PinnedMemory.allocate(device, 5)) {
            MemorySegment mapped = channel.map(FileChannel.MapMode.PRIVATE, 0, 5, arena);
            try (RegisteredMemory _ = RegisteredMemory.register(device, mapped)) {
                assertThatThrownBy(() -> RegisteredMemory.register(device, mapped)).isInstanceOf(CudaException.class)
                        .hasMessageContaining("CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED");
                stream.upload(mapped, memory.segment());
                stream.download(memory.segment(), back.segment());
                stream.synchronize();
            }
            assertThat(back.segment().toArray(JAVA_BYTE)).containsExactly(1, 2, 3, 4, 5);
            assertThatThrownBy(() -> RegisteredMemory.readOnly(device, mapped)) // as on devices that cannot
                    .isInstanceOf(UnsupportedOperationException.class).hasMessageStartingWith("cuda:0 ");
        }
    }

    /** The address in one of JCuda's objects, which it keeps to itself. */
    private static long address(NativePointerObject object) throws ReflectiveOperationException {
        Field field = NativePointerObject.class.getDeclaredField("nativePointer");
        field.setAccessible(true);
        return field.getLong(object);
    }

    @Test
    void contextStreamAndMemoryOfJCudaAreUsedAndLeftAlone() throws Exception {
        JCudaDriver.setExceptionsEnabled(true);
        JCudaDriver.cuInit(0);
        CUdevice cuDevice = new CUdevice();
        JCudaDriver.cuDeviceGet(cuDevice, 0);
        CUcontext context = new CUcontext();
        JCudaDriver.cuCtxCreate(context, 0, cuDevice);
        CUstream cuStream = new CUstream();
        JCudaDriver.cuStreamCreate(cuStream, 0);
        CUdeviceptr memory = new CUdeviceptr();
        JCudaDriver.cuMemAlloc(memory, 1000);

        try (CudaDevice device = CudaDevice.wrap(address(context));
                CudaStream stream = CudaStream.wrap(device, address(cuStream));
                PinnedMemory host = PinnedMemory.allocate(device, 1000)) {
            assertThat(device.context()).isEqualTo(address(context));
            MemorySegment theirs = CudaMemory.wrap(address(memory), 1000);
            stream.fill(theirs, (byte) 42);
            stream.download(theirs, host.segment());
            JCudaDriver.cuStreamSynchronize(cuStream);
            assertThat(host.segment().get(JAVA_BYTE, 999)).isEqualTo((byte) 42);
        }
        try (CudaDevice current = CudaDevice.ofCurrentContext()) {
            assertThat(current.context()).isEqualTo(address(context));
        }

        JCudaDriver.cuMemFree(memory); // still there
        JCudaDriver.cuStreamDestroy(cuStream);
        JCudaDriver.cuCtxDestroy(context);
        assertThatThrownBy(CudaDevice::ofCurrentContext).isInstanceOf(IllegalStateException.class)
                .hasMessageStartingWith("no CUDA context is current on this thread");
    }
}
