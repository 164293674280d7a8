// task_vector_variance of models in F8_E5M2: the header has its contract.
#include "task_vector_variance.cuh"

TASK_VECTOR_VARIANCES(Format::F8_E5M2)
