// What the runtime tells the sanitizers. The runtime itself is built without instrumentation: its bookkeeping makes neither reports nor
// happens-before edges. Only translated code is instrumented, and what this header says is all a sanitizer knows of the rest.
#pragma once

#include <cstddef>

#if defined(FUSOR_SIM_TSAN)
#include <sys/mman.h>
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void __tsan_read_range(void* address, unsigned long size);
void __tsan_write_range(void* address, unsigned long size);
void __tsan_ignore_thread_begin(void);
void __tsan_ignore_thread_end(void);
}
#endif
#if defined(FUSOR_SIM_ASAN)
extern "C" {
void __sanitizer_start_switch_fiber(void** fake, const void* bottom, std::size_t size);
void __sanitizer_finish_switch_fiber(void* fake, const void** bottomOld, std::size_t* sizeOld);
void __asan_poison_memory_region(const volatile void* address, std::size_t size);
void __asan_unpoison_memory_region(const volatile void* address, std::size_t size);
}
#endif

namespace fusor::sim::sanitizer {

// Whether races are looked for.
#if defined(FUSOR_SIM_TSAN)
constexpr bool kThreads = true;
#else
constexpr bool kThreads = false;
#endif

// Happens-before: everything before a release of an object comes before everything after a later acquire of it.
inline void acquire([[maybe_unused]] const void* object) {
#if defined(FUSOR_SIM_TSAN)
    __tsan_acquire(const_cast<void*>(object));
#endif
}

inline void release([[maybe_unused]] const void* object) {
#if defined(FUSOR_SIM_TSAN)
    __tsan_release(const_cast<void*>(object));
#endif
}

// While it lives, the memcpy and memset that the runtime's own containers call, and a sanitizer intercepts, are nobody's accesses.
class Quiet {
public:
#if defined(FUSOR_SIM_TSAN)
    Quiet() { __tsan_ignore_thread_begin(); }
    ~Quiet() { __tsan_ignore_thread_end(); }
#else
    Quiet() {}
#endif
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;
};

// An access that the runtime makes for the thread that runs.
inline void read([[maybe_unused]] const void* at, [[maybe_unused]] std::size_t bytes) {
#if defined(FUSOR_SIM_TSAN)
    __tsan_read_range(const_cast<void*>(at), bytes);
#endif
}

inline void write([[maybe_unused]] void* at, [[maybe_unused]] std::size_t bytes) {
#if defined(FUSOR_SIM_TSAN)
    __tsan_write_range(at, bytes);
#endif
}

// The memory of an earlier owner, which nothing orders before the next one, is as if just mapped. Both ends are widened to whole pages.
inline void renew([[maybe_unused]] void* at, [[maybe_unused]] std::size_t bytes) {
#if defined(FUSOR_SIM_TSAN)
    mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
#endif
}

inline void poison([[maybe_unused]] const void* at, [[maybe_unused]] std::size_t bytes) {
#if defined(FUSOR_SIM_ASAN)
    __asan_poison_memory_region(at, bytes);
#endif
}

inline void unpoison([[maybe_unused]] const void* at, [[maybe_unused]] std::size_t bytes) {
#if defined(FUSOR_SIM_ASAN)
    __asan_unpoison_memory_region(at, bytes);
#endif
}

}  // namespace fusor::sim::sanitizer
