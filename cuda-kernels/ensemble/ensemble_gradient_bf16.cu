// Gradients of ensembles of models in BF16: the header has their contract.
#include "ensemble_gradient.cuh"

ENSEMBLE_GRADIENT(Format::BF16)
