/* weft_queue: three orders, hand-over in the order of waiting, tasks and their end, shutdown; kill and deadlines lose nothing. */
#include <string.h>

#include "core/alloc.h"
#include "runtime.h"

enum { WORKERS = 8, ROUNDS = 500, WAITERS = 4 };

static void test_queue_bad_arguments_are_refused(void **state)
{
    int value = 0;
    (void)state;
    assert_null(weft_queue_new((weft_queue_kind)7, 4, 0));
    assert_int_equal(weft_last_error(), -EINVAL);
    assert_null(weft_queue_new(WEFT_QUEUE_FIFO, 0, 0));
    assert_null(weft_queue_new(WEFT_QUEUE_FIFO, 64 * 1024 + 1, 0));
    assert_null(weft_queue_new(WEFT_QUEUE_PRIORITY, 1024, SIZE_MAX / 1024));
    assert_int_equal(weft_last_error(), -EINVAL);
    assert_int_equal(weft_queue_free(NULL), 0);
    assert_int_equal(weft_queue_put(NULL, &value), -EINVAL);
    assert_int_equal(weft_queue_put_until(NULL, &value, 0), -EINVAL);
    assert_int_equal(weft_queue_try_put(NULL, &value), -EINVAL);
    assert_int_equal(weft_queue_put_priority(NULL, &value, 0), -EINVAL);
    assert_int_equal(weft_queue_put_priority_until(NULL, &value, 0, 0), -EINVAL);
    assert_int_equal(weft_queue_try_put_priority(NULL, &value, 0), -EINVAL);
    assert_int_equal(weft_queue_get(NULL, &value), -EINVAL);
    assert_int_equal(weft_queue_get_until(NULL, &value, 0), -EINVAL);
    assert_int_equal(weft_queue_try_get(NULL, &value), -EINVAL);
    assert_int_equal(weft_queue_peek(NULL, &value), -EINVAL);
    assert_int_equal(weft_queue_peek_until(NULL, &value, 0), -EINVAL);
    assert_int_equal(weft_queue_try_peek(NULL, &value), -EINVAL);
    assert_int_equal(weft_queue_len(NULL), 0);
    assert_int_equal(weft_queue_unfinished(NULL), 0);
    assert_int_equal(weft_queue_empty(NULL), -EINVAL);
    assert_int_equal(weft_queue_full(NULL), -EINVAL);
    assert_int_equal(weft_queue_task_done(NULL), -EINVAL);
    assert_int_equal(weft_queue_join(NULL), -EINVAL);
    assert_int_equal(weft_queue_join_until(NULL, 0), -EINVAL);
    assert_int_equal(weft_queue_shutdown(NULL, true), -EINVAL);
}

