// The random numbers of random drops: Philox4x32-10, as drop/Philox.java defines keys and counters.
#pragma once
#include <stdint.h>

struct PhiloxBlock {
    uint32_t words[4];
};

__device__ inline PhiloxBlock philox(uint32_t key0, uint32_t key1, uint32_t stream, unsigned long long number)
{
    uint32_t x0 = static_cast<uint32_t>(number);
    uint32_t x1 = static_cast<uint32_t>(number >> 32);
    uint32_t x2 = stream;
    uint32_t x3 = 0;
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const uint64_t product0 = static_cast<uint64_t>(0xD2511F53u) * x0;
        const uint64_t product1 = static_cast<uint64_t>(0xCD9E8D57u) * x2;
        x0 = static_cast<uint32_t>(product1 >> 32) ^ x1 ^ key0;
        x1 = static_cast<uint32_t>(product1);
        x2 = static_cast<uint32_t>(product0 >> 32) ^ x3 ^ key1;
        x3 = static_cast<uint32_t>(product0);
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return {{x0, x1, x2, x3}};
}
