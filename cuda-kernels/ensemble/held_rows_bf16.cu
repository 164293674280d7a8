// Ensembles of long rows that are held, of models in BF16: the header has their contract.
#include "held_rows.cuh"

HELD_ROWS(Format::BF16)
