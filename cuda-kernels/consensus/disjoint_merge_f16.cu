// disjoint_merge of models in F16: the header has its contract.
#include "disjoint_merge.cuh"

DISJOINT_MERGES(Format::F16)
