// What stays of the rows of task vectors in F32: the header has the contract.
#include "row_selection.cuh"

ROW_SELECTION(Format::F32)
