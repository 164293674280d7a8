// Linear assignments of costs in I32: the header has their contract.
#include "linear_assignment.cuh"

LINEAR_ASSIGNMENT(int)
