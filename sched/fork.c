/* fork(2): the child has one thread and none of the workers, so the runtime is off there, and may be started anew.
 *
 * The locks that outlive a runtime are held over the fork, so that what they guard is whole in the child; those of the runtime
 * itself are made anew by its start.
 *
 * What the parent's runtime left in the child's memory is given up: its coroutines can never run again, so their handles become
 * stale (-ESRCH); its rings were not inherited (they are mapped dontfork), and their descriptors are closed. The memory of
 * stacks and workers is not freed: the child may stand on one of those stacks, because fork in a coroutine is allowed. It may
 * call anything there, exec, _exit, even start a runtime of its own, but not return from the coroutine's body.
 */
#include <pthread.h>

#include "sched/census.h"
#include "sched/dump.h"
#include "sched/forks.h"
#include "sched/monitor.h"
#include "sched/worker.h"

static void prepare(void)
{
    wf_dump_fork_lock(); /* first: a dump takes the others */
    wf_stats_fork_lock();
    wf_local_fork_lock();
    wf_thread_fork_lock();
    wf_coro_fork_lock();
    wf_stack_fork_lock();
}

static void in_parent(void)
{
    wf_stack_fork_unlock();
    wf_coro_fork_unlock();
    wf_thread_fork_unlock();
    wf_local_fork_unlock();
    wf_stats_fork_unlock();
    wf_dump_fork_unlock();
}

static void in_child(void)
{
    in_parent();
    wf_thread_forget_others();
    /* relaxed, all of it: there is one thread. */
    if (wf_load_relaxed(&wf_rt.phase) == WF_RUNTIME_OFF)
        return;
    if (wf_rt.workers != NULL && wf_rt.driver != NULL && wf_rt.driver->abandon != NULL)
        wf_rt.driver->abandon(wf_rt.workers, wf_rt.count);
    wf_forks_forget();
    wf_worker_forget();
    wf_monitor_forget();
    wf_helpers_forget();
    wf_dump_signal_forget();
    wf_coro_forget_all();
    wf_rt.workers = NULL;
    wf_rt.count = 0;
    wf_rt.foreign_base = wf_load_relaxed(&wf_rt.foreign_spawned);
    wf_store_relaxed(&wf_rt.foreign, 0);
    wf_store_relaxed(&wf_rt.operations, 0);
    wf_quiet_forget(&wf_rt.quiet);
    wf_store_relaxed(&wf_rt.gate, wf_load_relaxed(&wf_rt.gate) & WF_GATE_WATCHED);
    wf_store_relaxed(&wf_rt.phase, WF_RUNTIME_OFF);
}

static void install(void)
{
    pthread_atfork(prepare, in_parent, in_child);
}

void wf_fork_install(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
}
