// The drop of DELLA for models in F32: the header has its contract.
#include "ranked_drop.cuh"

DROPS_BY_RANK(Format::F32)
