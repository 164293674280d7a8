// Products of gradients and task vectors of models in F32: the header has their contract.
#include "task_vector_products.cuh"

TASK_VECTOR_PRODUCTS(task_vector_products, Format::F32, Format::F32)
