/* weft_stats: the counts are right when nothing moves, and can be read while everything does. */
#include <stdlib.h>

#include "runtime.h"

enum { COROUTINES = 50, YIELDS = 20 };

static void *yield_some(void *arg)
{
    for (int i = 0; i < YIELDS; i++)
        CHECK_INT(weft_yield(), 0);
    return arg;
}

static void *wait_for_event(void *arg)
{
    CHECK_INT(weft_event_wait(arg), 0);
    return NULL;
}

static void test_stats_null_and_no_runtime_are_errors(void **state)
{
    (void)state;
    weft_stats_info stats;
    assert_int_equal(weft_stats(NULL), -EINVAL);
    assert_int_equal(weft_stats(&stats), -ESRCH);
}

static void *count_the_living(void *arg)
{
    (void)arg;
    weft_event event = WEFT_EVENT_INIT;
    weft_t *ts[COROUTINES];
    weft_stats_info before, during, after;
    CHECK_INT(weft_stats(&before), 0);
    CHECK_INT(before.workers, wt_workers());
    CHECK_INT((int64_t)before.coroutines_live, 1); /* this one */
    for (int i = 0; i < COROUTINES; i++)
        CHECK((ts[i] = weft_spawn(wait_for_event, &event)) != NULL);
    for (int i = 0; i < COROUTINES; i++)
        wt_until_waiting(ts[i], WF_WAIT_EVENT);
    CHECK_INT(weft_stats(&during), 0);
    CHECK_INT((int64_t)during.coroutines_live, COROUTINES + 1);
    CHECK_INT((int64_t)during.stacks_live, COROUTINES + 1);
    CHECK_INT((int64_t)(during.spawned - before.spawned), COROUTINES);
    CHECK((int64_t)(during.suspended - before.suspended) >= COROUTINES);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_joinall(ts, COROUTINES), 0);
    CHECK_INT(weft_stats(&after), 0);
    CHECK((int64_t)(after.dispatched - before.dispatched) >= 2 * COROUTINES);
    CHECK_INT((int64_t)after.spawned, (int64_t)during.spawned);
    return NULL;
}

static void test_stats_count_the_living_exactly_when_they_wait(void **state)
{
    (void)state;
    wt_over_workers(count_the_living, NULL);
}

static void *count_yields(void *arg)
{
    (void)arg;
    weft_stats_info before, after;
    CHECK_INT(weft_stats(&before), 0);
    wt_spawn_and_join(COROUTINES, yield_some, NULL);
    CHECK_INT(weft_stats(&after), 0);
    CHECK(after.yielded > before.yielded);
    return NULL;
}

static void test_stats_count_yields(void **state)
{
    (void)state;
    wt_run(1, count_yields, NULL);
}

static void test_stats_a_plain_thread_s_spawns_count(void **state)
{
    (void)state;
    weft_stats_info stats;
    wt_start(2);
    wt_spawn_and_join(COROUTINES, yield_some, NULL);
    CHECK_INT(weft_stats(&stats), 0);
    CHECK_INT((int64_t)stats.spawned, COROUTINES);
    wt_stop();
    wt_finish();
}

/* ---- what workers took from each other ---- */

static void *keep_worker(void *arg)
{
    int64_t end = weft_now() + WEFT_MILLISECOND;
    while (weft_now() < end)
        continue;
    return arg;
}

static bool is_stolen_from(void *arg)
{
    weft_stats_info *stats = arg;
    wt_spawn_and_join(COROUTINES, keep_worker, NULL);
    CHECK_INT(weft_stats(stats), 0);
    return stats->steals > 0;
}

static void *count_what_was_taken(void *arg)
{
    weft_stats_info stats;
    (void)arg;
    wt_until(is_stolen_from, &stats);
    CHECK(stats.searches >= stats.searches_failed);
    CHECK(stats.stolen >= stats.steals);
    CHECK(stats.robberies <= stats.steals);
    return NULL;
}

static void test_stats_each_steal_has_its_distance(void **state)
{
    (void)state;
    weft_stats_info stats;
    setenv("HWLOC_SYNTHETIC", "numa:2 l3:2 core:2 pu:2", 1);
    wt_start(16);
    CHECK_INT(weft_run(count_what_was_taken, NULL, NULL), 0);
    CHECK_INT(weft_stats(&stats), 0); /* nothing is left that could be stolen */
    CHECK_INT((int64_t)(stats.shared_core + stats.shared_cache + stats.shared_node + stats.shared_nothing),
              (int64_t)(stats.steals + stats.forks_stolen));
    wt_stop();
    unsetenv("HWLOC_SYNTHETIC");
    wt_finish();
}

static void *kill_itself(void *arg)
{
    weft_stats_info before, after;
    CHECK_INT(weft_stats(&before), 0);
    CHECK_INT(weft_kill(weft_self()), 0); /* it runs, so this takes a barrier */
    CHECK_INT(weft_stats(&after), 0);
    CHECK(after.fences > before.fences);
    return arg;
}

static void test_stats_count_barriers(void **state)
{
    (void)state;
    wt_over_workers(kill_itself, NULL);
}

/* Reads the counters all the time, also while the runtime starts and stops. */
static _Atomic(bool) enough;

static void *read_all_the_time(void *arg)
{
    (void)arg;
    while (!wf_load_relaxed(&enough)) { /* relaxed: only ends the loop */
        weft_stats_info stats;
        int result = weft_stats(&stats);
        CHECK(result == 0 || result == -ESRCH);
        if (result == 0)
            CHECK(stats.finished <= stats.spawned);
    }
    return NULL;
}

static void *spawn_many(void *arg)
{
    for (int i = 0; i < 10; i++)
        wt_spawn_and_join(COROUTINES, yield_some, arg);
    return NULL;
}

static void test_stats_can_be_read_while_the_runtime_starts_works_and_stops(void **state)
{
    (void)state;
    wf_store_relaxed(&enough, false); /* relaxed: the thread does not exist yet */
    wt_thread *reader = wt_thread_start(read_all_the_time, NULL);
    for (int i = 0; i < wt_scaled(20); i++) {
        weft_config config;
        CHECK_INT(weft_config_from_env(&config), 0);
        config.threads = 2;
        CHECK_INT(weft_start(&config), 0);
        CHECK_INT(weft_run(spawn_many, NULL, NULL), 0);
        CHECK_INT(weft_stop(weft_after(10 * WEFT_SECOND)), 0);
    }
    wf_store_relaxed(&enough, true); /* relaxed: only ends the loop */
    wt_thread_join(reader);
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats_null_and_no_runtime_are_errors),
        cmocka_unit_test(test_stats_count_the_living_exactly_when_they_wait),
        cmocka_unit_test(test_stats_count_yields),
        cmocka_unit_test(test_stats_a_plain_thread_s_spawns_count),
        cmocka_unit_test(test_stats_each_steal_has_its_distance),
        cmocka_unit_test(test_stats_count_barriers),
        cmocka_unit_test(test_stats_can_be_read_while_the_runtime_starts_works_and_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
