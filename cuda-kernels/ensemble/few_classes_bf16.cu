// Ensembles of models in BF16 that have few classes: the header has their contract.
#include "few_classes.cuh"

FEW_CLASSES(Format::BF16)
