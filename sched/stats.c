/* Counters of the running runtime. Each worker counts for itself, in its own cache lines; here they are summed up. */
#include <errno.h>
#include <string.h>

#include "sched/worker.h"

/* Held while the workers are looked at, so that they are not freed meanwhile. */
static wf_lock readers;

void wf_stats_quiesce(void)
{
    wf_lock_take(&readers);
    wf_unlock(&readers);
}

static void add_worker(weft_stats_info *stats, wf_worker *worker)
{
    /* relaxed, all of them: each is a count that only its worker writes, and none publishes anything. */
    stats->spawned += wf_load_relaxed(&worker->spawned);
    stats->dispatched += wf_load_relaxed(&worker->dispatches);
    stats->yielded += wf_load_relaxed(&worker->yields);
    stats->suspended += wf_load_relaxed(&worker->suspends);
    stats->steals += wf_load_relaxed(&worker->steals);
    stats->stolen += wf_load_relaxed(&worker->stolen);
    stats->parks += wf_load_relaxed(&worker->parks);
    stats->wakes += wf_load_relaxed(&worker->wakes);
    stats->polls += wf_load_relaxed(&worker->polls);
    stats->events += wf_load_relaxed(&worker->events);
    stats->stalls += wf_load_relaxed(&worker->stalls);
    stats->forks_exposed += wf_load_relaxed(&worker->forks_exposed);
    stats->forks_stolen += wf_load_relaxed(&worker->forks_stolen);
    stats->forks_moved += wf_load_relaxed(&worker->forks_moved);
    stats->searches += wf_load_relaxed(&worker->searches);
    stats->searches_failed += wf_load_relaxed(&worker->searches_failed);
    stats->looks += wf_load_relaxed(&worker->looks);
    stats->robberies += wf_load_relaxed(&worker->robberies);
    stats->shared_core += wf_load_relaxed(&worker->taken[WF_SHARE_CORE]);
    stats->shared_cache += wf_load_relaxed(&worker->taken[WF_SHARE_CACHE]);
    stats->shared_node += wf_load_relaxed(&worker->taken[WF_SHARE_NODE]);
    stats->shared_nothing += wf_load_relaxed(&worker->taken[WF_SHARE_NOTHING]);
    if (wf_rt.driver->live != NULL)
        stats->operations_live += wf_rt.driver->live(worker);
}

/* The lock is held. */
static void sum_up(weft_stats_info *stats)
{
    memset(stats, 0, sizeof(*stats));
    stats->workers = wf_rt.count;
    for (unsigned i = 0; i < wf_rt.count; i++)
        /* ORDER(finished): pairs with wf_runtime_count_finished: an end that is counted here has its spawn counted below. */
        stats->finished += wf_load_acquire(&wf_rt.workers[i]->finished);
    for (unsigned i = 0; i < wf_rt.count; i++)
        add_worker(stats, wf_rt.workers[i]);
    stats->spawned += wf_load_relaxed(&wf_rt.foreign_spawned) - wf_rt.foreign_base; /* relaxed: a count */
    stats->operations_live += wf_load_relaxed(&wf_rt.operations);                   /* relaxed: a count */
    stats->coroutines_live = stats->spawned - stats->finished;
    stats->stacks_live = wf_stack_live();
    stats->fences = wf_load_relaxed(&wf_fence_count); /* relaxed: a count */
}

int weft_stats(weft_stats_info *stats)
{
    if (stats == NULL)
        return -EINVAL;
    wf_lock_take(&readers);
    /* ORDER(phase): pairs with weft_start, which made the workers, and with weft_stop, which calls wf_stats_quiesce after it
     * has set STOPPING and before it frees them. */
    uint32_t phase = wf_load_acquire(&wf_rt.phase);
    bool running = phase >= WF_RUNTIME_ON && phase < WF_RUNTIME_STOPPING;
    if (running)
        sum_up(stats);
    wf_unlock(&readers);
    return running ? 0 : -ESRCH;
}

void wf_stats_fork_lock(void)
{
    wf_lock_take(&readers);
}

void wf_stats_fork_unlock(void)
{
    wf_unlock(&readers);
}
