/* core/biased: who becomes the favourite, who takes that away, and that nobody is ever inside together. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The shipped source, with favourites that change all the time. */
#define WF_BIAS_AFTER 8
#include "core/biased.c"

enum { THREADS = 4, PHASES = 400, LONG_TURN = 3000, SHORT_TURN = 20 };

static void take_times(wf_biased *b, uint16_t me, int times)
{
    for (int i = 0; i < times; i++) {
        wf_biased_take(b, me);
        wf_biased_leave(b);
    }
}

static void test_biased_favours_whoever_came_often_enough_in_a_row(void **state)
{
    (void)state;
    wf_biased b = {0};
    take_times(&b, 7, WF_BIAS_AFTER - 1);
    assert_int_equal(b.favourite, WF_BIAS_NOBODY);
    take_times(&b, 8, 1);
    take_times(&b, 7, WF_BIAS_AFTER - 1);
    assert_int_equal(b.favourite, WF_BIAS_NOBODY);
    take_times(&b, 7, 1);
    assert_int_equal(b.favourite, 7);
    assert_int_equal(b.lock.word, 0);
}

static void test_biased_favourite_leaves_the_word_alone(void **state)
{
    (void)state;
    wf_biased b = {0};
    take_times(&b, 7, WF_BIAS_AFTER);
    wf_biased_take(&b, 7);
    assert_int_equal(b.lock.word, 0);
    assert_int_equal(b.inside, 1);
    wf_biased_leave(&b);
    assert_int_equal(b.inside, 0);
}

static void test_biased_plain_threads_are_never_favourites(void **state)
{
    (void)state;
    wf_biased b = {0};
    take_times(&b, WF_BIAS_PLAIN_THREAD, 3 * WF_BIAS_AFTER);
    assert_int_equal(b.favourite, WF_BIAS_NOBODY);
}

static void test_biased_revoked_favourite_has_to_come_twice_as_often(void **state)
{
    (void)state;
    wf_biased b = {0};
    take_times(&b, 7, WF_BIAS_AFTER);
    take_times(&b, WF_BIAS_PLAIN_THREAD, 1);
    assert_int_not_equal(b.favourite, 7);
    take_times(&b, 7, 2 * WF_BIAS_AFTER - 1);
    assert_int_not_equal(b.favourite, 7);
    take_times(&b, 7, 1);
    assert_int_equal(b.favourite, 7);
}

static void test_biased_another_is_favoured_once_the_last_one_has_come_again(void **state)
{
    (void)state;
    wf_biased b = {0};
    take_times(&b, 7, WF_BIAS_AFTER);
    take_times(&b, 8, 10 * WF_BIAS_AFTER); /* 7 may be about to turn away */
    assert_int_not_equal(b.favourite, 8);
    take_times(&b, 7, 1);
    take_times(&b, 8, 2 * WF_BIAS_AFTER);
    assert_int_equal(b.favourite, 8);
}

static void test_biased_waits_longer_after_each_revocation_up_to_a_limit(void **state)
{
    (void)state;
    wf_biased b = {0};
    for (int revoked = 0; revoked < WF_BIAS_LEVELS + 3; revoked++) {
        int level = revoked < WF_BIAS_LEVELS ? revoked : WF_BIAS_LEVELS;
        take_times(&b, 7, (WF_BIAS_AFTER << level) - 1);
        assert_int_not_equal(b.favourite, 7);
        take_times(&b, 7, 1);
        assert_int_equal(b.favourite, 7);
        take_times(&b, WF_BIAS_PLAIN_THREAD, 1);
    }
}

/* ---- threads ---- */

static wf_biased lock;
static long plain; /* lock lock: a lost update or a race that the sanitizer sees is a broken lock */
static _Atomic(int) inside;
static _Atomic(int) overlaps;
static _Atomic(long) done[THREADS];

static void section(uint16_t me)
{
    wf_biased_take(&lock, me);
    if (wf_fetch_add_relaxed(&inside, 1) != 0)
        wf_fetch_add_relaxed(&overlaps, 1);
    plain++;
    wf_fetch_sub_relaxed(&inside, 1);
    wf_biased_leave(&lock);
}

/* By turns long enough to become the favourite, and short ones that take it from another. The last is a plain thread. */
static void *take_turns(void *arg)
{
    int index = (int)(uintptr_t)arg;
    uint16_t me = index == THREADS - 1 ? WF_BIAS_PLAIN_THREAD : (uint16_t)(index + 1);
    long count = 0;
    for (int phase = 0; phase < PHASES; phase++) {
        int turns = phase % THREADS == index ? LONG_TURN : SHORT_TURN;
        for (int i = 0; i < turns; i++)
            section(me);
        count += turns;
        sched_yield();
    }
    wf_store_relaxed(&done[index], count); /* relaxed: read after the join */
    return NULL;
}

static void test_biased_threads_exclude_each_other_while_the_favourite_changes(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    wf_fence_init();
    take_times(&lock, 1, WF_BIAS_AFTER);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, (void *)(uintptr_t)i), 0);
    long total = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        total += done[i];
    }
    assert_int_equal(plain, total);
    assert_int_equal(overlaps, 0);
    assert_int_equal(lock.lock.word, 0);
    assert_int_equal(lock.inside, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_biased_favours_whoever_came_often_enough_in_a_row),
        cmocka_unit_test(test_biased_favourite_leaves_the_word_alone),
        cmocka_unit_test(test_biased_plain_threads_are_never_favourites),
        cmocka_unit_test(test_biased_revoked_favourite_has_to_come_twice_as_often),
        cmocka_unit_test(test_biased_another_is_favoured_once_the_last_one_has_come_again),
        cmocka_unit_test(test_biased_waits_longer_after_each_revocation_up_to_a_limit),
        cmocka_unit_test(test_biased_threads_exclude_each_other_while_the_favourite_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
