// trimmed_merge of models in F32: the header has its contract.
#include "trimmed_merge.cuh"

TRIMMED_MERGES(Format::F32)
