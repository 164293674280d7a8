// The drop of DELLA for models in F8_E5M2: the header has its contract.
#include "ranked_drop.cuh"

DROPS_BY_RANK(Format::F8_E5M2)
