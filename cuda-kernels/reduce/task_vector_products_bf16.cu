// Products of gradients and task vectors of models in BF16: the header has their contract.
#include "task_vector_products.cuh"

TASK_VECTOR_PRODUCTS(task_vector_products, Format::BF16, Format::BF16)
TASK_VECTOR_PRODUCTS(task_vector_products_wide, Format::BF16, Format::F32)
