// What stays of the rows of task vectors in BF16: the header has the contract.
#include "row_selection.cuh"

ROW_SELECTION(Format::BF16)
