// Reductions of tensors in F32: the header has their contract.
#include "reduction.cuh"

REDUCTIONS(Format::F32, 3)
