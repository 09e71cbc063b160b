/* A worker: one OS thread, its queues, its timers and its event source; and the runtime that they form. */
#ifndef WF_SCHED_WORKER_H
#define WF_SCHED_WORKER_H

#include <pthread.h>

#include "core/biased.h"
#include "core/fault.h"
#include "core/inbox.h"
#include "core/localq.h"
#include "core/runq.h"
#include "core/split_deque.h"
#include "core/stack.h"
#include "core/topology.h"
#include "core/wheel.h"
#include "sched/coro.h"
#include "sched/deadlock.h"
#include "sched/driver.h"
#include "sched/held.h"
#include "sched/idle.h"
#include "sched/self.h"

enum {
    WF_WORKERS_MAX = 1024,
    WF_BLOCK_CACHE = 64, /* control blocks that a worker keeps; half of them move to or from the pool at once */
};

/* Something that another thread wants this worker to do on its own thread: cancel an operation in its ring, above all. The sender
 * owns the message until `run` is called, which may free it. */
typedef struct wf_message {
    wf_inbox_node node;
    void (*run)(struct wf_worker *worker, struct wf_message *message);
} wf_message;

/* What is to be done with a coroutine once it has been left: the commit step (sched/switch.c). */
enum wf_leave {
    WF_LEAVE_NONE,  /* nothing was left: a fresh start from the worker's own stack */
    WF_LEAVE_YIELD, /* queue it again */
    WF_LEAVE_WAIT,  /* RUNNING -> WAITING, then unlock what it waits on */
    WF_LEAVE_EXIT,  /* it has ended: tell its joiners, recycle its stack */
};

typedef struct wf_worker {
    /* owner: */
    _Atomic(wf_coro *) current; /* the coroutine that runs; NULL on the worker's own stack; the monitor looks at it */
    void *sp;                   /* the worker's own context while a coroutine runs */
    enum wf_leave leave;        /* the commit step that is due, for `left` */
    wf_coro *left;
    wf_coro *began;      /* the running coroutine, if it began with this dispatch, and in its turn; else NULL */
    unsigned leave_bits; /* KILLABLE, TIMED for WF_LEAVE_WAIT */
    wf_held leave_held;  /* let go after the commit; 0: nothing */
    uint32_t tick;       /* dispatches since the last turn of the shared queue and the event source */
    uint32_t lifo_runs;  /* times in a row that the LIFO slot was taken */
    int64_t others_at;   /* when the LIFO slot was last passed over for the one that had waited longest */
    bool searching;      /* counted in idle->searching */
    union {
        struct {
            bool forking;  /* the running coroutine has forked since it was dispatched: `forks` is its */
            uint8_t fixed; /* sections in which it must not leave (no_switch.c) */
        };
        uint16_t held_up; /* either: it may not just leave */
    };
    const void *fixed_at; /* where it entered the first of those sections */
    wf_coro *pinned_head; /* FIFO of runnable coroutines that only this worker may run, by link */
    wf_coro *pinned_tail;
    wf_coro *blocks; /* free control blocks, by link */
    uint32_t blocks_count;
    uint32_t random; /* state of the generator for choices (choice.c); never zero */
    wf_stack_cache stacks;
    void *sanitizer[2]; /* the worker's own stack, for core/fiber.h */
    const void *stack_base;
    size_t stack_size;
    wf_fault_stack fault_stack;
    uint32_t spin_ns;            /* how long it spins at present before it parks */
    uint32_t suspicions;         /* looks at suspects since it last found anything (sched/queue.c) */
    struct wf_worker *suspect;   /* keeps work for itself; NULL: nobody does */
    unsigned suspect_at;         /* which of the victims that is */
    uint64_t suspect_dispatches; /* its dispatches when it came under suspicion */
    int64_t suspect_until;       /* stuck if it has not dispatched by then */
    void *source;                /* of the driver */
    uint16_t index;
    int cpu;                        /* to be pinned to, -1: not pinned */
    int enter_error;                /* what its thread met when it entered */
    uint16_t *victims;              /* the other workers, nearest first */
    uint16_t reach[WF_SHARE_KINDS]; /* so many of them share a core; a core or a cache; … */
    pthread_t thread;
    _Atomic(int32_t) tid; /* of its thread, for the monitor; 0 before it has entered */

    /* owner writes, anybody reads: */
    _Alignas(WF_CACHE_LINE) _Atomic(int64_t) dispatched_at; /* coarse clock of the last dispatch, for the monitor */
    _Atomic(uint64_t) dispatches, yields, suspends, spawned, finished, steals, stolen, parks, wakes, polls, events,
        stalls, forks_exposed, forks_stolen, forks_moved, searches, searches_failed, looks, robberies;
    _Atomic(uint64_t) taken[WF_SHARE_KINDS]; /* steals, by what is shared with the victim */
    _Atomic(uint32_t) now_ms;                /* coarse milliseconds, refreshed when the clock is read anyway */

    /* mostly the owner: what it keeps for itself */
    _Alignas(WF_CACHE_LINE) wf_localq local;

    /* thieves: */
    wf_runq runq;
    wf_split forks; /* tasks forked by the running coroutine (forks.c) */

    /* any (atomic): */
    _Alignas(WF_CACHE_LINE) wf_parking parking;
    _Atomic(wf_coro *) arrivals; /* pinned coroutines made runnable elsewhere: stack by link, as core/inbox.h */
    wf_inbox messages;

    /* lock wheel_lock: */
    _Alignas(WF_CACHE_LINE) wf_biased wheel_lock;
    _Atomic(int64_t) wheel_next; /* no timer fires before this; written under the lock, read without */
    wf_wheel wheel;
} wf_worker;

