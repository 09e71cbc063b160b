/* Links: functions that run when a coroutine ends; in order, once, or not at all when they were taken back. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "core/alloc.h"
#include "runtime.h"

enum { LINKS = 20, ROUNDS = 300, SAID = 4000, LINKERS = 8, EACH = 5 };

/* What a link has seen. */
struct heard {
    weft_event event; /* set by the last one that is expected */
    _Atomic(int) left;
    _Atomic(int) count;
    int order[LINKS];
    _Atomic(intptr_t) value; /* of the last one that ran */
    _Atomic(int) error;
    _Atomic(weft_t *) from;
};

static void expect(struct heard *h, int count)
{
    *h = (struct heard){.value = -1, .error = 1};
    wf_store_relaxed(&h->left, count); /* relaxed: before anybody else knows it */
}

static void hear(weft_t *t, void *arg)
{
    struct heard *h = arg;
    /* relaxed, all: the event publishes them. */
    wf_store_relaxed(&h->value, (intptr_t)weft_value(t));
    wf_store_relaxed(&h->error, weft_error(t));
    wf_store_relaxed(&h->from, t);
    CHECK_INT(weft_ready(t), 1);
    wf_fetch_add_relaxed(&h->count, 1); /* relaxed: the event publishes it */
    if (wf_fetch_sub_acq_rel(&h->left, 1) == 1)
        CHECK_INT(weft_event_set(&h->event), 0);
}

static int count_of(struct heard *h)
{
    return wf_load_relaxed(&h->count); /* relaxed: an event or a join ordered it */
}

static void *return_arg(void *arg)
{
    return arg;
}

static void *wait_for_event(void *arg)
{
    CHECK_INT(weft_event_wait(arg), 0);
    return (void *)25;
}

static void *fail_with(void *arg)
{
    CHECK_INT(weft_set_error((int)(intptr_t)arg), 0);
    return NULL;
}

static void *sleep_long(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)weft_sleep(WEFT_NEVER);
}

/* ---- before and after the end ---- */

static void *link_running(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    struct heard h;
    (void)arg;
    expect(&h, 3);
    weft_t *t = weft_spawn(wait_for_event, &go);
    CHECK_INT(weft_link(t, hear, &h), 0);
    CHECK_INT(weft_link_value(t, hear, &h), 0);
    CHECK_INT(weft_link_error(t, hear, &h), 0); /* not for this one */
    CHECK_INT(weft_link_raw(t, hear, &h), 0);
    CHECK_INT(count_of(&h), 0);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    CHECK_INT(count_of(&h), 3);
    CHECK_INT(h.value, 25);
    CHECK_INT(h.error, 0);
    CHECK(h.from == t);
    CHECK_INT(weft_join(t, NULL), 0); /* the handle was still ours */
    return NULL;
}

static void test_link_runs_when_its_coroutine_ends(void **state)
{
    (void)state;
    wt_over_workers_and_thread(link_running, NULL);
}

/* The links have given their references back. */
static bool is_stale(void *arg)
{
    return weft_ready(arg) == -ESRCH;
}

