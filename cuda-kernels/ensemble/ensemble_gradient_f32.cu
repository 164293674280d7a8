// Gradients of ensembles of models in F32: the header has their contract.
#include "ensemble_gradient.cuh"

ENSEMBLE_GRADIENT(Format::F32)
