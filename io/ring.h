/* One io_uring per worker, and the event source that the scheduler sees (sched/driver.h).
 *
 * A ring belongs to one worker: only that worker's thread prepares entries in it, submits them (SINGLE_ISSUER) and, as a rule, takes
 * completions out. A coroutine uses the ring of the worker that it runs on at the moment; it may be on another
 * worker when its operation completes. Never keep a ring across a suspension.
 *
 * A worker that is stuck in a coroutine does none of this, and others wait for what is in its ring. So the monitor
 *   1. nudges it: a signal, whose handler submits what is prepared and has the kernel post what has completed (DEFER_TASKRUN: only
 *      this thread can), and touches nothing else, since it may have interrupted anything
 *   2. takes the completions of operations out in its place, under drain_lock, and wakes their coroutines elsewhere. What is
 *      for the owner alone is kept for it.
 *
 * What a completion is for is in its user_data: the address of a control block (64-byte aligned) with one of the kinds
 * below in the low bits.
 *
 * How many operations may be in flight is not bounded. A bound would be a deadlock: the operations that fill it may
 * all wait for what a coroutine would do that waits for room. The completion queue cannot lose anything either way:
 * what does not fit is kept by the kernel (IORING_FEAT_NODROP) and fetched by the next look
 * (docs/decisions/020-operations-in-flight.md).
 */
#ifndef WF_IO_RING_H
#define WF_IO_RING_H

#include <liburing.h>

#include "core/atomics.h"
#include "sched/worker.h"

/* Low bits of user_data. */
enum {
    WF_RING_OP = 0,      /* coroutine: its operation has completed */
    WF_RING_POLL = 1,    /* coroutine: one of the operations that its weft_poll started */
    WF_RING_EVENTFD = 3, /* somebody wrote to wakeup_fd */
    WF_RING_WOKEN = 4,   /* a message from another ring */
    WF_RING_WAKE = 5,    /* the message to the ring of worker (user_data >> 6) could not be delivered */
    WF_RING_CANCEL = 8,  /* + attempt, coroutine: a cancel of its operation did not do; bits 48–63: of the ticket */
    WF_RING_PAUSE = 16,  /* + attempt, coroutine: the pause after such a cancel is over; as above */
    WF_RING_ATTEMPTS = 8,
    WF_RING_KINDS = 63, /* mask */
};

/* User space ends below 2^48, so user_data has room above an address. */
#define WF_RING_ADDRESS ((UINT64_C(1) << 48) - 1 - WF_RING_KINDS)

enum { WF_RING_KEPT = 64 };

/* A completion that was taken out. */
typedef struct wf_ring_event {
    uint64_t user_data;
    int result;
    unsigned flags;
} wf_ring_event;

typedef struct wf_ring {
    /* owner: */
    struct wf_worker *worker;
    struct io_uring uring;      /* set-up and mappings are liburing's; entries and the system call are ours (ring.c) */
    uint32_t sq_tail;           /* entries up to here are handed out; published to the kernel with the next enter */
    _Atomic(uint32_t) sq_ready; /* ... and up to here filled in; read by the handler of the nudge, on the same thread */
    uint32_t enter_fd;          /* descriptor, or index of the registered one */
    uint32_t enter_flags;       /* IORING_ENTER_REGISTERED_RING or 0 */
    int wakeup_fd;              /* eventfd: ends a wait from a plain thread */
    bool armed;                 /* a multishot poll on wakeup_fd is in flight */
    bool woken;                 /* a wake was seen since the last wait */
    bool messages;              /* the kernel knows MSG_RING */
    bool draining;              /* it takes completions out, and holds drain_lock */

    /* lock drain_lock: the head of the completions, and */
    wf_biased drain_lock;
    uint32_t kept_count;
    wf_ring_event kept[WF_RING_KEPT]; /* taken out in the owner's place, for the owner */

    /* written by the owner, and under drain_lock; anybody reads: operations of coroutines */
    _Atomic(uint64_t) started;
    _Atomic(uint64_t) completed;
    /* owner writes, anybody reads: */
    _Atomic(uint64_t) overflows; /* times that the kernel was left holding completions that did not fit */
} wf_ring;

extern const struct wf_driver wf_ring_driver;

/* The ring of the calling worker. NULL on a plain thread. */
static inline wf_ring *wf_ring_self(void)
{
    wf_worker *worker = wf_worker_self();
    return worker == NULL ? NULL : worker->source;
}

/* ---- owner's thread only ---- */

/* Room for one entry, which the caller fills in before it does anything else with the ring. Never fails: a full queue
 * is submitted first. */
struct io_uring_sqe *wf_ring_entry(wf_ring *ring);

/* The entries that were handed out are filled in. */
static inline void wf_ring_ready(wf_ring *ring)
{
    /* ORDER(ring-ready): the entry, then sq_ready; pairs with nudge in io/ring.c, on the same thread: keeps the compiler's order. */
    wf_store_release(&ring->sq_ready, ring->sq_tail);
}

/* Operations in flight. From any thread; exact for the owner. */
static inline uint64_t wf_ring_in_flight(const wf_ring *ring)
{
    /* ORDER(ring-completed): pairs with finish in io/op.c, so that what has completed is not counted as not even started. */
    uint64_t completed = wf_load_acquire(&ring->completed);
    return wf_load_relaxed(&ring->started) - completed; /* relaxed: a counter */
}

/* Entries that are prepared and not submitted. */
uint32_t wf_ring_queued(const wf_ring *ring);

/* Hand all prepared entries to the kernel now. */
void wf_ring_submit(wf_ring *ring);

/* ---- setting up (ring_open.c) ---- */

int wf_ring_open(struct wf_worker *worker, const weft_config *config, char *why, size_t why_size);
int wf_ring_enter(struct wf_worker *worker);
void wf_ring_close(struct wf_worker *worker);
void wf_ring_abandon(struct wf_worker *const *workers, unsigned count);

/* Set-up flags that wf_ring_open does not try, so that tests can have the rings of older kernels. Zero. */
extern unsigned wf_ring_flags_barred;

#endif