static void *link_ended(void *arg)
{
    struct heard h;
    (void)arg;
    weft_t *t = weft_spawn(return_arg, (void *)7);
    CHECK(weft_ref(t) != NULL);
    CHECK_INT(weft_join(t, NULL), 0);
    expect(&h, 1);
    CHECK_INT(weft_link_raw(t, hear, &h), 0);
    CHECK_INT(count_of(&h), 1); /* in place */
    expect(&h, 2);
    CHECK_INT(weft_link_error(t, hear, &h), 0);
    CHECK_INT(weft_link(t, hear, &h), 0);
    CHECK_INT(weft_link_value(t, hear, &h), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    CHECK_INT(h.value, 7);
    CHECK_INT(weft_unlink(t, hear, &h), -ENOENT);
    CHECK_INT(weft_unref(t), 0);
    wt_until(is_stale, t);
    CHECK_INT(weft_link(t, hear, &h), -ESRCH);
    CHECK_INT(weft_link_raw(t, hear, &h), -ESRCH);
    CHECK_INT(weft_unlink(t, hear, &h), -ESRCH);
    return NULL;
}

static void test_link_of_one_that_has_ended_runs_at_once(void **state)
{
    (void)state;
    wt_over_workers_and_thread(link_ended, NULL);
}

static void *link_failing(void *arg)
{
    struct heard h;
    (void)arg;
    expect(&h, 2);
    weft_t *t = weft_spawn(fail_with, (void *)(intptr_t)-EIO);
    CHECK_INT(weft_link_value(t, hear, &h), 0);
    CHECK_INT(weft_link_error(t, hear, &h), 0);
    CHECK_INT(weft_link(t, hear, &h), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    CHECK_INT(h.error, -EIO);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(count_of(&h), 2);
    return NULL;
}

static void test_link_value_and_error_run_for_their_kind_of_end(void **state)
{
    (void)state;
    wt_over_workers_and_thread(link_failing, NULL);
}

/* The last reference goes with the join; the link has its own. */
static void *link_and_join(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        struct heard h;
        void *result = NULL;
        expect(&h, 2);
        weft_t *t = weft_spawn(return_arg, (void *)9);
        CHECK_INT(weft_link(t, hear, &h), 0);
        CHECK_INT(weft_link_raw(t, hear, &h), 0);
        CHECK_INT(weft_join(t, &result), 0);
        CHECK_INT((intptr_t)result, 9);
        CHECK_INT(weft_event_wait(&h.event), 0);
        CHECK_INT(h.value, 9);
    }
    return NULL;
}

static void test_link_has_a_handle_when_nobody_else_has_one(void **state)
{
    (void)state;
    wt_over_workers_and_thread(link_and_join, NULL);
}

static void *link_oneself(void *arg)
{
    CHECK_INT(weft_link(weft_self(), hear, arg), 0);
    CHECK_INT(weft_link_raw(weft_self(), hear, arg), 0);
    return (void *)11;
}

static void *link_detached(void *arg)
{
    struct heard h;
    (void)arg;
    expect(&h, 2);
    CHECK_INT(weft_go(link_oneself, &h), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    CHECK_INT(h.value, 11);
    return NULL;
}

static void test_link_of_a_detached_one_may_be_its_own(void **state)
{
    (void)state;
    wt_over_workers(link_detached, NULL);
}

/* ---- order ---- */

struct place {
    struct heard *heard;
    int number;
};

static void note_place(weft_t *t, void *arg)
{
    struct place *p = arg;
    (void)t;
    int at = wf_fetch_add_relaxed(&p->heard->count, 1); /* relaxed: the event publishes it */
    p->heard->order[at] = p->number;
    if (wf_fetch_sub_acq_rel(&p->heard->left, 1) == 1)
        CHECK_INT(weft_event_set(&p->heard->event), 0);
}

static void run_in_order(int (*make_link)(weft_t *, weft_link_fn *, void *))
{
    struct heard h;
    struct place places[LINKS];
    weft_event go = WEFT_EVENT_INIT;
    expect(&h, LINKS);
    weft_t *t = weft_spawn(wait_for_event, &go);
    for (int i = 0; i < LINKS; i++) {
        places[i] = (struct place){&h, i};
        CHECK_INT(make_link(t, note_place, &places[i]), 0);
    }
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    for (int i = 0; i < LINKS; i++)
        CHECK_INT(h.order[i], i);
    CHECK_INT(weft_join(t, NULL), 0);
}

static void *links_in_order(void *arg)
{
    (void)arg;
    run_in_order(weft_link_raw);
    if (wt_workers() == 1) /* over several they may overtake each other */
        run_in_order(weft_link);
    return NULL;
}

static void test_link_order_is_that_in_which_they_were_made(void **state)
{
    (void)state;
    wt_over_workers(links_in_order, NULL);
}

/* ---- kill ---- */

static void *link_killed(void *arg)
{
    struct heard h;
    (void)arg;
    expect(&h, 2); /* killed before it started, perhaps */
    weft_t *t = weft_spawn(sleep_long, NULL);
    CHECK_INT(weft_link(t, hear, &h), 0);
    CHECK_INT(weft_link_raw(t, hear, &h), 0);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    expect(&h, 1); /* and while it waits; a kill is no error */
    t = weft_spawn(sleep_long, NULL);
    wt_until_waiting(t, WF_WAIT_SLEEP);
    CHECK_INT(weft_link_error(t, hear, &h), 0);
    CHECK_INT(weft_link_value(t, hear, &h), 0);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    CHECK_INT(h.value, -ECANCELED);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_link_of_a_killed_one_runs(void **state)
{
    (void)state;
    wt_over_workers_and_thread(link_killed, NULL);
}

static void *link_while_killed(void *arg)
{
    struct heard *h = arg;
    CHECK_INT(weft_kill(weft_self()), 0);
    weft_t *t = weft_spawn(return_arg, NULL);
    CHECK_INT(weft_link(t, hear, h), 0); /* never suspends, so does what it says */
    CHECK_INT(weft_detach(t), 0);
    return NULL;
}

static void *killed_linker(void *arg)
{
    struct heard h;
    weft_timeout timeout;
    (void)arg;
    expect(&h, 1);
    weft_t *t = weft_spawn(link_while_killed, &h);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    expect(&h, 1); /* nor does a timeout bear on it */
    CHECK_INT(weft_timeout_start(&timeout, 0), 0);
    t = weft_spawn(return_arg, NULL);
    CHECK_INT(weft_link(t, hear, &h), 0);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_link_may_be_made_by_a_killed_one(void **state)
{
    (void)state;
    wt_over_workers(killed_linker, NULL);
}

/* ---- taking back ---- */

static void *unlink_running(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    struct heard h, other;
    (void)arg;
    expect(&h, 1);
    expect(&other, 1);
    weft_t *t = weft_spawn(wait_for_event, &go);
    CHECK_INT(weft_unlink(t, hear, &h), -ENOENT);
    CHECK_INT(weft_link(t, hear, &h), 0);
    CHECK_INT(weft_link(t, hear, &other), 0);
    CHECK_INT(weft_link_value(t, hear, &h), 0);
    CHECK_INT(weft_link_raw(t, hear, &h), 0);
    CHECK_INT(weft_unlink(t, note_place, &h), -ENOENT);
    CHECK_INT(weft_unlink(t, hear, &h), 0);
    CHECK_INT(weft_unlink(t, hear, &h), 0);
    CHECK_INT(weft_unlink(t, hear, &h), 0);
    CHECK_INT(weft_unlink(t, hear, &h), -ENOENT);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_event_wait(&other.event), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(count_of(&h), 0);
    return NULL;
}

static void test_unlink_takes_links_back_one_by_one(void **state)
{
    (void)state;
    wt_over_workers_and_thread(unlink_running, NULL);
}

static void *take_back(void *arg)
{
    weft_t *t = ((void **)arg)[0];
    struct heard *h = ((void **)arg)[1];
    return (void *)(intptr_t)weft_unlink(t, hear, h);
}

/* Against the end: it runs, or it was taken back, and never both. */
static void *unlink_races(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        struct heard h;
        weft_event go = WEFT_EVENT_INIT;
        void *taken = NULL;
        expect(&h, 1);
        weft_t *t = weft_spawn(wait_for_event, &go);
        CHECK_INT(i % 2 ? weft_link(t, hear, &h) : weft_link_raw(t, hear, &h), 0);
        void *both[] = {t, &h};
        weft_t *taker = weft_spawn(take_back, both);
        CHECK_INT(weft_event_set(&go), 0);
        CHECK_INT(weft_join(taker, &taken), 0);
        CHECK((intptr_t)taken == 0 || (intptr_t)taken == -ENOENT);
        if ((intptr_t)taken != 0)
            CHECK_INT(weft_event_wait(&h.event), 0);
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK_INT(count_of(&h), (intptr_t)taken != 0);
    }
    return NULL;
}

static void test_unlink_and_the_end_agree_who_was_first(void **state)
{
    (void)state;
    wt_over_workers_and_thread(unlink_races, NULL);
}

struct target {
    struct heard heard;
    weft_t *t;
};

static void *link_many(void *arg)
{
    struct target *target = arg;
    for (int i = 0; i < EACH; i++)
        CHECK_INT(i % 2 ? weft_link(target->t, hear, &target->heard) : weft_link_raw(target->t, hear, &target->heard),
                  0);
    return NULL;
}

/* Many at once, while it ends: each runs, once. */
static void *link_races(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        struct target target;
        weft_event go = WEFT_EVENT_INIT;
        weft_t *linkers[LINKERS];
        expect(&target.heard, LINKERS * EACH);
        target.t = weft_spawn(wait_for_event, &go);
        for (int k = 0; k < LINKERS; k++)
            linkers[k] = weft_spawn(link_many, &target);
        CHECK_INT(weft_event_set(&go), 0);
        CHECK_INT(weft_joinall(linkers, LINKERS), 0);
        CHECK_INT(weft_event_wait(&target.heard.event), 0);
        CHECK_INT(weft_join(target.t, NULL), 0);
        CHECK_INT(count_of(&target.heard), LINKERS * EACH);
    }
    return NULL;
}

static void test_link_by_many_at_once_runs_each_once(void **state)
{
    (void)state;
    wt_over_workers_and_thread(link_races, NULL);
}

static void unlink_other(weft_t *t, void *arg)
{
    struct place *p = arg; /* an array of two: each takes the other's back */
    struct place *other = p->number == 0 ? p + 1 : p - 1;
    CHECK_INT(weft_unlink(t, unlink_other, other), -ENOENT);
    note_place(t, arg);
}

/* Once the end has begun nothing is taken back any more. */
static void *unlink_at_the_end(void *arg)
{
    struct heard h;
    struct place places[] = {{&h, 0}, {&h, 1}};
    weft_event go = WEFT_EVENT_INIT;
    (void)arg;
    expect(&h, 2);
    weft_t *t = weft_spawn(wait_for_event, &go);
    CHECK_INT(weft_link(t, unlink_other, &places[0]), 0);
    CHECK_INT(weft_link_raw(t, unlink_other, &places[1]), 0);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_unlink_after_the_end_has_begun_finds_nothing(void **state)
{
    (void)state;
    wt_over_workers(unlink_at_the_end, NULL);
}

/* ---- what a link may do, and what not ---- */

static void block_and_spawn(weft_t *t, void *arg)
{
    struct heard *h = arg;
    (void)t;
    CHECK_INT(weft_sleep(WEFT_MILLISECOND), 0);
    weft_t *child = weft_spawn(return_arg, NULL);
    CHECK_INT(weft_join(child, NULL), 0);
    CHECK_INT(weft_event_set(&h->event), 0);
}

static void spawn_in_place(weft_t *t, void *arg)
{
    weft_t *child = weft_spawn(return_arg, (void *)3);
    CHECK(child != NULL);
    CHECK_INT(weft_link(child, hear, arg), 0);
    CHECK_INT(weft_detach(child), 0);
    CHECK_INT(weft_kill(t), 0); /* it has ended */
    CHECK(weft_ref(t) == t);
    CHECK_INT(weft_unref(t), 0);
}

static void *links_that_work(void *arg)
{
    struct heard h;
    (void)arg;
    expect(&h, 1);
    weft_t *t = weft_spawn(return_arg, NULL);
    CHECK_INT(weft_link(t, block_and_spawn, &h), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    expect(&h, 1);
    t = weft_spawn(return_arg, NULL);
    CHECK_INT(weft_link_raw(t, spawn_in_place, &h), 0);
    CHECK_INT(weft_event_wait(&h.event), 0);
    CHECK_INT(h.value, 3);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_link_may_block_and_a_raw_one_may_spawn(void **state)
{
    (void)state;
    wt_over_workers(links_that_work, NULL);
}

static void *misuse(void *arg)
{
    (void)arg;
    weft_t *t = weft_spawn(return_arg, NULL);
    CHECK_INT(weft_link(t, NULL, NULL), -EINVAL);
    CHECK_INT(weft_link_value(t, NULL, NULL), -EINVAL);
    CHECK_INT(weft_link_error(t, NULL, NULL), -EINVAL);
    CHECK_INT(weft_link_raw(t, NULL, NULL), -EINVAL);
    CHECK_INT(weft_link(NULL, hear, NULL), -ESRCH);
    CHECK_INT(weft_link_raw(NULL, hear, NULL), -ESRCH);
    CHECK_INT(weft_unlink(NULL, hear, NULL), -ESRCH);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_link_misuse_is_an_error(void **state)
{
    (void)state;
    wt_over_workers_and_thread(misuse, NULL);
}

/* Every allocation of a link failing leaves nothing behind; its end needs none. */
static void *no_memory(void *arg)
{
    (void)arg;
    for (uint64_t n = 0; n < 3; n++) {
        struct heard h;
        weft_event go = WEFT_EVENT_INIT;
        expect(&h, 1);
        weft_t *t = weft_spawn(wait_for_event, &go);
        wt_until_waiting(t, WF_WAIT_EVENT);
        wf_alloc_fail_after(n, true);
        int error = n % 2 ? weft_link(t, hear, &h) : weft_link_raw(t, hear, &h);
        wf_alloc_fail_after(UINT64_MAX, false);
        CHECK(error == -ENOMEM || (n > 0 && error == 0));
        if (error != 0)
            CHECK_INT(weft_link(t, hear, &h), 0);
        wf_alloc_fail_after(0, true);
        CHECK_INT(weft_event_set(&go), 0);
        CHECK_INT(weft_event_wait(&h.event), 0);
        wf_alloc_fail_after(UINT64_MAX, false);
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK_INT(count_of(&h), 1);
    }
    return NULL;
}

static void test_link_without_memory_leaves_nothing(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2)
        wt_run(workers, no_memory, NULL);
}

static void *link_while_stopping(void *arg)
{
    CHECK_INT(weft_sleep(WEFT_NEVER), -ECANCELED);
    CHECK_INT(weft_link(weft_self(), hear, arg), -ESHUTDOWN); /* it would need a coroutine */
    CHECK_INT(weft_link_raw(weft_self(), hear, arg), 0);
    return NULL;
}

/* The coroutine of a link waits where it can be seen, and weft_stop sees it off. */
static void test_link_of_one_that_is_killed_by_stop_runs(void **state)
{
    (void)state;
    struct heard h;
    weft_config config;
    expect(&h, 3);
    CHECK_INT(weft_config_from_env(&config), 0);
    config.threads = 2;
    CHECK_INT(weft_start(&config), 0);
    weft_t *t = weft_spawn(sleep_long, NULL);
    CHECK_INT(weft_link(t, hear, &h), 0);
    CHECK_INT(weft_link_raw(t, hear, &h), 0);
    weft_t *late = weft_spawn(link_while_stopping, &h);
    wt_until_waiting(t, WF_WAIT_SLEEP);
    wt_until_waiting(late, WF_WAIT_SLEEP);
    CHECK_INT(weft_stop(0), -ETIMEDOUT);
    CHECK_INT(count_of(&h), 3);
    CHECK_INT(weft_detach(late), 0);
    CHECK_INT(weft_detach(t), 0);
    wt_finish();
}

static void sleep_in_place(weft_t *t, void *arg)
{
    (void)t;
    (void)arg;
    weft_sleep(WEFT_SECOND);
}

static void *link_sleeper(void *arg)
{
    (void)arg;
    weft_t *t = weft_spawn(return_arg, NULL);
    weft_link_raw(t, sleep_in_place, NULL);
    weft_join(t, NULL);
    weft_sleep(WEFT_SECOND * 60);
    return NULL;
}

static int sleep_in_raw_link(void)
{
    return weft_run(link_sleeper, NULL, NULL);
}

static void test_link_raw_that_blocks_ends_the_process(void **state)
{
    static char said[SAID];
    (void)state;
    int status = wt_in_child(sleep_in_raw_link, said, sizeof said);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(said, "raw link"));
    assert_non_null(strstr(said, "sleep"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_raw_that_blocks_ends_the_process),
        cmocka_unit_test(test_link_runs_when_its_coroutine_ends),
        cmocka_unit_test(test_link_of_one_that_has_ended_runs_at_once),
        cmocka_unit_test(test_link_value_and_error_run_for_their_kind_of_end),
        cmocka_unit_test(test_link_has_a_handle_when_nobody_else_has_one),
        cmocka_unit_test(test_link_of_a_detached_one_may_be_its_own),
        cmocka_unit_test(test_link_order_is_that_in_which_they_were_made),
        cmocka_unit_test(test_link_of_a_killed_one_runs),
        cmocka_unit_test(test_link_may_be_made_by_a_killed_one),
        cmocka_unit_test(test_unlink_takes_links_back_one_by_one),
        cmocka_unit_test(test_unlink_and_the_end_agree_who_was_first),
        cmocka_unit_test(test_link_by_many_at_once_runs_each_once),
        cmocka_unit_test(test_unlink_after_the_end_has_begun_finds_nothing),
        cmocka_unit_test(test_link_may_block_and_a_raw_one_may_spawn),
        cmocka_unit_test(test_link_misuse_is_an_error),
        cmocka_unit_test(test_link_without_memory_leaves_nothing),
        cmocka_unit_test(test_link_of_one_that_is_killed_by_stop_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
