/* Finding that nothing can ever run again, saying so, and ending the waits. By the monitor, when all has been quiet for a while.
 *
 *   1. take the lock of the idle list: a parked worker does not leave its park without it, so none runs until it is let go
 *   2. all workers are on the list, and none of their sources has anything in flight
 *   3. no job is in the offload pool, and every other thread of the process waits in weft for good (sched/census.c)
 *   4. none of the workers has been told to get up
 *   5. every coroutine waits for good
 *   6. report; claim what is to end, let the lock go, queue what was claimed
 *
 * Why it is certain. Only a thread can do anything, and at one moment during step 3 none could: workers are kept in their parks, all
 * others waited. What they had done before that moment is seen in steps 4 and 5: a coroutine that was woken is READY, one with a
 * deadline is TIMED, a message has left NOTIFIED in a parking word. So from that moment on nothing happens but what this function
 * does. An operation in flight parks its worker in its source (wf_parking), and what is in a source changes only on its worker's
 * thread, or by the monitor, for a worker that runs (relieve), so step 2 counts exactly. A signal handler may run on a thread that waits, but may call nothing of weft that wakes.
 *
 * Who is ended. All that a kill could end, except those that wait for the end of other coroutines: these are told when those have
 * returned, and what they lent them (the frame of a weft_run) stays until then. When there are none but such (enum rank), those that
 * join one that cannot be ended; then the others. See docs/decisions/037-deadlock.md.
 */
#include "sched/deadlock.h"

#include <errno.h>

#include "sched/census.h"
#include "sched/dump.h"
#include "sched/monitor.h"
#include "sched/suspend.h"
#include "sched/worker.h"

enum { SHOWN = 100 }; /* coroutines that a report lists; a thousandth looks like those before */

/* What coroutines wait. */
typedef struct waits {
    bool stirs; /* one can run */
    bool timed; /* one will, by a deadline */
    unsigned waiting;
    unsigned ranked[WF_RANKS];
} waits;

/* Those that were claimed, in the order in which they are queued, by link. */
typedef struct claims {
    enum wf_rank rank; /* of those that are */
    unsigned count;
    wf_coro *first;
    wf_coro **end;
} claims;

/* When the last report was made, in dispatches and in waits of threads: as long as these are the same, all has been said. */
typedef struct moment {
    uint64_t dispatches;
    wf_still threads;
} moment;

static moment reported; /* by the monitor */

/* ---- looking ---- */

/* All other steps rest on this: it is so for as long as the lock of the idle list is held. */
static enum wf_verdict look_at_workers(void)
{
    /* ORDER(idle-count): pairs with wf_idle_begin_search. */
    if (wf_rt.idle.sleepers != wf_rt.count || wf_idle_searching(wf_load_seq_cst(&wf_rt.idle.counts)) != 0)
        return WF_VERDICT_STIRS;
    bool in_flight = false;
    for (unsigned i = 0; i < wf_rt.count; i++) {
        /* ORDER(parking): pairs with wf_parking_begin; and with wf_parking_notify, through whatever led us here. */
        uint32_t word = wf_load_acquire(&wf_rt.workers[i]->parking.word);
        if (word == WF_PARK_SOURCE)
            in_flight = true;
        else if (word != WF_PARK_FUTEX)
            return WF_VERDICT_STIRS;
    }
    return in_flight ? WF_VERDICT_LIVES : WF_VERDICT_DEAD;
}

static void look_at_one(wf_coro *coro, void *arg)
{
    waits *w = arg;
    if (w->stirs || w->timed)
        return;
    /* ORDER(state-wait): pairs with wf_state_commit_wait. */
    uint64_t state = wf_load_acquire(&coro->state);
    switch (wf_state_phase(state)) {
    case WF_PHASE_NEW:
    case WF_PHASE_READY:
    case WF_PHASE_RUNNING:
        w->stirs = true;
        break;
    case WF_PHASE_WAITING:
        w->timed = state & WF_STATE_TIMED;
        w->waiting++;
        w->ranked[wf_wait_rank(coro)]++;
        break;
    default: /* it has ended */
        break;
    }
}

/* Is it the same deadlock as the last time? All workers are parked. */
static bool is_reported(const wf_census *threads)
{
    moment now = {.threads = threads->still};
    for (unsigned i = 0; i < wf_rt.count; i++)
        now.dispatches += wf_load_relaxed(&wf_rt.workers[i]->dispatches); /* relaxed: written before they parked */
    bool same = now.dispatches == reported.dispatches && wf_still_is_same(now.threads, reported.threads);
    reported = now;
    return same;
}

