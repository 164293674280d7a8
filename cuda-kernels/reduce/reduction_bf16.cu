// Reductions of tensors in BF16: the header has their contract.
#include "reduction.cuh"

REDUCTIONS(Format::BF16, 3)