/* FIFO by link. */
typedef struct wf_shared {
    wf_coro *head;
    wf_coro *tail;
} wf_shared;

enum wf_runtime_phase {
    WF_RUNTIME_OFF,
    WF_RUNTIME_STARTING,
    WF_RUNTIME_ON,
    WF_RUNTIME_DRAINING,
    WF_RUNTIME_KILLING,
    WF_RUNTIME_STOPPING
};

enum {
    WF_GATE_SHUT = 1,    /* the phase is past DRAINING */
    WF_GATE_WATCHED = 2, /* a hook, tree locals or parents have been asked for, once */
};

/* The one runtime of the process. */
typedef struct wf_runtime {
    _Atomic(uint32_t) phase; /* enum wf_runtime_phase */
    weft_config config;
    const struct wf_driver *driver;
    unsigned count; /* workers; fixed while running */
    wf_worker **workers;
    int default_class;      /* stack class of config.stack_size */
    _Atomic(uint32_t) gate; /* why a spawn has to go the long way; a set of WF_GATE_*, mostly empty */
    uint32_t fpenv[8];      /* floating-point control words that coroutines start with */
    wf_idle idle;

    /* lock shared_lock: runnable coroutines from foreign threads and from overflowing run queues */
    _Alignas(WF_CACHE_LINE) wf_lock shared_lock;
    wf_shared shared_begun; /* those that have a stack */
    wf_shared shared_new;   /* those that have none yet */
    _Atomic(uint64_t) shared_count;

    /* Spawned by plain threads, since the process began: a thread may count itself in and, being refused, out again across a
     * start or a stop, so this is never reset. foreign_base is what it was when this runtime had no coroutine. */
    _Alignas(WF_CACHE_LINE) _Atomic(uint64_t) foreign_spawned;
    uint64_t foreign_base;
    _Atomic(uint32_t) foreign;        /* plain threads that are handing something to a worker at this moment */
    _Atomic(uint32_t) monitor_asleep; /* futex: the monitor sleeps until a worker comes out of its park */
    _Atomic(uint32_t) entered;        /* futex: workers whose thread has entered, or could not */
    _Atomic(uint32_t) drained;        /* futex: changes when the last coroutine ends while somebody stops the runtime */
    _Atomic(uint64_t) operations;     /* in flight in offload threads, waking included; rings count their own */
    _Atomic(int32_t) stopper;         /* the thread that waits in weft_stop without a deadline, by its number; else 0 */
    wf_quiet quiet;                   /* has the monitor looked for a deadlock? */
} wf_runtime;

extern wf_runtime wf_rt;

