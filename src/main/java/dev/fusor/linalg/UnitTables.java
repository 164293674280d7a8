package dev.fusor.linalg;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.linalg.UnitSimilarityCuda.Pair;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

import static dev.fusor.linalg.UnitSimilarity.CHUNK;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** The tables of unit_similarity.cu on the device: chunks of columns, and where the elements of units lie. */
final class UnitTables implements AutoCloseable {
    private static final int CHUNK_BYTES = 16;
    private static final int OPERAND_BYTES = 32;

    private final CudaMemory memory;
    private final long chunks;
    private final long operandsAt;

    /** Enqueues the copy of the tables of some pairs. */
    UnitTables(CudaStream stream, List<Pair> pairs) {
        this.chunks = pairs.stream().mapToLong(pair -> (pair.a().columns() + CHUNK - 1) / CHUNK).sum();
        List<Units> operands = pairs.stream().flatMap(pair -> List.of(pair.a(), pair.b()).stream()).toList();
        this.operandsAt = chunks * CHUNK_BYTES;
        long axesAt = operandsAt + (long) operands.size() * OPERAND_BYTES;
        long ordersAt = axesAt + AxisTable.BYTES * operands.stream().mapToLong(UnitTables::rank).sum();
        this.memory = CudaMemory.allocate(stream, ordersAt + operands.stream()
                .mapToLong(units -> AxisTable.orderBytes(units.source(), rank(units))).sum());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(memory.segment().byteSize(), Long.BYTES);
            writeChunks(pairs, host);
            writeOperands(operands, host, new AxisTable(host, memory.segment().address(), axesAt, ordersAt));
            stream.upload(host, memory.segment());
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    private static int rank(Units units) {
        return units.source().tensor().shape().rank();
    }

    private static void writeChunks(List<Pair> pairs, MemorySegment host) {
        long at = 0;
        for (int pair = 0; pair < pairs.size(); pair++) {
            long columns = pairs.get(pair).a().columns();
            for (long from = 0; from < columns; from += CHUNK, at += CHUNK_BYTES) {
                host.set(JAVA_LONG, at, from);
                host.set(JAVA_INT, at + 8, (int) Math.min(CHUNK, columns - from));
                host.set(JAVA_INT, at + 12, pair);
            }
        }
    }

    private void writeOperands(List<Units> operands, MemorySegment host, AxisTable axes) {
        long at = operandsAt;
        for (Units units : operands) {
            Tensor tensor = units.source().tensor();
            host.set(JAVA_LONG, at, tensor.data().address() + tensor.dtype().byteSize(units.base(0)));
            host.set(JAVA_LONG, at + 8, units.base(1) - units.base(0));
            host.set(JAVA_LONG, at + 16, axes.next());
            host.set(JAVA_INT, at + 24, rank(units));
            host.set(JAVA_INT, at + 28, CudaFormats.number(tensor.dtype()));
            for (int axis = 0; axis < rank(units); axis++) {
                axes.add(units.source(), axis, units.extent(axis));
            }
            at += OPERAND_BYTES;
        }
    }

    /** {@return how many chunks there are} */
    long chunks() {
        return chunks;
    }

    /** {@return the address of a chunk} */
    long chunk(long number) {
        return memory.segment().address() + number * CHUNK_BYTES;
    }

    /** {@return the address of the operands} */
    long operands() {
        return memory.segment().address() + operandsAt;
    }

    @Override
    public void close() {
        memory.close();
    }
}
