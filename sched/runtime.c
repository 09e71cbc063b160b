/* Start, stop, run: the life of the one runtime of a process.
 *
 *   OFF -> STARTING -> ON -> DRAINING -> KILLING -> STOPPING -> OFF
 *
 * wf_rt.phase is changed by compare-and-swap from OFF and from ON, so one thread starts it and one stops it; whoever comes
 * meanwhile waits on the phase as a futex (start) or gets -EALREADY (stop). Everything else in wf_rt is written in STARTING and
 * fixed until OFF.
 *
 * Stopping waits for the last coroutine: finished and spawned are counted per worker; the stopper reads all of `finished` first
 * and then all of `spawned`, so that the difference is never too small, and each coroutine that ends from DRAINING on moves
 * wf_rt.drained, the futex that it sleeps on.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/context.h"
#include "core/fault.h"
#include "core/fence.h"
#include "core/futex.h"
#include "core/topology.h"
#include "sched/config.h"
#include "sched/dump.h"
#include "sched/forks.h"
#include "sched/monitor.h"
#include "sched/suspend.h"
#include "sched/worker.h"

wf_runtime wf_rt;

/* ---- counting ---- */

void wf_runtime_count_spawned(wf_worker *worker, int n)
{
    if (worker != NULL)
        wf_count(&worker->spawned, (uint64_t)(int64_t)n);
    else
        /* ORDER(phase): counted before the phase is read; pairs with live and weft_stop. */
        wf_fetch_add_seq_cst(&wf_rt.foreign_spawned, (uint64_t)(int64_t)n);
}

void wf_runtime_count_finished(wf_worker *worker)
{
    uint64_t finished = wf_load_relaxed(&worker->finished) + 1; /* relaxed: only this worker writes it */
    /* ORDER(finished): pairs with live: whoever counts this end also counts the spawn before it. */
    wf_store_release(&worker->finished, finished);
    if (wf_load_relaxed(&wf_rt.phase) >= WF_RUNTIME_DRAINING) { /* relaxed: the stopper also looks every so often */
        wf_fetch_add_acq_rel(&wf_rt.drained, 1);                /* ORDER(drained): pairs with wait_until_empty. */
        wf_futex_wake(&wf_rt.drained, INT_MAX);
    }
}

/* How many coroutines have been spawned and have not ended. Never too few. */
static uint64_t live(void)
{
    uint64_t finished = 0;
    uint64_t spawned = 0;
    for (unsigned i = 0; i < wf_rt.count; i++)
        finished +=
            wf_load_acquire(&wf_rt.workers[i]->finished); /* ORDER(finished): pairs with wf_runtime_count_finished. */
    for (unsigned i = 0; i < wf_rt.count; i++)
        spawned += wf_load_relaxed(&wf_rt.workers[i]->spawned); /* relaxed: ordered by the loads above */
    /* ORDER(phase): pairs with wf_runtime_count_spawned. */
    return spawned + wf_load_seq_cst(&wf_rt.foreign_spawned) - wf_rt.foreign_base - finished;
}

/* All have ended and the workers are about to go: what they counted moves into the base. */
static void move_base(void)
{
    for (unsigned i = 0; i < wf_rt.count; i++) {
        wf_rt.foreign_base +=
            wf_load_relaxed(&wf_rt.workers[i]->finished);                  /* relaxed: their threads have been joined */
        wf_rt.foreign_base -= wf_load_relaxed(&wf_rt.workers[i]->spawned); /* relaxed: as above */
    }
}

/* ---- starting ---- */

static void set_phase(enum wf_runtime_phase phase)
{
    /* relaxed: whoever misses it is a coroutine, which is waited for, and so is what it spawns; all others look at the phase. */
    if (phase > WF_RUNTIME_DRAINING)
        wf_fetch_or_relaxed(&wf_rt.gate, WF_GATE_SHUT);
    /* ORDER(phase): opened before the phase that lets them in. */
    if (phase <= WF_RUNTIME_DRAINING)
        wf_fetch_and_acq_rel(&wf_rt.gate, ~(uint32_t)WF_GATE_SHUT);
    /* ORDER(phase): publishes what was set up; pairs with admit in sched/spawn.c. */
    wf_store_seq_cst(&wf_rt.phase, phase);
    wf_futex_wake(&wf_rt.phase, INT_MAX);
}

/* A worker's thread has entered, or could not. */
void wf_runtime_entered(wf_worker *worker, int error)
{
    worker->enter_error = error;
    wf_fetch_add_acq_rel(&wf_rt.entered, 1); /* ORDER(entered): pairs with start_threads. */
    wf_futex_wake(&wf_rt.entered, 1);
}

