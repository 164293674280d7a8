// Linear assignments of costs in F32: the header has their contract.
#include "linear_assignment.cuh"

LINEAR_ASSIGNMENT(float)
