// Ensembles of models in F32 that have few classes: the header has their contract.
#include "few_classes.cuh"

FEW_CLASSES(Format::F32)
