// weighted_sum of models in F8_E4M3: the header has its contract.
#include "weighted_sum.cuh"

WEIGHTED_SUMS(Format::F8_E4M3)
