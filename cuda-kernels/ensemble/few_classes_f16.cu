// Ensembles of models in F16 that have few classes: the header has their contract.
#include "few_classes.cuh"

FEW_CLASSES(Format::F16)
