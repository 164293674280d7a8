// Products of gradients and task vectors of models in F16: the header has their contract.
#include "task_vector_products.cuh"

TASK_VECTOR_PRODUCTS(task_vector_products, Format::F16, Format::F16)
TASK_VECTOR_PRODUCTS(task_vector_products_wide, Format::F16, Format::F32)
