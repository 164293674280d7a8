// Reductions of tensors in F16: the header has their contract.
#include "reduction.cuh"

REDUCTIONS(Format::F16, 3)
