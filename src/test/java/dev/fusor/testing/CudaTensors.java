package dev.fusor.testing;

import dev.fusor.device.cuda.CudaDevice;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** What tests of kernels have: a device, a stream, and tensors there, which end with the test. */
public abstract class CudaTensors {
    protected CudaDevice device;
    protected CudaStream stream;
    private final List<CudaMemory> memories = new ArrayList<>();

    @BeforeEach
    protected final void open() {
        device = CudaDevice.open(0);
        stream = CudaStream.open(device);
    }

    @AfterEach
    protected final void close() {
        memories.forEach(CudaMemory::close);
        stream.close();
        device.close();
    }

    /** Device memory for a tensor, some elements past an aligned address. */
    protected final Tensor there(DType type, long length, int shift) {
        CudaMemory memory = CudaMemory.allocate(stream, type.byteSize(length + shift));
        memories.add(memory);
        return Tensor.of(memory.segment().asSlice(type.byteSize(shift)), type, Shape.of(length));
    }

    /** A copy of a tensor. */
    protected final Tensor there(Tensor host, int shift) {
        Tensor tensor = there(host.dtype(), host.elements(), shift);
        stream.upload(host.data(), tensor.data());
        return tensor;
    }

    /** A copy on this side, once the stream has come so far. */
    protected final Tensor back(Tensor tensor) {
        Tensor host = Tensors.zeros(tensor.dtype(), tensor.elements());
        stream.download(tensor.data(), host.data());
        stream.synchronize();
        return host;
    }
}
