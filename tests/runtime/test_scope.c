/* Scopes: no child outlives one; the first error, a cancel, a kill and a deadline end them all. */
#include "core/alloc.h"
#include "runtime.h"

enum { CHILDREN = 30, DEPTH = 4, ROUNDS = 100, MANY = 3000 };

static void *return_arg(void *arg)
{
    return arg;
}

static void *count(void *arg)
{
    CHECK_INT(weft_yield(), 0);
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read after the close */
    return NULL;
}

static int read_count(_Atomic(int) *number)
{
    return wf_load_relaxed(number); /* relaxed: the close ordered it */
}

static void *fail_with(void *arg)
{
    CHECK_INT(weft_set_error((int)(intptr_t)arg), 0);
    return NULL;
}

/* Until it is killed, and then it says so. */
static void *wait_for_kill(void *arg)
{
    CHECK_INT(weft_sleep(WEFT_NEVER), -ECANCELED);
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read after the close */
    CHECK_INT(weft_set_error(-ECANCELED), 0);
    return NULL;
}

static void *wait_for_event(void *arg)
{
    return (void *)(intptr_t)weft_event_wait(arg);
}

/* ---- success ---- */

static void *close_all(void *arg)
{
    _Atomic(int) number = 0;
    weft_scope scope;
    (void)arg;
    CHECK_INT(weft_scope_open(&scope), 0);
    CHECK_INT(weft_scope_close(&scope), 0); /* empty */
    CHECK_INT(weft_scope_open(&scope), 0);
    weft_t *valued = weft_scope_spawn(&scope, return_arg, (void *)7);
    for (int i = 0; i < CHILDREN; i++) {
        CHECK(weft_scope_spawn(&scope, count, &number) != NULL);
        CHECK_INT(weft_scope_go(&scope, count, &number), 0);
    }
    weft_t *joined = weft_scope_spawn(&scope, return_arg, (void *)8);
    weft_t *kept = weft_scope_spawn(&scope, return_arg, (void *)9);
    void *result = NULL;
    CHECK(weft_ref(kept) == kept);
    CHECK_INT(weft_join(joined, &result), 0);
    CHECK_INT((intptr_t)result, 8);
    CHECK_INT(weft_joinall_some(&valued, 1, 1, 0, NULL, WEFT_NEVER), 1);
    CHECK_INT((intptr_t)weft_value(valued), 7); /* ended, and still there */
    CHECK_INT(weft_scope_close(&scope), 0);
    CHECK_INT(read_count(&number), 2 * CHILDREN);
    CHECK_INT(weft_ready(valued), -ESRCH);
    CHECK_INT(weft_ready(joined), -ESRCH);
    CHECK_INT((intptr_t)weft_value(kept), 9);
    CHECK_INT(weft_join(kept, NULL), 0);
    return NULL;
}

static void test_scope_close_waits_for_all_children(void **state)
{
    (void)state;
    wt_over_workers_and_thread(close_all, NULL);
}

/* Those without a handle leave nothing behind, so there may be any number of them. */
static void *many(void *arg)
{
    _Atomic(int) number = 0;
    weft_scope scope;
    weft_stats_info stats;
    (void)arg;
    CHECK_INT(weft_scope_open(&scope), 0);
    for (int i = 0; i < wt_scaled(MANY); i++)
        CHECK_INT(weft_scope_go(&scope, count, &number), 0);
    CHECK_INT(weft_scope_close(&scope), 0);
    CHECK_INT(read_count(&number), wt_scaled(MANY));
    CHECK_INT(weft_stats(&stats), 0);
    return NULL;
}

static void test_scope_go_leaves_nothing_behind(void **state)
{
    (void)state;
    wt_over_workers_and_thread(many, NULL);
}

struct tree {
    weft_scope *scope;
    _Atomic(int) *number;
    int depth;
};

/* A child that spawns siblings, which do the same. */
static void *grow(void *arg)
{
    struct tree *t = arg;
    wf_fetch_add_relaxed(t->number, 1); /* relaxed: read after the close */
    if (t->depth == 0)
        return NULL;
    static struct tree next[DEPTH];
    next[t->depth - 1] = (struct tree){t->scope, t->number, t->depth - 1};
    CHECK_INT(weft_scope_go(t->scope, grow, &next[t->depth - 1]), 0);
    return NULL;
}

static void *siblings(void *arg)
{
    _Atomic(int) number = 0;
    weft_scope scope;
    (void)arg;
    struct tree root = {&scope, &number, DEPTH};
    CHECK_INT(weft_scope_open(&scope), 0);
    CHECK_INT(weft_scope_go(&scope, grow, &root), 0);
    CHECK_INT(weft_scope_close(&scope), 0);
    CHECK_INT(read_count(&number), DEPTH + 1);
    return NULL;
}

