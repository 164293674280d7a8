// Reductions of tensors in F8_E5M2: the header has their contract.
#include "reduction.cuh"

REDUCTIONS(Format::F8_E5M2, 2)
