/* The monitor: a worker that is stuck in one coroutine (a CPU hog, or a blocking call nobody told us about) must stall nobody
 * else.
 *
 * The monitor looks at all workers every config.monitor_ms. One that runs a coroutine and has not dispatched since the last look is
 * stuck. Its run queue is stolen by the others as always, so an idle one is woken; what it keeps for itself is moved to the shared queue;
 * its timers are fired from here; the coroutines whose operations have completed in its event source are woken from here, too, and
 * where that needs the worker's own thread, that gets a signal (sched/nudge.c), and the next look comes soon.
 *
 * The coroutine is named in the log, once per stall, and only if it is to blame. A worker whose thread the kernel did not let run,
 * because the machine is busy, looks the same from here at first; so the culprit has either used as much CPU time since its
 * last dispatch (it computes), or was found asleep in the kernel at two looks with no CPU time used between them (it blocks).
 *
 * An idle process must not wake up: after a second in which nothing was dispatched and every worker is parked, the monitor sleeps
 * in a futex until a worker comes out of its park.
 *
 * Once all has been quiet for 20 ms it looks for a deadlock (sched/deadlock.c). If a thread of which weft knows nothing could end
 * the quiet, it looks again when the quiet has lasted twice as long, and so on: some ten times in the first minute, then hardly
 * ever.
 */
#include "sched/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/futex.h"
#include "core/peek.h"
#include "core/symbol.h"
#include "core/syscall.h"
#include "sched/census.h"
#include "sched/deadlock.h"
#include "sched/dump.h"
#include "sched/nudge.h"
#include "sched/worker.h"

enum {
    QUIET_LOOKS_NS = 1000000000, /* this long without a dispatch, then deep sleep */
    NUDGED_NS = 1000000,         /* how long a nudged worker may take to enter the kernel */
    DEADLOCK_NS = 20000000,      /* this long without a dispatch, then a look for a deadlock */
};

typedef struct look {
    uint64_t dispatches; /* at the last look */
    int64_t since_ns;    /* when that number was first seen */
    int64_t cpu_ns;      /* CPU time of the worker's thread at that moment */
    int64_t asleep_ns; /* its CPU time when it was last found asleep in the kernel; -1: it was not, at the last look */
    bool named;
} look;

static struct {
    pthread_t thread;
    bool running;
    bool nudged;            /* somebody was, at the last look */
    _Atomic(uint32_t) stop; /* futex: GO or STOP */
    look looks[WF_WORKERS_MAX];
    /* its own thread: */
    int64_t active_ns;   /* when a worker last did anything */
    int64_t deadlock_ns; /* when to look for a deadlock; WEFT_NEVER: not before something happens */
    int64_t patience_ns; /* and how long before the look after that */
    bool has_looked;     /* in this quiet */
} monitor;

enum { GO = 0, STOP = 1 };

/* Something to run is in this worker's queues, and an idle worker could run it. */
static void hand_over(wf_worker *worker, int64_t now_ns)
{
    void *taken[WF_LOCALQ_SIZE / 2];
    while (!wf_localq_is_empty(&worker->local)) {
        uint32_t count = wf_localq_rob(&worker->local, taken);
        for (uint32_t i = 0; i < count; i++)
            wf_queue_put(NULL, taken[i], false);
    }
    if (now_ns >= wf_load_relaxed(&worker->wheel_next)) /* relaxed: a hint; the wheel has its lock */
        wf_timer_run(NULL, worker, now_ns);
    if (wf_runq_count(&worker->runq) != 0)
        wf_queue_wake_one(NULL);
}

/* What has completed in its event source, for coroutines that others can run. */
static void relieve(wf_worker *worker, uint64_t dispatches)
{
    if (wf_rt.driver->relieve == NULL)
        return;
    if (wf_rt.driver->is_due(worker)) {
        wf_nudge_send(worker);
        monitor.nudged = true;
    }
    wf_rt.driver->relieve(worker, dispatches);
}

/* CPU time that the worker's thread has used. */
static int64_t cpu_time(const wf_worker *worker)
{
    clockid_t clock;
    struct timespec used = {0};
    if (pthread_getcpuclockid(worker->thread, &clock) == 0)
        clock_gettime(clock, &used);
    return used.tv_sec * WEFT_SECOND + used.tv_nsec;
}

/* Does its thread sleep in the kernel at this moment? It does not when it runs, nor when it waits for a CPU. */
static bool is_asleep(wf_worker *worker)
{
    char path[64];
    char stat[128];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", wf_load_relaxed(&worker->tid)); /* relaxed: fixed by now */
    long fd = wf_syscall4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    long n = wf_syscall3(SYS_read, fd, stat, sizeof(stat) - 1);
    wf_syscall3(SYS_close, fd, 0, 0);
    stat[n > 0 ? n : 0] = '\0';
    const char *state = strrchr(stat, ')'); /* the name before it may hold anything */
    return state != NULL && (state[1] == ' ') && (state[2] == 'S' || state[2] == 'D');
}

