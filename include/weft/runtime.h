/* weft: starting, stopping and watching the runtime. From coroutines and plain threads unless a comment says otherwise,
 * not from signal handlers. What is passed by address is the caller's and is not looked at after the call. None of them
 * suspends but weft_run; weft_start and weft_stop make the calling thread wait.
 */
#ifndef WEFT_RUNTIME_H
#define WEFT_RUNTIME_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weft_io { WEFT_IO_AUTO, WEFT_IO_URING, WEFT_IO_EPOLL };
enum weft_pin { WEFT_PIN_NONE, WEFT_PIN_CORE };
enum weft_guard { WEFT_GUARD_AUTO, WEFT_GUARD_MADVISE, WEFT_GUARD_MPROTECT, WEFT_GUARD_NONE };
enum weft_deadlock { WEFT_DEADLOCK_ERROR, WEFT_DEADLOCK_REPORT, WEFT_DEADLOCK_OFF };
enum weft_log_level { WEFT_LOG_OFF, WEFT_LOG_ERROR, WEFT_LOG_WARN, WEFT_LOG_INFO, WEFT_LOG_DEBUG };

/* Every setting of the runtime. Fill it with weft_config_default or weft_config_from_env, change what you like, pass it
 * to weft_start. The environment variable that sets each field is named beside it. */
typedef struct weft_config {
    unsigned threads;  /* WEFT_THREADS: workers, 1…1024; 0 = as many as CPUs that affinity and cgroup quota leave */
    size_t stack_size; /* WEFT_STACK_SIZE: bytes of address space per coroutine, 16 KiB…8 MiB; K and M suffixes */
    enum weft_io io;   /* WEFT_IO: auto, uring, epoll */
    enum weft_pin pin; /* WEFT_PIN: none, core */
    unsigned spin_us;  /* WEFT_SPIN_US: longest spin before a worker parks, 0…10000; never with one CPU */
    unsigned ring_entries;    /* WEFT_RING_ENTRIES: submission entries per ring, 8…32768, a power of two */
    unsigned offload_threads; /* WEFT_OFFLOAD_THREADS: most threads for weft_offload, 1…4096 */
    unsigned monitor_ms;      /* WEFT_MONITOR_MS: a worker that has not dispatched for so long is reported and its work
                                 handed to others, 1…60000; 0 = off */
    enum weft_guard stack_guard; /* WEFT_STACK_GUARD: auto, madvise, mprotect, none */
    enum weft_log_level log;     /* WEFT_LOG: off, error, warn, info, debug */
    bool print_config;           /* WEFT_PRINT_CONFIG=1: print all settings to stderr at start */
    int dump_signal; /* WEFT_DUMP_SIGNAL: number or name (USR1, SIGUSR1) of a signal that makes the process print
                                 weft_dump to stderr; 0 = none */
    enum weft_deadlock deadlock; /* WEFT_DEADLOCK: error, report, off: what is done when nothing can ever run again; by
                                 the monitor, so nothing where monitor_ms is 0 */
    unsigned char source[16];    /* where each value came from; for weft_config_print */
} weft_config;

/* Fill in the defaults: threads 0, stack_size 256 KiB, io auto, pin none, spin_us 50, ring_entries 256, offload_threads
 * 64, monitor_ms 10, stack_guard auto, log off, deadlock error. 0, -EINVAL for NULL. Never suspends. */
WEFT_API int weft_config_default(weft_config *config);

/* The defaults, overridden by the environment (read with secure_getenv). A value that cannot be understood is described
 * on stderr, with what was expected, and the call returns -EINVAL; all bad values are reported, not only the first. 0,
 * -EINVAL also for NULL. */
WEFT_API int weft_config_from_env(weft_config *config);

/* Print each setting with its value and where it came from (default, environment, program), a line each, to `fd`. NULL:
 * of the running runtime, with what was chosen for "auto". 0, -EINVAL, -ESRCH (NULL and not running) or the error of
 * the write. */
WEFT_API int weft_config_print(const weft_config *config, int fd);

/* Start the runtime: workers, their rings, the monitor. config NULL = weft_config_from_env. Need not be called:
 * weft_run and the first spawn start the runtime from the environment. Returns 0; -EALREADY when it runs already;
 * -EINVAL for a bad setting (described on stderr); -EDEADLK from inside a coroutine; -ENOTSUP when the structure of the
 * machine cannot be read and pin is core; -EPERM, -ENOSYS, -ENOMEM, -EMFILE, -EAGAIN when the kernel refuses rings,
 * memory, descriptors or threads: what was refused, by which limit, and the remedy is printed to stderr. On an error
 * nothing is left running. Linux: 5.19 for io_uring (io_uring_setup(2)); 6.13 has cheaper guards for stacks
 * (MADV_GUARD_INSTALL, madvise(2)), before that at most some 30,000 coroutines are started at a time
 * (vm.max_map_count). */
