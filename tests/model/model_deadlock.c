/* sched/deadlock.h, sched/census.h: the parts of the search for deadlocks that hold no lock.
 *
 * "token": of two plain threads one runs at any moment and passes that on, by waking the other and then waiting. Two looks at both
 * of them, one after the other, never find both waiting in the same waits. With one look alone they do (must_fail).
 *
 * "last": a thread begins to wait for good, and nothing else happens any more. Either the look of the monitor finds it, or the
 * monitor is asked for another. The steps of the monitor are those of look_for_deadlock and sleep_deeply (sched/monitor.c).
 *
 * A thread wakes another as sched/thread.c does, and waits as there; what they wait on is left out, since it is what decides who
 * wakes whom. That workers do not run meanwhile is the lock of the idle list, which is not looked at here.
 */
#include "model_futex.h"

#include "model_simple_lock.h"

#include "sched/census.h"
#include "sched/deadlock.h"

#include <string.h>

enum { TURNS = 2 };

static wf_coro threads[2];
static mc_semaphore woken[2];
static wf_quiet quiet;
static _Atomic(uint32_t) asleep; /* wf_runtime.monitor_asleep */
static bool found;               /* all of them waiting for good */

static void setup(void)
{
    memset(threads, 0, sizeof threads);
    memset(woken, 0, sizeof woken);
    for (int i = 0; i < 2; i++)
        threads[i].state = wf_state_make(7, WF_PHASE_RUNNING);
    quiet.looked = 0;
    asleep = 0;
    found = false;
}

/* ---- the token ---- */

static void setup_token(void)
{
    setup();
    threads[1].state = wf_state_make(7, WF_PHASE_WAITING);
}

static void wait_for_token(int self)
{
    mc_wait(&woken[self]);
    wf_state_dispatch(&threads[self]);
}

/* Wake the other, which waits or is about to, and wait. */
static void pass_token(int self)
{
    while (!wf_state_claim(&threads[!self]))
        wf_spin_pause();
    mc_post(&woken[!self]);
    wf_state_commit_wait(&threads[self], 0);
}

static void begin_with_token(void)
{
    for (int i = 0; i < TURNS; i++) {
        pass_token(0);
        wait_for_token(0);
    }
}

static void begin_without_token(void)
{
    for (int i = 0; i < TURNS; i++) {
        wait_for_token(1);
        pass_token(1);
    }
}

static bool look(wf_still *still)
{
    return wf_still_add(still, &threads[0]) && wf_still_add(still, &threads[1]);
}

static void look_twice(void)
{
    wf_still first = {0}, second = {0};
    if (look(&first) && look(&second))
        mc_check(!wf_still_is_same(first, second));
}

static void look_once(void)
{
    wf_still first = {0};
    mc_check(!look(&first));
}

/* ---- the last to wait ---- */

static void look_for_deadlock(void)
{
    wf_still first = {0}, second = {0};
    wf_quiet_look(&quiet);
    found = wf_still_add(&first, &threads[0]) && wf_still_add(&second, &threads[0]) && wf_still_is_same(first, second);
}

static void monitor(void)
{
    while (!found) {
        look_for_deadlock();
        if (found)
            return;
        wf_exchange_seq_cst(&asleep, 1);
        if (wf_quiet_is_looked_at(&quiet))
            wf_futex_wait(&asleep, 1, INT64_MAX);
        wf_exchange_seq_cst(&asleep, 0);
    }
}

/* wf_deadlock_thread_waits and wf_monitor_notice. */
static void wait_for_good(void)
{
    wf_state_commit_wait(&threads[0], 0);
    if (wf_quiet_ends(&quiet) && wf_exchange_seq_cst(&asleep, 0) != 0)
        wf_futex_wake(&asleep, 1);
}

static void is_found(void)
{
    mc_check(found);
}

static const struct mc_scenario scenarios[] = {
    {.name = "token",
     .setup = setup_token,
     .threads = {{"one", begin_with_token}, {"other", begin_without_token}, {"monitor", look_twice}}},
    {.name = "token-one-look",
     .setup = setup_token,
     .threads = {{"one", begin_with_token}, {"other", begin_without_token}, {"monitor", look_once}},
     .must_fail = true},
    {.name = "last", .setup = setup, .threads = {{"thread", wait_for_good}, {"monitor", monitor}}, .final = is_found},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "deadlock", scenarios, sizeof scenarios / sizeof *scenarios);
}
