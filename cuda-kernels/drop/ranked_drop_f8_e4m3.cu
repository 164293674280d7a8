// The drop of DELLA for models in F8_E4M3: the header has its contract.
#include "ranked_drop.cuh"

DROPS_BY_RANK(Format::F8_E4M3)
