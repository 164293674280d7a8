package dev.fusor.arithmetic;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Convert;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Scratch;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.util.List;
import java.util.stream.Stream;

import static dev.fusor.simd.Scratch.ELEMENTS;

/** The weighted sum on the CPU: vectors where the Vector API is there, plain loops of the same bits elsewhere. */
final class WeightedSumCpu implements WeightedSum {
    /** Models in one loop at most: what the JIT still inlines whole (docs/adr/010). */
    static final int GROUP = 4;

    /** Likewise with a base, which costs a load and a difference for each model. */
    private static final int GROUP_WITH_BASE = 3;

    /** Elements of one task: enough to hide its hand-over, few enough to share out evenly. */
    private static final long TILE = 1 << 17;

    private static final Specialised<WeightedSumLoop.Form, WeightedSumLoop> TEMPLATE = new Specialised<>(
            MethodHandles.lookup(), "WeightedSumLanes", WeightedSumLoop.class);

    private final CpuDevice device;

    WeightedSumCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public void sum(Tensor base, List<Tensor> models, double[] weights, double divisor, Tensor out) {
        check(base, models, weights, out);
        long length = out.elements();
        Tensor[] x = models.toArray(Tensor[]::new);
        boolean wide = everything(base, models, out).anyMatch(tensor -> tensor.dtype() == DType.F64);
        boolean vectors = !wide && Specialised.available()
                && everything(base, models, out).allMatch(tensor -> Lanes.supports(tensor.dtype()));
        device.run((length + TILE - 1) / TILE, tile -> {
            long from = tile * TILE;
            long count = Math.min(TILE, length - from);
            if (wide) {
                sumDoubles(base, x, weights, divisor, out, from, count);
                return;
            }
            long whole = vectors ? count - count % Lanes.LENGTH : 0;
            if (whole > 0) {
                sumVectors(base, x, weights, divisor, out, from, whole);
            }
            sumFloats(base, x, weights, divisor, out, from + whole, count - whole);
        });
    }

    private void check(Tensor base, List<Tensor> models, double[] weights, Tensor out) {
        if (models.isEmpty() || weights.length != models.size()) {
            throw new IllegalArgumentException(
                    "a weighted sum takes at least 1 model and a weight for each, got %d models and %d weights"
                            .formatted(models.size(), weights.length));
        }
        everything(base, models, out).forEach(tensor -> {
            if (tensor.elements() != out.elements() || !tensor.dtype().isArithmetic()) {
                throw new IllegalArgumentException(
                        "a weighted sum takes tensors of arithmetic types and equal length, got %s for an output %s"
                                .formatted(tensor, out));
            }
            if (!device.reaches(tensor.data())) {
                throw new IllegalArgumentException(
                        "a weighted sum on %d threads takes memory that all of them may use, got %s in an arena of one thread: wanted a shared or automatic one"
                                .formatted(device.threads(), tensor));
            }
        });
    }

    private static Stream<Tensor> everything(Tensor base, List<Tensor> models, Tensor out) {
        return Stream.concat(models.stream(), Stream.of(base == null ? out : base, out));
    }

    private static void sumVectors(Tensor base, Tensor[] models, double[] weights, double divisor, Tensor out,
            long from,
            long count) {
        DType type = models[0].dtype();
        boolean direct = isDirect(type) && (base == null || base.dtype() == type);
        for (Tensor model : models) {
            direct &= model.dtype() == type;
        }
        Group group = new Group(base, models, weights, divisor, out, direct);
        if (direct && isDirect(out.dtype()) && models.length <= group.most) {
            group.run(0, from, count);
            return;
        }
        for (long i = 0; i < count; i += ELEMENTS) {
            for (int first = 0; first < models.length; first += group.most) {
                group.run(first, from + i, Math.min(ELEMENTS, count - i));
            }
        }
    }

    /** Types that the template reads and writes without a detour. */
    private static boolean isDirect(DType type) {
        return type == DType.BF16 || type == DType.F32;
    }

    /** The operands of the loops over one tile: groups of models, with the sum so far kept in scratch between them. */
    private static final class Group {
        private static final int BASE = GROUP;
        private static final int SUM = GROUP + 1;

