/* One coroutine computes on and on. What it has spawned and woken, and whose timers are on its worker, goes on elsewhere, where
 * there is another worker; with one worker they wait for it. The log says who it was. */
#include <string.h>
#include <time.h>

#include "runtime.h"
#include "sched/worker.h"

/* A hog computes for HOG_MS, and on until what it is to be seen doing was seen: on a busy machine the monitor and the other
 * workers may wait for a CPU as long as the kernel likes. PATIENCE ends that, and the test with it. */
enum { CHILDREN = 100, SLEEPERS = 20, HOG_MS = 100, NAP_MS = 20 };

#define PATIENCE (60 * WEFT_SECOND)

struct stall {
    weft_event go; /* wakes `woken`, which then is the hog's next */
    weft_t *woken, *children[CHILDREN], *sleepers[SLEEPERS];
    _Atomic(int) on_worker[64];         /* sleepers whose timer is in the wheel of that worker */
    _Atomic(int) ended;                 /* all but the hog */
    int ended_before, ended_at_the_end; /* of the hog's computing */
};

static int ended_of(struct stall *s)
{
    return wf_load_relaxed(&s->ended); /* relaxed: a counter */
}

static void *run_child(void *arg)
{
    wf_fetch_add_relaxed(&((struct stall *)arg)->ended, 1); /* relaxed, as all below: counters */
    return NULL;
}

static void *run_woken(void *arg)
{
    CHECK_INT(weft_event_wait(&((struct stall *)arg)->go), 0);
    return run_child(arg);
}

/* Its timer is in the wheel of the worker that runs it now. */
static void *run_sleeper(void *arg)
{
    struct stall *s = arg;
    wf_fetch_add_relaxed(&s->on_worker[wf_worker_self()->index % 64], 1);
    CHECK_INT(weft_sleep(NAP_MS * WEFT_MILLISECOND), 0);
    return run_child(arg);
}

/* Compute for HOG_MS and until is_seen. */
static void compute(bool (*is_seen)(void *arg), void *arg)
{
    int64_t now = weft_now(), end = now + HOG_MS * WEFT_MILLISECOND, patience = now + PATIENCE;
    while (now < end || (!is_seen(arg) && now < patience)) {
        wf_spin_pause();
        now = weft_now();
    }
}

static bool is_counted(void)
{
    weft_stats_info stats;
    return weft_stats(&stats) == 0 && stats.stalls >= 1;
}

/* The monitor has counted the stall, and all others have ended where they can. */
static bool is_stalled_for_others_no_more(void *arg)
{
    struct stall *s = arg;
    return is_counted() && (wt_workers() == 1 || ended_of(s) == 1 + CHILDREN + SLEEPERS);
}

/* Sleepers, some with their timers on this very worker. */
static void start_sleepers(struct stall *s)
{
    for (int i = 0; i < SLEEPERS; i++)
        CHECK((s->sleepers[i] = weft_spawn(run_sleeper, s)) != NULL);
    int64_t end = weft_after(NAP_MS * WEFT_MILLISECOND / 4);
    while (wf_load_relaxed(&s->on_worker[wf_worker_self()->index % 64]) == 0 && weft_now() < end)
        CHECK_INT(weft_yield(), 0);
}

static void *hog(void *arg)
{
    struct stall *s = arg;
    CHECK((s->woken = weft_spawn(run_woken, s)) != NULL);
    wt_until_waiting(s->woken, WF_WAIT_EVENT);
    start_sleepers(s);
    for (int i = 0; i < CHILDREN; i++)
        CHECK((s->children[i] = weft_spawn(run_child, s)) != NULL);
    CHECK_INT(weft_event_set(&s->go), 0);
    s->ended_before = ended_of(s);
    compute(is_stalled_for_others_no_more, s);
    s->ended_at_the_end = ended_of(s);
    return NULL;
}

static void run_stall(struct stall *s, unsigned workers, weft_stats_info *stats)
{
    *s = (struct stall){.go = WEFT_EVENT_INIT};
    wt_start(workers);
    CHECK_INT(weft_run(hog, s, NULL), 0);
    CHECK_INT(weft_join(s->woken, NULL), 0);
    CHECK_INT(weft_joinall(s->children, CHILDREN), 0);
    CHECK_INT(weft_joinall(s->sleepers, SLEEPERS), 0);
    CHECK_INT(weft_stats(stats), 0);
    wt_stop();
    CHECK_INT(s->ended, 1 + CHILDREN + SLEEPERS);
}