static void *use_alone(void *arg)
{
    int value = 0;
    (void)arg;
    weft_queue *q = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(int), 2);
    CHECK_INT(weft_queue_put(q, NULL), -EINVAL);
    CHECK_INT(weft_queue_put_priority(q, &value, 1), -EINVAL); /* not by priority */
    CHECK_INT(weft_queue_empty(q), 1);
    CHECK_INT(weft_queue_try_get(q, &value), -EAGAIN);
    CHECK_INT(weft_queue_try_peek(q, &value), -EAGAIN);
    CHECK_INT(weft_queue_get_until(q, &value, 0), -ETIMEDOUT);
    CHECK_INT(weft_queue_peek_until(q, &value, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    for (value = 1; value <= 2; value++)
        CHECK_INT(weft_queue_put(q, &value), 0);
    CHECK_INT(weft_queue_full(q), 1);
    CHECK_INT((int64_t)weft_queue_len(q), 2);
    CHECK_INT(weft_queue_try_put(q, &value), -EAGAIN);
    CHECK_INT(weft_queue_put_until(q, &value, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_queue_peek(q, &value), 0);
    CHECK_INT(value, 1);
    CHECK_INT(weft_queue_peek(q, NULL), 0);
    CHECK_INT(weft_queue_get(q, &value), 0);
    CHECK_INT(value, 1);
    CHECK_INT(weft_queue_get(q, NULL), 0);
    CHECK_INT(weft_queue_empty(q), 1);
    CHECK_INT((int64_t)weft_queue_unfinished(q), 2);
    CHECK_INT(weft_queue_join_until(q, 0), -ETIMEDOUT);
    CHECK_INT(weft_queue_task_done(q), 0);
    CHECK_INT(weft_queue_task_done(q), 0);
    CHECK_INT(weft_queue_task_done(q), -EINVAL);
    CHECK_INT(weft_queue_join(q), 0);
    CHECK_INT(weft_queue_free(q), 0);
    return NULL;
}

static void test_queue_keeps_order_bounds_and_count(void **state)
{
    (void)state;
    wt_over_workers_and_thread(use_alone, NULL);
}

static void take_in_order(weft_queue *q, const int *expected, int n)
{
    for (int i = 0; i < n; i++) {
        int value = -1, first = -1;
        CHECK_INT(weft_queue_peek(q, &first), 0);
        CHECK_INT(weft_queue_get(q, &value), 0);
        CHECK_INT(first, expected[i]);
        CHECK_INT(value, expected[i]);
    }
    CHECK_INT(weft_queue_free(q), 0);
}

static void *use_orders(void *arg)
{
    static const int newest_first[] = {4, 3, 2, 1, 0}, by_priority[] = {3, 1, 4, 0, 2};
    static const int64_t priorities[] = {0, -7, INT64_MAX, INT64_MIN, -7};
    (void)arg;
    weft_queue *lifo = weft_queue_new(WEFT_QUEUE_LIFO, sizeof(int), 0);
    weft_queue *ranked = weft_queue_new(WEFT_QUEUE_PRIORITY, sizeof(int), 5);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(weft_queue_put(lifo, &i), 0);
        if (i == 0)
            CHECK_INT(weft_queue_put(ranked, &i), 0); /* 0 */
        else if (i % 2 == 0)
            CHECK_INT(weft_queue_put_priority(ranked, &i, priorities[i]), 0);
        else
            CHECK_INT(weft_queue_try_put_priority(ranked, &i, priorities[i]), 0);
    }
    int one_more = 5;
    CHECK_INT(weft_queue_try_put_priority(ranked, &one_more, 0), -EAGAIN);
    CHECK_INT(weft_queue_put_priority_until(ranked, &one_more, 0, 0), -ETIMEDOUT);
    take_in_order(lifo, newest_first, 5);
    take_in_order(ranked, by_priority, 5);
    return NULL;
}

static void test_queue_lifo_and_priority(void **state)
{
    (void)state;
    wt_over_workers_and_thread(use_orders, NULL);
}

/* ---- waiting ---- */

struct big {
    char bytes[100];
};

struct waiter {
    weft_queue *queue;
    int value;
    int64_t priority;
    int result;
    bool peeks;
    struct big big;
};

static void *get_one(void *arg)
{
    struct waiter *w = arg;
    w->result = w->peeks ? weft_queue_peek(w->queue, &w->value) : weft_queue_get(w->queue, &w->value);
    return NULL;
}

static void *put_one(void *arg)
{
    struct waiter *w = arg;
    w->result = w->priority != 0 ? weft_queue_put_priority(w->queue, &w->value, w->priority)
                                 : weft_queue_put(w->queue, &w->value);
    return NULL;
}

static weft_t *start(struct waiter *w, weft_fn *fn, enum wf_wait_kind kind)
{
    weft_t *t = weft_spawn(fn, w);
    wt_until_waiting(t, kind);
    return t;
}

/* A getter, a peeker, a getter, a peeker wait; each put goes to the first, past those that only look. */
static void *hand_over(void *arg)
{
    struct waiter ws[WAITERS] = {{0}};
    weft_t *ts[WAITERS];
    (void)arg;
    weft_queue *q = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(int), 1);
    for (int i = 0; i < WAITERS; i++) {
        ws[i] = (struct waiter){.queue = q, .peeks = i % 2 == 1, .result = 1};
        ts[i] = start(&ws[i], get_one, WF_WAIT_QUEUE_GET);
    }
    CHECK_INT(weft_queue_free(q), -EBUSY);
    for (int value = 10; value <= 12; value++)
        CHECK_INT(weft_queue_put(q, &value), 0);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_INT(weft_join(ts[i], NULL), 0);
        CHECK_INT(ws[i].result, 0);
    }
    CHECK_INT(ws[0].value, 10);
    CHECK_INT(ws[1].value, 11);
    CHECK_INT(ws[2].value, 11);
    CHECK_INT(ws[3].value, 12);
    CHECK_INT((int64_t)weft_queue_len(q), 1); /* the last was only looked at */
    CHECK_INT((int64_t)weft_queue_unfinished(q), 3);
    CHECK_INT(weft_queue_free(q), 0);
    return NULL;
}

static void test_queue_put_goes_to_the_longest_waiter(void **state)
{
    (void)state;
    wt_over_workers(hand_over, NULL);
}