static void test_scope_children_spawn_siblings_while_it_closes(void **state)
{
    (void)state;
    wt_over_workers_and_thread(siblings, NULL);
}

/* ---- errors ---- */

static void *first_error(void *arg)
{
    _Atomic(int) number = 0;
    weft_scope scope;
    (void)arg;
    CHECK_INT(weft_scope_open(&scope), 0);
    weft_t *waits = weft_scope_spawn(&scope, wait_for_kill, &number);
    wt_until_waiting(waits, WF_WAIT_SLEEP);
    CHECK_INT(weft_scope_go(&scope, fail_with, (void *)(intptr_t)-EIO), 0);
    CHECK_INT(weft_scope_close(&scope), -EIO);
    CHECK_INT(read_count(&number), 1);
    CHECK_INT(weft_scope_close(&scope), -EINVAL);
    CHECK_INT(weft_scope_cancel(&scope), -EINVAL);
    CHECK(weft_scope_spawn(&scope, return_arg, NULL) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    CHECK_INT(weft_scope_go(&scope, return_arg, NULL), -EINVAL);
    return NULL;
}

static void test_scope_first_error_cancels_the_rest(void **state)
{
    (void)state;
    wt_over_workers_and_thread(first_error, NULL);
}

static bool is_refused(void *arg)
{
    weft_t *t = weft_scope_spawn(arg, return_arg, NULL);
    return t == NULL && weft_last_error() == -ECANCELED;
}

/* Before the owner closes it. */
static void *early_error(void *arg)
{
    _Atomic(int) number = 0;
    weft_scope scope;
    (void)arg;
    CHECK_INT(weft_scope_open(&scope), 0);
    weft_t *waits = weft_scope_spawn(&scope, wait_for_kill, &number);
    wt_until_waiting(waits, WF_WAIT_SLEEP);
    CHECK_INT(weft_scope_go(&scope, fail_with, (void *)(intptr_t)-EPROTO), 0);
    wt_until(is_refused, &scope);
    CHECK_INT(weft_scope_go(&scope, return_arg, NULL), -ECANCELED);
    CHECK_INT(weft_scope_close(&scope), -EPROTO);
    CHECK_INT(read_count(&number), 1);
    return NULL;
}

static void test_scope_error_before_the_close_lets_no_more_in(void **state)
{
    (void)state;
    wt_over_workers_and_thread(early_error, NULL);
}

/* ---- cancel ---- */

static void *cancel_it(void *arg)
{
    CHECK_INT(weft_scope_cancel(arg), 0);
    CHECK_INT(weft_scope_close(arg), -EPERM); /* not the owner */
    return NULL;
}

static void cleanup_count(void *arg)
{
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read on the same thread or after the close */
}

static void *cancelled(void *arg)
{
    _Atomic(int) number = 0, cleaned = 0;
    weft_scope scope;
    (void)arg;
    weft_spawn_options options = {.cleanup = cleanup_count, .name = "child"};
    CHECK_INT(weft_scope_open(&scope), 0);
    for (int i = 0; i < CHILDREN; i++)
        wt_until_waiting(weft_scope_spawn(&scope, wait_for_kill, &number), WF_WAIT_SLEEP);
    CHECK(weft_scope_spawn_opt(&scope, &options, return_arg, &cleaned) != NULL);
    CHECK_INT(weft_scope_go(&scope, cancel_it, &scope), 0); /* one of them */
    wt_until(is_refused, &scope);
    CHECK(weft_scope_spawn_opt(&scope, &options, return_arg, &cleaned) == NULL);
    CHECK_INT(weft_last_error(), -ECANCELED);
    CHECK_INT(weft_scope_close(&scope), 0); /* asked for, so no error */
    CHECK_INT(read_count(&number), CHILDREN);
    CHECK_INT(read_count(&cleaned), 2);
    return NULL;
}

static void test_scope_cancel_kills_all_and_is_no_error(void **state)
{
    (void)state;
    wt_over_workers_and_thread(cancelled, NULL);
}

/* Those that wait for their time to start never do. */
static void *cancel_delayed(void *arg)
{
    _Atomic(int) number = 0;
    weft_scope scope;
    weft_spawn_options options = {.start_after = WEFT_SECOND * 1000};
    (void)arg;
    CHECK_INT(weft_scope_open(&scope), 0);
    CHECK(weft_scope_spawn_opt(&scope, &options, count, &number) != NULL);
    CHECK_INT(weft_scope_cancel(&scope), 0);
    CHECK_INT(weft_scope_cancel(&scope), 0);
    CHECK_INT(weft_scope_close(&scope), 0);
    CHECK_INT(read_count(&number), 0);
    return NULL;
}

static void test_scope_cancel_reaches_those_that_have_not_started(void **state)
{
    (void)state;
    wt_over_workers_and_thread(cancel_delayed, NULL);
}

/* ---- the owner is ended ---- */

struct owned {
    _Atomic(int) number;
    weft_event inside;
    weft_event let_go;
    int result;
    int afterwards;
};

/* It ignores the kill for a while. */
static void *hold_out(void *arg)
{
    struct owned *o = arg;
    CHECK_INT(weft_sleep(WEFT_NEVER), -ECANCELED);
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_event_set(&o->inside), 0);
    CHECK_INT(weft_event_wait(&o->let_go), 0);
    CHECK_INT(weft_shield_end(), 0);
    wf_fetch_add_relaxed(&o->number, 1); /* relaxed: read after the close */
    return NULL;
}

