package dev.fusor.ensemble;

import dev.fusor.device.CpuDevice;
import dev.fusor.ensemble.LogitLoops.Form;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.Tensor;
import java.lang.invoke.MethodHandles;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.Function;
import java.util.function.LongConsumer;

/** Rows shared out among threads, each combined by one. */
final class LogitEnsembleCpu implements LogitEnsemble {
    private static final long LOGITS_PER_TASK = 1 << 16;

    private static final Specialised<Form, LogitLoops> TEMPLATE = new Specialised<>(MethodHandles.lookup(),
            "LogitEnsembleLanes", LogitLoops.class);

    private final CpuDevice device;

    LogitEnsembleCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public void combine(Mode mode, Batch batch, Map<Output, Tensor> outputs) {
        BatchCheck.check(mode, batch, outputs);
        if (batch.labels() != null) {
            BatchCheck.checkLabels(batch);
        }
        Map<Output, Tensor> wanted = new EnumMap<>(Output.class);
        wanted.putAll(outputs);
        eachRow(device, batch, forms -> new EnsembleRow(mode, batch, wanted, forms)::combine);
    }

    /** Hands every row to a worker that its thread made of the loops there are. */
    static void eachRow(CpuDevice device, Batch batch, Function<Function<Form, LogitLoops>, LongConsumer> workers) {
        Function<Form, LogitLoops> forms = Specialised.available() ? TEMPLATE::of : LogitEnsemblePlain::new;
        long rows = Math.max(1, LOGITS_PER_TASK / batch.models().size() / batch.classes());
        device.run((batch.rows() + rows - 1) / rows, task -> {
            LongConsumer worker = workers.apply(forms);
            for (long row = task * rows; row < Math.min((task + 1) * rows, batch.rows()); row++) {
                worker.accept(row);
            }
        });
    }
}
