// Where the elements of a tensor lie whose axes are read in other orders, as linalg/PermutedView.java defines it.
#pragma once

struct Axis {
    long long extent;
    long long stride;
    const int* order;  // null where entries are read as they lie
};

// What a number, row-major over some axes, adds to the flat index.
__device__ inline long long offsetOf(long long number, const Axis* axes, int count)
{
    long long offset = 0;
#pragma unroll 1
    for (int a = count - 1; a >= 0; a--) {
        const long long entry = number % axes[a].extent;
        number /= axes[a].extent;
        offset += axes[a].stride * (axes[a].order == nullptr ? entry : axes[a].order[entry]);
    }
    return offset;
}
