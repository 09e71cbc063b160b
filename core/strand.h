/* What runs on a stack of its own without being a coroutine that is scheduled: the body of a generator or of a symmetric
 * coroutine. It runs inside a coroutine or a plain thread, which has left its own stack for this one meanwhile.
 *
 * A stack names its strand (wf_stack.strand), so that who is on the stack knows in whose body that is, and so that the
 * report of an overflow can name it. A coroutine's own stack names none.
 */
#ifndef WF_CORE_STRAND_H
#define WF_CORE_STRAND_H

#include "core/atomics.h"
#include "core/stack.h"

enum wf_strand_state {
    WF_STRAND_NONE,
    WF_GEN_NEW,       /* no stack yet */
    WF_GEN_SUSPENDED, /* in a yield; its registers are saved */
    WF_GEN_RUNNING,
    WF_GEN_CLOSING, /* runs, and was told to end: it may not yield */
    WF_GEN_DONE,    /* no stack any more */
    WF_CO_MAIN,     /* a coroutine or thread itself, as a member of its family; no stack of its own */
    WF_CO_NEW,
    WF_CO_STARTED, /* it runs, or was left in a switch */
    WF_CO_DEAD,
};

typedef struct wf_strand {
    _Atomic(uint32_t) state; /* enum wf_strand_state. Written by who runs it; a stranger reads it to be refused */
    uint8_t stack_class;
    bool secret; /* its stack is wiped in the end */
    struct wf_stack *stack;
    void *(*fn)(void *arg);
} wf_strand;

static inline uint32_t wf_strand_state(const wf_strand *strand)
{
    return wf_load_relaxed(
        &strand->state); /* relaxed: strands are used by one at a time; who hands one over orders that */
}

static inline void wf_strand_set(wf_strand *strand, enum wf_strand_state state)
{
    wf_store_relaxed(&strand->state, (uint32_t)state); /* relaxed: as above */
}

/* Give it a stack. False: there is none to be had. */
bool wf_strand_bind(wf_strand *strand, wf_stack_cache *cache);

/* Its stack goes back; nothing runs on it any more. */
void wf_strand_unbind(wf_strand *strand, wf_stack_cache *cache);

#endif
