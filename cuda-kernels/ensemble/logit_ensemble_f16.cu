// Logit ensembles of models in F16: the header has their contract.
#include "logit_ensemble.cuh"

LOGIT_ENSEMBLE(Format::F16)