/* Steps 2 to 5. DEAD: and then the counts are right. */
static enum wf_verdict judge(wf_census *threads, waits *coroutines)
{
    wf_quiet_look(&wf_rt.quiet);
    enum wf_verdict verdict = look_at_workers();
    if (verdict != WF_VERDICT_DEAD)
        return verdict;
    /* ORDER(operations): pairs with run_job in io/offload.c: whoever a job woke is seen. */
    if (wf_load_acquire(&wf_rt.operations) != 0 || !wf_census_take(threads))
        return WF_VERDICT_MAYBE;
    verdict = look_at_workers();
    if (verdict != WF_VERDICT_DEAD)
        return verdict;
    wf_coro_each(look_at_one, coroutines);
    if (coroutines->stirs)
        return WF_VERDICT_STIRS;
    if (coroutines->timed || coroutines->waiting + threads->still.waiting == 0)
        return WF_VERDICT_LIVES;
    /* Without a coroutine weft_stop goes on. */
    return threads->stopping && coroutines->waiting == 0 ? WF_VERDICT_MAYBE : WF_VERDICT_DEAD;
}

/* ---- ending ---- */

/* Only what ends is touched; the others are left as they wait. Of one that does not wait the rank says nothing, and the claim
 * fails. */
static void claim(wf_coro *coro, claims *c)
{
    if (wf_wait_rank(coro) != c->rank || !wf_state_claim_killable(coro))
        return;
    coro->wake_value = -EDEADLK;
    coro->link = NULL;
    *c->end = coro;
    c->end = &coro->link;
    c->count++;
}

static void claim_coroutine(wf_coro *coro, void *arg)
{
    claim(coro, arg);
}

static void claim_thread(wf_coro *thread, int32_t tid, const void *frame, void *arg)
{
    (void)tid;
    (void)frame;
    claim(thread, arg);
}

static void queue_all(const claims *c)
{
    for (wf_coro *coro = c->first, *next; coro != NULL; coro = next) {
        next = coro->link;
        wf_queue_put(wf_worker_self(), coro, false);
    }
}

/* The first rank of which there are any; WF_RANK_FIRM: none can be ended. */
static enum wf_rank first_rank(const wf_census *threads, const waits *coroutines)
{
    enum wf_rank rank = WF_RANK_FIRST;
    while (rank != WF_RANK_FIRM && threads->ranked[rank] + coroutines->ranked[rank] == 0)
        rank++;
    return rank;
}

static void report(const wf_census *threads, const waits *coroutines, enum wf_rank rank)
{
    static const char *const what[] = {
        [WF_RANK_FIRST] = "all but joins and waits under a shield return -EDEADLK now (WEFT_DEADLOCK=error)",
        [WF_RANK_JOIN] = "joins of those that cannot be ended return -EDEADLK now (WEFT_DEADLOCK=error)",
        [WF_RANK_LAST] = "joins return -EDEADLK now (WEFT_DEADLOCK=error)",
        [WF_RANK_FIRM] = "they wait on",
    };
    wf_complain(
        "deadlock: %u coroutines and %u threads wait%s, and nothing is left in this process that could wake any of "
        "them; %s",
        coroutines->waiting, threads->still.waiting, threads->stopping ? ", and weft_stop for their end" : "",
        what[rank]);
    wf_dump_waiting(2, SHOWN);
}

enum wf_verdict wf_deadlock_look(void)
{
    wf_census threads = {0};
    waits coroutines = {0};
    claims claimed = {.end = &claimed.first, .rank = WF_RANK_FIRM};
    wf_lock_take(&wf_rt.idle.lock);
    enum wf_verdict verdict = judge(&threads, &coroutines);
    if (verdict == WF_VERDICT_DEAD && is_reported(&threads))
        verdict = WF_VERDICT_LIVES; /* nothing could be ended, or was to be */
    if (verdict == WF_VERDICT_DEAD) {
        if (wf_rt.config.deadlock == WEFT_DEADLOCK_ERROR)
            claimed.rank = first_rank(&threads, &coroutines);
        report(&threads, &coroutines, claimed.rank);
        if (claimed.rank != WF_RANK_FIRM) {
            wf_coro_each(claim_coroutine, &claimed);
            wf_thread_each(claim_thread, &claimed);
        }
    }
    wf_unlock(&wf_rt.idle.lock);
    queue_all(&claimed);
    return verdict;
}

void wf_deadlock_begin(void)
{
    reported = (moment){.dispatches = UINT64_MAX};
    wf_quiet_forget(&wf_rt.quiet);
}

void wf_deadlock_thread_waits(void)
{
    if (wf_quiet_ends(&wf_rt.quiet))
        wf_monitor_notice();
}
