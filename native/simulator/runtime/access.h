// The memory accesses of translated code: checked against the shadow, then made as what they are, so that ThreadSanitizer sees plain
// accesses as plain and ordered ones in their order. Included by machine.h.
#pragma once

#include <type_traits>

#include "shadow.h"

namespace fusor::sim {
namespace access {

enum class Kind { Read, Write, Update };

// The slow ways: registered host memory, local memory through a generic address, and every fault.
void slow(Thread&, std::uint64_t host, std::uint32_t bytes, Kind, Space, const Site&);
[[noreturn]] void misaligned(Thread&, std::uint64_t host, std::uint32_t bytes, std::uint32_t alignment, Kind, Space, const Site&);
[[noreturn]] void noSuchRank(Thread&, std::uint64_t address, const Site&);
// Lets the other threads run after many ordered accesses: one of them may be what a loop waits for.
void poll(Thread&);

template <Space S> constexpr std::uint32_t regions(const Thread& thread) {
    constexpr std::uint32_t shared = 1u << shadow::kSharedRegion;
    if constexpr (S == Space::SharedCta || S == Space::SharedCluster) {
        return shared;
    } else if constexpr (S == Space::Generic) {
        return thread.regions | shared;
    } else if constexpr (S == Space::Local) {
        return 0;
    } else {
        return thread.regions;
    }
}

template <Space S> inline std::uint64_t host(Thread& thread, std::uint64_t address, const Site& site) {
    if constexpr (S == Space::SharedCta || S == Space::SharedCluster) {
        const std::uint32_t rank = static_cast<std::uint32_t>(address) >> 24;
        const std::uint32_t offset = address & (shadow::kSlotBytes - 1);
        if (rank == 0) [[likely]] {
            return thread.shared + offset;
        }
        if (rank > thread.clusterNctarank) {
            noSuchRank(thread, address, site);
        }
        return thread.clusterShared[rank - 1] + offset;
    } else {
        return address;
    }
}

template <Space S, Kind K, unsigned N> inline std::uint64_t checked(Thread& thread, std::uint64_t address, const Site& site) {
    const std::uint64_t at = host<S>(thread, address, site);
    if (at % N != 0) [[unlikely]] {
        misaligned(thread, at, N, N, K, S, site);
    }
    const bool covered = shadow::covers(at) && (regions<S>(thread) >> shadow::regionOf(at) & 1) != 0;
    bool allowed = covered;
    if (covered) [[likely]] {
        if constexpr (K == Kind::Read) {
            allowed = shadow::mayRead<N>(at);
        } else if constexpr (K == Kind::Write) {
            allowed = shadow::mayWrite<N>(at);
        } else {
            allowed = shadow::mayRead<N>(at);
        }
    }
    if (!allowed) [[unlikely]] {
        slow(thread, at, N, K, S, site);
    }
    return at;
}

// Accesses of 16 bytes have no lock-free instruction everywhere: one lock serves them all.
unsigned __int128 load16(const void* at);
void store16(void* at, unsigned __int128 value);
bool exchange16(void* at, unsigned __int128& expected, unsigned __int128 desired);

}  // namespace access

template <Space S, class T> inline T load(Thread& thread, std::uint64_t address, const Site& site) {
    return *reinterpret_cast<const T*>(access::checked<S, access::Kind::Read, sizeof(T)>(thread, address, site));
}

template <Space S, class T> inline void store(Thread& thread, std::uint64_t address, T value, const Site& site) {
    *reinterpret_cast<T*>(access::checked<S, access::Kind::Write, sizeof(T)>(thread, address, site)) = value;
}

template <Space S, class T, int N>
inline std::array<T, N> loadVector(Thread& thread, std::uint64_t address, const Site& site) {
    return *reinterpret_cast<const std::array<T, N>*>(
        access::checked<S, access::Kind::Read, sizeof(T) * N>(thread, address, site));
}

template <Space S, class T, int N>
inline void storeVector(Thread& thread, std::uint64_t address, const std::array<T, N>& values, const Site& site) {
    *reinterpret_cast<std::array<T, N>*>(access::checked<S, access::Kind::Write, sizeof(T) * N>(thread, address, site)) = values;
}

template <Space S, class T>
inline T loadOrdered(Thread& thread, std::uint64_t address, Order order, Scope, const Site& site) {
    const T* at = reinterpret_cast<const T*>(access::checked<S, access::Kind::Read, sizeof(T)>(thread, address, site));
    access::poll(thread);
    if constexpr (sizeof(T) == 16) {
        return access::load16(at);
    } else {
        switch (order) {
            case Order::Relaxed: return __atomic_load_n(at, __ATOMIC_RELAXED);
            case Order::Acquire: return __atomic_load_n(at, __ATOMIC_ACQUIRE);
            default: return __atomic_load_n(at, __ATOMIC_SEQ_CST);
        }
    }
}

template <Space S, class T>
inline void storeOrdered(Thread& thread, std::uint64_t address, T value, Order order, Scope, const Site& site) {
    T* at = reinterpret_cast<T*>(access::checked<S, access::Kind::Write, sizeof(T)>(thread, address, site));
    if constexpr (sizeof(T) == 16) {
        access::store16(at, value);
    } else {
        switch (order) {
            case Order::Relaxed: __atomic_store_n(at, value, __ATOMIC_RELAXED); break;
            case Order::Release: __atomic_store_n(at, value, __ATOMIC_RELEASE); break;
            default: __atomic_store_n(at, value, __ATOMIC_SEQ_CST);
        }
    }
}

template <Space S, class T, class Update>
inline T atomic(Thread& thread, std::uint64_t address, Order order, Scope, Update update, const Site& site) {
    T* at = reinterpret_cast<T*>(access::checked<S, access::Kind::Update, sizeof(T)>(thread, address, site));
    access::poll(thread);
    if constexpr (sizeof(T) == 16) {
        T old = access::load16(at);
        while (!access::exchange16(at, old, update(old))) {
        }
        return old;
    } else {
        T old = __atomic_load_n(at, __ATOMIC_RELAXED);
        for (;;) {
            const T next = update(old);
            bool done = false;
            switch (order) {
                case Order::Relaxed:
                    done = __atomic_compare_exchange_n(at, &old, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
                    break;
                case Order::Acquire:
                    done = __atomic_compare_exchange_n(at, &old, next, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
                    break;
                case Order::Release:
                    done = __atomic_compare_exchange_n(at, &old, next, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
                    break;
                case Order::AcquireRelease:
                    done = __atomic_compare_exchange_n(at, &old, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
                    break;
                default:
                    done = __atomic_compare_exchange_n(at, &old, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
            }
            if (done) {
                return old;
            }
        }
    }
}

template <Space S> inline std::uint64_t toGeneric(Thread& thread, std::uint64_t address) {
    static constexpr Site nowhere{"", 0, 0, "cvta"};
    return access::host<S>(thread, address, nowhere);
}

template <Space S> inline std::uint64_t fromGeneric(Thread& thread, std::uint64_t address, const Site&) {
    if constexpr (S == Space::SharedCta) {
        return address - thread.shared;
    } else if constexpr (S == Space::SharedCluster) {
        for (std::uint32_t rank = 0; rank < thread.clusterNctarank; rank++) {
            const std::uint64_t offset = address - thread.clusterShared[rank];
            if (offset < shadow::kSlotBytes) {
                return rank == thread.clusterCtarank ? offset : (rank + 1ull) << 24 | offset;
            }
        }
        return address;
    } else {
        return address;
    }
}

template <Space S> inline bool isInSpace(Thread& thread, std::uint64_t address) {
    const bool shared = shadow::covers(address) && shadow::regionOf(address) == shadow::kSharedRegion;
    const bool local = address >= thread.stackLow && address < thread.stackHigh;
    switch (S) {
        case Space::SharedCta: return address - thread.shared < shadow::kSlotBytes;
        case Space::SharedCluster: return shared;
        case Space::Local: return local;
        case Space::Constant: return false;  // constant variables lie in device memory here
        default: return !shared && !local;
    }
}

}  // namespace fusor::sim
