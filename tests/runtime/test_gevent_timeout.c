/* The cases of gevent's tests of Timeout, in terms of weft; each over 1, 2 and 4 workers. */
#include "runtime.h"

#define SHORT WEFT_MILLISECOND
#define LONG (WEFT_SECOND * 1000)

/* It ends a wait for nothing, and can be started again. */
static void *expires(void *arg)
{
    weft_timeout timeout;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        CHECK_INT(weft_timeout_start(&timeout, SHORT), 0);
        CHECK_INT(weft_timeout_fired(&timeout), 0);
        CHECK_INT(weft_sleep(WEFT_NEVER), -ETIMEDOUT);
        CHECK_INT(weft_timeout_fired(&timeout), 1);
        CHECK_INT(weft_timeout_stop(&timeout), 0);
    }
    return NULL;
}

WT_CASE(test_expires_and_again, expires)

/* Which of two it was is asked of each: an inner one that has not fired lets the outer one's error pass. */
static void *identity(void *arg)
{
    weft_timeout outer, inner;
    (void)arg;
    CHECK_INT(weft_timeout_start(&outer, SHORT), 0);
    CHECK_INT(weft_timeout_start(&inner, LONG), 0);
    CHECK_INT(weft_sleep(WEFT_NEVER), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&inner), 0);
    CHECK_INT(weft_timeout_fired(&outer), 1);
    CHECK_INT(weft_timeout_stop(&inner), 0);
    CHECK_INT(weft_timeout_stop(&outer), 0);
    CHECK_INT(weft_timeout_start(&outer, LONG), 0);
    CHECK_INT(weft_timeout_start(&inner, SHORT), 0);
    CHECK_INT(weft_sleep(WEFT_NEVER), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&inner), 1);
    CHECK_INT(weft_timeout_fired(&outer), 0);
    CHECK_INT(weft_timeout_stop(&inner), 0);
    CHECK_INT(weft_sleep(0), 0); /* the outer one goes on, and has not fired */
    CHECK_INT(weft_timeout_stop(&outer), 0);
    return NULL;
}

WT_CASE(test_context_manager_tells_its_own, identity)

/* The silent form: a block that is left without an error. */
static int block_or_nothing(int64_t ns, int64_t sleep)
{
    weft_timeout timeout;
    CHECK_INT(weft_timeout_start(&timeout, ns), 0);
    int result = weft_sleep(sleep);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return result == -ETIMEDOUT && weft_timeout_fired(&timeout) ? 1 : result;
}

static void *silent(void *arg)
{
    (void)arg;
    CHECK_INT(block_or_nothing(SHORT, WEFT_NEVER), 1);
    CHECK_INT(block_or_nothing(LONG, SHORT), 0);
    return NULL;
}

WT_CASE(test_context_manager_false, silent)

static void *cancelled(void *arg)
{
    weft_timeout timeout;
    (void)arg;
    CHECK_INT(weft_timeout_start(&timeout, SHORT), 0);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_timeout_stop(&timeout), -EINVAL);
    CHECK_INT(weft_sleep(2 * SHORT), 0);
    CHECK_INT(weft_timeout_fired(&timeout), 0);
    return NULL;
}

WT_CASE(test_cancel, cancelled)

/* with_timeout: run a function under a timeout, and return a value of one's own if that fires. */
static int with_timeout(int64_t ns, int (*fn)(int64_t), int64_t arg, int instead)
{
    weft_timeout timeout;
    CHECK_INT(weft_timeout_start(&timeout, ns), 0);
    int result = fn(arg);
    bool fired = weft_timeout_fired(&timeout);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return fired ? instead : result;
}

static int sleep_twice(int64_t ns)
{
    int result = weft_sleep(ns);
    return result != 0 ? result : weft_sleep(ns);
}

static int nest(int64_t ns)
{
    return with_timeout(LONG, sleep_twice, ns, 1);
}

static void *with_timeouts(void *arg)
{
    (void)arg;
    CHECK_INT(with_timeout(SHORT, weft_sleep, LONG, -ETIME), -ETIME);
    CHECK_INT(with_timeout(SHORT, sleep_twice, LONG, 7), 7);
    CHECK_INT(with_timeout(LONG, weft_sleep, SHORT, 7), 0);
    CHECK_INT(with_timeout(SHORT, nest, LONG, 7), 7); /* the outer one, through the inner */
    return NULL;
}

WT_CASE(test_with_timeout, with_timeouts)

/* None and -1 never, 0 at the next wait. */
static void *special_values(void *arg)
{
    weft_timeout timeout;
    (void)arg;
    CHECK_INT(weft_timeout_start(&timeout, WEFT_NEVER), 0);
    CHECK_INT(weft_sleep(SHORT), 0);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_timeout_start(&timeout, 0), 0);
    CHECK_INT(weft_sleep(SHORT), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

WT_CASE(test_seconds_none_and_zero, special_values)

/* A timeout is its coroutine's own: others wait on, and it does not follow to those that are spawned. */
static void *sleep_short(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)weft_sleep(2 * SHORT);
}

static void *own(void *arg)
{
    weft_timeout timeout;
    void *result = (void *)1;
    (void)arg;
    CHECK_INT(weft_timeout_start(&timeout, SHORT), 0);
    weft_t *t = weft_spawn(sleep_short, NULL);
    CHECK_INT(weft_sleep(WEFT_NEVER), -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_join(t, &result), 0);
    CHECK_INT((intptr_t)result, 0);
    return NULL;
}

WT_CASE(test_timeout_is_of_one_coroutine, own)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expires_and_again),
        cmocka_unit_test(test_context_manager_tells_its_own),
        cmocka_unit_test(test_context_manager_false),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_with_timeout),
        cmocka_unit_test(test_seconds_none_and_zero),
        cmocka_unit_test(test_timeout_is_of_one_coroutine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
