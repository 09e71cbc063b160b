/* The control block: everything about one coroutine but its stack, in 192 bytes (three cache lines).
 *
 * Blocks live in one reserved range of address space, are never unmapped while the process lives and keep their ticket
 * (sched/state.h) and their generation for ever. So a late waker may look at a block that has been recycled since: its
 * ticket no longer matches, and nothing happens. For the same reason a stale handle is an error and never somebody
 * else's coroutine.
 *
 * A handle (the public weft_t *) is not an address: its low 28 bits are the block's offset in units of 64 bytes, the
 * 36 bits above are the generation. It doubles as the coroutine's id, which therefore never recurs.
 *
 * A plain thread that blocks in weft has a block too (WF_CORO_THREAD), so that every primitive knows one kind of waiter:
 * "switch away" is then a futex wait and "make runnable" a futex wake (sched/thread.c).
 *
 * What is needed to block, to be woken, killed and destroyed is all in here, so that none of these can fail for want of
 * memory. What few coroutines need (a name, locals, cleanups) is in wf_coro_extra, allocated by the call that needs it.
 */
#ifndef WF_SCHED_CORO_H
#define WF_SCHED_CORO_H

#include <assert.h>
#include <stdint.h>

#include "core/atomics.h"
#include "core/compiler.h"
#include "core/list.h"
#include "core/lock.h"
#include "core/wheel.h"
#include "weft.h"

struct wf_stack;
struct wf_worker;
struct wf_coro_extra;

/* wf_coro.flags: written by the coroutine itself, or before its first run. */
enum {
    WF_CORO_THREAD = 1 << 0,  /* stands for a plain thread: no stack, no worker */
    WF_CORO_PINNED = 1 << 1,  /* runs on wf_coro.worker only */
    WF_CORO_SECRET = 1 << 2,  /* its stack is wiped when it ends */
    WF_CORO_FPENV = 1 << 3,   /* keeps mxcsr/x87 (FPCR) control words of its own */
    WF_CORO_STARTED = 1 << 4, /* the body was called, so the cleanup of the argument is the entry's business */
    WF_CORO_TIMED = 1 << 5,   /* its timer was filed at least once, in the wheel of timer_worker */
    WF_CORO_TASK = 1 << 6,    /* runs a task that another coroutine forked: arg is the task (forks.c) */
    WF_CORO_FORKED = 1 << 7,  /* tasks of it were counted in wf_stack.forks */
};

/* What a waiting coroutine waits for; shown by weft_dump. */
enum wf_wait_kind {
    WF_WAIT_NONE,
    WF_WAIT_SLEEP,
    WF_WAIT_JOIN,       /* without a deadline: followed by the search for cycles */
    WF_WAIT_JOIN_UNTIL, /* with one */
    WF_WAIT_ANY,
    WF_WAIT_MUTEX,
    WF_WAIT_COND,
    WF_WAIT_SEM,
    WF_WAIT_EVENT,
    WF_WAIT_GROUP,
    WF_WAIT_CHAN_SEND,
    WF_WAIT_CHAN_RECV,
    WF_WAIT_IO,
    WF_WAIT_IO_CANCEL,
    WF_WAIT_OFFLOAD,
    WF_WAIT_FORK,
    WF_WAIT_RWLOCK_READ,
    WF_WAIT_RWLOCK_WRITE,
    WF_WAIT_ONCE,
    WF_WAIT_BARRIER,
    WF_WAIT_FUTURE,
    WF_WAIT_QUEUE_PUT,
    WF_WAIT_QUEUE_GET,
    WF_WAIT_QUEUE_JOIN,
    WF_WAIT_POOL_ROOM,
    WF_WAIT_POOL_JOIN,
    WF_WAIT_POOL_RESULT,
    WF_WAIT_SELECT,
    WF_WAIT_LINK, /* to begin at the end of another */
    WF_WAIT_ITER,
    WF_WAIT_SCOPE,
    WF_WAIT_KINDS
};