static void test_monitor_hog_stalls_nobody_where_there_is_another_worker(void **state)
{
    struct stall s;
    weft_stats_info stats = {0};
    (void)state;
    for (int round = 0; round < 5; round++) {
        run_stall(&s, 2, &stats);
        CHECK_INT(s.ended_at_the_end, 1 + CHILDREN + SLEEPERS);
        CHECK(stats.stalls >= 1);
    }
    wt_finish();
}

static void test_monitor_hog_on_the_only_worker_makes_all_wait(void **state)
{
    struct stall s;
    weft_stats_info stats = {0};
    (void)state;
    run_stall(&s, 1, &stats);
    CHECK_INT(s.ended_at_the_end, s.ended_before);
    CHECK(stats.stalls >= 1);
    wt_finish();
}

/* ---- what it says ---- */

static struct {
    wf_lock lock;
    int naming_hog, naming_sleeper, naming_others;
} heard;

static void hear(enum weft_log_level level, const char *line)
{
    wf_lock_take(&heard.lock);
    if (level == WEFT_LOG_WARN && strstr(line, "without a switch") != NULL) {
        if (strstr(line, "compute_alone") != NULL && strstr(line, "it computes") != NULL)
            heard.naming_hog++;
        else if (strstr(line, "block_alone") != NULL && strstr(line, "it blocks") != NULL)
            heard.naming_sleeper++;
        else
            heard.naming_others++;
    }
    wf_unlock(&heard.lock);
}

static bool is_named(void *arg)
{
    wf_lock_take(&heard.lock);
    bool named = *(int *)arg > 0;
    wf_unlock(&heard.lock);
    return named;
}

/* Once until it is named, and once more: it is the same stall. */
static void *compute_alone(void *arg)
{
    compute(is_named, &heard.naming_hog);
    compute(is_named, &heard.naming_hog);
    return arg;
}

static void test_monitor_names_the_culprit_once(void **state)
{
    (void)state;
    CHECK_INT(weft_set_log(hear), 0);
    wt_start(2);
    CHECK_INT(weft_run(compute_alone, NULL, NULL), 0);
    wt_stop();
    CHECK_INT(weft_set_log(NULL), 0);
    CHECK_INT(heard.naming_hog, 1);
    CHECK_INT(heard.naming_others, 0);
    wt_finish();
}

/* In a call of the C library, which takes the worker with it. */
static void *block_alone(void *arg)
{
    struct timespec time = {.tv_nsec = HOG_MS * WEFT_MILLISECOND};
    int64_t patience = weft_after(PATIENCE);
    do
        CHECK_INT(nanosleep(&time, NULL), 0);
    while (!is_named(&heard.naming_sleeper) && weft_now() < patience);
    return arg;
}

static void test_monitor_tells_who_blocks_from_who_computes(void **state)
{
    (void)state;
    CHECK_INT(weft_set_log(hear), 0);
    wt_start(2);
    CHECK_INT(weft_run(block_alone, NULL, NULL), 0);
    wt_stop();
    CHECK_INT(weft_set_log(NULL), 0);
    CHECK_INT(heard.naming_sleeper, 1);
    CHECK_INT(heard.naming_others, 0);
    wt_finish();
}

static void *yield_alone(void *arg)
{
    int64_t end = weft_after(10 * NAP_MS * WEFT_MILLISECOND);
    while (weft_now() < end)
        CHECK_INT(weft_yield(), 0);
    return arg;
}

static void test_monitor_takes_no_yielding_coroutine_for_stuck(void **state)
{
    int naming_hog = heard.naming_hog;
    (void)state;
    CHECK_INT(weft_set_log(hear), 0);
    wt_start(1);
    CHECK_INT(weft_run(yield_alone, NULL, NULL), 0);
    wt_stop();
    CHECK_INT(weft_set_log(NULL), 0);
    CHECK_INT(heard.naming_hog, naming_hog);
    CHECK_INT(heard.naming_others, 0);
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monitor_hog_stalls_nobody_where_there_is_another_worker),
        cmocka_unit_test(test_monitor_hog_on_the_only_worker_makes_all_wait),
        cmocka_unit_test(test_monitor_names_the_culprit_once),
        cmocka_unit_test(test_monitor_tells_who_blocks_from_who_computes),
        cmocka_unit_test(test_monitor_takes_no_yielding_coroutine_for_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
