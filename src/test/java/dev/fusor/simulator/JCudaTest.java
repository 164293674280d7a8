package dev.fusor.simulator;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import jcuda.CudaException;
import jcuda.Pointer;
import jcuda.Sizeof;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.Test;

import static jcuda.driver.JCudaDriver.cuCtxCreate;
import static jcuda.driver.JCudaDriver.cuCtxDestroy;
import static jcuda.driver.JCudaDriver.cuDeviceGet;
import static jcuda.driver.JCudaDriver.cuDeviceGetName;
import static jcuda.driver.JCudaDriver.cuEventCreate;
import static jcuda.driver.JCudaDriver.cuEventDestroy;
import static jcuda.driver.JCudaDriver.cuEventElapsedTime;
import static jcuda.driver.JCudaDriver.cuEventRecord;
import static jcuda.driver.JCudaDriver.cuInit;
import static jcuda.driver.JCudaDriver.cuLaunchKernel;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemFree;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoH;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoD;
import static jcuda.driver.JCudaDriver.cuMemsetD8;
import static jcuda.driver.JCudaDriver.cuModuleGetFunction;
import static jcuda.driver.JCudaDriver.cuModuleLoadData;
import static jcuda.driver.JCudaDriver.cuModuleUnload;
import static jcuda.driver.JCudaDriver.cuStreamCreate;
import static jcuda.driver.JCudaDriver.cuStreamDestroy;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/** A client that knows nothing of the simulator: JCuda's driver binding with its own JNI library. */
@RequiresSimulator
class JCudaTest {
    private static byte[] text(String kernel) {
        byte[] ptx = Cuda.ptx(kernel, "sm_90");
        return Arrays.copyOf(ptx, ptx.length + 1);
    }

    @Test
    void loadsPtxLaunchesAndReadsBack() {
        JCudaDriver.setExceptionsEnabled(true);
        cuInit(0);
        CUdevice device = new CUdevice();
        cuDeviceGet(device, 0);
        byte[] name = new byte[64];
        cuDeviceGetName(name, name.length, device);
        assertThat(new String(name, StandardCharsets.UTF_8)).startsWith("Simulated H200");
        CUcontext context = new CUcontext();
        cuCtxCreate(context, 0, device);
        CUmodule module = new CUmodule();
        cuModuleLoadData(module, text("histogram"));
        CUfunction function = new CUfunction();
        cuModuleGetFunction(function, module, "histogram_f32");

        int length = 10_007;
        float[] values = new float[length];
        int[] wanted = new int[2048];
        Random random = new Random(7);
        for (int i = 0; i < length; i++) {
            values[i] = (float) random.nextGaussian();
            wanted[(Float.floatToRawIntBits(values[i]) & Integer.MAX_VALUE) >>> 20]++;
        }
        CUdeviceptr in = new CUdeviceptr();
        CUdeviceptr bins = new CUdeviceptr();
        cuMemAlloc(in, (long) length * Sizeof.FLOAT);
        cuMemAlloc(bins, 2048L * Sizeof.INT);
        cuMemcpyHtoD(in, Pointer.to(values), (long) length * Sizeof.FLOAT);
        cuMemsetD8(bins, (byte) 0, 2048L * Sizeof.INT);

        CUstream stream = new CUstream();
        CUevent start = new CUevent();
        CUevent end = new CUevent();
        cuStreamCreate(stream, 0);
        cuEventCreate(start, 0);
        cuEventCreate(end, 0);
        cuEventRecord(start, stream);
        cuLaunchKernel(function, 4, 1, 1, 128, 1, 1, 0, stream,
                Pointer.to(Pointer.to(in), Pointer.to(new long[]{length}), Pointer.to(bins)), null);
        cuEventRecord(end, stream);
        cuStreamSynchronize(stream);
        float[] milliseconds = {-1};
        cuEventElapsedTime(milliseconds, start, end);
        assertThat(milliseconds[0]).isPositive();
        int[] counted = new int[2048];
        cuMemcpyDtoH(Pointer.to(counted), bins, 2048L * Sizeof.INT);
        assertThat(counted).isEqualTo(wanted);

        cuEventDestroy(start);
        cuEventDestroy(end);
        cuStreamDestroy(stream);
        cuMemFree(in);
        cuMemFree(bins);
        cuModuleUnload(module);
        cuCtxDestroy(context);
    }

    @Test
    void seesTheErrorsThatADriverGives() {
        JCudaDriver.setExceptionsEnabled(true);
        cuInit(0);
        CUdevice device = new CUdevice();
        assertThatThrownBy(() -> cuDeviceGet(device, 5)).isInstanceOf(CudaException.class)
                .hasMessageContaining("CUDA_ERROR_INVALID_DEVICE");
        cuDeviceGet(device, 0);
        CUcontext context = new CUcontext();
        cuCtxCreate(context, 0, device);
        assertThatThrownBy(() -> cuModuleLoadData(new CUmodule(), "nothing".getBytes(StandardCharsets.UTF_8)))
                .hasMessageContaining("CUDA_ERROR_INVALID_IMAGE");
        Simulator.fault("cuMemAlloc_v2", 2, CUresult.CUDA_ERROR_OUT_OF_MEMORY);
        CUdeviceptr memory = new CUdeviceptr();
        cuMemAlloc(memory, 100);
        assertThatThrownBy(() -> cuMemAlloc(new CUdeviceptr(), 100)).hasMessageContaining("CUDA_ERROR_OUT_OF_MEMORY");
        cuMemFree(memory);
        cuCtxDestroy(context);
    }
}
