// Reductions of tensors in F8_E4M3: the header has their contract.
#include "reduction.cuh"

REDUCTIONS(Format::F8_E4M3, 2)
