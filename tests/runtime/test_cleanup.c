/* weft_cleanup_push, weft_cleanup_pop: last in, first out, each once, also when the coroutine was killed; they may block. */
#include "runtime.h"

enum { MOST = 16 };

/* What ran, in this order. Each test has one coroutine that writes here, and reads it when that was joined. */
static int ran[MOST];
static int ran_count;

static void note(void *arg)
{
    if (CHECK(ran_count < MOST))
        ran[ran_count++] = (int)(intptr_t)arg;
}

static void check_ran(const int *expected, int count)
{
    CHECK_INT(ran_count, count);
    for (int i = 0; i < count && i < ran_count; i++)
        CHECK_INT(ran[i], expected[i]);
    ran_count = 0;
}

static void *push_three_and_return(void *arg)
{
    for (intptr_t i = 1; i <= 3; i++)
        CHECK_INT(weft_cleanup_push(note, (void *)i), 0);
    return arg;
}

static void *runs_at_the_end(void *arg)
{
    (void)arg;
    wt_spawn_and_join(1, push_three_and_return, NULL);
    check_ran((const int[]){3, 2, 1}, 3);
    return NULL;
}

static void test_cleanup_at_the_end_runs_last_in_first_out(void **state)
{
    (void)state;
    wt_over_workers(runs_at_the_end, NULL);
}

static void *push_and_pop(void *arg)
{
    push_three_and_return(arg);
    CHECK_INT(weft_cleanup_pop(0), 0);
    CHECK_INT(ran_count, 0);
    CHECK_INT(weft_cleanup_pop(1), 0);
    CHECK_INT(ran_count, 1);
    CHECK_INT(weft_cleanup_pop(0), 0);
    CHECK_INT(weft_cleanup_pop(1), -EINVAL);
    return NULL;
}

static void *pops(void *arg)
{
    (void)arg;
    wt_spawn_and_join(1, push_and_pop, NULL);
    check_ran((const int[]){2}, 1);
    return NULL;
}

static void test_cleanup_pop_runs_it_only_when_asked_and_it_is_gone(void **state)
{
    (void)state;
    wt_run(2, pops, NULL);
}

static void *push_and_sleep(void *arg)
{
    push_three_and_return(arg);
    CHECK_INT(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    return NULL;
}

static void *killed(void *arg)
{
    (void)arg;
    weft_t *t = weft_spawn(push_and_sleep, NULL);
    if (!CHECK(t != NULL))
        return NULL;
    wt_until_waiting(t, WF_WAIT_SLEEP);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    check_ran((const int[]){3, 2, 1}, 3);
    return NULL;
}

static void test_cleanup_runs_when_the_coroutine_was_killed(void **state)
{
    (void)state;
    wt_over_workers(killed, NULL);
}

/* Blocks, under a shield, though its coroutine was killed. */
static void sleep_and_note(void *arg)
{
    int64_t before = weft_now();
    CHECK_INT(weft_sleep(WEFT_MILLISECOND), 0);
    CHECK(weft_now() - before >= WEFT_MILLISECOND);
    note(arg);
}

static void *kill_oneself(void *arg)
{
    (void)arg;
    CHECK_INT(weft_cleanup_push(sleep_and_note, (void *)1), 0);
    CHECK_INT(weft_cleanup_push(sleep_and_note, (void *)2), 0);
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_cleanup_pop(1), 0);
    CHECK_INT(weft_sleep(0), -ECANCELED); /* the shield is down again */
    return NULL;
}

static void *blocking(void *arg)
{
    (void)arg;
    wt_spawn_and_join(1, kill_oneself, NULL);
    check_ran((const int[]){2, 1}, 2);
    return NULL;
}

static void test_cleanup_may_block_in_a_killed_coroutine(void **state)
{
    (void)state;
    wt_over_workers(blocking, NULL);
}

static void push_another(void *arg)
{
    note(arg);
    CHECK_INT(weft_cleanup_push(note, (void *)9), 0);
}

static void *push_pusher(void *arg)
{
    (void)arg;
    CHECK_INT(weft_cleanup_push(note, (void *)1), 0);
    CHECK_INT(weft_cleanup_push(push_another, (void *)2), 0);
    return NULL;
}

static void *pushed_by_a_cleanup(void *arg)
{
    (void)arg;
    wt_spawn_and_join(1, push_pusher, NULL);
    check_ran((const int[]){2, 9, 1}, 3);
    return NULL;
}

static void test_cleanup_pushed_by_a_cleanup_runs_too(void **state)
{
    (void)state;
    wt_run(2, pushed_by_a_cleanup, NULL);
}

static void *push_null(void *arg)
{
    (void)arg;
    CHECK_INT(weft_cleanup_push(NULL, NULL), -EINVAL);
    CHECK_INT(weft_cleanup_pop(0), -EINVAL);
    return NULL;
}

static void test_cleanup_misuse_is_refused(void **state)
{
    (void)state;
    assert_int_equal(weft_cleanup_push(NULL, NULL), -EINVAL);
    assert_int_equal(weft_cleanup_push(note, NULL), -EPERM);
    assert_int_equal(weft_cleanup_pop(1), -EINVAL);
    wt_run(1, push_null, NULL);
}

