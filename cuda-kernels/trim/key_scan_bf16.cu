// Keys of task vectors in BF16: the header has their contract.
#include "key_scan.cuh"

KEY_SCANS(Format::BF16)