        private final Scratch scratch = Scratch.mine();
        private final Tensor base;
        private final Tensor[] models;
        private final double[] weights;
        private final float divisor;
        private final Tensor out;
        private final boolean direct;
        private final int most;
        private final MemorySegment[] data = new MemorySegment[GROUP + 1];
        private final long[] at = new long[GROUP + 1];
        private final float[] groupWeights = new float[GROUP];

        Group(Tensor base, Tensor[] models, double[] weights, double divisor, Tensor out, boolean direct) {
            this.base = base;
            this.models = models;
            this.weights = weights;
            this.divisor = (float) divisor;
            this.out = out;
            this.direct = direct;
            this.most = base == null ? GROUP : GROUP_WITH_BASE;
        }

        void run(int first, long from, long count) {
            int size = Math.min(most, models.length - first);
            boolean last = first + size == models.length;
            for (int m = 0; m < size; m++) {
                place(models[first + m], m, from, count);
                groupWeights[m] = (float) weights[first + m];
            }
            if (base != null && (first == 0 || direct)) {
                place(base, BASE, from, count);
            }
            MemorySegment sum = scratch.buffer(SUM);
            boolean straight = last && isDirect(out.dtype());
            MemorySegment target = straight ? out.data() : sum;
            long targetByte = straight ? out.dtype().byteSize(from) : 0;
            WeightedSumLoop.Form form = new WeightedSumLoop.Form(direct ? models[0].dtype() : DType.F32,
                    straight ? out.dtype() : DType.F32, size, base != null, first > 0, last);
            TEMPLATE.of(form).run(data, at, groupWeights, divisor, sum, target, targetByte, count);
            if (last && !straight) {
                Convert.round(sum, out, from, (int) count);
            }
        }

        private void place(Tensor tensor, int slot, long from, long count) {
            if (direct) {
                data[slot] = tensor.data();
                at[slot] = tensor.dtype().byteSize(from);
            } else {
                Convert.widen(tensor, from, scratch.buffer(slot), (int) count);
                data[slot] = scratch.buffer(slot);
                at[slot] = 0;
            }
        }
    }

    private static void sumFloats(Tensor base, Tensor[] models, double[] weights, double divisor, Tensor out, long from,
            long count) {
        Scratch scratch = Scratch.mine();
        float[] sum = scratch.floats(0);
        float[] x = scratch.floats(1);
        float[] b = scratch.floats(2);
        for (long i = 0; i < count; i += ELEMENTS) {
            int n = (int) Math.min(ELEMENTS, count - i);
            if (base != null) {
                Elements.load(base, from + i, b, n);
            }
            for (int m = 0; m < models.length; m++) {
                Elements.load(models[m], from + i, x, n);
                if (base != null) {
                    for (int j = 0; j < n; j++) {
                        x[j] -= b[j];
                    }
                }
                float w = (float) weights[m];
                if (m == 0) {
                    for (int j = 0; j < n; j++) {
                        sum[j] = w * x[j];
                    }
                } else {
                    for (int j = 0; j < n; j++) {
                        sum[j] = Math.fma(w, x[j], sum[j]);
                    }
                }
            }
            float d = (float) divisor;
            for (int j = 0; j < n; j++) {
                sum[j] /= d;
            }
            if (base != null) {
                for (int j = 0; j < n; j++) {
                    sum[j] += b[j];
                }
            }
            Elements.store(sum, out, from + i, n);
        }
    }

    private static void sumDoubles(Tensor base, Tensor[] models, double[] weights, double divisor, Tensor out,
            long from,
            long count) {
        Scratch scratch = Scratch.mine();
        double[] sum = scratch.doubles(0);
        double[] x = scratch.doubles(1);
        double[] b = scratch.doubles(2);
        for (long i = 0; i < count; i += ELEMENTS) {
            int n = (int) Math.min(ELEMENTS, count - i);
            if (base != null) {
                Elements.load(base, from + i, b, n);
            }
            for (int m = 0; m < models.length; m++) {
                Elements.load(models[m], from + i, x, n);
                for (int j = 0; j < n; j++) {
                    double delta = base == null ? x[j] : x[j] - b[j];
                    sum[j] = m == 0 ? weights[m] * delta : Math.fma(weights[m], delta, sum[j]);
                }
            }
            for (int j = 0; j < n; j++) {
                sum[j] = base == null ? sum[j] / divisor : b[j] + sum[j] / divisor;
            }
            Elements.store(sum, out, from + i, n);
        }
    }
}
