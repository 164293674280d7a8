// task_vector_variance of models in F32: the header has its contract.
#include "task_vector_variance.cuh"

TASK_VECTOR_VARIANCES(Format::F32)
