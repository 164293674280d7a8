// task_vector_variance of models in BF16: the header has its contract.
#include "task_vector_variance.cuh"

TASK_VECTOR_VARIANCES(Format::BF16)