static wf_worker *make_worker(unsigned index)
{
    wf_worker *worker = wf_alloc_aligned(WF_CACHE_LINE, sizeof(*worker));
    if (worker == NULL)
        return NULL;
    worker->index = (uint16_t)index;
    worker->cpu = -1;
    worker->random = index * 2654435761u + 1;
    worker->spin_ns = wf_rt.config.spin_us * 1000;
    wf_wheel_init(&worker->wheel, wf_clock_now());
    wf_forks_init(worker);
    wf_store_relaxed(&worker->wheel_next, WEFT_NEVER); /* relaxed: its thread does not exist yet */
    return worker;
}

static void free_workers(void)
{
    for (unsigned i = 0; wf_rt.workers != NULL && i < wf_rt.count; i++) {
        if (wf_rt.workers[i] == NULL)
            continue;
        wf_free(wf_rt.workers[i]->victims);
        wf_free(wf_rt.workers[i]);
    }
    wf_free(wf_rt.workers);
    wf_rt.workers = NULL;
}

static void order_victims(const wf_topology *topology, wf_worker *worker)
{
    wf_topology_victims(topology, worker->index, wf_rt.count, worker->victims);
    for (unsigned i = 0; i + 1 < wf_rt.count; i++)
        for (unsigned share = wf_topology_share(topology, worker->index, worker->victims[i]); share < WF_SHARE_KINDS;
             share++)
            worker->reach[share]++;
}

/* Who steals from whom first, and who runs where. The structure of the machine is only looked at when it matters. */
static int place_workers(void)
{
    if (wf_rt.count == 1 && wf_rt.config.pin == WEFT_PIN_NONE)
        return 0;
    wf_topology *topology = wf_topology_new();
    if (topology == NULL && wf_rt.config.pin == WEFT_PIN_CORE) {
        wf_complain("cannot start: WEFT_PIN=core needs the structure of this machine, and hwloc could not read it (is "
                    "/sys mounted, is "
                    "there memory?); mend that, or set WEFT_PIN=none");
        return -ENOTSUP;
    }
    if (topology == NULL) /* all functions take that for a machine of which nothing is known */
        wf_log(WEFT_LOG_WARN,
               "hwloc could not read the structure of this machine; workers steal from each other in no special order");
    int error = 0;
    for (unsigned i = 0; i < wf_rt.count && error == 0; i++) {
        wf_worker *worker = wf_rt.workers[i];
        worker->victims = wf_alloc(wf_rt.count * sizeof(*worker->victims));
        if (worker->victims == NULL)
            error = -ENOMEM;
        else
            order_victims(topology, worker);
        if (wf_rt.config.pin == WEFT_PIN_CORE)
            worker->cpu = wf_topology_worker_cpu(topology, i, wf_rt.count);
    }
    wf_topology_free(topology);
    return error;
}

static int make_workers(void)
{
    wf_rt.workers = wf_alloc(wf_rt.count * sizeof(*wf_rt.workers));
    if (wf_rt.workers == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < wf_rt.count; i++) {
        wf_rt.workers[i] = make_worker(i);
        if (wf_rt.workers[i] == NULL)
            return -ENOMEM;
    }
    return place_workers();
}

static int open_sources(unsigned *opened)
{
    char why[256] = "";
    wf_rt.driver = wf_driver_select(&wf_rt.config, why, sizeof(why));
    int error = wf_rt.driver != NULL ? 0 : -ENOSYS;
    for (*opened = 0; error == 0 && *opened < wf_rt.count;) {
        error = wf_rt.driver->open(wf_rt.workers[*opened], &wf_rt.config, why, sizeof(why));
        if (error == 0)
            ++*opened;
    }
    if (error != 0)
        wf_complain("cannot start: %s", why);
    return error;
}

/* Workers block every signal but those that a thread raises itself and those of profilers: the program's handlers run on its own
 * threads, and a write to a closed pipe is -EPIPE. */
static void block_signals(sigset_t *before)
{
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
        sigdelset(&set, open[i]);
    pthread_sigmask(SIG_SETMASK, &set, before);
}

static void join_threads(unsigned started)
{
    for (unsigned i = 0; i < started; i++)
        wf_worker_wake(wf_rt.workers[i], NULL);
    for (unsigned i = 0; i < started; i++)
        pthread_join(wf_rt.workers[i]->thread, NULL);
}

