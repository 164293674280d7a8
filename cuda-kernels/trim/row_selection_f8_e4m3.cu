// What stays of the rows of task vectors in F8_E4M3: the header has the contract.
#include "row_selection.cuh"

ROW_SELECTION(Format::F8_E4M3)