/* What the coroutine does that keeps its worker; NULL: nothing so far, the kernel does not let it run. */
static const char *blame(wf_worker *worker, look *seen, int64_t period_ns)
{
    int64_t cpu_ns = cpu_time(worker);
    bool was_asleep = seen->asleep_ns == cpu_ns;
    seen->asleep_ns = is_asleep(worker) ? cpu_ns : -1;
    if (cpu_ns - seen->cpu_ns >= period_ns)
        return "it computes";
    return was_asleep && seen->asleep_ns == cpu_ns ? "it blocks in a call that weft does not know" : NULL;
}

static void name_culprit(wf_worker *worker, look *seen, int64_t now_ns, int64_t period_ns)
{
    wf_coro *coro = wf_load_relaxed(&worker->current); /* relaxed: only named */
    const char *what = coro == NULL || seen->named ? NULL : blame(worker, seen, period_ns);
    if (what == NULL)
        return;
    seen->named = true;
    wf_fetch_add_relaxed(&worker->stalls, 1); /* relaxed: statistics */
    if (!wf_log_is_on(WEFT_LOG_WARN))
        return;
    weft_fn *fn = NULL;
    char entry[128] = "unknown";
    char id[WF_CORO_ID_TEXT];
    wf_peek(&coro->fn, &fn,
            sizeof(fn)); /* the coroutine may end at this very moment: at worst the name is an old one */
    if (fn != NULL)
        wf_symbol_format((const void *)(uintptr_t)fn, false, entry, sizeof(entry));
    wf_log(WEFT_LOG_WARN,
           "worker %u has been in coroutine %s (entry %s) for %lld ms without a switch: %s; use weft_yield or "
           "weft_offload there",
           worker->index, wf_coro_format_id((uint64_t)(uintptr_t)wf_coro_handle(coro), id), entry,
           (long long)((now_ns - seen->since_ns) / WEFT_MILLISECOND), what);
}

enum worker_state { IDLE, MOVING, RUNNING }; /* MOVING: it has dispatched since the last look */

static enum worker_state look_at(wf_worker *worker, int64_t now_ns)
{
    look *seen = &monitor.looks[worker->index];
    uint64_t dispatches = wf_load_relaxed(&worker->dispatches); /* relaxed: only compared */
    bool runs = wf_load_relaxed(&worker->current) != NULL;      /* relaxed: as above */
    if (dispatches == seen->dispatches)
        return runs ? RUNNING : IDLE;
    *seen = (look){.dispatches = dispatches, .since_ns = now_ns, .cpu_ns = cpu_time(worker), .asleep_ns = -1};
    return MOVING;
}

/* It runs the same coroutine as at the last look: for too long? What it keeps is handed over if somebody is there to take it; where all
 * are stuck, the kernel merely lets others run, and their queues had better stay as they are. */
static void look_at_running(wf_worker *worker, int64_t now_ns, bool is_helped)
{
    look *seen = &monitor.looks[worker->index];
    int64_t period_ns = (int64_t)wf_rt.config.monitor_ms * WEFT_MILLISECOND;
    if (now_ns - seen->since_ns < period_ns)
        return;
    name_culprit(worker, seen, now_ns, period_ns);
    if (is_helped) {
        hand_over(worker, now_ns);
        relieve(worker, seen->dispatches);
    }
}

/* True when any of them is active. */
static bool look_at_all(int64_t now_ns)
{
    static enum worker_state states[WF_WORKERS_MAX];
    unsigned count[RUNNING + 1] = {0};
    for (unsigned i = 0; i < wf_rt.count; i++)
        count[states[i] = look_at(wf_rt.workers[i], now_ns)]++;
    for (unsigned i = 0; i < wf_rt.count; i++)
        if (states[i] == RUNNING)
            look_at_running(wf_rt.workers[i], now_ns, count[RUNNING] < wf_rt.count);
    return count[IDLE] < wf_rt.count;
}

/* ---- deadlocks ---- */

/* Something happens, or may: the next look is that of a new quiet. */
static void expect_deadlock(int64_t at_ns)
{
    monitor.has_looked = false;
    monitor.patience_ns = DEADLOCK_NS;
    monitor.deadlock_ns = wf_rt.config.deadlock != WEFT_DEADLOCK_OFF ? at_ns : WEFT_NEVER;
}

/* A thread has begun to wait since the last look. */
static bool is_asked(void)
{
    return monitor.has_looked && !wf_quiet_is_looked_at(&wf_rt.quiet);
}

