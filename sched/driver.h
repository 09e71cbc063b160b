/* All of the outside world that the scheduler sees: what an event source must supply.
 *
 * io/ implements it with io_uring (io/ring.c); tests implement it with a fake source. The scheduler calls an event source
 * for four things only: to open and close one per worker, to look for events without waiting, to wait for them, and to end
 * another worker's wait. Operations themselves (read, accept, …) never pass through here: io/ starts them on the current
 * worker's source and wakes coroutines with sched/suspend.h.
 *
 * This is the one table of callbacks in weft.
 */
#ifndef WF_SCHED_DRIVER_H
#define WF_SCHED_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "weft.h"

struct wf_worker;

struct wf_driver {
    /* "uring", "epoll", "fake": shown by weft_dump and WEFT_PRINT_CONFIG. */
    const char *name;

    /* Make worker->source. Called by the thread that starts the runtime, for each worker in turn, before any of them
     * runs. 0 or -errno; on failure it has printed nothing but left one sentence in `why` (what was refused, by which
     * limit, and the remedy), and has undone its own work. */
    int (*open)(struct wf_worker *worker, const weft_config *config, char *why, size_t why_size);

    /* In the child of a fork, which has none of the parent's threads: close what was inherited of the sources of the parent's
     * workers (one that was not opened has source NULL), and forget what was in flight. NULL: nothing to do. */
    void (*abandon)(struct wf_worker *const *workers, unsigned count);

    /* First call on the worker's own thread, before anything else: what only that thread may do (enable the ring). */
    int (*enter)(struct wf_worker *worker);

    /* Release worker->source. Called after the worker's thread has ended; nothing is in flight. */
    void (*close)(struct wf_worker *worker);

    /* Start what was queued and handle what has completed, without waiting; wakes coroutines. Returns how many events it
     * handled. On the worker's thread. Called at every 61st dispatch, before looking for work elsewhere, and before
     * parking; must be cheap when there is nothing (no system call). */
    int (*poll)(struct wf_worker *worker);

    /* As poll, but when there is nothing wait until there is, until `wake` is called for this worker, or until the
     * deadline (absolute CLOCK_MONOTONIC, INT64_MAX: none). A wake that came since the worker announced that it parks
     * makes it return at once. May return early for no reason. On the worker's thread. */
    int (*wait)(struct wf_worker *worker, int64_t deadline_ns);

    /* True when something is in flight or queued, so that the worker must park in `wait`; else it parks in a futex. */
    bool (*busy)(struct wf_worker *worker);

    /* End the wait of `target`, from any thread; `self` is the calling thread's worker, NULL on a plain thread. */
    void (*wake)(struct wf_worker *target, struct wf_worker *self);

    /* The runtime stops and no coroutine is left: end what threads the source has of its own. NULL: it has none. */
    void (*stop)(void);

    /* For a worker that is stuck in a coroutine; all NULL: it cannot be helped.
     * is_due: does its source wait for its thread to enter the kernel? From any thread.
     * nudge: enter the kernel for that. On the worker's thread, in a signal handler that may have interrupted anything.
     * relieve: wake the coroutines whose operations have completed, in the worker's place, unless it has dispatched more often than
     * that by now. From a plain thread. Returns how many. */
    bool (*is_due)(struct wf_worker *worker);
    void (*nudge)(struct wf_worker *worker);
    int (*relieve)(struct wf_worker *worker, uint64_t dispatches);

    /* How many operations are in flight in this worker's source, for weft_stats. From any thread. NULL: it does not count. */
    uint64_t (*live)(struct wf_worker *worker);
};

/* The event source that the configuration asks for, "auto" included. Implemented in io/driver.c; a test program that
 * links the scheduler alone supplies its own. NULL with a sentence in `why` when there is none that can be had. */
const struct wf_driver *wf_driver_select(const weft_config *config, char *why, size_t why_size);

#endif
