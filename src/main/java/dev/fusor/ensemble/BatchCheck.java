package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Set;

/** What is wrong with a batch, before anything is written. */
final class BatchCheck {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final Set<DType> DISTRIBUTION = Set.of(DType.F32, DType.F16, DType.BF16);

    private BatchCheck() {}

    static void check(Mode mode, Batch batch, Map<Output, Tensor> outputs) {
        int models = batch.models().size();
        require(models >= 1 && models <= LogitEnsemble.MOST_MODELS, "an ensemble has 1 to %d models, got %d",
                LogitEnsemble.MOST_MODELS, models);
        require(batch.rows() >= 0 && batch.classes() >= 1,
                "a batch has 0 rows or more and 1 class or more, got %d rows and %d classes", batch.rows(),
                batch.classes());
        for (int e = 0; e < models; e++) {
            check(e, batch.models().get(e), batch);
        }
        if (batch.gates() != null) {
            require(batch.gates().dtype().isArithmetic()
                    && batch.gates().shape().equals(Shape.of(batch.rows(), models)),
                    "gates are numbers [%d rows, %d models], got %s", batch.rows(), models, batch.gates());
        }
        outputs.forEach((output, tensor) -> check(output, tensor, batch));
        require(mode == Mode.PROBABILITIES || !outputs.containsKey(Output.DISAGREEMENT),
                "DISAGREEMENT is of the mode PROBABILITIES, got the mode %s", mode);
        Tensor ranks = outputs.get(Output.TOP_CLASSES);
        Tensor values = outputs.get(Output.TOP_LOG_PROBABILITIES);
        require(ranks == null || values == null || ranks.shape().equals(values.shape()),
                "TOP_CLASSES and TOP_LOG_PROBABILITIES have one shape, got %s and %s", ranks, values);
        require(batch.labels() != null || !outputs.containsKey(Output.LOSS), "LOSS takes labels, got none");
        Tensor labels = batch.labels();
        require(labels == null || (labels.dtype() == DType.I32 || labels.dtype() == DType.I64)
                && labels.shape().equals(Shape.of(batch.rows())), "labels are I32 or I64 [%d], got %s", batch.rows(),
                labels);
    }

    private static void check(int number, Model model, Batch batch) {
        Tensor logits = model.logits();
        require(logits.dtype().isArithmetic(), "the logits of model %d are no numbers, got %s", number, logits);
        require(model.first() >= 0 && model.stride() >= batch.classes(),
                "the rows of model %d start at 0 or later, a stride of at least %d apart, got %d and %d", number,
                batch.classes(), model.first(), model.stride());
        long behindLast = batch.rows() == 0
                ? 0
                : Math.addExact(model.first(),
                        Math.addExact(Math.multiplyExact(batch.rows() - 1, model.stride()), batch.classes()));
        require(behindLast <= logits.elements(), "the logits of model %d take %d elements, got %s", number, behindLast,
                logits);
        require(model.weight() >= 0 && model.weight() < Double.POSITIVE_INFINITY,
                "the weight of model %d is 0 or more, and finite, got %s", number, model.weight());
        float inverse = ModelChunks.inverse(model);
        require(inverse > 0 && inverse < Float.POSITIVE_INFINITY,
                "the temperature of model %d is more than 0, its reciprocal a float32, got %s", number,
                model.temperature());
        Tensor present = model.present();
        require(present == null || (present.dtype() == DType.U8 || present.dtype() == DType.BOOL)
                && present.shape().equals(Shape.of(batch.classes())),
                "the classes of model %d are U8 or BOOL [%d], got %s", number, batch.classes(), present);
    }

    private static void check(Output output, Tensor tensor, Batch batch) {
        long rows = batch.rows();
        switch (output) {
            case LOGITS, LOG_PROBABILITIES, PROBABILITIES -> require(
                    DISTRIBUTION.contains(tensor.dtype()) && tensor.shape().equals(Shape.of(rows, batch.classes())),
                    "%s is F32, F16 or BF16 [%d, %d], got %s", output, rows, batch.classes(), tensor);
            case ARGMAX -> require(tensor.dtype() == DType.I32 && tensor.shape().equals(Shape.of(rows)),
                    "%s is I32 [%d], got %s", output, rows, tensor);
            case TOP_CLASSES, TOP_LOG_PROBABILITIES -> {
                DType type = output == Output.TOP_CLASSES ? DType.I32 : DType.F32;
                require(tensor.dtype() == type && tensor.shape().rank() == 2 && tensor.shape().extent(0) == rows
                        && tensor.shape().extent(1) >= 1 && tensor.shape().extent(1) <= batch.classes(),
                        "%s is %s [%d, 1 to %d], got %s", output, type, rows, batch.classes(), tensor);
            }
            case LOG_SUM_EXP -> require(
                    tensor.dtype() == DType.F32 && tensor.shape().equals(Shape.of(rows, batch.models().size())),
                    "%s is F32 [%d, %d], got %s", output, rows, batch.models().size(), tensor);
            case ENTROPY, DISAGREEMENT, LOSS -> require(
                    tensor.dtype() == DType.F32 && tensor.shape().equals(Shape.of(rows)), "%s is F32 [%d], got %s",
                    output, rows, tensor);
        }
    }

    /** That labels are classes, where memory can be read. */
    static void checkLabels(Batch batch) {
        Tensor labels = batch.labels();
        for (long row = 0; row < batch.rows(); row++) {
            long label = label(labels, row);
            require(label >= 0 && label < batch.classes(), "labels are classes, 0 to %d, got %d in row %d",
                    batch.classes() - 1, label, row);
        }
    }

    /** {@return the label of a row} */
    static long label(Tensor labels, long row) {
        return labels.dtype() == DType.I32 ? labels.data().get(INT, 4 * row) : labels.data().get(LONG, 8 * row);
    }

    static void require(boolean holds, String message, Object... values) {
        if (!holds) {
            throw new IllegalArgumentException(message.formatted(values));
        }
    }
}
