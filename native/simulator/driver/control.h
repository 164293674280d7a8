// What tests ask of the simulator beside the driver API; exported by the same libcuda.so.1, so that its absence tells a real driver.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Back to a fresh process: every context, allocation, fault and count is forgotten; the settings below stay.
void fusor_sim_reset(void);

// Simulated devices: an architecture such as "sm_90" and how many of it. Takes effect at the next reset. 0, or -1 for an unknown one.
int fusor_sim_devices(const char* architecture, int count);
// Bytes of each device, for running out of them; takes effect at once.
void fusor_sim_capacity(uint64_t bytes);
// The folder of translated modules: <sha256>.so and <sha256>.resources (lines "entry NAME registers N shared BYTES stack BYTES").
void fusor_sim_modules(const char* folder);
// Order of threads (0 ascending, 1 descending, 2 random by seed), of streams (by seed), worker threads, activemask of the own lane only.
void fusor_sim_schedule(int order, uint64_t seed, uint32_t workers, int active_mask_is_own_lane);

// The n-th call from now (1 is the next) of the function, by the name in cuda.h after macros, returns error. One plan for each function and n.
void fusor_sim_fault(const char* function, uint64_t nth, int error);
void fusor_sim_clear_faults(void);
// Calls since the last reset.
uint64_t fusor_sim_calls(const char* function);

// The last fault of a kernel, or why a module was refused, in one paragraph; empty where there was none. Copied like strlcpy.
size_t fusor_sim_report(char* buffer, size_t size);
// Everything not yet freed, one line each: what, address, bytes, number of the call that made it. The same way.
size_t fusor_sim_ledger(char* buffer, size_t size);
// How many things the ledger lists.
uint64_t fusor_sim_live(void);

// Every launch of at most so many threads is also written to the folder, once for each kernel and shape, to be replayed under a sanitizer.
// A null folder stops it.
void fusor_sim_record(const char* folder, uint64_t threads);

#ifdef __cplusplus
}
#endif
