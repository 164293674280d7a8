// weighted_sum of models in F32: the header has its contract.
#include "weighted_sum.cuh"

WEIGHTED_SUMS(Format::F32)
