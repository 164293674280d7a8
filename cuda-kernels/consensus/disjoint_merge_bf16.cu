// disjoint_merge of models in BF16: the header has its contract.
#include "disjoint_merge.cuh"

DISJOINT_MERGES(Format::BF16)
