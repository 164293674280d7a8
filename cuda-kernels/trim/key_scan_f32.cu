// Keys of task vectors in F32: the header has their contract.
#include "key_scan.cuh"

KEY_SCANS(Format::F32)
