/* weft_pool as gevent's Pool and Group are expected to behave. */
#include <stdlib.h>

#include "waits.h"

enum { SMALL = 10, LARGE = 300 };

static void *sqr(void *arg)
{
    intptr_t x = (intptr_t)arg;
    return (void *)(x * x);
}

static void *sqr_sleep(void *arg)
{
    intptr_t x = (intptr_t)arg;
    CHECK_INT(weft_sleep((x * 7 % 5) * 100 * WEFT_MICROSECOND), 0);
    return sqr(arg);
}

static void *fail_member(void *arg)
{
    CHECK_INT(weft_set_error(-EPROTO), 0);
    return arg;
}

static void *reciprocal(void *arg)
{
    intptr_t x = (intptr_t)arg;
    if (x == 0)
        CHECK_INT(weft_set_error(-EDOM), 0);
    return (void *)(x == 0 ? 0 : 1000 / x);
}

static void *wait_gate(void *arg)
{
    weft_event_wait(arg);
    return NULL;
}

static void *set_event(void *arg)
{
    CHECK_INT(weft_event_set(arg), 0);
    return NULL;
}

static void *sleep_long(void *arg)
{
    CHECK_INT(weft_sleep(1000 * WEFT_SECOND), -ECANCELED);
    return arg;
}

static void drop(weft_pool *pool)
{
    CHECK_INT(weft_pool_join(pool), 0);
    CHECK_INT(weft_pool_free(pool), 0);
}

/* ---- a pool of two ---- */

struct work {
    weft_pool *pool;
    weft_event event;
    _Atomic(int) steps;
    int order[3];
    intptr_t arg;
};

static void log_step(struct work *w, int what)
{
    w->order[wf_fetch_add_acq_rel(&w->steps, 1)] = what; /* ORDER(steps): pairs with itself; read after joins. */
}

static void *produce(void *arg)
{
    struct work *w = arg;
    CHECK_INT(weft_sleep(WEFT_MILLISECOND), 0);
    while (wf_load_relaxed(&w->steps) == 0) /* relaxed: only until the consumer has begun */
        CHECK_INT(weft_yield(), 0);
    log_step(w, 2);
    return set_event(&w->event);
}

static void *consume(void *arg)
{
    struct work *w = arg;
    log_step(w, 1);
    CHECK_INT(weft_event_wait(&w->event), 0);
    log_step(w, 3);
    return NULL;
}

static void *apply_inside(void *arg)
{
    struct work *w = arg;
    void *result = NULL;
    CHECK_INT(weft_pool_apply(w->pool, sqr, (void *)w->arg, &result), 0);
    return result;
}

static void *apply_all_ways(void *arg)
{
    struct work w = {.pool = weft_pool_new(2), .arg = 5};
    void *result = NULL;
    (void)arg;
    CHECK_INT(weft_pool_go(w.pool, set_event, &w.event), 0);
    CHECK_INT(weft_event_wait(&w.event), 0);
    CHECK_INT(weft_event_clear(&w.event), 0);
    CHECK_INT(weft_pool_apply(w.pool, sqr, (void *)6, &result), 0);
    CHECK_INT((intptr_t)result, 36);
    CHECK_INT(weft_pool_apply(w.pool, fail_member, NULL, NULL), -EPROTO);
    weft_t *t = weft_pool_spawn(w.pool, consume, &w);
    CHECK_INT(weft_pool_go(w.pool, produce, &w), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(w.order[i], i + 1);
    drop(w.pool);
    w.pool = weft_pool_new(1); /* a member that applies: it would wait for its own place */
    CHECK_INT(weft_pool_apply(w.pool, apply_inside, &w, &result), 0);
    CHECK_INT((intptr_t)result, 25);
    CHECK_INT(weft_event_clear(&w.event), 0);
    CHECK_INT(weft_pool_go(w.pool, set_event, &w.event), 0);
    CHECK_INT(weft_event_wait(&w.event), 0);
    drop(w.pool);
    return NULL;
}

static void test_pool_apply_in_all_ways(void **state)
{
    (void)state;
    wt_over_few_workers(apply_all_ways, NULL);
}

/* A member that fails gives its place back all the same. */
static void *fail_and_go_on(void *arg)
{
    weft_pool *pool = weft_pool_new(1);
    (void)arg;
    weft_t *t = weft_pool_spawn(pool, fail_member, NULL);
    weft_ref(t);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_error(t), -EPROTO);
    CHECK_INT(weft_unref(t), 0);
    CHECK_INT(weft_pool_free_count(pool), 1);
    CHECK_INT(weft_pool_apply(pool, sqr, NULL, NULL), 0);
    drop(pool);
    return NULL;
}

