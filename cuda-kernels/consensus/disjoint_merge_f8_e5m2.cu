// disjoint_merge of models in F8_E5M2: the header has its contract.
#include "disjoint_merge.cuh"

DISJOINT_MERGES(Format::F8_E5M2)
