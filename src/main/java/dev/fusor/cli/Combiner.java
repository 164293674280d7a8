package dev.fusor.cli;

import dev.fusor.device.CpuDevice;
import dev.fusor.ensemble.LogitEnsemble;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.tensor.Tensor;
import java.util.Map;

/** Combines blocks of logits, somewhere: the bits are the same. */
interface Combiner extends AutoCloseable {
    /** Brings a block to where it is combined; {@return it there, until the next one} */
    Batch place(Batch block);

    /** Combines what was placed into host memory. */
    void combine(Mode mode, Batch batch, Map<Output, Tensor> results);

    @Override
    void close();

    /** {@return a combiner that leaves blocks where they are} */
    static Combiner on(CpuDevice device) {
        LogitEnsemble ensemble = LogitEnsemble.on(device);
        return new Combiner() {
            @Override
            public Batch place(Batch block) {
                return block;
            }

            @Override
            public void combine(Mode mode, Batch batch, Map<Output, Tensor> results) {
                ensemble.combine(mode, batch, results);
            }

            @Override
            public void close() {
                device.close();
            }
        };
    }
}