/* Putters that wait are let in in the order in which they came; the store sorts them. */
static void *let_in(void *arg)
{
    struct waiter ws[WAITERS] = {{0}};
    weft_t *ts[WAITERS];
    (void)arg;
    weft_queue *q = weft_queue_new(WEFT_QUEUE_PRIORITY, sizeof(int), 1);
    int value = 100;
    CHECK_INT(weft_queue_put_priority(q, &value, 50), 0);
    for (int i = 0; i < WAITERS; i++) {
        ws[i] = (struct waiter){.queue = q, .value = i, .priority = 10 - i};
        ts[i] = start(&ws[i], put_one, WF_WAIT_QUEUE_PUT);
    }
    CHECK_INT(weft_queue_free(q), -EBUSY);
    CHECK_INT(weft_queue_get(q, &value), 0);
    CHECK_INT(value, 100);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_INT(weft_join(ts[i], NULL), 0);
        CHECK_INT(ws[i].result, 0);
        CHECK_INT(weft_queue_get(q, &value), 0);
        CHECK_INT(value, i);
    }
    CHECK_INT(weft_queue_free(q), 0);
    return NULL;
}

static void test_queue_get_lets_the_longest_waiter_in(void **state)
{
    (void)state;
    wt_over_workers(let_in, NULL);
}

static void *get_big(void *arg)
{
    struct waiter *w = arg;
    w->result = weft_queue_get(w->queue, &w->big);
    return NULL;
}

static void *put_big(void *arg)
{
    struct waiter *w = arg;
    w->result = weft_queue_put(w->queue, &w->big);
    return NULL;
}

static void *pass_big(void *arg)
{
    struct waiter getter = {0}, putter = {0};
    struct big big, out;
    (void)arg;
    weft_queue *q = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(struct big), 1);
    getter.queue = putter.queue = q;
    memset(&big, 'x', sizeof big);
    memset(&putter.big, 'y', sizeof putter.big);
    weft_t *t = start(&getter, get_big, WF_WAIT_QUEUE_GET);
    CHECK_INT(weft_queue_put(q, &big), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(memcmp(&getter.big, &big, sizeof big), 0);
    CHECK_INT(weft_queue_put(q, &big), 0);
    t = start(&putter, put_big, WF_WAIT_QUEUE_PUT);
    CHECK_INT(weft_queue_get(q, &out), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_queue_get(q, &out), 0);
    CHECK_INT(memcmp(&putter.big, &out, sizeof out), 0);
    CHECK_INT(weft_queue_free(q), 0);
    return NULL;
}

static void test_queue_large_items_are_handed_over_whole(void **state)
{
    (void)state;
    wt_over_workers(pass_big, NULL);
}

/* ---- giving up ---- */

static void *use_killed(void *arg)
{
    weft_queue *q = arg;
    int value = 7;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_queue_put(q, &value), -ECANCELED);
    CHECK_INT(weft_queue_get(q, &value), -ECANCELED);
    CHECK_INT(weft_queue_peek(q, &value), -ECANCELED);
    CHECK_INT(weft_queue_join(q), -ECANCELED);
    CHECK_INT(weft_queue_try_put(q, &value), 0);
    CHECK_INT(weft_queue_try_get(q, &value), 0);
    CHECK_INT(weft_queue_task_done(q), 0);
    return NULL;
}

