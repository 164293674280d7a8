package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.CUlaunchAttributeValue_union;
import dev.fusor.bindings.cuda.CUlaunchAttribute_st;
import dev.fusor.bindings.cuda.CUlaunchConfig_st;
import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * A prepared launch: the shape and the parameters of a kernel's launch, written once and launched often. A launch makes no
 * object. The driver copies the parameters, so they may be changed as soon as {@link #on} returns.
 *
 * <p>It belongs to the thread that made it; any other gets a {@link WrongThreadException}.
 */
public final class CudaLaunch implements AutoCloseable {
    private static final int MOST_ATTRIBUTES = 2;

    /** CU_LAUNCH_ATTRIBUTE_COOPERATIVE of cuda.h: the bindings have no constant for it, nor for the next. */
    private static final int COOPERATIVE = 2;

    /** CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION. */
    private static final int CLUSTER_DIMENSION = 4;

    private final CudaKernel kernel;
    private final Thread owner = Thread.currentThread();
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment config = CUlaunchConfig_st.allocate(arena);
    private final MemorySegment attributes = CUlaunchAttribute_st.allocateArray(MOST_ATTRIBUTES, arena);
    private final MemorySegment[] values;
    private final MemorySegment addresses;
    private boolean empty = true;

    CudaLaunch(CudaKernel kernel, int... parameterBytes) {
        this.kernel = kernel;
        this.values = new MemorySegment[parameterBytes.length];
        this.addresses = arena.allocate(ADDRESS, Math.max(1, values.length));
        for (int i = 0; i < values.length; i++) {
            values[i] = arena.allocate(parameterBytes[i], Long.BYTES);
            addresses.setAtIndex(ADDRESS, i, values[i]);
        }
        CUlaunchConfig_st.attrs(config, attributes);
    }

    /**
     * Sets how many blocks there are. A grid of none is allowed: it launches nothing.
     *
     * @param x blocks along the first axis
     * @param y along the second
     * @param z along the third
     * @return this
     */
    public CudaLaunch grid(int x, int y, int z) {
        mine();
        empty = x == 0 || y == 0 || z == 0;
        CUlaunchConfig_st.gridDimX(config, x);
        CUlaunchConfig_st.gridDimY(config, y);
        CUlaunchConfig_st.gridDimZ(config, z);
        return this;
    }

    /**
     * Sets how many blocks there are along the only axis.
     *
     * @param blocks how many; 0 launches nothing
     * @return this
     */
    public CudaLaunch grid(int blocks) {
        return grid(blocks, 1, 1);
    }

    /**
     * Sets the shape of a block.
     *
     * @param threads how many, along the only axis
     * @param sharedBytes dynamic shared memory in bytes
     * @return this
     */
    public CudaLaunch block(int threads, int sharedBytes) {
        mine();
        CUlaunchConfig_st.blockDimX(config, threads);
        CUlaunchConfig_st.blockDimY(config, 1);
        CUlaunchConfig_st.blockDimZ(config, 1);
        CUlaunchConfig_st.sharedMemBytes(config, sharedBytes);
        return this;
    }

    /**
     * Demands that all blocks are resident at the same time, so that they may wait for each other.
     *
     * @return this
     */
    public CudaLaunch cooperative() {
        CUlaunchAttributeValue_union.cooperative(attribute(COOPERATIVE), 1);
        return this;
    }

    /**
     * Launches blocks in clusters, which share their shared memory.
     *
     * @param blocks of one cluster, along the first axis
     * @return this
     */
    public CudaLaunch cluster(int blocks) {
        MemorySegment shape = CUlaunchAttributeValue_union
                .clusterDim(attribute(CLUSTER_DIMENSION));
        shape.setAtIndex(JAVA_INT, 0, blocks);
        shape.setAtIndex(JAVA_INT, 1, 1);
        shape.setAtIndex(JAVA_INT, 2, 1);
        return this;
    }

    private MemorySegment attribute(int id) {
        mine();
        int count = CUlaunchConfig_st.numAttrs(config);
        if (count == MOST_ATTRIBUTES) {
            throw new IllegalStateException("a launch has %d attributes already".formatted(count));
        }
        MemorySegment attribute = CUlaunchAttribute_st.asSlice(attributes, count);
        CUlaunchAttribute_st.id(attribute, id);
        CUlaunchConfig_st.numAttrs(config, count + 1);
        return CUlaunchAttribute_st.value(attribute);
    }

    /**
     * Sets a parameter of 8 bytes: an address or a number.
     *
     * @param index which, from 0
     * @param value the value
     * @return this
     */
    public CudaLaunch set(int index, long value) {
        slot(index, Long.BYTES).set(JAVA_LONG, 0, value);
        return this;
    }

    /**
     * Sets a parameter of 4 bytes.
     *
     * @param index which, from 0
     * @param value the value
     * @return this
     */
    public CudaLaunch set(int index, int value) {
        slot(index, Integer.BYTES).set(JAVA_INT, 0, value);
        return this;
    }

    /**
     * Sets a parameter of 4 bytes.
     *
     * @param index which, from 0
     * @param value the value
     * @return this
     */
    public CudaLaunch set(int index, float value) {
        slot(index, Float.BYTES).set(JAVA_FLOAT, 0, value);
        return this;
    }

    /**
     * Sets a parameter to the address of device memory.
     *
     * @param index which, from 0
     * @param memory in the memory of the device
     * @return this
     * @throws IllegalArgumentException if it is host memory
     */
    public CudaLaunch set(int index, MemorySegment memory) {
        return set(index, CudaMemory.address(memory));
    }

    private MemorySegment slot(int index, int bytes) {
        mine();
        if (values[index].byteSize() != bytes) {
            throw new IllegalArgumentException("parameter %d of %s takes %d bytes, got a value of %d".formatted(index,
                    kernel.name(), values[index].byteSize(), bytes));
        }
        return values[index];
    }

    /**
     * Enqueues the launch.
     *
     * @param stream of the kernel's device
     * @throws CudaException if the driver refuses it, or if an earlier fault comes to light
     * @throws WrongThreadException on any thread but the one that prepared it
     */
    public void on(CudaStream stream) {
        mine();
        if (stream.device() != kernel.device()) {
            throw new IllegalArgumentException("%s was compiled for %s, got a stream of %s".formatted(kernel.name(),
                    kernel.device(), stream.device()));
        }
        if (empty) {
            return;
        }
        kernel.device().enter();
        CUlaunchConfig_st.hStream(config, stream.handle());
        int result = LibCuda.cuLaunchKernelEx(config, kernel.function(), addresses, MemorySegment.NULL);
        if (result != LibCuda.CUDA_SUCCESS()) {
            throw Api.failure(result, "cuLaunchKernelEx", "launching " + kernel.name());
        }
    }

    private void mine() {
        if (Thread.currentThread() != owner) {
            throw new WrongThreadException("a prepared launch belongs to the thread that made it, %s; got %s"
                    .formatted(owner.getName(), Thread.currentThread().getName()));
        }
    }

    /** Frees the parameters. */
    @Override
    public void close() {
        mine();
        arena.close();
    }
}