static void *own(void *arg)
{
    struct owned *o = arg;
    weft_scope scope;
    CHECK_INT(weft_scope_open(&scope), 0);
    weft_t *t = weft_scope_spawn(&scope, hold_out, o);
    wt_until_waiting(t, WF_WAIT_SLEEP);
    o->result = weft_scope_close(&scope);
    CHECK_INT(read_count(&o->number), 1); /* it has waited, whatever came */
    o->afterwards = weft_checkpoint();
    return NULL;
}

static void *kill_owner(void *arg)
{
    struct owned o = {.result = 1};
    (void)arg;
    weft_t *owner = weft_spawn(own, &o);
    wt_until_waiting(owner, WF_WAIT_SCOPE);
    CHECK_INT(weft_kill(owner), 0);
    CHECK_INT(weft_event_wait(&o.inside), 0); /* the kill has reached the child */
    CHECK_INT(weft_join_until(owner, NULL, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_event_set(&o.let_go), 0);
    CHECK_INT(weft_join(owner, NULL), 0);
    CHECK_INT(o.result, -ECANCELED);
    CHECK_INT(o.afterwards, -ECANCELED);
    return NULL;
}

static void test_scope_close_of_a_killed_owner_kills_and_waits(void **state)
{
    (void)state;
    wt_over_workers_and_thread(kill_owner, NULL);
}

static void *killed_before_close(void *arg)
{
    _Atomic(int) *number = arg;
    weft_scope scope;
    CHECK_INT(weft_scope_open(&scope), 0);
    weft_t *t = weft_scope_spawn(&scope, wait_for_kill, number);
    wt_until_waiting(t, WF_WAIT_SLEEP);
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_scope_close(&scope), -ECANCELED);
    CHECK_INT(read_count(number), 1);
    return NULL;
}

static void *kill_owner_first(void *arg)
{
    _Atomic(int) number = 0;
    (void)arg;
    weft_t *owner = weft_spawn(killed_before_close, &number);
    CHECK_INT(weft_join(owner, NULL), 0);
    return NULL;
}

static void test_scope_close_by_one_that_was_killed_before(void **state)
{
    (void)state;
    wt_over_workers(kill_owner_first, NULL);
}