WEFT_API int weft_start(const weft_config *config);

/* Stop the runtime. From the call on, spawns fail with -ESHUTDOWN, except those by coroutines while the deadline lasts.
 * Waits until all coroutines have ended; at the deadline kills those that are left and waits for them to end; then ends
 * the workers. A stack is never freed under a living coroutine: a coroutine that ignores -ECANCELED for ever makes this
 * call wait for ever, and is named in the log each second. Returns 0 when all ended by themselves, -ETIMEDOUT when some
 * had to be killed, -ESRCH when it was not running, -EDEADLK from a coroutine, -EALREADY while another thread stops it.
 * Afterwards it may be started again. */
WEFT_API int weft_stop(int64_t deadline);

/* Start the runtime if need be, run fn(arg) as a coroutine, wait for it, store its result (result may be NULL). Does
 * not stop the runtime. From a coroutine it is spawn and join, and may suspend. Returns 0, or the error of the start,
 * the spawn or the join (-EINVAL, -ENOMEM, -ESHUTDOWN; -ECANCELED, -ETIMEDOUT and -EDEADLK of the caller's own wait:
 * fn then goes on by itself, detached, so arg must not lie in the caller's frame where these can happen). */
WEFT_API int weft_run(weft_fn *fn, void *arg, void **result);

/* Counters. Those of workers are read without stopping them: each is exact, their sum is of slightly different moments.
 */
typedef struct weft_stats_info {
    unsigned workers;
    uint64_t coroutines_live; /* spawned and not ended; with those of links that have yet to run */
    uint64_t stacks_live;     /* bound to a coroutine */
    uint64_t operations_live; /* in flight in rings or offload threads */
    uint64_t spawned, finished, dispatched, yielded, suspended;
    uint64_t steals, stolen;  /* successful steals; coroutines moved by them */
    uint64_t parks, wakes;    /* times a worker slept; times one was woken by another */
    uint64_t polls, events;   /* looks at the event source that found something; events found */
    uint64_t stalls;          /* workers that the monitor found stuck */
    uint64_t forks_exposed;   /* tasks that were offered to other workers */
    uint64_t forks_stolen;    /* tasks that another worker took */
    uint64_t forks_moved;     /* tasks that became coroutines because the one that forked them suspended */
    uint64_t searches;        /* times a worker that had nothing looked at the others, for some 50 µs at most */
    uint64_t searches_failed; /* and found nothing */
    uint64_t looks;           /* queues of others that it looked at meanwhile */
    uint64_t robberies; /* steals from a worker that had not dispatched for long; each costs all of them a barrier */
    uint64_t fences;    /* membarrier(2): interrupts every running thread of the process */
    /* steals and forks_stolen, by the nearest thing that thief and victim have in common: a core, a cache, a NUMA node, or
     * nothing (also where the structure of the machine is not known) */
    uint64_t shared_core, shared_cache, shared_node, shared_nothing;
} weft_stats_info;

/* Fill in the counters of the running runtime. 0, -EINVAL, -ESRCH when not running. Never suspends. */
WEFT_API int weft_stats(weft_stats_info *stats);

/* Write a list of all coroutines to `fd`: id, name, state, what it waits for and since when, spawn site (and after
 * weft_track_parents the coroutine that spawned it), entry function, and the backtrace of those that are suspended;
 * then of the plain threads that wait in weft: number, name, what for and since when, backtrace. Does not stop them: a
 * coroutine that runs meanwhile is shown as running. Writes with plain write(2), so that it can be called from
 * anywhere; not from a signal handler (set dump_signal for that). 0, -ESRCH when not running, or the error of the
 * write. */
WEFT_API int weft_dump(int fd);

/* Pass each log line (level, one line without newline) to fn; NULL: back to stderr. Called from any thread, must not
 * block. 0. Lines are filtered by weft_config.log; with a function set and log off, the level is WEFT_LOG_WARN. */
WEFT_API int weft_set_log(void (*fn)(enum weft_log_level level, const char *line));

#ifdef __cplusplus
}
#endif

#endif
