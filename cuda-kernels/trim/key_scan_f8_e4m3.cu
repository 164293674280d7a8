// Keys of task vectors in F8_E4M3: the header has their contract.
#include "key_scan.cuh"

KEY_SCANS(Format::F8_E4M3)
