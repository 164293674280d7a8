// Ensembles of long rows that are held, of models in F16: the header has their contract.
#include "held_rows.cuh"

HELD_ROWS(Format::F16)
