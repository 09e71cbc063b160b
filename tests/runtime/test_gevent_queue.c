/* weft_queue and the rendezvous channel as gevent's queues and its Channel are expected to behave. */
#include "waits.h"

enum { SENDINGS = 4 };

static const weft_queue_kind kinds[] = {WEFT_QUEUE_FIFO, WEFT_QUEUE_LIFO, WEFT_QUEUE_PRIORITY};

static weft_queue *queue_of(weft_queue_kind kind, size_t maxsize)
{
    weft_queue *q = weft_queue_new(kind, sizeof(int), maxsize);
    CHECK(q != NULL);
    return q;
}

static int put(weft_queue *q, int value)
{
    return weft_queue_put(q, &value);
}

static int try_put(weft_queue *q, int value)
{
    return weft_queue_try_put(q, &value);
}

/* The item, or the error. */
static int get(weft_queue *q)
{
    int value = -1;
    int result = weft_queue_get(q, &value);
    return result == 0 ? value : result;
}

static int try_get(weft_queue *q)
{
    int value = -1;
    int result = weft_queue_try_get(q, &value);
    return result == 0 ? value : result;
}

static int peek(weft_queue *q)
{
    int value = -1;
    int result = weft_queue_peek(q, &value);
    return result == 0 ? value : result;
}

static void *get_one(void *arg)
{
    return (void *)(intptr_t)get(arg);
}

static void *peek_one(void *arg)
{
    return (void *)(intptr_t)peek(arg);
}

static void *put_five(void *arg)
{
    return (void *)(intptr_t)put(arg, 5);
}

/* ---- one item at a time, for all kinds ---- */

static void pass_one(weft_queue_kind kind)
{
    weft_queue *q = queue_of(kind, 1);
    CHECK_INT(try_put(q, 2), 0); /* without waiting: the first fits, the second does not */
    CHECK_INT(try_put(q, 3), -EAGAIN);
    CHECK_INT(try_get(q), 2);
    CHECK_INT(try_get(q), -EAGAIN);
    weft_t *getter = weft_spawn(get_one, q); /* a getter that waits is served by a put that does not */
    wt_until_waiting(getter, WF_WAIT_QUEUE_GET);
    CHECK_INT(weft_queue_empty(q), 1);
    CHECK_INT(weft_queue_full(q), 0);
    CHECK_INT(try_put(q, 10), 0);
    CHECK_INT(wt_joined(getter), 10);
    CHECK_INT(weft_queue_empty(q), 1);
    CHECK_INT(put(q, 4), 0); /* and a putter that waits by a get that does not */
    weft_t *putter = weft_spawn(put_five, q);
    wt_until_waiting(putter, WF_WAIT_QUEUE_PUT);
    CHECK_INT(weft_queue_full(q), 1);
    CHECK_INT(try_get(q), 4);
    CHECK_INT(wt_joined(putter), 0);
    CHECK_INT(try_get(q), 5);
    CHECK_INT(weft_queue_empty(q), 1);
    CHECK_INT(put(q, 6), 0); /* sent first, looked at, taken */
    CHECK_INT(peek(q), 6);
    CHECK_INT(get(q), 6);
    getter = weft_spawn(get_one, q); /* sent last */
    CHECK_INT(put(q, 7), 0);
    CHECK_INT(wt_joined(getter), 7);
    putter = weft_spawn(put_five, q); /* sent by one that ends at once */
    CHECK_INT(get(q), 5);
    CHECK_INT(weft_join(putter, NULL), 0);
    CHECK_INT(weft_queue_free(q), 0);
}

static void *pass_one_of_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        pass_one(kinds[i]);
    return NULL;
}

static void test_queue_one_item_with_and_without_waiting(void **state)
{
    (void)state;
    wt_over_few_workers(pass_one_of_all, NULL);
}

static int get_until(void *q, int64_t deadline)
{
    return weft_queue_get_until(q, NULL, deadline);
}

static int peek_until(void *q, int64_t deadline)
{
    return weft_queue_peek_until(q, NULL, deadline);
}

