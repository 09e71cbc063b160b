/* core/lock: alone, and with more threads than processors. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/lock.h"

enum { THREADS = 4, TURNS = 100000 };

static wf_lock lock;
static long plain; /* lock lock: a lost update or a race that the sanitizer sees is a broken lock */
static _Atomic(int) inside;
static _Atomic(int) overlaps;

static void test_lock_try_fails_while_taken(void **state)
{
    (void)state;
    wf_lock one = {0};
    assert_true(wf_lock_try(&one));
    assert_false(wf_lock_try(&one));
    wf_unlock(&one);
    wf_lock_take(&one);
    assert_false(wf_lock_try(&one));
    wf_unlock(&one);
    assert_int_equal(one.word, 0);
}

static void *take_turns(void *arg)
{
    (void)arg;
    for (int i = 0; i < TURNS; i++) {
        wf_lock_take(&lock);
        if (wf_fetch_add_relaxed(&inside, 1) != 0)
            wf_fetch_add_relaxed(&overlaps, 1);
        plain++;
        wf_fetch_sub_relaxed(&inside, 1);
        wf_unlock(&lock);
    }
    return NULL;
}

static void test_lock_threads_exclude_each_other_and_all_finish(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(plain, (long)THREADS * TURNS);
    assert_int_equal(overlaps, 0);
    assert_int_equal(lock.word, 0);
}

static void *take_once(void *arg)
{
    wf_lock *held = arg;
    wf_lock_take(held);
    plain++;
    wf_unlock(held);
    return NULL;
}

static void test_lock_sleepers_are_woken_one_after_the_other(void **state)
{
    (void)state;
    wf_lock held = {0};
    pthread_t threads[THREADS];
    plain = 0;
    wf_lock_take(&held);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_once, &held), 0);
    while (wf_load_relaxed(&held.word) != 2) /* until one of them sleeps */
        wf_spin_pause();
    assert_int_equal(plain, 0);
    wf_unlock(&held);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(plain, THREADS);
    assert_int_equal(held.word, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock_try_fails_while_taken),
        cmocka_unit_test(test_lock_threads_exclude_each_other_and_all_finish),
        cmocka_unit_test(test_lock_sleepers_are_woken_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
