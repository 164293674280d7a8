package dev.fusor.merge;

import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaDevice;
import dev.fusor.device.cuda.CudaEvent;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.device.cuda.PinnedMemory;
import dev.fusor.method.DeviceRanges;
import dev.fusor.reduce.RangedReductionCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** The buffers of one range, on both sides, and the range that is under way in them. */
final class CudaSlot implements AutoCloseable {
    private static final long ALIGNMENT = 256;

    /**
     * What copies and computes.
     *
     * @param cpu reads inputs
     * @param up copies to the device
     * @param work runs kernels
     * @param down copies from the device
     */
    record Streams(CpuDevice cpu, CudaStream up, CudaStream work, CudaStream down) {}

    private final Streams streams;
    private final ResidentTensors resident;
    private final long room;
    private final Owned own = new Owned();
    private final PinnedMemory hostIn;
    private final PinnedMemory hostOut;
    private final CudaMemory deviceIn;
    private final CudaMemory deviceOut;
    private final CudaEvent uploaded;
    private final CudaEvent merged;
    private final CudaEvent done;
    private long from;
    private List<Tensor> inputs = List.of();
    private Tensor result; // null for a range that is read only
    private boolean busy;

    /**
     * Allocates the buffers. They are there for all streams once that of kernels has come so far.
     *
     * @param device where
     * @param streams of it
     * @param resident what is there whole, and need not be copied
     * @param most inputs of a range
     * @param elements of a range at most
     */
    CudaSlot(CudaDevice device, Streams streams, ResidentTensors resident, int most, int elements) {
        this.streams = streams;
        this.resident = resident;
        this.room = room(elements);
        try {
            this.hostIn = own.keep(PinnedMemory.allocate(device, most * room));
            this.hostOut = own.keep(PinnedMemory.allocate(device, room));
            this.deviceIn = own.keep(CudaMemory.allocate(streams.work, most * room));
            this.deviceOut = own.keep(CudaMemory.allocate(streams.work, room));
            this.uploaded = own.keep(CudaEvent.open(device));
            this.merged = own.keep(CudaEvent.open(device));
            this.done = own.keep(CudaEvent.open(device));
        } catch (RuntimeException e) {
            throw own.closeAfter(e);
        }
    }

    private static long room(int elements) {
        return elements * (long) Float.BYTES + ALIGNMENT;
    }

    /** {@return page-locked bytes of a slot} */
    static long hostBytes(int inputs, int elements) {
        return (inputs + 1L) * room(elements);
    }

    private Tensor part(MemorySegment memory, int place, DType type, int count) {
        return Tensor.of(memory.asSlice(place * room, type.byteSize(count)), type, Shape.of(count));
    }

    /** Reads a range of each source but of those that were moved on the device. Threads that are left over read parts of it. */
    private void read(List<TensorSource> sources, long start, int count) {
        DType type = sources.getFirst().dtype();
        List<Tensor> host = new ArrayList<>();
        for (int i = 0; i < sources.size(); i++) {
            host.add(resident.wasMoved(sources.get(i)) ? null : part(hostIn.segment(), i, type, count));
        }
        int pieces = Math.max(1, streams.cpu.threads() / sources.size());
        streams.cpu.run((long) sources.size() * pieces, task -> {
            int i = (int) (task / pieces);
            long piece = task % pieces;
            long first = count * piece / pieces;
            long length = count * (piece + 1) / pieces - first;
            if (host.get(i) != null && length > 0) {
                read(sources.get(i), start + first, host.get(i).slice(first, length));
            }
        });
        from = start;
        inputs = host;
    }

    private static void read(TensorSource source, long start, Tensor target) {
        switch (source) {
            case FileSource file -> file.read(start, target.data());
            case GatheredSource gathered -> gathered.permuted().copy(start, target);
            default -> target.data().copyFrom(source.slice(start, target.elements()).data());
        }
    }

    /** What is enqueued on the stream of kernels from here on finds on the device what was copied up. */
    private void copiedUp() {
        uploaded.record(streams.up);
        streams.work.waitFor(uploaded);
    }

    /** A range of each source, read and on the device. */
    private List<Tensor> fill(List<TensorSource> sources, long start, int count) {
        read(sources, start, count);
        List<Tensor> there = new ArrayList<>();
        for (int i = 0; i < sources.size(); i++) {
            if (resident.has(sources.get(i))) {
                there.add(resident.range(sources.get(i), start, count));
            } else {
                there.add(part(deviceIn.segment(), i, sources.getFirst().dtype(), count));
                streams.up.upload(inputs.get(i).data(), there.getLast().data());
            }
        }
        copiedUp();
        return there;
    }

    /** Nothing comes back of the range, which is through when the stream is. */
    private void endsOn(CudaStream stream) {
        result = null;
        done.record(stream);
        busy = true;
    }

    /** Brings a range of each source to where the whole of it is to be. */
    void bring(List<TensorSource> sources, long start, int count) {
        read(sources, start, count);
        for (int i = 0; i < sources.size(); i++) {
            streams.up.upload(inputs.get(i).data(), resident.range(sources.get(i), start, count).data());
        }
        copiedUp();
        endsOn(streams.up);
    }

    /** Adds a range of each source to a reduction. */
    void reduce(RangedReductionCuda reduction, List<TensorSource> sources, long start, int count) {
        reduction.add(start, fill(sources, start, count));
        endsOn(streams.work);
    }

    /** Merges a range. */
    void merge(DeviceRanges merge, long start, int count, DType out) {
        List<Tensor> there = fill(merge.inputs(), start, count);
        Tensor base = merge.base() == null ? null : there.getFirst();
        List<Tensor> models = base == null ? there : there.subList(1, there.size());
        Tensor deviceResult = part(deviceOut.segment(), 0, out, count);
        new RangeKernels(streams.work).merge(merge, base, models, start, deviceResult);
        merged.record(streams.work);
        streams.down.waitFor(merged);
        result = part(hostOut.segment(), 0, out, count);
        streams.down.download(deviceResult.data(), result.data());
        done.record(streams.down);
        busy = true;
    }

    /** Hands over the range that is in the buffers, if there is one. */
    void deliver(CudaRanges.Sink sink) {
        if (busy) {
            busy = false;
            done.synchronize();
            if (result != null) {
                sink.take(from, inputs, result);
            }
        }
    }

    @Override
    public void close() {
        own.close();
    }
}