static void *get_under_timeout(void *arg)
{
    weft_timeout timeout = {0};
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    get_one(arg);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

static void *join_tasks(void *arg)
{
    struct waiter *w = arg;
    w->result = weft_queue_join(w->queue);
    return NULL;
}

static void *give_up(void *arg)
{
    struct waiter killed = {0}, late = {0}, joiner = {0};
    int value = 5;
    (void)arg;
    weft_queue *q = killed.queue = late.queue = joiner.queue = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(int), 1);
    wt_spawn_and_join(1, use_killed, q);
    weft_t *t = start(&killed, get_one, WF_WAIT_QUEUE_GET);
    CHECK_INT(weft_kill(t), 0);
    wt_spawn_and_join(1, get_under_timeout, &late);
    CHECK_INT(late.result, -ETIMEDOUT);
    CHECK_INT(weft_queue_put(q, &value), 0); /* nobody takes it */
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(killed.result, -ECANCELED);
    t = start(&killed, put_one, WF_WAIT_QUEUE_PUT);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(killed.result, -ECANCELED);
    CHECK_INT((int64_t)weft_queue_unfinished(q), 1);
    t = start(&joiner, join_tasks, WF_WAIT_QUEUE_JOIN);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(joiner.result, -ECANCELED);
    t = start(&joiner, join_tasks, WF_WAIT_QUEUE_JOIN);
    CHECK_INT(weft_queue_free(q), -EBUSY);
    CHECK_INT(weft_queue_get(q, NULL), 0);
    CHECK_INT(weft_queue_task_done(q), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(joiner.result, 0);
    CHECK_INT(weft_queue_free(q), 0);
    return NULL;
}

static void test_queue_who_gives_up_takes_and_leaves_nothing(void **state)
{
    (void)state;
    wt_over_workers(give_up, NULL);
}

/* ---- shutdown ---- */

static void *shut_down(void *arg)
{
    struct waiter getter = {0}, peeker = {.peeks = true}, putter = {0}, joiner = {0};
    int value = 1;
    (void)arg;
    weft_queue *empty = getter.queue = peeker.queue = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(int), 1);
    weft_queue *full = putter.queue = joiner.queue = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(int), 1);
    CHECK_INT(weft_queue_put(full, &value), 0);
    weft_t *ts[] = {start(&getter, get_one, WF_WAIT_QUEUE_GET), start(&peeker, get_one, WF_WAIT_QUEUE_GET),
                    start(&putter, put_one, WF_WAIT_QUEUE_PUT), start(&joiner, join_tasks, WF_WAIT_QUEUE_JOIN)};
    CHECK_INT(weft_queue_shutdown(empty, false), 0);
    CHECK_INT(weft_queue_shutdown(full, false), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    CHECK_INT(getter.result, -EPIPE);
    CHECK_INT(peeker.result, -EPIPE);
    CHECK_INT(putter.result, -EPIPE);
    CHECK_INT(weft_queue_put(full, &value), -EPIPE);
    CHECK_INT((int64_t)weft_queue_len(full), 1); /* to be drained, or dropped */
    CHECK_INT(weft_queue_shutdown(full, true), 0);
    CHECK_INT(weft_join(ts[3], NULL), 0);
    CHECK_INT(joiner.result, 0);
    CHECK_INT(weft_queue_get(full, &value), -EPIPE);
    CHECK_INT(weft_queue_try_get(full, &value), -EPIPE);
    CHECK_INT(weft_queue_task_done(full), -EINVAL);
    CHECK_INT(weft_queue_free(full), 0);
    CHECK_INT(weft_queue_free(empty), 0);
    return NULL;
}

static void test_queue_shutdown_ends_all_waits(void **state)
{
    (void)state;
    wt_over_workers(shut_down, NULL);
}

