// Linear assignments of costs in I64: the header has their contract.
#include "linear_assignment.cuh"

LINEAR_ASSIGNMENT(long long)
