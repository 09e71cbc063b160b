/* sched/idle.h: who searches, who parks, whom to wake. Workers that turn into hogs with the first item they find:
 * each runs one item and never looks again. So where there are as many items as workers, every worker has to be
 * brought up, and one wake-up too few leaves an item lying while a worker sleeps, which the checker reports as a
 * deadlock.
 *
 * The worker here goes through the steps of wf_queue_search, wf_queue_found and park (sched/queue.c, sched/worker.c). The
 * queue is a count with nothing but relaxed accesses, so that all order comes from idle.h.
 */
#include "model_futex.h"

#include "model_simple_lock.h"

#define WF_IDLE_MAX 2
#include "sched/idle.h"

#include <string.h>

enum { WORKERS = 2 };

static wf_idle idle;
static wf_parking parking[WORKERS];
static _Atomic(uint32_t) shared;   /* items in the queue that all share */
static _Atomic(uint32_t) messages; /* sent to worker 0 alone */
static int items_run;

static void setup(void)
{
    memset(&idle, 0, sizeof idle);
    memset(parking, 0, sizeof parking);
    shared = 0;
    messages = 0;
    items_run = 0;
}

static bool take(void)
{
    uint32_t count = wf_load_relaxed(&shared);
    while (count != 0)
        if (wf_cas_relaxed(&shared, &count, count - 1))
            return true;
    return false;
}

static bool has_work(void)
{
    return wf_load_relaxed(&shared) != 0;
}

static void wake_one(void)
{
    int picked = wf_idle_pick(&idle);
    if (picked >= 0 && wf_parking_notify(&parking[picked]) == WF_PARK_FUTEX)
        wf_futex_wake(&parking[picked].word, 1);
}

/* ---- a worker ---- */

static void run_item(bool searching)
{
    if (searching && wf_idle_end_search(&idle) && has_work())
        wake_one();
    items_run++;
}

/* Returns whether it is a searcher now. */
static bool park(uint16_t self, bool searching)
{
    wf_idle_enter(&idle, self, searching);
    if (!has_work()) {
        if (wf_parking_begin(&parking[self], WF_PARK_FUTEX))
            wf_futex_wait(&parking[self].word, WF_PARK_FUTEX, INT64_MAX);
        wf_parking_end(&parking[self]);
    }
    return !wf_idle_leave(&idle, self);
}

static void work_from(uint16_t self, bool searching)
{
    for (;;) {
        if (!searching)
            searching = wf_idle_begin_search(&idle, WORKERS);
        if (take()) {
            run_item(searching);
            return;
        }
        searching = park(self, searching);
    }
}

static void work_0(void)
{
    work_from(0, false);
}

static void work_1(void)
{
    work_from(1, false);
}

/* ---- those who make work ---- */

static void put_one(void)
{
    wf_fetch_add_relaxed(&shared, 1);
    wake_one();
}

static void put_two(void)
{
    put_one();
    put_one();
}

/* Two at once, and one wake for both: the one that is woken wakes the next. */
static void put_batch(void)
{
    wf_fetch_add_relaxed(&shared, 2);
    wake_one();
}

/* ---- messages to one worker: nothing but its parking word keeps it from sleeping through one ---- */

static void send_two_messages(void)
{
    for (uint32_t i = 1; i <= 2; i++) {
        wf_store_relaxed(&messages, i);
        if (wf_parking_notify(&parking[0]) == WF_PARK_FUTEX)
            wf_futex_wake(&parking[0].word, 1);
    }
}

static void wait_for_messages(void)
{
    while (wf_load_relaxed(&messages) != 2) {
        if (wf_parking_begin(&parking[0], WF_PARK_FUTEX))
            wf_futex_wait(&parking[0].word, WF_PARK_FUTEX, INT64_MAX);
        wf_parking_end(&parking[0]);
    }
    items_run++;
}

/* ---- workers that begin in the middle ---- */

static void set_parked(uint16_t worker)
{
    idle.stack[idle.sleepers++] = worker;
    idle.listed[worker] = true;
    idle.counts += WF_IDLE_ONE_IDLE;
    parking[worker].word = WF_PARK_FUTEX;
}

static void setup_one_parked(void)
{
    setup();
    set_parked(0);
    idle.counts += WF_IDLE_ONE_SEARCHING; /* worker 1 */
}

static void setup_one_parked_one_item(void)
{
    setup_one_parked();
    shared = 1;
}

static void setup_both_parked(void)
{
    setup();
    set_parked(0);
    set_parked(1);
}

/* About to sleep in the futex; goes on like any worker once it is up. */
static void sleep_then_work(uint16_t self)
{
    wf_futex_wait(&parking[self].word, WF_PARK_FUTEX, INT64_MAX);
    wf_parking_end(&parking[self]);
    bool searching = !wf_idle_leave(&idle, self);
    mc_check(searching); /* only those who are picked get up */
    work_from(self, searching);
}

static void sleep_0(void)
{
    sleep_then_work(0);
}

static void sleep_1(void)
{
    sleep_then_work(1);
}

static void search_1(void)
{
    work_from(1, true);
}

/* Nobody sleeps while there is work. Whoever still sleeps is on the list, and counted. */
static void nothing_left(void)
{
    mc_check(wf_load_relaxed(&shared) == 0);
    mc_check(wf_idle_searching(wf_load_relaxed(&idle.counts)) == 0);
    mc_check(wf_idle_idle(wf_load_relaxed(&idle.counts)) == idle.sleepers);
    mc_check(items_run + (int)idle.sleepers >= 1);
}

static const struct mc_scenario scenarios[] = {
    {.name = "park-against-put",
     .setup = setup,
     .threads = {{"worker", work_0}, {"maker", put_one}},
     .final = nothing_left},
    {.name = "searcher-finds",
     .setup = setup_one_parked_one_item,
     .threads = {{"sleeper", sleep_0}, {"searcher", search_1}, {"maker", put_one}},
     .final = nothing_left,
     .may_sleep = true},
    {.name = "searcher-parks",
     .setup = setup_one_parked,
     .threads = {{"sleeper", sleep_0}, {"searcher", search_1}, {"maker", put_one}},
     .final = nothing_left,
     .may_sleep = true},
    {.name = "batch",
     .setup = setup_both_parked,
     .threads = {{"sleeper0", sleep_0}, {"sleeper1", sleep_1}, {"maker", put_batch}},
     .final = nothing_left,
     .may_sleep = true},
    {.name = "messages",
     .setup = setup,
     .threads = {{"worker", wait_for_messages}, {"sender", send_two_messages}},
     .final = nothing_left},
    {.name = "two-makers",
     .setup = setup_both_parked,
     .threads = {{"sleeper0", sleep_0}, {"sleeper1", sleep_1}, {"maker0", put_one}, {"maker1", put_one}},
     .final = nothing_left,
     .may_sleep = true,
     .deep = true},
    {.name = "from-the-start",
     .setup = setup,
     .threads = {{"worker0", work_0}, {"worker1", work_1}, {"maker", put_one}},
     .final = nothing_left,
     .may_sleep = true,
     .deep = true},
    {.name = "two-items",
     .setup = setup,
     .threads = {{"worker0", work_0}, {"worker1", work_1}, {"maker", put_two}},
     .final = nothing_left,
     .may_sleep = true,
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "idle", scenarios, sizeof scenarios / sizeof *scenarios);
}
