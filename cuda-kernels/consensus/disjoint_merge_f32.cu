// disjoint_merge of models in F32: the header has its contract.
#include "disjoint_merge.cuh"

DISJOINT_MERGES(Format::F32)