static void test_pool_keeps_the_place_of_a_member_that_failed(void **state)
{
    (void)state;
    wt_over_few_workers(fail_and_go_on, NULL);
}

/* ---- places ---- */

static void *count_places(void *arg)
{
    weft_pool *pool = weft_pool_new(2);
    weft_event gates[2] = {WEFT_EVENT_INIT, WEFT_EVENT_INIT};
    (void)arg;
    CHECK_INT(weft_pool_free_count(pool), 2);
    weft_t *first = weft_pool_spawn(pool, wait_gate, &gates[0]);
    CHECK_INT(weft_pool_free_count(pool), 1);
    CHECK_INT(weft_event_set(&gates[0]), 0);
    CHECK_INT(weft_join(first, NULL), 0);
    CHECK_INT(weft_pool_free_count(pool), 2);
    CHECK_INT(weft_pool_go(pool, wait_gate, &gates[1]), 0);
    CHECK_INT(weft_pool_go(pool, wait_gate, &gates[1]), 0);
    CHECK_INT(weft_pool_free_count(pool), 0);
    CHECK_INT((int64_t)weft_pool_len(pool), 2);
    CHECK_INT(weft_pool_try_go(pool, wait_gate, &gates[1]), -EAGAIN);
    CHECK_INT(weft_pool_go_until(pool, wait_gate, &gates[1], weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT((int64_t)weft_pool_len(pool), 2);
    CHECK_INT(weft_event_set(&gates[1]), 0);
    CHECK_INT(weft_pool_go(pool, wait_gate, &gates[1]), 0); /* waits for one of them */
    drop(pool);
    return NULL;
}

static void test_pool_counts_its_places(void **state)
{
    (void)state;
    wt_over_few_workers(count_places, NULL);
}

static int join_until(void *pool, int64_t deadline)
{
    return weft_pool_join_until(pool, deadline);
}

static int available_until(void *pool, int64_t deadline)
{
    return weft_pool_wait_available_until(pool, deadline);
}

static int go_until(void *pool, int64_t deadline)
{
    return weft_pool_go_until(pool, sleep_long, NULL, deadline);
}

static int apply_until(void *pool, int64_t deadline)
{
    return weft_pool_apply_until(pool, sleep_long, NULL, NULL, deadline);
}

static void *wait_in_vain(void *arg)
{
    weft_pool *pool = weft_pool_new(1);
    (void)arg;
    CHECK_INT(weft_pool_join(pool), 0); /* nobody is there */
    CHECK_INT(weft_pool_go(pool, sleep_long, NULL), 0);
    wt_check_wait(join_until, pool);
    wt_check_wait(available_until, pool);
    wt_check_wait(go_until, pool);
    wt_check_wait(apply_until, pool);
    CHECK_INT(weft_pool_kill(pool), 0);
    CHECK_INT((int64_t)weft_pool_len(pool), 0);
    drop(pool);
    return NULL;
}

static void test_pool_waits_time_out_by_the_right_deadline(void **state)
{
    (void)state;
    wt_over_few_workers(wait_in_vain, NULL);
}

/* ---- map and the iterators, over pools of several sizes ---- */

struct range {
    intptr_t next, end;
    int result_at_end;
    int64_t sleep_at_end;
    weft_queue *queue; /* if any: that is where they come from */
};

static int next_of(void *state, void **arg)
{
    struct range *r = state;
    if (r->queue != NULL)
        return weft_queue_get(r->queue, arg) == 0;
    if (r->next < r->end) {
        *arg = (void *)r->next++;
        return 1;
    }
    if (r->sleep_at_end > 0)
        CHECK_INT(weft_sleep(r->sleep_at_end), 0);
    r->sleep_at_end = 0;
    return r->result_at_end;
}

static void map_squares(weft_pool *pool, int n)
{
    void *args[LARGE] = {NULL}, *results[LARGE];
    for (intptr_t i = 0; i < n; i++)
        args[i] = (void *)i;
    CHECK_INT(weft_pool_map(pool, sqr, args, (size_t)n, results), 0);
    for (intptr_t i = 0; i < n; i++)
        CHECK_INT((intptr_t)results[i], i * i);
}

static void imap_squares(weft_pool *pool, weft_fn *fn, struct range range)
{
    weft_pool_iter *it = weft_pool_imap(pool, fn, next_of, &range, 0);
    void *value = NULL;
    for (intptr_t i = 0; i < range.end; i++) {
        CHECK_INT(weft_pool_iter_next(it, &value), 1);
        CHECK_INT((intptr_t)value, i * i);
    }
    CHECK_INT(weft_pool_iter_next(it, &value), 0);
    weft_pool_iter_free(it);
}

/* Their sum tells that all came once. */
static void imap_unordered_squares(weft_pool *pool, weft_fn *fn, struct range range)
{
    weft_pool_iter *it = weft_pool_imap_unordered(pool, fn, next_of, &range, 0);
    intptr_t sum = 0, expected = 0;
    int count = 0;
    void *value = NULL;
    for (; weft_pool_iter_next(it, &value) == 1; count++)
        sum += (intptr_t)value;
    for (intptr_t i = 0; i < range.end; i++)
        expected += i * i;
    CHECK_INT(count, range.end);
    CHECK_INT(sum, expected);
    weft_pool_iter_free(it);
}

/* One item, and the end of the queue a little later. */
static void imap_queue(weft_pool *pool, bool ordered)
{
    struct range range = {.queue = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(void *), 0)};
    void *item = (void *)12, *value = NULL;
    CHECK_INT(weft_queue_put(range.queue, &item), 0);
    CHECK_INT(weft_queue_shutdown(range.queue, false), 0);
    weft_pool_iter *it = ordered ? weft_pool_imap(pool, sqr, next_of, &range, 0)
                                 : weft_pool_imap_unordered(pool, sqr, next_of, &range, 0);
    CHECK_INT(weft_pool_iter_next(it, &value), 1);
    CHECK_INT((intptr_t)value, 144);
    CHECK_INT(weft_pool_iter_next(it, &value), 0);
    weft_pool_iter_free(it);
    CHECK_INT(weft_queue_free(range.queue), 0);
}

struct running {
    _Atomic(int) count;
};

static struct running *now_running;

static void *count_running(void *arg)
{
    wf_fetch_add_relaxed(&now_running->count, 1); /* relaxed: ordered by the result */
    return arg;
}

/* A slow reader is never more than the bound behind what was started. */
static void imap_bounded(weft_pool *pool, bool ordered)
{
    struct running running = {0};
    struct range range = {.end = SMALL};
    void *value = NULL;
    now_running = &running;
    weft_pool_iter *it = ordered ? weft_pool_imap(pool, count_running, next_of, &range, 1)
                                 : weft_pool_imap_unordered(pool, count_running, next_of, &range, 1);
    for (int i = 0; weft_pool_iter_next(it, &value) == 1; i++) {
        CHECK(wf_load_relaxed(&running.count) <= i + 2); /* relaxed: a bound */
        CHECK_INT(weft_sleep(100 * WEFT_MICROSECOND), 0);
    }
    CHECK_INT(wf_load_relaxed(&running.count), SMALL); /* relaxed: all have ended */
    weft_pool_iter_free(it);
}

static void use_size(size_t size)
{
    weft_pool *pool = weft_pool_new(size);
    void *result = NULL;
    struct range small = {.end = SMALL}, large = {.end = LARGE}, none = {0}, late = {.end = 3};
    late.sleep_at_end = WEFT_MILLISECOND;
    CHECK_INT(weft_pool_apply(pool, sqr, (void *)5, &result), 0);
    CHECK_INT((intptr_t)result, 25);
    weft_t *t = weft_pool_spawn(pool, sqr_sleep, (void *)7);
    CHECK_INT(wt_joined(t), 49);
    map_squares(pool, 0);
    map_squares(pool, SMALL);
    map_squares(pool, 100);
    imap_squares(pool, sqr, none);
    imap_squares(pool, sqr, small);
    imap_squares(pool, sqr, large);
    imap_squares(pool, sqr_sleep, small);
    imap_squares(pool, sqr, late);
    imap_unordered_squares(pool, sqr, none);
    imap_unordered_squares(pool, sqr, large);
    imap_unordered_squares(pool, sqr_sleep, small);
    imap_unordered_squares(pool, sqr, late);
    imap_queue(pool, true);
    imap_queue(pool, false);
    imap_bounded(pool, true);
    imap_bounded(pool, false);
    drop(pool);
}

static void *use_all_sizes(void *arg)
{
    static const size_t sizes[] = {1, 2, 3, 10, 0};
    (void)arg;
    for (int i = 0; i < 5; i++)
        use_size(sizes[i]);
    return NULL;
}

static void test_pool_maps_over_all_sizes(void **state)
{
    (void)state;
    wt_over_few_workers(use_all_sizes, NULL);
}

static void *map_long(void *arg)
{
    void *args[2 * SMALL] = {NULL};
    int result = weft_pool_map(arg, sleep_long, args, 2 * SMALL, NULL);
    CHECK(result == 0 || result == -ECANCELED); /* some began, some did not */
    return NULL;
}

static void *terminate_sizes(void *arg)
{
    (void)arg;
    for (size_t size = 0; size < 4; size++) {
        weft_pool *pool = weft_pool_new(size);
        weft_t *t = weft_spawn(map_long, pool);
        wt_until_waiting(t, size == 0 ? WF_WAIT_POOL_RESULT : WF_WAIT_POOL_ROOM);
        while (weft_ready(t) == 0) {
            CHECK_INT(weft_pool_kill(pool), 0);
            CHECK_INT(weft_yield(), 0);
        }
        CHECK_INT(weft_join(t, NULL), 0);
        drop(pool);
    }
    return NULL;
}

static void test_pool_kill_ends_a_map(void **state)
{
    (void)state;
    wt_over_few_workers(terminate_sizes, NULL);
}

/* In the order in which they end: the first waits for the gate that is opened when the others have come. */
struct gated {
    weft_event gate;
    int index;
};

static void *wait_if_first(void *arg)
{
    struct gated *g = arg;
    if (g->index == 0)
        CHECK_INT(weft_event_wait(&g->gate), 0);
    return arg;
}

static int next_gated(void *state, void **arg)
{
    struct gated **at = state;
    *arg = *at;
    return (*at)++->index < 3;
}

static void *end_out_of_order(void *arg)
{
    struct gated gs[4] = {{.index = 0}, {.index = 1}, {.index = 2}, {.index = 3}}, *at = gs;
    weft_pool *pool = weft_pool_new(3);
    weft_pool_iter *it = weft_pool_imap_unordered(pool, wait_if_first, next_gated, &at, 0);
    int sum = 0;
    void *value = NULL;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        CHECK_INT(weft_pool_iter_next(it, &value), 1);
        sum += ((struct gated *)value)->index;
    }
    CHECK_INT(sum, 1 + 2);
    CHECK_INT(weft_event_set(&gs[0].gate), 0);
    CHECK_INT(weft_pool_iter_next(it, &value), 1);
    CHECK(value == &gs[0]);
    CHECK_INT(weft_pool_iter_next(it, &value), 0);
    weft_pool_iter_free(it);
    drop(pool);
    return NULL;
}

