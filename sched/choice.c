/* Random numbers for choices: one generator per worker, one per plain thread. They need to be cheap and fair, not secret. */
#include "sched/choice.h"

#include "core/clock.h"
#include "sched/worker.h"

/* xorshift32 (Marsaglia, "Xorshift RNGs", 2003): visits all numbers but zero. */
static uint32_t step(uint32_t x)
{
    x ^= x << 13;
    x ^= x >> 17;
    return x ^ x << 5;
}

/* A plain thread's own: it stays where it is, so thread-local storage will do. */
static __attribute__((noinline)) uint32_t next_of_thread(void)
{
    static _Thread_local uint32_t state __attribute__((tls_model("initial-exec")));
    if (state == 0)
        state = (uint32_t)((uintptr_t)&state >> 4) ^ (uint32_t)wf_clock_now();
    if (state == 0)
        state = 1;
    return state = step(state);
}

uint32_t wf_choose(wf_worker *self, uint32_t count)
{
    uint32_t random = self != NULL ? (self->random = step(self->random)) : next_of_thread();
    return (uint32_t)((uint64_t)random * count >> 32);
}
