// task_vector_fusion of models in F16: the header has its contract.
#include "task_vector_fusion.cuh"

TASK_VECTOR_FUSIONS(Format::F16)
