package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * Device memory, as segments and tensors that the host cannot read: touching one there is a {@link WrongThreadException}.
 * Slices, sizes and addresses are those of any segment.
 *
 * <p>Allocation and freeing are work on a stream, in order with what else is enqueued there: memory may be used by other
 * streams only when they wait for it, and is given back when what was enqueued before has used it.
 */
public final class CudaMemory implements AutoCloseable {
    private final CudaStream stream;
    private final MemorySegment segment;
    private boolean closed;

    private CudaMemory(CudaStream stream, MemorySegment segment) {
        this.stream = stream;
        this.segment = segment;
    }

    /**
     * {@return memory of undefined content} It starts at a multiple of 256 bytes.
     *
     * @param stream allocates and frees it, in order
     * @param bytes 0 or more
     * @throws CudaException if there is too little memory, among others
     */
    public static CudaMemory allocate(CudaStream stream, long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("memory has 0 bytes or more, got " + bytes);
        }
        CudaDevice device = stream.device();
        device.enter();
        if (bytes == 0) {
            return new CudaMemory(stream, DeviceSegments.of(0, 0));
        }
        MemorySegment pool = device.pool();
        long address = Api.queryLong("cuMemAllocFromPoolAsync",
                () -> "allocating " + bytes + " bytes on cuda:" + device.info().ordinal(),
                out -> LibCuda.cuMemAllocFromPoolAsync(out, bytes, pool, stream.handle()));
        return new CudaMemory(stream, DeviceSegments.of(address, bytes));
    }

    /** {@return all of it} */
    public MemorySegment segment() {
        return segment;
    }

    /**
     * {@return a tensor at its start}
     *
     * @param dtype the element type
     * @param extents the extents, outermost first
     * @throws IndexOutOfBoundsException if the memory is too small
     */
    public Tensor tensor(DType dtype, long... extents) {
        Shape shape = Shape.of(extents);
        return Tensor.of(segment.asSlice(0, dtype.byteSize(shape.elements())), dtype, shape);
    }

    /**
     * {@return device memory that somebody else allocated, and keeps}
     *
     * @param address the number that a {@code CUdeviceptr} is
     * @param bytes how many may be used from there
     */
    public static MemorySegment wrap(long address, long bytes) {
        return DeviceSegments.of(address, bytes);
    }

    /**
     * {@return whether a segment is device memory}
     *
     * @param segment any
     */
    public static boolean isDevice(MemorySegment segment) {
        return DeviceSegments.isDevice(segment);
    }

    /**
     * {@return the address of device memory}
     *
     * @param segment device memory
     * @throws IllegalArgumentException if it is host memory
     */
    public static long address(MemorySegment segment) {
        if (!DeviceSegments.isDevice(segment)) {
            throw new IllegalArgumentException(
                    "wanted device memory, got host memory of %d bytes: copy it to the device first, by CudaStream.upload"
                            .formatted(segment.byteSize()));
        }
        return segment.address();
    }

    /**
     * {@return the address of a tensor, or 0 for none}
     *
     * @param tensor in device memory, or null
     * @throws IllegalArgumentException if it is in host memory
     */
    public static long addressOrZero(Tensor tensor) {
        return tensor == null ? 0 : address(tensor.data());
    }

    /** Frees it once the stream has come so far. Closing twice is allowed. */
    @Override
    public void close() {
        if (closed || segment.byteSize() == 0) {
            return;
        }
        stream.device().enterToRelease();
        closed = true;
        Api.release("cuMemFreeAsync", () -> "freeing " + segment.byteSize() + " bytes",
                () -> LibCuda.cuMemFreeAsync(segment.address(), stream.handle()));
    }
}