typedef struct wf_coro {
    /* ---- line 0: switching. owner: the worker that runs it, unless noted ---- */
    _Atomic(uint64_t) state; /* any (atomic): phase, flags, ticket; every transition is in sched/state.h */
    union {
        void *sp;                       /* saved context; valid in READY (started) and WAITING */
        _Atomic(uint32_t) thread_awake; /* WF_CORO_THREAD: futex; 1 once it was woken */
    };
    struct wf_coro *link;    /* next in whatever queue holds it: shared queue, inbox, batch, free list */
    weft_fn *fn;             /* body */
    _Atomic(void *) arg;     /* its argument; from DONE on its result */
    struct wf_stack *stack;  /* NULL until the first run and after the end */
    int32_t wake_value;      /* by whoever won the claim, before it is queued: what the wait returns */
    int32_t error;           /* weft_set_error */
    _Atomic(uint8_t) killed; /* any (atomic): set once, never cleared; paired with state in sched/state.h */
    uint8_t shield;          /* depth of weft_shield_begin */
    uint8_t flags;
    uint8_t stack_class;
    _Atomic(uint16_t) worker; /* index of the worker it runs on or last ran on; fixed while PINNED */
    int16_t last_error;       /* weft_last_error */

    /* ---- line 1: waiting. owner while it runs; the object's lock while it is on the object's list ---- */
    wf_list wait_node; /* on the waiters of wait_object; stays linked after a timeout until it unlinks itself */
    _Atomic(void *) wait_object; /* what it waits on, for weft_dump and the search for cycles of joins */
    uint64_t wait_data[2];       /* belongs to the primitive: a channel element of up to 16 bytes, or its address */
    _Atomic(int64_t) deadline;   /* effective deadline of the present wait; WEFT_NEVER when none (sched/timer.c) */
    _Atomic(uint64_t) op;        /* io: life of the operation in flight (io/op_word.h) */
    void *spawn_site;            /* return address of the spawning call */

    /* ---- line 2: rarely touched ---- */
    wf_timer timer;                  /* lock timer_worker's wheel */
    _Atomic(uint8_t) wait_kind;      /* enum wf_wait_kind */
    uint8_t pins;                    /* depth of weft_pin */
    uint16_t timer_worker;           /* owner: whose wheel holds the timer, valid with WF_CORO_TIMED */
    _Atomic(uint32_t) wait_since_ms; /* coarse clock of the worker when it suspended */
    _Atomic(uint64_t) life;          /* generation, alive, references; see life.h */
    _Atomic(uintptr_t) joiners;      /* waiting joiners, with their own lock; see joiners.h */
    struct weft_timeout *timeouts;   /* innermost first; owner */
    struct wf_coro_extra *extra;     /* NULL until needed; owner */
} wf_coro;

static_assert(sizeof(wf_coro) == 192, "a spawned, unstarted coroutine costs 192 bytes");
static_assert(offsetof(wf_coro, wait_node) == 64, "line 1 begins with the waiter node");
static_assert(offsetof(wf_coro, timer) == 128, "line 2 begins with the timer");

/* What few coroutines have. Freed with the coroutine. */
typedef struct wf_coro_extra {
    char name[32];               /* weft_name; "" when it has none */
    void (*cleanup_arg)(void *); /* weft_spawn_options.cleanup */
    struct wf_cleanup *cleanups; /* weft_cleanup_push, innermost first */
    struct wf_local *locals;     /* weft_key_*, by place of the key (local.c) */
    struct wf_family *family;    /* weft_co_*, from the first call on (co.c) */
    struct wf_tree *tree;        /* weft_tree_*, shared with those it was inherited from (tree.c) */
    weft_t *parent;              /* the coroutine that spawned it, if that was noted; fixed before the first run */
    uint32_t locals_count;
    uint32_t fpenv[8]; /* saved control words when WF_CORO_FPENV */
} wf_coro_extra;

/* ---- blocks and handles (coro.c) ---- */

int wf_coro_space_init(void);                    /* reserve the address range; once per process. -ENOMEM */
void wf_coro_init(wf_coro *coro, unsigned refs); /* everything but the ticket and the generation starts from zero */
wf_coro *wf_coro_new(struct wf_worker *worker, unsigned refs); /* phase NEW, one hold (its own); worker may be NULL */
void wf_coro_cache_flush(struct wf_worker *worker);            /* a worker ends: its free blocks go to the pool */
void wf_coro_free(struct wf_worker *worker, wf_coro *coro);    /* bump the generation and recycle */
void wf_coro_recycle(struct wf_worker *worker, wf_coro *coro); /* its handles are stale already */
wf_coro_extra *wf_coro_extra_get(wf_coro *coro);               /* allocate on first use; NULL: no memory */

weft_t *wf_coro_handle(const wf_coro *coro);

/* The block that a handle names; neither held nor referenced. NULL for NULL and for a stale one. */
wf_coro *wf_coro_from_handle(const weft_t *handle);

/* Hold the block that a handle names, so that it is not recycled until the release. NULL: stale, or 65,535 hold it. */
wf_coro *wf_coro_hold(const weft_t *handle);
void wf_coro_release(struct wf_worker *worker, wf_coro *coro);

/* The same for who wants to join it: NULL also when it was joined, detached or unreferenced, though it still runs. */
wf_coro *wf_coro_hold_joinable(const weft_t *handle);
bool wf_coro_is_joinable(const weft_t *handle);

/* References by handles: what weft_ref takes and weft_join and weft_unref give back. */
wf_coro *wf_coro_ref(const weft_t *handle);                         /* NULL: stale, or 4,095 references */
bool wf_coro_unref(struct wf_worker *worker, const weft_t *handle); /* false: stale, nothing was given back */

/* Walk every block that was ever handed out, for dump, killall at stop and the debugger. The callback sees blocks of any
 * phase and must not keep the pointer without a reference. */
void wf_coro_each(void (*visit)(wf_coro *coro, void *arg), void *arg);

/* Around fork(2), as wf_stack_fork_lock. */
void wf_coro_fork_lock(void);
void wf_coro_fork_unlock(void);

/* In the child of a fork: no coroutine of the parent can run here, so all handles become stale. */
void wf_coro_forget_all(void);

const char *wf_coro_name(const wf_coro *coro); /* never NULL */

#endif
