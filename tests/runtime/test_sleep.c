/* Sleep and yield: never too short, in the right order, odd arguments, fair turns. */
#include "runtime.h"

#include "sched/worker.h"

enum { SLEEPERS = 2000, TURNS = 1000 };

static void *odd_times(void *arg)
{
    (void)arg;
    CHECK_INT(weft_sleep(0), 0);
    CHECK_INT(weft_sleep(-1), 0);
    CHECK_INT(weft_sleep(INT64_MIN), 0);
    CHECK_INT(weft_sleep_until(0), 0);
    CHECK_INT(weft_sleep_until(INT64_MIN), 0);
    CHECK_INT(weft_yield(), 0);
    CHECK_INT(weft_after(WEFT_NEVER), WEFT_NEVER);
    CHECK_INT(weft_after(INT64_MAX - 1), WEFT_NEVER);
    CHECK(weft_after(-1) < weft_now());
    CHECK(weft_after(INT64_MIN) < weft_now());
    return NULL;
}

static void test_sleep_of_odd_times_returns(void **state)
{
    (void)state;
    wt_over_workers(odd_times, NULL);
}

static void *sleep_for_ever(void *arg)
{
    (void)arg;
    CHECK_INT(weft_sleep(INT64_MAX), -ECANCELED);
    return NULL;
}

