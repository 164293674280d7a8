package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import dev.fusor.simulator.NativeBuild;
import dev.fusor.simulator.Simulator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Field;
import java.util.concurrent.TimeUnit;
import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

import static java.lang.foreign.ValueLayout.JAVA_INT;

/**
 * What a call of the driver and a launch cost the caller, beside JCuda's JNI in the same run. Launches are captured, not run, so
 * that kernels do not count. Without a GPU: LD_LIBRARY_PATH=target/simulator.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class LaunchBenchmark {
    private static final int LAUNCHES = 256;

    private final Arena arena = Arena.ofConfined();
    private final MemorySegment version = arena.allocate(JAVA_INT);
    private final int[] theirVersion = new int[1];
    private CudaDevice device;
    private CudaStream stream;
    private CudaMemory memory;
    private CudaLaunch launch;
    private CUstream theirStream;
    private CUfunction theirFunction;
    private Pointer theirParameters;

    @Setup
    public void open() throws ReflectiveOperationException {
        if (Simulator.isLoaded()) {
            Simulator.modules(NativeBuild.modules(NativeBuild.Variant.PLAIN));
            Simulator.devices("sm_90", 1);
            Simulator.reset();
        }
        JCudaDriver.setExceptionsEnabled(true);
        device = CudaDevice.open(0);
        device.synchronize(); // the context is current, for JCuda too
        theirStream = new CUstream();
        JCudaDriver.cuStreamCreate(theirStream, 0);
        Field address = NativePointerObject.class.getDeclaredField("nativePointer");
        address.setAccessible(true);
        stream = CudaStream.wrap(device, address.getLong(theirStream));
        memory = CudaMemory.allocate(stream, 4096);
        String ptx = TestKernels.ptx("histogram");
        launch = device.kernelOf(ptx, "histogram_f32").prepare(8, 8, 8).grid(1).block(256, 0)
                .set(0, memory.segment()).set(1, 0L).set(2, memory.segment());
        CUmodule module = new CUmodule();
        JCudaDriver.cuModuleLoadData(module, ptx);
        theirFunction = new CUfunction();
        JCudaDriver.cuModuleGetFunction(theirFunction, module, "histogram_f32");
        long there = memory.segment().address();
        theirParameters = Pointer.to(Pointer.to(new long[]{there}), Pointer.to(new long[]{0}),
                Pointer.to(new long[]{there}));
        stream.synchronize();
    }

    @TearDown
    public void close() {
        launch.close();
        memory.close();
        device.close();
        arena.close();
    }

    @Benchmark
    public int call() {
        return LibCuda.cuDriverGetVersion(version);
    }

    @Benchmark
    public int callByJCuda() {
        return JCudaDriver.cuDriverGetVersion(theirVersion);
    }

    @Benchmark
    @OperationsPerInvocation(LAUNCHES)
    public void launch() {
        try (CudaGraph _ = stream.capture(this::launches)) {
            // captured, never launched
        }
    }

    private void launches() {
        for (int i = 0; i < LAUNCHES; i++) {
            launch.set(1, (long) -i).on(stream);
        }
    }

    @Benchmark
    @OperationsPerInvocation(LAUNCHES)
    public void launchByJCuda() {
        try (CudaGraph _ = stream.capture(this::launchesByJCuda)) {
            // captured, never launched
        }
    }

    private void launchesByJCuda() {
        for (int i = 0; i < LAUNCHES; i++) {
            JCudaDriver.cuLaunchKernel(theirFunction, 1, 1, 1, 256, 1, 1, 0, theirStream, theirParameters, null);
        }
    }
}