static void look_for_deadlock(int64_t now_ns)
{
    if (is_asked()) /* not at once: threads that wake each other without end would ask for a look each time */
        expect_deadlock(now_ns + DEADLOCK_NS);
    if (now_ns < monitor.deadlock_ns)
        return;
    enum wf_verdict verdict = wf_deadlock_look();
    monitor.has_looked = verdict == WF_VERDICT_LIVES || verdict == WF_VERDICT_MAYBE;
    if (verdict == WF_VERDICT_MAYBE)
        monitor.patience_ns *= 2;
    monitor.deadlock_ns = now_ns + monitor.patience_ns;
    if (verdict ==
        WF_VERDICT_LIVES) /* once more before the deep sleep, from which every worker that gets up wakes it */
        monitor.deadlock_ns =
            now_ns - monitor.active_ns < QUIET_LOOKS_NS ? monitor.active_ns + QUIET_LOOKS_NS : WEFT_NEVER;
}

/* ---- the thread ---- */

static bool goes_on(void)
{
    return wf_load_acquire(&monitor.stop) == GO; /* ORDER(monitor-stop): pairs with wf_monitor_stop. */
}

/* Until a worker comes out of its park, or a look for a deadlock is due. */
static void sleep_deeply(void)
{
    /* ORDER(monitor-sleep): store-load pair with park in sched/worker.c: asleep, then the workers once more. An exchange, so
     * that whoever has just ended a sleep to stop the monitor, or to have it look, is seen to have asked for it. */
    wf_exchange_seq_cst(&wf_rt.monitor_asleep, 1);
    bool all_parked = wf_idle_idle(wf_load_seq_cst(&wf_rt.idle.counts)) == wf_rt.count;
    if (all_parked && !is_asked() && goes_on())
        wf_futex_wait(&wf_rt.monitor_asleep, 1, monitor.deadlock_ns);
    bool noticed = wf_exchange_seq_cst(&wf_rt.monitor_asleep, 0) == 0; /* ORDER(monitor-sleep) */
    if (all_parked && (is_asked() || !noticed))
        return;
    monitor.active_ns = wf_clock_now();
    expect_deadlock(monitor.active_ns + DEADLOCK_NS);
}

static void *monitor_main(void *arg)
{
    wf_helper helper = {0};
    (void)arg;
    wf_helper_enter(&helper);
    pthread_setname_np(pthread_self(), "weft-monitor");
    int64_t period = (int64_t)wf_rt.config.monitor_ms * WEFT_MILLISECOND;
    monitor.active_ns = wf_clock_now();
    expect_deadlock(monitor.active_ns + DEADLOCK_NS);
    while (goes_on()) {
        int64_t now = wf_clock_now();
        monitor.nudged = false;
        if (look_at_all(now)) {
            monitor.active_ns = now;
            expect_deadlock(now + DEADLOCK_NS);
        }
        look_for_deadlock(now);
        if (now - monitor.active_ns < QUIET_LOOKS_NS)
            wf_futex_wait(&monitor.stop, GO, now + (monitor.nudged ? NUDGED_NS : period));
        else
            sleep_deeply();
    }
    wf_helper_leave(&helper);
    return NULL;
}

void wf_monitor_notice(void)
{
    /* ORDER(monitor-sleep): pairs with monitor_main. */
    if (wf_exchange_seq_cst(&wf_rt.monitor_asleep, 0) != 0)
        wf_futex_wake(&wf_rt.monitor_asleep, 1);
}

int wf_monitor_start(void)
{
    if (wf_rt.config.monitor_ms == 0)
        return 0;
    for (unsigned i = 0; i < wf_rt.count; i++)
        monitor.looks[i] = (look){0};
    wf_store_relaxed(&monitor.stop, GO);        /* relaxed: its thread does not exist yet */
    wf_store_relaxed(&wf_rt.monitor_asleep, 0); /* relaxed: as above */
    wf_nudge_start();
    wf_deadlock_begin();
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&monitor.thread, NULL, monitor_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    monitor.running = error == 0;
    if (error != 0) {
        wf_nudge_stop();
        wf_complain("cannot start: the monitor's thread was refused; raise RLIMIT_NPROC or set WEFT_MONITOR_MS=0");
    }
    return -error;
}

void wf_monitor_stop(void)
{
    if (!monitor.running)
        return;
    wf_store_release(&monitor.stop, STOP); /* ORDER(monitor-stop): pairs with monitor_main. */
    wf_futex_wake(&monitor.stop, 1);
    wf_monitor_notice();
    pthread_join(monitor.thread, NULL);
    monitor.running = false;
    wf_nudge_stop();
}

void wf_monitor_forget(void)
{
    monitor.running = false;
}
