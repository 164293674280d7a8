// The shadow of everything a kernel may touch: one byte beside each byte of the windows of fixed addresses (../README.md).
#pragma once

#include <cstdint>

// Never instrumented, whatever the translation unit is built with: the shadow is not the program's memory.
#define FUSOR_SIM_UNCHECKED __attribute__((no_sanitize_address, no_sanitize_thread))

namespace fusor::sim::shadow {

constexpr std::uint64_t kBase = 0x5500'0000'0000;
constexpr std::uint64_t kEnd = 0x5550'0000'0000;

// Regions of 32 GiB: one for each of eight devices, then pinned memory, then shared memory.
constexpr unsigned kRegionBits = 35;
constexpr unsigned kDevices = 8;
constexpr unsigned kPinnedRegion = 8;
constexpr unsigned kSharedRegion = 9;
constexpr std::uint64_t kRegionBytes = 1ull << kRegionBits;
constexpr std::uint64_t regionStart(unsigned region) { return kBase + region * kRegionBytes; }
constexpr unsigned regionOf(std::uint64_t address) { return static_cast<unsigned>((address - kBase) >> kRegionBits); }
constexpr bool covers(std::uint64_t address) { return address - kBase < kEnd - kBase; }

constexpr std::uint64_t kSlotBytes = 1ull << 24;  // of shared memory, for each resident block
constexpr unsigned kSlots = kRegionBytes / kSlotBytes;

constexpr std::uint8_t kAddressable = 1;
constexpr std::uint8_t kInitialised = 2;
constexpr std::uint8_t kReadable = kAddressable | kInitialised;
constexpr std::uint8_t kFreed = 4;

extern std::uint8_t* const bytes;  // the shadow of kBase

inline std::uint8_t* of(std::uint64_t address) { return bytes + (address - kBase); }

// Eight copies of a shadow byte, to compare a word of the shadow with.
constexpr std::uint64_t spread(std::uint8_t value) { return value * 0x0101'0101'0101'0101ull; }

template <class Word> FUSOR_SIM_UNCHECKED inline bool allAre(const std::uint8_t* at, std::uint8_t mask) {
    Word word;
    __builtin_memcpy(&word, at, sizeof word);
    const Word wanted = static_cast<Word>(spread(mask));
    return (word & wanted) == wanted;
}

template <class Word> FUSOR_SIM_UNCHECKED inline void setAll(std::uint8_t* at) {
    const Word readable = static_cast<Word>(spread(kReadable));
    __builtin_memcpy(at, &readable, sizeof readable);
}

// Whether all N bytes may be read, or written; what may be written is initialised from then on.
template <unsigned N> FUSOR_SIM_UNCHECKED inline bool mayRead(std::uint64_t address) {
    const std::uint8_t* at = of(address);
    if constexpr (N == 1) {
        return allAre<std::uint8_t>(at, kReadable);
    } else if constexpr (N == 2) {
        return allAre<std::uint16_t>(at, kReadable);
    } else if constexpr (N == 4) {
        return allAre<std::uint32_t>(at, kReadable);
    } else {
        bool all = true;
        for (unsigned i = 0; i < N; i += 8) {
            all &= allAre<std::uint64_t>(at + i, kReadable);
        }
        return all;
    }
}

template <unsigned N> FUSOR_SIM_UNCHECKED inline bool mayWrite(std::uint64_t address) {
    std::uint8_t* at = of(address);
    bool all = true;
    if constexpr (N == 1) {
        all = allAre<std::uint8_t>(at, kAddressable);
        if (all) setAll<std::uint8_t>(at);
    } else if constexpr (N == 2) {
        all = allAre<std::uint16_t>(at, kAddressable);
        if (all) setAll<std::uint16_t>(at);
    } else if constexpr (N == 4) {
        all = allAre<std::uint32_t>(at, kAddressable);
        if (all) setAll<std::uint32_t>(at);
    } else {
        for (unsigned i = 0; i < N; i += 8) {
            all &= allAre<std::uint64_t>(at + i, kAddressable);
        }
        if (all) {
            for (unsigned i = 0; i < N; i += 8) {
                setAll<std::uint64_t>(at + i);
            }
        }
    }
    return all;
}

// For ranges: what the driver and the asynchronous copies do. Not by memset, which a sanitizer intercepts.
__attribute__((optimize("no-tree-loop-distribute-patterns"))) FUSOR_SIM_UNCHECKED inline void mark(std::uint64_t address,
                                                                                                  std::uint64_t count,
                                                                                                  std::uint8_t state) {
    std::uint8_t* at = of(address);
    for (std::uint64_t i = 0; i < count; i++) {
        at[i] = state;
    }
}
FUSOR_SIM_UNCHECKED inline bool all(std::uint64_t address, std::uint64_t count, std::uint8_t mask) {
    const std::uint8_t* at = of(address);
    std::uint64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        if (!allAre<std::uint64_t>(at + i, mask)) return false;
    }
    for (; i < count; i++) {
        if ((at[i] & mask) != mask) return false;
    }
    return true;
}

}  // namespace fusor::sim::shadow
