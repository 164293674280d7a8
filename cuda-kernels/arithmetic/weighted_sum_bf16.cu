// weighted_sum of models in BF16: the header has its contract.
#include "weighted_sum.cuh"

WEIGHTED_SUMS(Format::BF16)