static void test_pool_imap_unordered_is_in_the_order_of_ends(void **state)
{
    (void)state;
    wt_over_few_workers(end_out_of_order, NULL);
}

/* ---- spawn and join ---- */

static void *spawn_and_wait(void *arg)
{
    weft_pool *pool = weft_pool_new(1);
    weft_event gate = WEFT_EVENT_INIT;
    weft_spawn_options later = {.start_after = WEFT_MILLISECOND};
    (void)arg;
    CHECK_INT((int64_t)weft_pool_len(pool), 0);
    CHECK_INT(weft_pool_go(pool, wait_gate, &gate), 0);
    CHECK_INT((int64_t)weft_pool_len(pool), 1);
    CHECK_INT(weft_pool_join_until(pool, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    weft_t *opener = weft_spawn_opt(&later, set_event, &gate);
    CHECK_INT(weft_pool_go(pool, wait_gate, &gate), 0); /* suspends until the first has ended */
    CHECK_INT(weft_event_is_set(&gate), 1);
    CHECK(weft_pool_len(pool) <= 1);
    CHECK_INT(weft_pool_join(pool), 0);
    CHECK_INT((int64_t)weft_pool_len(pool), 0);
    CHECK_INT(weft_join(opener, NULL), 0);
    drop(pool);
    return NULL;
}

static void test_pool_spawn_waits_and_join_empties(void **state)
{
    (void)state;
    wt_over_few_workers(spawn_and_wait, NULL);
}

/* ---- errors ---- */

static void *fail_in_source(void *arg)
{
    struct range range = {.end = 2, .result_at_end = -EILSEQ};
    weft_pool *pool = weft_pool_new(3);
    (void)arg;
    for (int i = 0; i < 2; i++) {
        range.next = 0;
        weft_pool_iter *it = i == 0 ? weft_pool_imap(pool, sqr, next_of, &range, 0)
                                    : weft_pool_imap_unordered(pool, sqr, next_of, &range, 0);
        CHECK_INT(weft_pool_iter_next(it, NULL), 1);
        CHECK_INT(weft_pool_iter_next(it, NULL), 1);
        CHECK_INT(weft_pool_iter_next(it, NULL), -EILSEQ);
        CHECK_INT(weft_pool_iter_next(it, NULL), 0);
        weft_pool_iter_free(it);
    }
    drop(pool);
    return NULL;
}

static void *fail_in_function(void *arg)
{
    void *args[] = {(void *)1, (void *)0, (void *)2}, *results[3], *value = NULL;
    weft_pool *pool = weft_pool_new(1);
    (void)arg;
    CHECK_INT(weft_pool_map(pool, reciprocal, args, 3, results), -EDOM);
    for (int i = 0; i < 2; i++) { /* a pool of one: also the order of ends */
        struct range range = {.end = 3};
        weft_pool_iter *it = i == 0 ? weft_pool_imap(pool, reciprocal, next_of, &range, 0)
                                    : weft_pool_imap_unordered(pool, reciprocal, next_of, &range, 0);
        CHECK_INT(weft_pool_iter_next(it, &value), -EDOM);
        CHECK_INT(weft_pool_iter_next(it, &value), 1);
        CHECK_INT((intptr_t)value, 1000);
        CHECK_INT(weft_pool_iter_next(it, &value), 1);
        CHECK_INT((intptr_t)value, 500);
        CHECK_INT(weft_pool_iter_next(it, &value), 0);
        weft_pool_iter_free(it);
    }
    drop(pool);
    return NULL;
}

static void test_pool_errors_of_source_and_function(void **state)
{
    (void)state;
    wt_over_few_workers(fail_in_source, NULL);
    wt_over_few_workers(fail_in_function, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_apply_in_all_ways),
        cmocka_unit_test(test_pool_keeps_the_place_of_a_member_that_failed),
        cmocka_unit_test(test_pool_counts_its_places),
        cmocka_unit_test(test_pool_waits_time_out_by_the_right_deadline),
        cmocka_unit_test(test_pool_maps_over_all_sizes),
        cmocka_unit_test(test_pool_kill_ends_a_map),
        cmocka_unit_test(test_pool_imap_unordered_is_in_the_order_of_ends),
        cmocka_unit_test(test_pool_spawn_waits_and_join_empties),
        cmocka_unit_test(test_pool_errors_of_source_and_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
