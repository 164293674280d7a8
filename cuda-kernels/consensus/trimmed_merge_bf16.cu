// trimmed_merge of models in BF16: the header has its contract.
#include "trimmed_merge.cuh"

TRIMMED_MERGES(Format::BF16)
