package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import java.util.List;

/** Batches in device memory. */
abstract class CudaBatches extends CudaTensors {
    static final List<DType> TYPES = List.of(DType.F32, DType.BF16, DType.F16);

    /** A copy in device memory, some elements past an aligned address. */
    final Tensor shaped(Tensor host, int shift) {
        return host == null ? null : Tensor.of(there(host, shift).data(), host.dtype(), host.shape());
    }

    final Batch there(Batch host, int shift) {
        List<Model> models = host.models().stream().map(model -> new Model(shaped(model.logits(), shift), model.first(),
                model.stride(), model.weight(), model.temperature(), shaped(model.present(), shift))).toList();
        return new Batch(models, host.rows(), host.classes(), shaped(host.gates(), shift),
                shaped(host.labels(), shift));
    }
}