static int put_until(void *q, int64_t deadline)
{
    int value = 2;
    return weft_queue_put_until(q, &value, deadline);
}

static int recv_until(void *ch, int64_t deadline)
{
    return weft_chan_recv_until(ch, NULL, deadline);
}

static int send_until(void *ch, int64_t deadline)
{
    int value = 2;
    return weft_chan_send_until(ch, &value, deadline);
}

static void *wait_in_vain(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        weft_queue *q = queue_of(kinds[i], 1);
        wt_check_wait(get_until, q);
        wt_check_wait(peek_until, q);
        CHECK_INT(put(q, 1), 0);
        wt_check_wait(put_until, q);
        CHECK_INT(weft_queue_free(q), 0);
    }
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    wt_check_wait(recv_until, ch);
    wt_check_wait(send_until, ch);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_queue_waits_time_out_by_the_right_deadline(void **state)
{
    (void)state;
    wt_over_few_workers(wait_in_vain, NULL);
}

/* ---- several ---- */

static void *peek_and_put(void *arg)
{
    weft_queue *q = queue_of(WEFT_QUEUE_FIFO, 0);
    (void)arg;
    weft_t *t = weft_spawn(peek_one, q);
    wt_until_waiting(t, WF_WAIT_QUEUE_GET);
    CHECK_INT(put(q, 1), 0);
    CHECK_INT(wt_joined(t), 1);
    CHECK_INT(peek(q), 1); /* it is still there */
    CHECK_INT(weft_queue_free(q), 0);
    return NULL;
}

static void test_queue_peek_of_another_leaves_the_item(void **state)
{
    (void)state;
    wt_over_few_workers(peek_and_put, NULL);
}

struct putter {
    weft_queue *queue;
    _Atomic(int) done;
};

static void *put_three(void *arg)
{
    struct putter *p = arg;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(put(p->queue, 'a' + i), 0);
        wf_store_release(&p->done, i + 1); /* ORDER(done): pairs with fill_up. */
    }
    return NULL;
}

static void *fill_up(void *arg)
{
    struct putter p = {.queue = queue_of(WEFT_QUEUE_FIFO, 2)};
    (void)arg;
    weft_t *t = weft_spawn(put_three, &p);
    wt_until_waiting(t, WF_WAIT_QUEUE_PUT);
    CHECK_INT(wf_load_acquire(&p.done), 2); /* ORDER(done): pairs with put_three. */
    CHECK_INT(get(p.queue), 'a');
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(wf_load_acquire(&p.done), 3); /* ORDER(done): as above. */
    CHECK_INT(get(p.queue), 'b');
    CHECK_INT(get(p.queue), 'c');
    CHECK_INT(weft_queue_free(p.queue), 0);
    return NULL;
}

static void test_queue_holds_no_more_than_its_size(void **state)
{
    (void)state;
    wt_over_few_workers(fill_up, NULL);
}

struct receiver {
    weft_queue *queue;
    weft_future future;
    weft_timeout timeout;
};

static void *pass_on(void *arg)
{
    struct receiver *r = arg;
    CHECK_INT(weft_future_set(&r->future, (void *)(intptr_t)get(r->queue)), 0);
    return NULL;
}

/* Its timeout is over before it begins. */
static void *pass_on_under_timeout(void *arg)
{
    struct receiver *r = arg;
    CHECK_INT(weft_timeout_start(&r->timeout, 0), 0);
    int result = get(r->queue);
    CHECK_INT(weft_timeout_fired(&r->timeout), result == -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&r->timeout), 0);
    CHECK_INT(weft_future_set_error(&r->future, result), 0);
    return NULL;
}

static int received(struct receiver *r)
{
    void *value = NULL;
    int error = weft_future_get(&r->future, &value);
    return error == 0 ? (int)(intptr_t)value : error;
}