/* Count something in the calling worker's own statistics: nobody else writes them, so no read-modify-write is needed. */
WF_INLINE void wf_count(_Atomic(uint64_t) *counter, uint64_t n)
{
    wf_store_relaxed(counter, wf_load_relaxed(counter) + n); /* relaxed: statistics */
}

/* fork.c: see to it that the child of a fork starts without a runtime. What it calls to forget the parent's: */
void wf_fork_install(void);
void wf_worker_forget(void);
void wf_thread_forget_others(void);

/* Around fork(2), so that the child does not inherit these modules in the middle of a change by another thread. */
void wf_dump_fork_lock(void);
void wf_dump_fork_unlock(void);
void wf_stats_fork_lock(void);
void wf_stats_fork_unlock(void);
void wf_local_fork_lock(void);
void wf_local_fork_unlock(void);
void wf_thread_fork_lock(void);
void wf_thread_fork_unlock(void);

/* A worker as core/biased.h names it. */
WF_INLINE uint16_t wf_worker_id(const wf_worker *worker)
{
    return (uint16_t)(worker->index + 1);
}

/* The lock of an object that coroutines and plain threads use. */
WF_INLINE void wf_object_lock_on(wf_worker *self, wf_biased *lock)
{
    wf_biased_take(lock, wf_likely(self != NULL) ? wf_worker_id(self) : WF_BIAS_PLAIN_THREAD);
}

WF_INLINE void wf_object_lock(wf_biased *lock)
{
    wf_object_lock_on(wf_worker_self(), lock);
}

WF_INLINE void wf_object_unlock(wf_biased *lock)
{
    wf_biased_leave(lock);
}

/* Count that something was taken from the i-th victim. */
static inline void wf_count_taken(wf_worker *self, unsigned i)
{
    enum wf_share share = WF_SHARE_CORE;
    while (i >= self->reach[share])
        share++;
    wf_count(&self->taken[share], 1);
}

/* ---- queues (queue.c) ---- */

/* Queue a READY or NEW coroutine where it belongs: its own worker if pinned; the calling worker's LIFO slot (`next`) or run
 * queue; the shared queue from a plain thread. Wakes a worker where that is due. */
void wf_queue_put(wf_worker *self, wf_coro *coro, bool next);

/* As wf_queue_put of one that runs here and found the own queue full (sched/ready.h). */
void wf_queue_put_surplus(wf_worker *self, wf_coro *coro);

/* Give a coroutine from a queue its stack, if it has none. NULL: there is none to be had, and it was put aside. */
wf_coro *wf_queue_give_stack(wf_worker *self, wf_coro *coro);
/* To the end of this worker's run queue, or where that is full of the shared one; nobody is woken, no lock but that one taken. The
 * dispatch that follows looks whether somebody should help. */
void wf_queue_put_quiet(wf_worker *self, wf_coro *coro);

/* The next coroutine to run on this worker, with a stack bound, from its own queues and, every so often, from the shared queue
 * and the event source. NULL: look elsewhere, from the worker's own stack. */
wf_coro *wf_queue_next(wf_worker *self);

/* As wf_queue_next, for a coroutine that suspends with a lock held: pops, and nothing else. No system call, no completion, message
 * or timer is handled under the lock (their handlers may want the same one). When something of the kind is due it returns NULL, and
 * the worker's own stack sees to it. `taken`: already taken from the own queue, and without a stack; or NULL. */
wf_coro *wf_queue_next_locked(wf_worker *self, wf_coro *taken);

/* As wf_queue_next, for a coroutine that has ended: one that has not run yet may be returned without a stack, when it can take
 * over the one of `ended`. `taken`: as wf_queue_next_locked. */
wf_coro *wf_queue_next_for(wf_worker *self, const wf_coro *ended, wf_coro *taken);

/* Look at the event source, the timers, the shared queue and the other workers, for as long as spinning pays. The one it returns
 * has a stack. */
wf_coro *wf_queue_search(wf_worker *self);

/* This worker has found something to run, from its own stack: it is no searcher any more. Those who saw it search have woken
 * nobody, so the last one to stop searching looks for them whether there is more. */
void wf_queue_found(wf_worker *self);

