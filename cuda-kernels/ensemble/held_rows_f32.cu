// Ensembles of long rows that are held, of models in F32: the header has their contract.
#include "held_rows.cuh"

HELD_ROWS(Format::F32)