static void *time_out(void *arg)
{
    _Atomic(int) number = 0;
    weft_scope scope;
    weft_timeout timeout;
    (void)arg;
    for (int way = 0; way < 3; way++) {
        CHECK_INT(weft_scope_open(&scope), 0);
        weft_t *t = weft_scope_spawn(&scope, wait_for_kill, &number);
        wt_until_waiting(t, WF_WAIT_SLEEP);
        if (way == 2) {
            CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
            CHECK_INT(weft_scope_close(&scope), -ETIMEDOUT);
            CHECK_INT(weft_timeout_stop(&timeout), 0);
            CHECK_INT(weft_timeout_fired(&timeout), 1);
        } else {
            CHECK_INT(weft_scope_close_until(&scope, way == 0 ? 0 : weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
        }
        CHECK_INT(read_count(&number), way + 1);
    }
    return NULL;
}

static void test_scope_close_deadlines_kill_and_wait(void **state)
{
    (void)state;
    wt_over_workers_and_thread(time_out, NULL);
}

/* ---- nesting ---- */

struct nest {
    _Atomic(int) *number;
    int depth;
};

static void *nest_down(void *arg)
{
    struct nest *n = arg;
    weft_scope scope;
    if (n->depth == 0)
        return wait_for_kill(n->number);
    struct nest inner = {n->number, n->depth - 1};
    CHECK_INT(weft_scope_open(&scope), 0);
    CHECK_INT(weft_scope_go(&scope, nest_down, &inner), 0);
    CHECK(weft_scope_spawn(&scope, nest_down, &inner) != NULL);
    CHECK_INT(weft_scope_close(&scope), -ECANCELED);
    return NULL;
}

static bool all_wait(void *arg)
{
    (void)arg;
    weft_stats_info stats;
    return weft_stats(&stats) == 0 && stats.coroutines_live >= (1 << (DEPTH + 1)) - 1;
}

static void *nested(void *arg)
{
    _Atomic(int) number = 0;
    weft_scope scope;
    (void)arg;
    struct nest root = {&number, DEPTH};
    CHECK_INT(weft_scope_open(&scope), 0);
    CHECK_INT(weft_scope_go(&scope, nest_down, &root), 0);
    wt_until(all_wait, NULL);
    CHECK_INT(weft_scope_cancel(&scope), 0);
    CHECK_INT(weft_scope_close(&scope), 0);
    return NULL;
}

static void test_scope_cancel_goes_down_nested_scopes(void **state)
{
    (void)state;
    wt_over_workers_and_thread(nested, NULL);
}

/* ---- races and misuse ---- */

static void *fail_some(void *arg)
{
    intptr_t i = (intptr_t)arg;
    if (i % 5 == 0)
        return fail_with((void *)(intptr_t)-EIO);
    if (i % 3 == 0)
        weft_sleep(WEFT_NEVER);
    weft_yield();
    return NULL;
}

static void *races(void *arg)
{
    (void)arg;
    for (int round = 0; round < wt_scaled(ROUNDS); round++) {
        weft_scope scope;
        CHECK_INT(weft_scope_open(&scope), 0);
        for (intptr_t i = 1; i < CHILDREN; i++) { /* one fails meanwhile, and then the rest is not let in */
            int error = weft_scope_go(&scope, fail_some, (void *)i);
            CHECK(error == 0 || error == -ECANCELED);
        }
        CHECK_INT(weft_scope_close(&scope), -EIO);
    }
    return NULL;
}

static void test_scope_errors_race_with_spawns_and_ends(void **state)
{
    (void)state;
    wt_over_workers_and_thread(races, NULL);
}

static void *misuse(void *arg)
{
    weft_scope scope = {{0}};
    weft_event go = WEFT_EVENT_INIT;
    (void)arg;
    CHECK_INT(weft_scope_open(NULL), -EINVAL);
    CHECK_INT(weft_scope_close(NULL), -EINVAL);
    CHECK_INT(weft_scope_cancel(NULL), -EINVAL);
    CHECK_INT(weft_scope_go(NULL, return_arg, NULL), -EINVAL);
    CHECK(weft_scope_spawn(NULL, return_arg, NULL) == NULL);
    CHECK_INT(weft_scope_close(&scope), -EINVAL); /* never opened */
    CHECK_INT(weft_scope_open(&scope), 0);
    CHECK(weft_scope_spawn(&scope, NULL, NULL) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    for (uint64_t n = 0; n < 2; n++) {
        weft_spawn_options options = {.name = "named"};
        wf_alloc_fail_after(n, true);
        CHECK(weft_scope_spawn_opt(&scope, &options, wait_for_event, &go) == NULL);
        wf_alloc_fail_after(UINT64_MAX, false);
        CHECK_INT(weft_last_error(), -ENOMEM);
    }
    CHECK(weft_scope_spawn(&scope, wait_for_event, &go) != NULL);
    wf_alloc_fail_after(0, true); /* its end and the close need none */
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_scope_close(&scope), 0);
    wf_alloc_fail_after(UINT64_MAX, false);
    return NULL;
}

static void test_scope_misuse_is_an_error(void **state)
{
    (void)state;
    wt_over_workers_and_thread(misuse, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scope_close_waits_for_all_children),
        cmocka_unit_test(test_scope_go_leaves_nothing_behind),
        cmocka_unit_test(test_scope_children_spawn_siblings_while_it_closes),
        cmocka_unit_test(test_scope_first_error_cancels_the_rest),
        cmocka_unit_test(test_scope_error_before_the_close_lets_no_more_in),
        cmocka_unit_test(test_scope_cancel_kills_all_and_is_no_error),
        cmocka_unit_test(test_scope_cancel_reaches_those_that_have_not_started),
        cmocka_unit_test(test_scope_close_of_a_killed_owner_kills_and_waits),
        cmocka_unit_test(test_scope_close_by_one_that_was_killed_before),
        cmocka_unit_test(test_scope_close_deadlines_kill_and_wait),
        cmocka_unit_test(test_scope_cancel_goes_down_nested_scopes),
        cmocka_unit_test(test_scope_errors_race_with_spawns_and_ends),
        cmocka_unit_test(test_scope_misuse_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