/* Wake an idle worker if there is one and nobody is searching. */
void wf_queue_wake_one(wf_worker *self);

/* Is there anything that this worker could run? For the last look before parking. */
bool wf_queue_has_work(wf_worker *self);

/* About to park: is there a worker that keeps something for itself? Returns when to look at it again, WEFT_NEVER: there is none. */
int64_t wf_queue_suspect(wf_worker *self);

/* Around everything by which a plain thread makes something runnable: weft_stop frees no worker while somebody is inside. */
static inline void wf_foreign_enter(void)
{
    /* ORDER(foreign): pairs with weft_stop: before what it hands over is seen. */
    wf_fetch_add_seq_cst(&wf_rt.foreign, 1);
}

static inline void wf_foreign_leave(void)
{
    /* ORDER(foreign): pairs with weft_stop: after the last look at a worker. */
    wf_fetch_sub_seq_cst(&wf_rt.foreign, 1);
}

/* Run `message` on `target`'s own thread, soon. From any thread. */
void wf_worker_send(wf_worker *target, wf_message *message);

/* ---- the switch and its commit step (switch.c) ---- */

/* Leave the running coroutine: switch to the next runnable one, or to the worker's own stack. Returns when it is dispatched again,
 * maybe on another worker. To yield: it is queued behind the others; returns at once when there is none. To wait: `bits` is a set of
 * WF_STATE_KILLABLE and WF_STATE_TIMED, `held` is let go once it waits (0: it waits by ticket). */
void wf_leave_to_yield(wf_coro *coro);
void wf_leave_to_wait(wf_coro *coro, unsigned bits, wf_held held);

/* From the worker's own stack: run `coro`, which has a stack. Returns when nothing is runnable here. */
void wf_dispatch(wf_worker *self, wf_coro *coro);

/* Give it a stack. False: none to be had. */
bool wf_coro_bind(wf_worker *self, wf_coro *coro);

/* ---- timers (timer.c) ---- */

/* See that `coro`'s timer fires at `when_ns` or earlier. */
void wf_timer_arm(wf_coro *coro, int64_t when_ns);

/* Take its timer out of whatever wheel it is in. */
void wf_timer_disarm(wf_coro *coro);

/* Fire what is due in `worker`'s wheel; queues what expired on `self`. Returns how many. */
int wf_timer_run(wf_worker *self, wf_worker *worker, int64_t now_ns);

/* The deadline that bounds the wait of `self`: the earlier of `deadline` and its ambient ones. */
int64_t wf_timeout_effective(wf_coro *self, int64_t deadline);

/* A wait of self with this deadline of its own has ended with -ETIMEDOUT: mark the ambient timeout that did it, if one did.
 * True: one did. */
bool wf_timeout_mark_fired(wf_coro *self, int64_t deadline);

/* ---- worker thread (worker.c) ---- */

int wf_worker_start(wf_worker *worker);
void wf_runtime_entered(wf_worker *worker, int error);
void wf_worker_wake(wf_worker *target, wf_worker *self);

/* ---- life of coroutines (spawn.c) ---- */

/* The runtime is on, or has just been started from the environment. 0 or the error of weft_start. */
int wf_runtime_ensure(void);

/* The counts of coroutines that weft_stop waits on. Spawned: before the phase is read. Finished: after everything else. */
void wf_runtime_count_spawned(wf_worker *worker, int n);
void wf_runtime_count_finished(wf_worker *worker);

/* A spawn in parts, for those that do something in between. prepare: everything but the queue; options may be NULL; NULL: *error
 * says why, and nothing is left but the argument. launch: call the hook, and queue it or let it wait for its time; from
 * then on it may be gone. undo: instead of launch. `worker` is the caller's, NULL on a plain thread. */
wf_coro *wf_spawn_prepare(wf_worker *worker, const weft_spawn_options *options, weft_fn *fn, void *arg, unsigned refs,
                          void *site, int *error);
void wf_spawn_launch(wf_worker *worker, wf_coro *coro, int64_t start_after);
void wf_spawn_undo(wf_worker *worker, wf_coro *coro);
weft_t *wf_spawn_refuse(int error); /* NULL, with weft_last_error */

