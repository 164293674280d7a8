package dev.fusor.merge;

import dev.fusor.device.cuda.CudaException;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.linalg.PermutedInterpolationCuda;
import dev.fusor.linalg.PermutedInterpolationCuda.Item;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Tensors that are on a device whole, until they are released. Those whose units move are brought as they lie in their files, and
 * moved there; where there is no room for both orders of one, they are gathered range by range on the processor from then on
 * (docs/adr/035).
 */
final class ResidentTensors {
    private static final CudaRanges.Sink NOWHERE = (_, _, _) -> {};

    private final CudaPipeline pipeline;
    private final Map<TensorSource, CudaMemory> memories = new IdentityHashMap<>();
    /** Of those, the ones whose units were moved there. */
    private final Set<TensorSource> moved = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean movesUnits = true;

    ResidentTensors(CudaPipeline pipeline) {
        this.pipeline = pipeline;
    }

    boolean isEmpty() {
        return memories.isEmpty();
    }

    boolean has(TensorSource source) {
        return memories.containsKey(source);
    }

    /** {@return whether its units were moved there, so that the host has no range of it in that order} */
    boolean wasMoved(TensorSource source) {
        return moved.contains(source);
    }

    Tensor whole(TensorSource source) {
        return range(source, 0, source.elements());
    }

    Tensor range(TensorSource source, long from, long count) {
        DType type = source.dtype();
        return Tensor.of(memories.get(source).segment().asSlice(type.byteSize(from), type.byteSize(count)), type,
                Shape.of(count));
    }

    /**
     * Brings tensors.
     *
     * @param groups of tensors with as many elements, which are read side by side
     * @throws CudaException if there is no room for them; some may be there
     */
    void bring(List<List<TensorSource>> groups) {
        pipeline.openSlots();
        groups.forEach(this::moveUnits);
        List<List<TensorSource>> absent = groups.stream()
                .map(group -> group.stream().filter(source -> !has(source)).toList()).toList();
        absent.forEach(this::makeRoom);
        absent.forEach(this::fillRoom);
    }

    private void makeRoom(List<TensorSource> sources) {
        sources.forEach(source -> memories.computeIfAbsent(source,
                key -> CudaMemory.allocate(pipeline.work(), key.dtype().byteSize(key.elements()))));
        pipeline.work().synchronize(); // memory is there for the other streams from here on
    }

    private void fillRoom(List<TensorSource> sources) {
        if (!sources.isEmpty()) {
            eachRange(sources.getFirst(), (slot, from, count) -> slot.bring(sources, from, count));
        }
    }

    private void eachRange(TensorSource first, CudaPipeline.Begin begin) {
        pipeline.eachRange(first.elements(), pipeline.rangeElements(), NOWHERE, begin);
    }

    /** Brings those tensors whose units move, one after the other, if there is room. */
    void moveUnits(List<TensorSource> sources) {
        try {
            for (TensorSource source : sources) {
                if (movesUnits && source instanceof GatheredSource moving && !has(source)) {
                    moveUnits(moving);
                }
            }
        } catch (CudaException e) {
            if (!e.isOutOfMemory()) {
                throw e;
            }
            giveUp();
        }
    }

    private void moveUnits(GatheredSource source) {
        Tensor unmoved = source.permuted().unmoved();
        makeRoom(List.of(unmoved, source));
        fillRoom(List.of(unmoved));
        Tensor there = Tensor.of(whole(unmoved).data(), unmoved.dtype(), unmoved.shape());
        try (PermutedInterpolationCuda move = PermutedInterpolationCuda.prepare(pipeline.work(),
                List.of(Item.move(source.permuted().view(there), whole(source))))) {
            move.run();
        }
        moved.add(source);
        release(List.of(unmoved));
    }

    /** Frees some of them, if they are there, once the kernels have come so far. */
    void release(List<TensorSource> sources) {
        for (TensorSource source : sources) {
            moved.remove(source);
            CudaMemory memory = memories.remove(source);
            if (memory != null) {
                memory.close();
            }
        }
    }

    /** Frees them all. */
    void releaseAll() {
        pipeline.synchronize(); // copies under way use it
        release(List.copyOf(memories.keySet()));
    }

    /** Frees them all, and moves no units from now on. */
    void giveUp() {
        releaseAll();
        movesUnits = false;
    }

    /** Frees them all after a failure, or null for none. {@return the first failure} */
    RuntimeException closeAfter(RuntimeException first) {
        Owned rest = new Owned();
        memories.values().forEach(rest::keep);
        memories.clear();
        return rest.closeAfter(first);
    }
}