/* The argument's destructor comes last, after the locals'. */
static weft_key key;

static void *push_and_set(void *arg)
{
    CHECK_INT(weft_cleanup_push(note, (void *)1), 0);
    CHECK_INT(weft_key_set(key, (void *)2), 0);
    return arg;
}

static void *order_at_the_end(void *arg)
{
    (void)arg;
    weft_spawn_options options = {.cleanup = note};
    CHECK_INT(weft_key_create(&key, note), 0);
    weft_t *t = weft_spawn_opt(&options, push_and_set, (void *)3);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_key_delete(key), 0);
    check_ran((const int[]){1, 2, 3}, 3);
    return NULL;
}

static void test_cleanup_comes_before_locals_and_the_argument(void **state)
{
    (void)state;
    wt_over_workers(order_at_the_end, NULL);
}

/* The shield of a cleanup ends with it, whatever it did, and however deep those around it are. */
static void leave_a_shield_up(void *arg)
{
    note(arg);
    weft_shield_begin(); /* refused where there are 255 already */
    CHECK_INT(weft_checkpoint(), 0);
}

static void *pop_under_shields(void *arg)
{
    int shields = 0;
    CHECK_INT(weft_cleanup_push(leave_a_shield_up, (void *)1), 0);
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_cleanup_pop(1), 0);
    CHECK_INT(weft_checkpoint(), -ECANCELED);
    CHECK_INT(weft_cleanup_push(leave_a_shield_up, (void *)2), 0);
    while (weft_shield_begin() == 0)
        shields++;
    CHECK_INT(weft_shield_begin(), -EOVERFLOW);
    CHECK_INT(weft_cleanup_pop(1), 0);
    while (weft_shield_end() == 0)
        shields--;
    CHECK_INT(shields, 0);
    CHECK_INT(weft_checkpoint(), -ECANCELED);
    return arg;
}

static void *shields(void *arg)
{
    (void)arg;
    wt_spawn_and_join(1, pop_under_shields, NULL);
    check_ran((const int[]){1, 2}, 2);
    return NULL;
}

static void test_cleanup_leaves_the_shields_as_they_were(void **state)
{
    (void)state;
    wt_over_workers(shields, NULL);
}

/* What a destructor of locals pushes, and what the argument's destructor pushes and sets. */
static void push_note(void *arg)
{
    note(arg);
    CHECK_INT(weft_cleanup_push(note, (void *)((intptr_t)arg + 1)), 0);
}

static void push_and_set_late(void *arg)
{
    push_note(arg);
    CHECK_INT(weft_key_set(key, (void *)((intptr_t)arg + 2)), 0);
}

static void *set_only(void *arg)
{
    CHECK_INT(weft_key_set(key, (void *)1), 0);
    return arg;
}

static void *late_ones(void *arg)
{
    (void)arg;
    weft_spawn_options options = {.cleanup = push_and_set_late};
    CHECK_INT(weft_key_create(&key, push_note), 0);
    weft_t *t = weft_spawn_opt(&options, set_only, (void *)10);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_key_delete(key), 0);
    check_ran((const int[]){1, 2, 10, 11, 12, 13}, 6);
    return NULL;
}

static void test_cleanup_pushed_by_any_destructor_runs_too(void **state)
{
    (void)state;
    wt_over_workers(late_ones, NULL);
}

/* A timeout that the body forgot to stop lay in a frame that is gone when the cleanups run. */
static void sleep_a_little(void *arg)
{
    note(arg);
    CHECK_INT(weft_sleep(WEFT_MILLISECOND), 0);
}

__attribute__((noinline)) static void start_and_forget(void)
{
    weft_timeout timeout;
    CHECK_INT(weft_timeout_start(&timeout, 1), 0);
}

__attribute__((noinline)) static void write_over(void)
{
    volatile unsigned char frame[4096];
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = 0x5a;
}

static void *forget_a_timeout(void *arg)
{
    CHECK_INT(weft_cleanup_push(sleep_a_little, (void *)1), 0);
    start_and_forget();
    write_over();
    return arg;
}

static void *forgets_a_timeout(void *arg)
{
    (void)arg;
    wt_spawn_and_join(1, forget_a_timeout, NULL);
    check_ran((const int[]){1}, 1);
    return NULL;
}

static void test_cleanup_is_not_bounded_by_a_timeout_of_the_body(void **state)
{
    (void)state;
    wt_over_workers(forgets_a_timeout, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cleanup_at_the_end_runs_last_in_first_out),
        cmocka_unit_test(test_cleanup_pop_runs_it_only_when_asked_and_it_is_gone),
        cmocka_unit_test(test_cleanup_runs_when_the_coroutine_was_killed),
        cmocka_unit_test(test_cleanup_may_block_in_a_killed_coroutine),
        cmocka_unit_test(test_cleanup_pushed_by_a_cleanup_runs_too),
        cmocka_unit_test(test_cleanup_misuse_is_refused),
        cmocka_unit_test(test_cleanup_comes_before_locals_and_the_argument),
        cmocka_unit_test(test_cleanup_leaves_the_shields_as_they_were),
        cmocka_unit_test(test_cleanup_pushed_by_any_destructor_runs_too),
        cmocka_unit_test(test_cleanup_is_not_bounded_by_a_timeout_of_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