/* Who spawned it, and what it inherits (tree.c). -ENOMEM. leave: give that up, at the end of a coroutine or thread; destructors may
 * suspend. */
int wf_tree_adopt(wf_coro *child);
void wf_tree_leave(wf_coro *self);

/* hooks.c */
void wf_hooks_watch(void); /* from now on spawns go the long way */
void wf_hooks_spawned(wf_coro *coro);
void wf_hooks_failed(wf_coro *self);

/* local.c */
bool wf_local_is_key(weft_key key);
void wf_local_destroy_value(weft_key key, void *value); /* call the key's destructor, if it has one */

/* The running coroutine would leave its worker, or its body has returned, in a section in which that must not be (no_switch.c). */
_Noreturn void wf_no_switch_die(wf_worker *self, wf_coro *coro, bool ended);

/* Body and end of a coroutine, on its stack. */
void wf_coro_run(wf_coro *self);

/* After the last instruction of a coroutine, on whatever stack comes next: recycle its stack, drop its own reference. */
void wf_coro_retire(wf_worker *self, wf_coro *coro);

/* Mark it DONE with its result and wake its joiners (join.c). On its own stack. */
void wf_join_publish(wf_coro *self);

/* A kill in two steps, for many at once: mark all, wf_fence_heavy, claim all (join.c). Mark: false for a stale handle. */
bool wf_kill_mark(const weft_t *t);
void wf_kill_claim(const weft_t *t);

/* The end of a coroutine, before it is DONE (cleanup.c, local.c). On its own stack, under a shield; they may suspend. */
void wf_cleanup_run_all(wf_coro *coro);
void wf_local_run_destructors(wf_coro *coro);

/* The family of symmetric coroutines that it has, if any, ends with it (co.c). On its own stack. */
void wf_family_end(wf_coro *coro);

/* ---- plain threads (thread.c) ---- */

/* The calling plain thread's control block, made on first use and given back when the thread ends. NULL: no memory. */
wf_coro *wf_thread_self(void);

/* The same if it has one; never allocates. For the report of an overflow. */
wf_coro *wf_thread_self_if_any(int32_t *tid);

/* Its stacks are about to be weft's too: from now on an overflow of one is reported (core/fault.h), on an alternate signal
 * stack, unless the program has given the thread one. */
void wf_thread_catch_overflows(wf_coro *self);

/* Suspend and wake for a control block that stands for a plain thread. */
void wf_thread_wait(wf_coro *self, unsigned bits, wf_held held);
void wf_thread_wake(wf_coro *thread);

/* Until further notice it sleeps in ppoll on these, the last of which is an eventfd (or -1), and wakes also when one is ready: the
 * wait then returns 0. NULL: in a futex, as usual. */
struct pollfd;
void wf_thread_sleeps_in(wf_coro *self, struct pollfd *fds, unsigned long count);

/* The thread begins a wait that does not go through wf_thread_wait, in the function whose frame that is; WF_WAIT_NONE: it is over. */
void wf_thread_waits_elsewhere(wf_coro *self, enum wf_wait_kind kind, void *object, const void *frame);

/* Walk the blocks of all plain threads that have one: its number, and the frame in which it waits or waited last. */
void wf_thread_each(void (*visit)(wf_coro *thread, int32_t tid, const void *frame, void *arg), void *arg);

/* The block of the plain thread with this number, NULL when it has none. It may end at any moment. */
wf_coro *wf_thread_of(int32_t tid);

/* ---- counters (stats.c) ---- */

/* Wait until nobody who saw the runtime running still looks at its workers: after STOPPING is set, before they are freed. */
void wf_stats_quiesce(void);

/* ---- messages (log.c) ---- */
void wf_log(enum weft_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Would a line of this level go anywhere? For those that are costly to put together. */
bool wf_log_is_on(enum weft_log_level level);
/* To stderr, whatever the log level: a mistake that a person has to mend. */
void wf_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Abort with a message: a broken invariant or a misuse that cannot be survived. */
_Noreturn void wf_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The level of the log, from the configuration; set at each start. */
void wf_log_set_level(enum weft_log_level level);

#endif