static void *kill_eternal(void *arg)
{
    (void)arg;
    weft_t *t = weft_spawn(sleep_for_ever, NULL);
    wt_until_waiting(t, WF_WAIT_SLEEP);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_sleep_for_ever_ends_by_a_kill(void **state)
{
    (void)state;
    wt_over_workers(kill_eternal, NULL);
}

static void *sleep_some_time(void *arg)
{
    int64_t ns = (intptr_t)arg * 7919 % 5000 * WEFT_MICROSECOND;
    int64_t before = weft_now();
    CHECK_INT(weft_sleep(ns), 0);
    CHECK(weft_now() - before >= ns);
    return NULL;
}

static void *sleep_many(void *arg)
{
    static weft_t *ts[SLEEPERS];
    int n = wt_scaled(SLEEPERS);
    (void)arg;
    for (intptr_t i = 0; i < n; i++)
        ts[i] = weft_spawn(sleep_some_time, (void *)i);
    CHECK_INT(weft_joinall(ts, (size_t)n), 0);
    return NULL;
}

static void test_sleep_many_none_too_short(void **state)
{
    (void)state;
    wt_over_workers(sleep_many, NULL);
}

struct order {
    _Atomic(int) next;
    int place[8];
    int64_t start;
};

struct sleeper {
    struct order *order;
    int index;
};

static void *sleep_in_order(void *arg)
{
    struct sleeper *s = arg;
    CHECK_INT(weft_sleep_until(s->order->start + (s->index + 1) * 2 * WEFT_MILLISECOND), 0);
    s->order->place[s->index] = wf_fetch_add_relaxed(&s->order->next, 1); /* relaxed: a number each */
    return NULL;
}

/* On one worker those with the earlier deadline run first, however late they all are. */
static void *ordered(void *arg)
{
    struct order order = {.start = weft_now()};
    struct sleeper sleepers[8];
    weft_t *ts[8];
    (void)arg;
    for (int i = 0; i < 8; i++) {
        sleepers[i] = (struct sleeper){&order, (i * 5) % 8};
        ts[i] = weft_spawn(sleep_in_order, &sleepers[i]);
    }
    CHECK_INT(weft_joinall(ts, 8), 0);
    for (int i = 0; i < 8; i++)
        CHECK_INT(order.place[i], i);
    return NULL;
}

static void test_sleep_earlier_deadline_wakes_first(void **state)
{
    (void)state;
    wt_run(1, ordered, NULL);
}

struct turns {
    int taken[4];
};

struct player {
    struct turns *turns;
    int index;
};

static void *take_turns(void *arg)
{
    struct player *p = arg;
    for (int i = 0; i < TURNS; i++) {
        p->turns->taken[p->index]++;
        for (int k = 0; k < 4; k++) { /* on one worker nobody is more than one turn ahead */
            int ahead = p->turns->taken[p->index] - p->turns->taken[k];
            CHECK(ahead <= 1 && ahead >= -1);
        }
        CHECK_INT(weft_yield(), 0);
    }
    return NULL;
}

static void *play(void *arg)
{
    struct turns turns = {0};
    struct player players[4];
    weft_t *ts[4];
    (void)arg;
    for (int i = 0; i < 4; i++) {
        players[i] = (struct player){&turns, i};
        ts[i] = weft_spawn(take_turns, &players[i]);
    }
    CHECK_INT(weft_joinall(ts, 4), 0);
    return NULL;
}

static void test_yield_gives_each_its_turn(void **state)
{
    (void)state;
    wt_run(1, play, NULL);
}

static void *spin_until_done(void *arg)
{
    while (!wf_load_relaxed((_Atomic(int) *)arg)) /* relaxed: only ends the loop */
        weft_yield();
    return NULL;
}

static void *sleep_then_set(void *arg)
{
    CHECK_INT(weft_sleep(2 * WEFT_MILLISECOND), 0);
    wf_store_relaxed((_Atomic(int) *)arg, 1); /* relaxed: only ends the loops */
    return NULL;
}

static void *busy(void *arg)
{
    _Atomic(int) done = 0;
    weft_t *ts[20];
    (void)arg;
    for (int i = 0; i < 19; i++)
        ts[i] = weft_spawn(spin_until_done, &done);
    ts[19] = weft_spawn(sleep_then_set, &done);
    CHECK_INT(weft_joinall(ts, 20), 0);
    return NULL;
}

static void test_sleep_ends_though_all_workers_are_busy(void **state)
{
    (void)state;
    wt_over_workers(busy, NULL);
}

static void *idle(void *arg)
{
    weft_stats_info before, after;
    (void)arg;
    CHECK_INT(weft_sleep(20 * WEFT_MILLISECOND), 0);
    CHECK_INT(weft_stats(&before), 0);
    CHECK_INT(weft_sleep(200 * WEFT_MILLISECOND), 0);
    CHECK_INT(weft_stats(&after), 0);
    CHECK(after.parks - before.parks < 100); /* asleep, and not polling */
    return NULL;
}

static void test_sleep_lets_workers_sleep(void **state)
{
    (void)state;
    wt_run(2, idle, NULL);
}

static void *nothing(void *arg)
{
    return arg;
}

/* The monitor and the worker read the clock, and then come to the wheel in the other order. */
static void *fire_with_an_old_time(void *arg)
{
    (void)arg;
    wf_worker *worker = wf_worker_self();
    wf_timer_run(worker, worker, weft_now() + 3600 * WEFT_SECOND);
    weft_t *t = weft_spawn_opt(&(weft_spawn_options){.start_after = WEFT_SECOND}, nothing, NULL);
    CHECK_INT(wf_timer_run(worker, worker, weft_now()), 1);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_timer_run_with_an_older_time_than_the_wheels_returns(void **state)
{
    (void)state;
    wt_run(1, fire_with_an_old_time, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleep_of_odd_times_returns),
        cmocka_unit_test(test_sleep_for_ever_ends_by_a_kill),
        cmocka_unit_test(test_sleep_many_none_too_short),
        cmocka_unit_test(test_sleep_earlier_deadline_wakes_first),
        cmocka_unit_test(test_yield_gives_each_its_turn),
        cmocka_unit_test(test_sleep_ends_though_all_workers_are_busy),
        cmocka_unit_test(test_sleep_lets_workers_sleep),
        cmocka_unit_test(test_timer_run_with_an_older_time_than_the_wheels_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
