// weighted_sum of models in F16: the header has its contract.
#include "weighted_sum.cuh"

WEIGHTED_SUMS(Format::F16)
