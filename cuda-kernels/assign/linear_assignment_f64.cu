// Linear assignments of costs in F64: the header has their contract.
#include "linear_assignment.cuh"

LINEAR_ASSIGNMENT(double)
