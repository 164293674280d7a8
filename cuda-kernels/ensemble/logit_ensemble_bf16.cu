// Logit ensembles of models in BF16: the header has their contract.
#include "logit_ensemble.cuh"

LOGIT_ENSEMBLE(Format::BF16)