static void *serve_waiters(void *arg)
{
    struct receiver rs[SENDINGS] = {{0}};
    weft_t *ts[SENDINGS];
    (void)arg;
    weft_queue *q = queue_of(WEFT_QUEUE_FIFO, 0);
    for (int i = 0; i < SENDINGS; i++) {
        rs[i].queue = q;
        ts[i] = weft_spawn(pass_on, &rs[i]);
        wt_until_waiting(ts[i], WF_WAIT_QUEUE_GET);
    }
    for (int i = 0; i < SENDINGS; i++) {
        CHECK_INT(put(q, i + 1), 0);
        CHECK_INT(received(&rs[i]), i + 1); /* one each, in the order in which they came */
        if (i + 1 < SENDINGS)
            CHECK_INT(weft_future_ready(&rs[i + 1].future), 0);
    }
    for (int i = 0; i < SENDINGS; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    CHECK_INT(weft_queue_free(q), 0);
    return NULL;
}

static void test_queue_waiters_get_one_item_each(void **state)
{
    (void)state;
    wt_over_few_workers(serve_waiters, NULL);
}

static void *outlive_waiters(void *arg)
{
    struct receiver dying = {0}, bogus = {0}, living = {0};
    (void)arg;
    weft_queue *q = dying.queue = bogus.queue = living.queue = queue_of(WEFT_QUEUE_FIFO, 0);
    weft_t *ts[] = {weft_spawn(pass_on_under_timeout, &dying), weft_spawn(pass_on_under_timeout, &bogus)};
    CHECK_INT(received(&dying), -ETIMEDOUT);
    CHECK_INT(received(&bogus), -ETIMEDOUT);
    CHECK_INT(put(q, 1), 0); /* two that have gone take nothing */
    CHECK_INT(get(q), 1);
    weft_t *t = weft_spawn(pass_on, &living);
    CHECK_INT(weft_join(ts[0], NULL), 0);
    CHECK_INT(weft_join(ts[1], NULL), 0);
    CHECK_INT(weft_future_init(&dying.future), 0);
    dying.timeout = (weft_timeout){0};
    ts[0] = weft_spawn(pass_on_under_timeout, &dying);
    CHECK_INT(received(&dying), -ETIMEDOUT);
    CHECK_INT(put(q, 2), 0); /* one has gone, the other takes it */
    CHECK_INT(received(&living), 2);
    CHECK_INT(weft_join(ts[0], NULL), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_queue_free(q), 0);
    return NULL;
}

static void test_queue_waiters_that_have_gone_take_nothing(void **state)
{
    (void)state;
    wt_over_few_workers(outlive_waiters, NULL);
}

/* ---- tasks and shutdown ---- */

static void shut_down(bool immediate)
{
    weft_queue *q = queue_of(WEFT_QUEUE_FIFO, 0);
    CHECK_INT(weft_queue_join(q), 0); /* nothing was ever put */
    CHECK_INT(put(q, 'L'), 0);
    CHECK_INT(try_put(q, 'O'), 0);
    CHECK_INT((int64_t)weft_queue_unfinished(q), 2);
    CHECK_INT(weft_queue_shutdown(q, immediate), 0);
    CHECK_INT(put(q, 'E'), -EPIPE);
    CHECK_INT(try_put(q, 'W'), -EPIPE);
    if (!immediate) {
        CHECK_INT(get(q), 'L');
        CHECK_INT(weft_queue_task_done(q), 0);
        CHECK_INT(get(q), 'O');
        CHECK_INT(weft_queue_task_done(q), 0);
    }
    CHECK_INT(weft_queue_task_done(q), -EINVAL);
    CHECK_INT(weft_queue_join(q), 0);
    CHECK_INT(get(q), -EPIPE);
    CHECK_INT(try_get(q), -EPIPE);
    CHECK_INT(weft_queue_get_until(q, NULL, weft_after(60 * WEFT_SECOND)), -EPIPE);
    CHECK_INT(weft_queue_free(q), 0);
}

static void *shut_down_both_ways(void *arg)
{
    weft_queue *q = queue_of(WEFT_QUEUE_FIFO, 0);
    (void)arg;
    weft_t *putter = weft_spawn(put_five, q);
    CHECK_INT(get(q), 5);
    CHECK_INT((int64_t)weft_queue_unfinished(q), 1);
    CHECK_INT(weft_queue_task_done(q), 0);
    CHECK_INT((int64_t)weft_queue_unfinished(q), 0);
    CHECK_INT(weft_join(putter, NULL), 0);
    CHECK_INT(weft_queue_free(q), 0);
    shut_down(false);
    shut_down(true);
    return NULL;
}

static void test_queue_tasks_and_both_shutdowns(void **state)
{
    (void)state;
    wt_over_few_workers(shut_down_both_ways, NULL);
}

/* ---- gevent's Channel ---- */

struct talk {
    weft_chan *chan;
    _Atomic(int) said;
    bool talks; /* the other one */
};

static void say_two(struct talk *t)
{
    for (int i = 1; i <= 2; i++) {
        CHECK_INT(weft_chan_send(t->chan, &i), 0);
        wf_store_release(&t->said, i); /* ORDER(talk): pairs with hear_two. */
    }
}

static void hear_two(struct talk *t)
{
    for (int i = 1; i <= 2; i++) {
        int value = 0;
        CHECK_INT(weft_chan_recv(t->chan, &value), 0);
        CHECK_INT(value, i);
        /* ORDER(talk): pairs with say_two, which cannot be ahead: each is said when it is heard. */
        CHECK(wf_load_acquire(&t->said) <= i);
    }
}

static void *other_side(void *arg)
{
    struct talk *t = arg;
    if (t->talks)
        say_two(t);
    else
        hear_two(t);
    return NULL;
}

static void *send_seven(void *arg)
{
    int value = 7;
    CHECK_INT(weft_chan_send(arg, &value), 0);
    return NULL;
}

static void *recv_seven(void *arg)
{
    int value = 0;
    CHECK_INT(weft_chan_recv(arg, &value), 0);
    CHECK_INT(value, 7);
    return NULL;
}

static void *meet(void *arg)
{
    int value = 7, got = 0;
    (void)arg;
    for (int talks = 0; talks < 2; talks++) {
        struct talk t = {.chan = weft_chan_new(sizeof(int), 0), .talks = talks};
        weft_t *other = weft_spawn(other_side, &t);
        if (talks)
            hear_two(&t);
        else
            say_two(&t);
        CHECK_INT(weft_join(other, NULL), 0);
        CHECK_INT(weft_chan_try_send(t.chan, &value), -EAGAIN); /* full, and empty, as long as nobody waits */
        CHECK_INT(weft_chan_try_recv(t.chan, &got), -EAGAIN);
        other = weft_spawn(talks ? send_seven : recv_seven, t.chan);
        wt_until_waiting(other, talks ? WF_WAIT_CHAN_SEND : WF_WAIT_CHAN_RECV);
        CHECK_INT(talks ? weft_chan_try_recv(t.chan, &got) : weft_chan_try_send(t.chan, &value), 0);
        CHECK_INT(weft_join(other, NULL), 0);
        CHECK_INT(weft_chan_close(t.chan), 0); /* the end of an iteration */
        CHECK_INT(weft_chan_recv(t.chan, &got), -EPIPE);
        CHECK_INT(weft_chan_free(t.chan), 0);
    }
    return NULL;
}

static void test_channel_meets(void **state)
{
    (void)state;
    wt_over_few_workers(meet, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_one_item_with_and_without_waiting),
        cmocka_unit_test(test_queue_waits_time_out_by_the_right_deadline),
        cmocka_unit_test(test_queue_peek_of_another_leaves_the_item),
        cmocka_unit_test(test_queue_holds_no_more_than_its_size),
        cmocka_unit_test(test_queue_waiters_get_one_item_each),
        cmocka_unit_test(test_queue_waiters_that_have_gone_take_nothing),
        cmocka_unit_test(test_queue_tasks_and_both_shutdowns),
        cmocka_unit_test(test_channel_meets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
