#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "sanitizer.h"

#if defined(__x86_64__)
// Saves the callee-saved registers on the stack, stores the stack pointer, takes the other one and restores from there.
extern "C" void fusor_sim_switch(void** from, void* to);
asm(R"(
.text
.globl fusor_sim_switch
.hidden fusor_sim_switch
.type fusor_sim_switch,@function
fusor_sim_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size fusor_sim_switch, .-fusor_sim_switch

# A new fiber returns into this: r12 holds the body, r13 its argument.
.globl fusor_sim_start
.hidden fusor_sim_start
.type fusor_sim_start,@function
fusor_sim_start:
    movq %r13, %rdi
    callq *%r12
    ud2
.size fusor_sim_start, .-fusor_sim_start
)");
extern "C" void fusor_sim_start(void);
#elif defined(__aarch64__)
extern "C" void fusor_sim_switch(void** from, void* to);
asm(R"(
.text
.globl fusor_sim_switch
.hidden fusor_sim_switch
.type fusor_sim_switch,%function
fusor_sim_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size fusor_sim_switch, .-fusor_sim_switch

.globl fusor_sim_start
.hidden fusor_sim_start
.type fusor_sim_start,%function
fusor_sim_start:
    mov x0, x20
    blr x19
    brk #1
.size fusor_sim_start, .-fusor_sim_start
)");
extern "C" void fusor_sim_start(void);
#else
#error "the simulator switches fibers on x86-64 and aarch64 only"
#endif

namespace fusor::sim {
namespace {

const std::size_t kPage = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));

#if defined(FUSOR_SIM_TSAN)
// ThreadSanitizer gives the identity of a destroyed fiber to a new one soon, and takes what the two do for one thread's doing: no race between
// thread i of a block and thread i of the next would be reported. So the ended ones stay for a while, as many as the largest block has: no
// race between blocks that run one after the other is lost to this. Each costs about 0.9 MB, and there may be 8128 in all.
constexpr std::size_t kEndedFibers = 1024;
constexpr std::size_t kFibers = 8000;

void forgetOldest(Home& home) {
    __tsan_destroy_fiber(home.ended.front());
    home.ended.pop_front();
    home.fibers--;
}
#endif

}  // namespace

Stacks::~Stacks() {
    for (char* stack : all_) {
        munmap(stack - kPage, kBytes + kPage);
    }
}

char* Stacks::take() {
    if (free_.empty()) {
        void* memory = mmap(nullptr, kBytes + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory, kPage, PROT_NONE) != 0) {
            std::perror("simulated CUDA driver: no memory for the stack of a thread");
            std::abort();
        }
        all_.push_back(static_cast<char*>(memory) + kPage);
        free_.push_back(all_.back());
    }
    char* stack = free_.back();
    free_.pop_back();
    return stack;
}

void Stacks::give(char* stack) {
    sanitizer::renew(stack, kBytes);  // nothing orders the next thread's local memory after this one's
    free_.push_back(stack);
}

Home::Home() {
#if defined(FUSOR_SIM_TSAN)
    tsan = __tsan_get_current_fiber();
#endif
}

Home::~Home() {
#if defined(FUSOR_SIM_TSAN)
    while (!ended.empty()) {
        forgetOldest(*this);
    }
#endif
}

void Fiber::prepare([[maybe_unused]] Home& home, char* memory, void (*body)(void*), void* argument) {
    stack = memory;
    sanitizer::unpoison(memory, Stacks::kBytes);
    // Tops of stacks lie a multiple of a page apart: without this, all of them would share one set of the first-level cache.
    const std::size_t colour = reinterpret_cast<std::uintptr_t>(memory) / (Stacks::kBytes + kPage) * 5 % 64 * 64;
    void** top = reinterpret_cast<void**>(memory + Stacks::kBytes - colour);
#if defined(__x86_64__)
    // As if called: the stack is 8 off a multiple of 16 when the start code runs, and a call from it aligns it.
    *--top = nullptr;
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(fusor_sim_start);
    *--top = nullptr;                          // rbp
    *--top = nullptr;                          // rbx
    *--top = reinterpret_cast<void*>(body);    // r12
    *--top = argument;                         // r13
    *--top = nullptr;                          // r14
    *--top = nullptr;                          // r15
#else
    top -= 20;
    for (int i = 0; i < 20; i++) {
        top[i] = nullptr;
    }
    top[0] = reinterpret_cast<void*>(body);               // x19
    top[1] = argument;                                    // x20
    top[11] = reinterpret_cast<void*>(fusor_sim_start);   // x30
#endif
    stackPointer = top;
#if defined(FUSOR_SIM_TSAN)
    if (home.fibers >= kFibers && !home.ended.empty()) {
        forgetOldest(home);
    }
    tsan = __tsan_create_fiber(0);
    home.fibers++;
#endif
}

void Fiber::resume(Home& home) {
#if defined(FUSOR_SIM_ASAN)
    __sanitizer_start_switch_fiber(&home.asanFake, stack, Stacks::kBytes);
#endif
#if defined(FUSOR_SIM_TSAN)
    __tsan_switch_to_fiber(tsan, 1);  // 1: without a happens-before edge
#endif
    fusor_sim_switch(&home.stackPointer, stackPointer);
#if defined(FUSOR_SIM_ASAN)
    __sanitizer_finish_switch_fiber(home.asanFake, nullptr, nullptr);
#endif
}

void Fiber::leave(Home& home, [[maybe_unused]] bool forGood) {
#if defined(FUSOR_SIM_ASAN)
    __sanitizer_start_switch_fiber(forGood ? nullptr : &asanFake, home.asanBottom, home.asanSize);
#endif
#if defined(FUSOR_SIM_TSAN)
    __tsan_switch_to_fiber(home.tsan, 1);
#endif
    fusor_sim_switch(&stackPointer, home.stackPointer);
#if defined(FUSOR_SIM_ASAN)
    __sanitizer_finish_switch_fiber(asanFake, nullptr, nullptr);
#endif
}

void Fiber::arrived([[maybe_unused]] Home& home) {
#if defined(FUSOR_SIM_ASAN)
    __sanitizer_finish_switch_fiber(nullptr, &home.asanBottom, &home.asanSize);
#endif
}

void Fiber::dispose([[maybe_unused]] Home& home) {
#if defined(FUSOR_SIM_TSAN)
    if (tsan != nullptr) {
        home.ended.push_back(tsan);
        tsan = nullptr;
        if (home.ended.size() > kEndedFibers) {
            forgetOldest(home);
        }
    }
#endif
}

}  // namespace fusor::sim
