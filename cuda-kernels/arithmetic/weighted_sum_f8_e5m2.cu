// weighted_sum of models in F8_E5M2: the header has its contract.
#include "weighted_sum.cuh"

WEIGHTED_SUMS(Format::F8_E5M2)
