// Stackful coroutines: each CUDA thread runs on one, and switches to the scheduler when it has to wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace fusor::sim {

// Stacks with a guard page below, handed out again when a fiber has ended: a thread that never waits runs on the one still in the cache.
class Stacks {
public:
    static constexpr std::size_t kBytes = 256 << 10;

    Stacks() = default;
    ~Stacks();
    Stacks(const Stacks&) = delete;
    Stacks& operator=(const Stacks&) = delete;

    char* take();
    void give(char* stack);

private:
    std::vector<char*> all_;
    std::vector<char*> free_;
};

// One operating system thread has one home, where its scheduler runs, and any number of fibers.
struct Home {
    void* stackPointer = nullptr;
    void* tsan = nullptr;
    void* asanFake = nullptr;
    const void* asanBottom = nullptr;
    std::size_t asanSize = 0;
    std::size_t fibers = 0;   // those ThreadSanitizer knows, the ended ones among them
    std::deque<void*> ended;  // oldest first

    Home();
    ~Home();
    Home(const Home&) = delete;
    Home& operator=(const Home&) = delete;
};

struct Fiber {
    void* stackPointer = nullptr;
    char* stack = nullptr;  // the lowest usable byte
    void* tsan = nullptr;
    void* asanFake = nullptr;

    // Gives the fiber a stack on which body(argument) starts at the first resume; body never returns.
    void prepare(Home& home, char* memory, void (*body)(void*), void* argument);
    // From the scheduler into the fiber, until it leaves.
    void resume(Home& home);
    // From the fiber to the scheduler; the last time it leaves for good.
    void leave(Home& home, bool forGood);
    // The first thing a fiber does.
    static void arrived(Home& home);
    // It has ended: what a sanitizer holds for it may go, though not at once.
    void dispose(Home& home);
};

}  // namespace fusor::sim
