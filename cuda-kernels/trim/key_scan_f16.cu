// Keys of task vectors in F16: the header has their contract.
#include "key_scan.cuh"

KEY_SCANS(Format::F16)