static int start_threads(unsigned *started)
{
    sigset_t before;
    int error = 0;
    block_signals(&before);
    for (*started = 0; error == 0 && *started < wf_rt.count;) {
        error = wf_worker_start(wf_rt.workers[*started]);
        if (error == 0)
            ++*started;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        wf_complain("cannot start: thread %u of %u workers was refused (%s): raise RLIMIT_NPROC or the pids limit of "
                    "the cgroup, or "
                    "lower WEFT_THREADS",
                    *started + 1, wf_rt.count, strerrordesc_np(-error));
    uint32_t entered;
    while ((entered = wf_load_acquire(&wf_rt.entered)) < *started) /* ORDER(entered): pairs with wf_runtime_entered. */
        wf_futex_wait(&wf_rt.entered, entered, INT64_MAX);
    for (unsigned i = 0; i < *started && error == 0; i++) {
        error = wf_rt.workers[i]->enter_error;
        if (error != 0)
            wf_complain("cannot start: worker %u could not enable its event source (%s)", i, strerrordesc_np(-error));
    }
    return error;
}

static int set_up(const weft_config *config)
{
    int error = 0;
    if (config != NULL)
        wf_rt.config = *config;
    else
        error = weft_config_from_env(&wf_rt.config);
    if (error == 0)
        error = wf_config_check(&wf_rt.config);
    if (error != 0)
        return error;
    wf_log_set_level(wf_rt.config.log);
    wf_rt.count = wf_rt.config.threads != 0 ? wf_rt.config.threads : wf_worker_count_default();
    if (wf_rt.count > WF_WORKERS_MAX)
        wf_rt.count = WF_WORKERS_MAX;
    wf_rt.default_class = wf_stack_class(wf_rt.config.stack_size);
    wf_fpenv_save(wf_rt.fpenv);
    wf_fence_init();
    wf_fork_install();
    error = wf_coro_space_init();
    if (error != 0) {
        wf_complain("cannot start: no address space for control blocks (64 MiB at least): raise RLIMIT_AS");
        return error;
    }
    error = wf_stack_init((enum wf_stack_guard)wf_rt.config.stack_guard);
    if (error != 0)
        wf_complain("cannot start: this kernel has no MADV_GUARD_INSTALL (Linux 6.13); set WEFT_STACK_GUARD to auto or "
                    "mprotect");
    return error;
}

/* What a start sets to zero and a stop leaves behind. */
static void reset(void)
{
    wf_rt.idle.lock = (wf_lock){0}; /* in the child of a fork somebody may seem to hold them */
    wf_rt.shared_lock = (wf_lock){0};
    wf_rt.idle.sleepers = 0;
    memset(wf_rt.idle.listed, 0, sizeof(wf_rt.idle.listed));
    wf_rt.shared_begun = (wf_shared){NULL, NULL};
    wf_rt.shared_new = (wf_shared){NULL, NULL};
    /* relaxed, all of these: no other thread uses the runtime in this phase. */
    wf_store_relaxed(&wf_rt.idle.counts, 0);
    wf_store_relaxed(&wf_rt.shared_count, 0);
    wf_store_relaxed(&wf_rt.drained, 0);
    wf_store_relaxed(&wf_rt.entered, 0);
    wf_store_relaxed(&wf_rt.stopper, 0);
}

static void close_sources(unsigned opened)
{
    for (unsigned i = 0; i < opened; i++)
        wf_rt.driver->close(wf_rt.workers[i]);
}

static int start(const weft_config *config)
{
    unsigned opened = 0;
    unsigned started = 0;
    reset();
    int error = set_up(config);
    if (error != 0)
        return error;
    error = make_workers();
    if (error == 0)
        error = open_sources(&opened);
    if (error == 0)
        error = wf_fault_install(wf_dump_fault);
    if (error == 0)
        error = start_threads(&started);
    if (error == 0)
        error = wf_monitor_start();
    if (error == 0)
        error = wf_dump_signal_start(wf_rt.config.dump_signal);
    if (error != 0) {
        wf_monitor_stop();
        set_phase(WF_RUNTIME_STOPPING);
        join_threads(started);
        close_sources(opened);
        free_workers();
        return error;
    }
    return 0;
}

int weft_start(const weft_config *config)
{
    if (wf_self_coro() != NULL)
        return -EDEADLK;
    uint32_t off = WF_RUNTIME_OFF;
    /* ORDER(phase): pairs with set_phase. */
    if (!wf_cas_acq_rel(&wf_rt.phase, &off, WF_RUNTIME_STARTING))
        return -EALREADY;
    int saved = errno;
    int error = start(config);
    errno = saved;
    set_phase(error == 0 ? WF_RUNTIME_ON : WF_RUNTIME_OFF);
    if (error == 0 && wf_rt.config.print_config)
        weft_config_print(NULL, 2);
    return error;
}

int wf_runtime_ensure(void)
{
    for (;;) {
        uint32_t phase = wf_load_acquire(&wf_rt.phase); /* ORDER(phase): pairs with set_phase. */
        if (phase == WF_RUNTIME_STARTING) {
            wf_futex_wait(&wf_rt.phase, phase, INT64_MAX);
        } else if (phase != WF_RUNTIME_OFF) {
            return 0;
        } else {
            int error = weft_start(NULL);
            if (error != -EALREADY)
                return error;
        }
    }
}

/* ---- stopping ---- */

/* True when no coroutine is left; false at the deadline. */
static bool sleep_until_empty(int64_t deadline)
{
    for (;;) {
        uint32_t seen = wf_load_acquire(&wf_rt.drained); /* ORDER(drained): pairs with wf_runtime_count_finished. */
        if (live() == 0)
            return true;
        int64_t now = wf_clock_now();
        if (now >= deadline)
            return false;
        int64_t until = now + 100 * WEFT_MILLISECOND; /* an end may have been counted just before DRAINING was seen */
        wf_futex_wait(&wf_rt.drained, seen, until < deadline ? until : deadline);
    }
}

/* The same; without a deadline this thread is one that waits for good, as long as there is a coroutine. */
static bool wait_until_empty(int64_t deadline)
{
    if (deadline != WEFT_NEVER)
        return sleep_until_empty(deadline);
    /* ORDER(stopper): pairs with is_stopping in sched/census.c. */
    wf_store_release(&wf_rt.stopper, (int32_t)wf_syscall3(SYS_gettid, 0, 0, 0));
    wf_deadlock_thread_waits();
    bool empty = sleep_until_empty(deadline);
    wf_store_relaxed(&wf_rt.stopper, 0); /* relaxed: there is no coroutine, and so no deadlock with it */
    return empty;
}

static void mark_one(wf_coro *coro, void *arg)
{
    (void)arg;
    wf_kill_mark(wf_coro_handle(coro));
}

static void claim_one(wf_coro *coro, void *arg)
{
    (void)arg;
    wf_kill_claim(wf_coro_handle(coro));
}

/* Kill what is left, again and again: a coroutine may have been spawned just before the phase changed. */
static void kill_all(void)
{
    for (int tenths = 1;; tenths++) {
        wf_coro_each(mark_one, NULL);
        wf_fence_heavy(); /* ORDER(state-kill): as wf_state_kill, once for all of them. */
        wf_coro_each(claim_one, NULL);
        if (wait_until_empty(wf_clock_now() + 100 * WEFT_MILLISECOND))
            return;
        if (tenths % 10 == 0)
            wf_log(
                WEFT_LOG_WARN,
                "stopping: %llu coroutines were killed and go on regardless; weft_stop waits for them. See weft_dump",
                (unsigned long long)live());
    }
}

int weft_stop(int64_t deadline)
{
    if (wf_self_coro() != NULL)
        return -EDEADLK;
    uint32_t on = WF_RUNTIME_ON;
    if (!wf_cas_seq_cst(&wf_rt.phase, &on, WF_RUNTIME_DRAINING)) /* ORDER(phase): before live reads the counts. */
        return on == WF_RUNTIME_OFF || on == WF_RUNTIME_STARTING ? -ESRCH : -EALREADY;
    int saved = errno;
    int result = 0;
    if (!wait_until_empty(deadline)) {
        set_phase(WF_RUNTIME_KILLING);
        kill_all();
        result = -ETIMEDOUT;
    }
    if (wf_rt.driver->stop != NULL)
        wf_rt.driver->stop();
    wf_dump_signal_stop();
    wf_monitor_stop();
    set_phase(WF_RUNTIME_STOPPING);
    join_threads(wf_rt.count);
    /* ORDER(foreign): pairs with wf_foreign_leave. What they handed over has been run, so they are on their way out. */
    while (wf_load_seq_cst(&wf_rt.foreign) != 0)
        sched_yield();
    wf_stats_quiesce();
    move_base();
    close_sources(wf_rt.count);
    free_workers();
    errno = saved;
    set_phase(WF_RUNTIME_OFF);
    return result;
}

/* ---- run ---- */

int weft_run(weft_fn *fn, void *arg, void **result)
{
    weft_t *t = weft_spawn(fn, arg);
    if (t == NULL)
        return weft_last_error();
    int error = weft_join(t, result);
    if (error != 0)
        weft_detach(t);
    return error;
}