/* What is being worked on is not finished by a shutdown. */
static void *shut_down_at_work(void *arg)
{
    int value = 0;
    (void)arg;
    weft_queue *q = weft_queue_new(WEFT_QUEUE_LIFO, sizeof(int), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(weft_queue_put(q, &value), 0);
    CHECK_INT(weft_queue_get(q, &value), 0);
    CHECK_INT(weft_queue_shutdown(q, true), 0);
    CHECK_INT((int64_t)weft_queue_unfinished(q), 1);
    CHECK_INT(weft_queue_join_until(q, 0), -ETIMEDOUT);
    CHECK_INT(weft_queue_task_done(q), 0);
    CHECK_INT(weft_queue_join(q), 0);
    CHECK_INT(weft_queue_free(q), 0);
    return NULL;
}

static void test_queue_shutdown_waits_for_what_is_worked_on(void **state)
{
    (void)state;
    wt_over_workers_and_thread(shut_down_at_work, NULL);
}

/* ---- many ---- */

struct shared {
    weft_queue *queue;
    _Atomic(int64_t) put, got, count;
};

static void *work(void *arg)
{
    struct shared *s = arg;
    int64_t value;
    int result;
    while ((result = weft_queue_get(s->queue, &value)) == 0) {
        wf_fetch_add_relaxed(&s->got, value); /* relaxed, all: read after the joins */
        wf_fetch_add_relaxed(&s->count, 1);
        CHECK_INT(weft_queue_task_done(s->queue), 0);
    }
    CHECK_INT(result, -EPIPE);
    return NULL;
}

static void *work_impatiently(void *arg)
{
    struct shared *s = arg;
    int64_t value;
    for (int i = 0;; i++) {
        int result = weft_queue_get_until(s->queue, &value, weft_after((i % 5) * 5 * WEFT_MICROSECOND));
        if (result == -ECANCELED || result == -EPIPE)
            return NULL;
        if (result != 0)
            continue;
        wf_fetch_add_relaxed(&s->got, value); /* relaxed: as in work */
        wf_fetch_add_relaxed(&s->count, 1);
        CHECK_INT(weft_queue_task_done(s->queue), 0);
    }
}

static void *produce(void *arg)
{
    struct shared *s = arg;
    for (int64_t i = 0; i < wt_scaled(ROUNDS); i++) {
        int result = i % 3 == 0 ? weft_queue_put_until(s->queue, &i, weft_after(10 * WEFT_MICROSECOND))
                                : weft_queue_put(s->queue, &i);
        if (result == 0)
            wf_fetch_add_relaxed(&s->put, i); /* relaxed: as in work */
        else
            CHECK_INT(result, -ETIMEDOUT);
    }
    return NULL;
}

static void balance(weft_queue_kind kind, size_t maxsize)
{
    struct shared s = {.queue = weft_queue_new(kind, sizeof(int64_t), maxsize)};
    weft_t *ts[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        CHECK((ts[i] = weft_spawn(i % 2 == 0 ? work : work_impatiently, &s)) != NULL);
    wt_thread *consumer = wt_thread_start(work, &s);
    wt_thread *producer = wt_thread_start(produce, &s);
    wt_spawn_and_join(3, produce, &s);
    wt_thread_join(producer);
    CHECK_INT(weft_kill(ts[1]), 0);
    CHECK_INT(weft_queue_join(s.queue), 0);
    CHECK_INT(weft_queue_empty(s.queue), 1);
    CHECK_INT(weft_queue_shutdown(s.queue, false), 0);
    for (int i = 0; i < WORKERS; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(consumer);
    CHECK_INT(wf_load_relaxed(&s.got), wf_load_relaxed(&s.put)); /* relaxed: joined */
    CHECK_INT(weft_queue_free(s.queue), 0);
}

static void *balance_all(void *arg)
{
    (void)arg;
    balance(WEFT_QUEUE_FIFO, 3);
    balance(WEFT_QUEUE_LIFO, 0);
    balance(WEFT_QUEUE_PRIORITY, 1);
    return NULL;
}

static void test_queue_what_was_put_is_got_whoever_gives_up(void **state)
{
    (void)state;
    wt_over_workers(balance_all, NULL);
}

/* ---- memory ---- */

static void *run_short(void *arg)
{
    int value = 0;
    (void)arg;
    for (unsigned n = 0; n < 2; n++) {
        wf_alloc_fail_after(n, false);
        weft_queue *none = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(int), 4);
        wf_alloc_fail_after(UINT64_MAX, false);
        CHECK(none == NULL);
        CHECK_INT(weft_last_error(), -ENOMEM);
    }
    weft_queue *q = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(int), 0);
    wf_alloc_fail_after(0, true);
    while ((value = weft_queue_try_put(q, &value)) == 0)
        ;
    CHECK_INT(value, -ENOMEM);
    size_t count = weft_queue_len(q);
    CHECK(count > 0);
    CHECK_INT(weft_queue_get(q, NULL), 0);
    value = 3;
    CHECK_INT(weft_queue_put(q, &value), 0); /* there is a slot */
    wf_alloc_fail_after(UINT64_MAX, false);
    CHECK_INT(weft_queue_put(q, &value), 0);
    CHECK_INT((int64_t)weft_queue_len(q), (int64_t)count + 1);
    CHECK_INT(weft_queue_free(q), 0);
    return NULL;
}

static void test_queue_that_cannot_grow_says_so(void **state)
{
    (void)state;
    wt_run(1, run_short, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_bad_arguments_are_refused),
        cmocka_unit_test(test_queue_keeps_order_bounds_and_count),
        cmocka_unit_test(test_queue_lifo_and_priority),
        cmocka_unit_test(test_queue_put_goes_to_the_longest_waiter),
        cmocka_unit_test(test_queue_get_lets_the_longest_waiter_in),
        cmocka_unit_test(test_queue_large_items_are_handed_over_whole),
        cmocka_unit_test(test_queue_who_gives_up_takes_and_leaves_nothing),
        cmocka_unit_test(test_queue_shutdown_ends_all_waits),
        cmocka_unit_test(test_queue_shutdown_waits_for_what_is_worked_on),
        cmocka_unit_test(test_queue_what_was_put_is_got_whoever_gives_up),
        cmocka_unit_test(test_queue_that_cannot_grow_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
