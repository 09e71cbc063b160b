/* weft_chan: rendezvous and buffered, order, exact sums among many, closing, kill and deadlines, small and large
 * elements. */
#include <string.h>

#include "runtime.h"

enum { ITEMS = 2000, PRODUCERS = 4, CONSUMERS = 4, LARGE = 1000, WAITERS = 4 };

struct shared {
    weft_chan *ch, *back;
    _Atomic(int64_t) sent, received, items_received;
    int result;
    uint64_t value;
};

/* Sanitizers abort where malloc would return NULL, unless told otherwise. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void test_channel_bad_arguments_are_refused(void **state)
{
    uint64_t value = 0;
    (void)state;
    assert_null(weft_chan_new(0, 1));
    assert_int_equal(weft_last_error(), -EINVAL);
    assert_null(weft_chan_new(64 * 1024 + 1, 1));
    assert_null(weft_chan_new(16, SIZE_MAX / 8));
    assert_int_equal(weft_last_error(), -EINVAL);
    assert_int_equal(weft_chan_free(NULL), 0);
    assert_int_equal(weft_chan_send(NULL, &value), -EINVAL);
    assert_int_equal(weft_chan_try_send(NULL, &value), -EINVAL);
    assert_int_equal(weft_chan_recv(NULL, &value), -EINVAL);
    assert_int_equal(weft_chan_try_recv(NULL, &value), -EINVAL);
    assert_int_equal(weft_chan_close(NULL), -EINVAL);
    weft_chan *ch = weft_chan_new(sizeof value, 1);
    assert_non_null(ch);
    assert_int_equal(weft_chan_send(ch, NULL), -EINVAL);
    assert_int_equal(weft_chan_try_send(ch, NULL), -EINVAL);
    assert_int_equal(weft_chan_free(ch), 0);
}

static void test_channel_too_large_is_out_of_memory(void **state)
{
    (void)state;
    errno = 7;
    assert_null(weft_chan_new(64 * 1024, PTRDIFF_MAX / (64 * 1024) - 1));
    assert_int_equal(weft_last_error(), -ENOMEM);
    assert_int_equal(errno, 7);
}

static void test_channel_buffer_is_first_in_first_out(void **state)
{
    (void)state;
    weft_chan *ch = weft_chan_new(sizeof(int), 3);
    assert_int_equal(weft_chan_capacity(ch), 3);
    int next_in = 0, next_out = 0, got = -1;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++, next_in++)
            assert_int_equal(weft_chan_send(ch, &next_in), 0);
        assert_int_equal(weft_chan_len(ch), 3);
        assert_int_equal(weft_chan_try_send(ch, &next_in), -EAGAIN);
        assert_int_equal(weft_chan_send_until(ch, &next_in, 0), -ETIMEDOUT);
        for (int i = 0; i < 2 + (round == 4); i++, next_out++) {
            assert_int_equal(weft_chan_recv(ch, &got), 0);
            assert_int_equal(got, next_out);
        }
        if (round < 4) {
            assert_int_equal(weft_chan_recv(ch, NULL), 0); /* drops one */
            next_out++;
        }
    }
    assert_int_equal(weft_chan_try_recv(ch, &got), -EAGAIN);
    assert_int_equal(weft_chan_recv_until(ch, &got, 0), -ETIMEDOUT);
    assert_int_equal(weft_chan_free(ch), 0);
}

static void *send_one(void *arg)
{
    struct shared *s = arg;
    uint64_t value = 7;
    s->result = weft_chan_send(s->ch, &value);
    return NULL;
}

static void *receive_one(void *arg)
{
    struct shared *s = arg;
    s->result = weft_chan_recv(s->ch, &s->value);
    return NULL;
}

static void *meet(void *arg)
{
    struct shared s = {.ch = weft_chan_new(8, 0)};
    uint64_t value = 9;
    (void)arg;
    CHECK_INT(weft_chan_try_send(s.ch, &value), -EAGAIN);
    CHECK_INT(weft_chan_try_recv(s.ch, &value), -EAGAIN);
    weft_t *t = weft_spawn(send_one, &s);
    wt_until_waiting(t, WF_WAIT_CHAN_SEND);
    CHECK_INT(weft_chan_free(s.ch), -EBUSY);
    CHECK_INT((int64_t)weft_chan_len(s.ch), 0);
    CHECK_INT(weft_chan_try_recv(s.ch, &value), 0);
    CHECK_INT((int64_t)value, 7);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(s.result, 0);
    t = weft_spawn(receive_one, &s);
    wt_until_waiting(t, WF_WAIT_CHAN_RECV);
    value = 11;
    CHECK_INT(weft_chan_try_send(s.ch, &value), 0);
    value = 12;
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(s.result, 0);
    CHECK_INT((int64_t)s.value, 11);
    CHECK_INT(weft_chan_free(s.ch), 0);
    return NULL;
}

static void test_channel_rendezvous_hands_over_to_the_one_that_waits(void **state)
{
    (void)state;
    wt_over_workers(meet, NULL);
}

static void *echo(void *arg)
{
    struct shared *s = arg;
    uint64_t value;
    for (int i = 0; i < wt_scaled(ITEMS); i++) {
        CHECK_INT(weft_chan_recv(s->ch, &value), 0);
        value++;
        CHECK_INT(weft_chan_send(s->back, &value), 0);
    }
    return NULL;
}

static void ask(struct shared *s)
{
    for (uint64_t i = 0; i < (uint64_t)wt_scaled(ITEMS); i++) {
        uint64_t value = i;
        CHECK_INT(weft_chan_send(s->ch, &value), 0);
        CHECK_INT(weft_chan_recv(s->back, &value), 0);
        CHECK_INT((int64_t)value, (int64_t)i + 1);
    }
}

static void *ping_pong(void *arg)
{
    struct shared s = {.ch = weft_chan_new(8, 0), .back = weft_chan_new(8, 0)};
    (void)arg;
    weft_t *t = weft_spawn(echo, &s);
    ask(&s);
    CHECK_INT(weft_join(t, NULL), 0);
    wt_thread *thread = wt_thread_start(echo, &s);
    ask(&s);
    wt_thread_join(thread);
    CHECK_INT(weft_chan_free(s.ch), 0);
    CHECK_INT(weft_chan_free(s.back), 0);
    return NULL;
}

static void test_channel_rendezvous_ping_pong_keeps_step(void **state)
{
    (void)state;
    wt_over_workers(ping_pong, NULL);
}

static void *produce(void *arg)
{
    struct shared *s = arg;
    for (uint64_t i = 1; i <= (uint64_t)wt_scaled(ITEMS); i++) {
        CHECK_INT(weft_chan_send(s->ch, &i), 0);
        if (i % 64 == 0)
            weft_yield();
    }
    return NULL;
}

/* Until it is closed. */
static void *consume(void *arg)
{
    struct shared *s = arg;
    uint64_t value;
    int result;
    while ((result = weft_chan_recv(s->ch, &value)) == 0) {
        wf_fetch_add_relaxed(&s->received, (int64_t)value); /* relaxed, as below: read after the joins */
        wf_fetch_add_relaxed(&s->items_received, 1);
    }
    CHECK_INT(result, -EPIPE);
    return NULL;
}

static void many_to_many(size_t capacity)
{
    struct shared s = {.ch = weft_chan_new(8, capacity)};
    weft_t *consumers[CONSUMERS], *producers[PRODUCERS];
    for (int i = 0; i < CONSUMERS; i++)
        CHECK((consumers[i] = weft_spawn(consume, &s)) != NULL);
    wt_thread *consumer = wt_thread_start(consume, &s);
    for (int i = 0; i < PRODUCERS; i++)
        CHECK((producers[i] = weft_spawn(produce, &s)) != NULL);
    wt_thread *producer = wt_thread_start(produce, &s);
    for (int i = 0; i < PRODUCERS; i++)
        CHECK_INT(weft_join(producers[i], NULL), 0);
    wt_thread_join(producer);
    CHECK_INT(weft_chan_close(s.ch), 0);
    for (int i = 0; i < CONSUMERS; i++)
        CHECK_INT(weft_join(consumers[i], NULL), 0);
    wt_thread_join(consumer);
    int64_t n = wt_scaled(ITEMS);
    CHECK_INT(wf_load_relaxed(&s.items_received), (PRODUCERS + 1) * n); /* relaxed: joined */
    CHECK_INT(wf_load_relaxed(&s.received), (PRODUCERS + 1) * (n * (n + 1) / 2));
    CHECK_INT(weft_chan_free(s.ch), 0);
}

static void *many(void *arg)
{
    (void)arg;
    many_to_many(0);
    many_to_many(1);
    many_to_many(7);
    many_to_many(128);
    return NULL;
}

static void test_channel_many_producers_and_consumers_add_up(void **state)
{
    (void)state;
    wt_over_workers(many, NULL);
}

static void *send_in_sequence(void *arg)
{
    weft_chan *ch = arg;
    for (uint64_t i = 0; i < (uint64_t)wt_scaled(ITEMS); i++)
        CHECK_INT(weft_chan_send(ch, &i), 0);
    CHECK_INT(weft_chan_close(ch), 0);
    return NULL;
}

static void *receive_in_sequence(void *arg)
{
    (void)arg;
    for (size_t capacity = 0; capacity < 4; capacity++) {
        weft_chan *ch = weft_chan_new(8, capacity);
        weft_t *t = weft_spawn(send_in_sequence, ch);
        uint64_t value, expected = 0;
        while (weft_chan_recv(ch, &value) == 0)
            CHECK_INT((int64_t)value, (int64_t)expected++);
        CHECK_INT((int64_t)expected, wt_scaled(ITEMS));
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK_INT(weft_chan_free(ch), 0);
    }
    return NULL;
}

static void test_channel_one_to_one_keeps_order(void **state)
{
    (void)state;
    wt_over_workers(receive_in_sequence, NULL);
}

static void *close_under_waiters(void *arg)
{
    struct shared s = {.ch = weft_chan_new(8, 0)}, r = {.ch = weft_chan_new(8, 2)};
    (void)arg;
    weft_t *sender = weft_spawn(send_one, &s);
    wt_thread *receiver = wt_thread_start(receive_one, &r);
    wt_until_waiting(sender, WF_WAIT_CHAN_SEND);
    wt_until_block_waits(wt_thread_block(receiver), WF_WAIT_CHAN_RECV);
    CHECK_INT(weft_chan_close(s.ch), 0);
    CHECK_INT(weft_chan_close(r.ch), 0);
    CHECK_INT(weft_chan_close(r.ch), -EPIPE);
    CHECK_INT(weft_join(sender, NULL), 0);
    wt_thread_join(receiver);
    CHECK_INT(s.result, -EPIPE);
    CHECK_INT(r.result, -EPIPE);
    CHECK_INT(weft_chan_recv(s.ch, NULL), -EPIPE); /* the element of the sender was not sent */
    CHECK_INT(weft_chan_free(s.ch), 0);
    CHECK_INT(weft_chan_free(r.ch), 0);
    return NULL;
}

static void test_channel_close_wakes_all_that_wait(void **state)
{
    (void)state;
    wt_over_workers(close_under_waiters, NULL);
}

static void test_channel_closed_is_drained_first(void **state)
{
    uint64_t value = 1;
    (void)state;
    weft_chan *ch = weft_chan_new(8, 4);
    for (; value <= 3; value++)
        assert_int_equal(weft_chan_send(ch, &value), 0);
    assert_int_equal(weft_chan_close(ch), 0);
    assert_int_equal(weft_chan_send(ch, &value), -EPIPE);
    assert_int_equal(weft_chan_try_send(ch, &value), -EPIPE);
    for (uint64_t expected = 1; expected <= 3; expected++) {
        assert_int_equal(expected == 2 ? weft_chan_try_recv(ch, &value) : weft_chan_recv(ch, &value), 0);
        assert_int_equal(value, expected);
    }
    assert_int_equal(weft_chan_recv(ch, &value), -EPIPE);
    assert_int_equal(weft_chan_try_recv(ch, &value), -EPIPE);
    assert_int_equal(weft_chan_free(ch), 0);
}

static void *kill_waiters(void *arg)
{
    struct shared s = {.ch = weft_chan_new(8, 0)}, r = {.ch = weft_chan_new(8, 0)};
    uint64_t value = 5;
    (void)arg;
    weft_t *sender = weft_spawn(send_one, &s), *receiver = weft_spawn(receive_one, &r);
    wt_until_waiting(sender, WF_WAIT_CHAN_SEND);
    wt_until_waiting(receiver, WF_WAIT_CHAN_RECV);
    CHECK_INT(weft_kill(sender), 0);
    CHECK_INT(weft_kill(receiver), 0);
    CHECK_INT(weft_chan_try_recv(s.ch, &value), -EAGAIN); /* it has not sent, though it may not have run yet */
    CHECK_INT(weft_chan_try_send(r.ch, &value), -EAGAIN); /* nor received */
    CHECK_INT(weft_join(sender, NULL), 0);
    CHECK_INT(weft_join(receiver, NULL), 0);
    CHECK_INT(s.result, -ECANCELED);
    CHECK_INT(r.result, -ECANCELED);
    CHECK_INT(weft_chan_free(s.ch), 0);
    CHECK_INT(weft_chan_free(r.ch), 0);
    return NULL;
}

static void test_channel_killed_waiter_neither_sent_nor_received(void **state)
{
    (void)state;
    wt_over_workers(kill_waiters, NULL);
}

static void *use_killed(void *arg)
{
    weft_chan *ch = arg;
    uint64_t value = 5;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_chan_send(ch, &value), -ECANCELED);
    CHECK_INT(weft_chan_recv(ch, &value), -ECANCELED);
    CHECK_INT(weft_chan_try_send(ch, &value), 0);
    CHECK_INT(weft_chan_try_recv(ch, &value), 0);
    CHECK_INT(weft_chan_close(ch), 0);
    return NULL;
}

static void *use_after_kill(void *arg)
{
    weft_chan *ch = weft_chan_new(8, 2);
    (void)arg;
    wt_spawn_and_join(1, use_killed, ch);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_channel_killed_coroutine_may_try_and_close(void **state)
{
    (void)state;
    wt_over_workers(use_after_kill, NULL);
}

static void *use_until_soon(void *arg)
{
    weft_chan *ch = arg;
    uint64_t value = 3;
    int64_t end = weft_after(2 * WEFT_MILLISECOND);
    CHECK_INT(weft_chan_recv_until(ch, &value, end), -ETIMEDOUT);
    CHECK(weft_now() >= end);
    CHECK_INT((int64_t)value, 3);
    return NULL;
}

static void *send_until_soon(void *arg)
{
    weft_chan *ch = arg;
    uint64_t value = 3;
    int64_t end = weft_after(2 * WEFT_MILLISECOND);
    CHECK_INT(weft_chan_send_until(ch, &value, end), -ETIMEDOUT);
    CHECK(weft_now() >= end);
    return NULL;
}

static void *time_out(void *arg)
{
    weft_chan *ch = weft_chan_new(8, 0);
    (void)arg;
    wt_spawn_and_join(3, use_until_soon, ch);
    wt_on_thread(use_until_soon, ch);
    wt_spawn_and_join(3, send_until_soon, ch);
    wt_on_thread(send_until_soon, ch);
    CHECK_INT(weft_chan_try_recv(ch, NULL), -EAGAIN);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_channel_deadline_ends_the_wait(void **state)
{
    (void)state;
    wt_over_workers(time_out, NULL);
}

struct large {
    uint64_t number;
    unsigned char bytes[LARGE];
};

static void *send_large(void *arg)
{
    weft_chan *ch = arg;
    for (uint64_t i = 0; i < 100; i++) {
        struct large element = {.number = i};
        memset(element.bytes, (int)i, sizeof element.bytes);
        CHECK_INT(weft_chan_send(ch, &element), 0);
        memset(&element, 0xff, sizeof element);
    }
    CHECK_INT(weft_chan_close(ch), 0);
    return NULL;
}

static void receive_large(size_t capacity)
{
    weft_chan *ch = weft_chan_new(sizeof(struct large), capacity);
    weft_t *t = weft_spawn(send_large, ch);
    struct large element;
    uint64_t expected = 0;
    for (; weft_chan_recv(ch, &element) == 0; expected++) {
        CHECK_INT((int64_t)element.number, (int64_t)expected);
        for (int i = 0; i < LARGE; i++)
            if (!CHECK_INT(element.bytes[i], (unsigned char)expected))
                break;
        if (expected % 10 == 0)
            weft_yield();
    }
    CHECK_INT((int64_t)expected, 100);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_chan_free(ch), 0);
}

static void *large_elements(void *arg)
{
    (void)arg;
    receive_large(0);
    receive_large(3);
    return NULL;
}

static void test_channel_large_elements_arrive_whole(void **state)
{
    (void)state;
    wt_over_workers(large_elements, NULL);
}

static const char BYTES[] = "0123456789abcdefghij";

static void *send_bytes(void *arg)
{
    weft_chan *ch = arg;
    for (int i = 0; i < 10; i++)
        CHECK_INT(weft_chan_send(ch, BYTES + i % 3), 0);
    return NULL;
}

/* Every size that travels in the control block, and the first that does not; the byte behind is left alone. */
static void *sizes(void *arg)
{
    (void)arg;
    for (size_t size = 1; size <= 17; size++) {
        weft_chan *ch = weft_chan_new(size, size % 2);
        weft_t *t = weft_spawn(send_bytes, ch);
        for (int i = 0; i < 10; i++) {
            char got[18];
            memset(got, 'x', sizeof got);
            CHECK_INT(weft_chan_recv(ch, got), 0);
            CHECK(memcmp(got, BYTES + i % 3, size) == 0);
            CHECK_INT(got[size], 'x');
        }
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK_INT(weft_chan_free(ch), 0);
    }
    return NULL;
}

static void test_channel_small_elements_of_every_size_arrive_whole(void **state)
{
    (void)state;
    wt_over_workers(sizes, NULL);
}

struct numbered {
    weft_chan *ch;
    uint64_t number;
};

static void *send_number(void *arg)
{
    struct numbered *n = arg;
    CHECK_INT(weft_chan_send(n->ch, &n->number), 0);
    return NULL;
}

static void *senders_in_order(void *arg)
{
    struct numbered n[WAITERS];
    weft_t *ts[WAITERS];
    uint64_t value;
    (void)arg;
    weft_chan *ch = weft_chan_new(8, 1);
    for (int i = 0; i < WAITERS; i++) {
        n[i] = (struct numbered){ch, (uint64_t)i};
        ts[i] = weft_spawn(send_number, &n[i]);
        if (i > 0)
            wt_until_waiting(ts[i], WF_WAIT_CHAN_SEND);
        else
            CHECK_INT(weft_join(ts[i], NULL), 0);
    }
    for (int i = 0; i < WAITERS; i++) {
        CHECK_INT(weft_chan_recv(ch, &value), 0);
        CHECK_INT((int64_t)value, i);
    }
    for (int i = 1; i < WAITERS; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_channel_waiting_senders_are_served_in_order(void **state)
{
    (void)state;
    wt_over_workers(senders_in_order, NULL);
}

/* Senders and receivers that give up or are killed: whatever was sent was received or is still in the ring. */
static void *send_or_give_up(void *arg)
{
    struct shared *s = arg;
    for (uint64_t i = 1; i <= (uint64_t)wt_scaled(ITEMS); i++) {
        int result = weft_chan_send_until(s->ch, &i, weft_after((int64_t)(i % 5) * 2 * WEFT_MICROSECOND));
        if (result == -ECANCELED)
            break;
        if (result == 0)
            wf_fetch_add_relaxed(&s->sent, (int64_t)i); /* relaxed: read after the joins */
        else
            CHECK_INT(result, -ETIMEDOUT);
    }
    return NULL;
}

static void *receive_or_give_up(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ITEMS); i++) {
        uint64_t value = 0;
        int result = weft_chan_recv_until(s->ch, &value, weft_after((int64_t)(i % 3) * 2 * WEFT_MICROSECOND));
        if (result == -ECANCELED)
            break;
        wf_fetch_add_relaxed(&s->received, (int64_t)value); /* relaxed: read after the joins */
        CHECK_INT(value == 0, result == -ETIMEDOUT);
    }
    return NULL;
}

static void storm_with(size_t capacity)
{
    struct shared s = {.ch = weft_chan_new(8, capacity)};
    weft_t *ts[2 * WAITERS];
    uint64_t value;
    for (int i = 0; i < 2 * WAITERS; i++)
        CHECK((ts[i] = weft_spawn(i % 2 == 0 ? send_or_give_up : receive_or_give_up, &s)) != NULL);
    wt_thread *sender = wt_thread_start(send_or_give_up, &s);
    wt_thread *receiver = wt_thread_start(receive_or_give_up, &s);
    weft_sleep(WEFT_MILLISECOND);
    for (int i = 0; i < WAITERS; i++)
        CHECK_INT(weft_kill(ts[i]), 0);
    for (int i = 0; i < 2 * WAITERS; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(sender);
    wt_thread_join(receiver);
    int64_t received = wf_load_relaxed(&s.received); /* relaxed: joined */
    while (weft_chan_try_recv(s.ch, &value) == 0)
        received += (int64_t)value;
    CHECK_INT(received, wf_load_relaxed(&s.sent));
    CHECK_INT(weft_chan_free(s.ch), 0);
}

static void *storm(void *arg)
{
    (void)arg;
    storm_with(0);
    storm_with(2);
    return NULL;
}

static void test_channel_kills_and_deadlines_lose_no_element(void **state)
{
    (void)state;
    wt_over_workers(storm, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channel_bad_arguments_are_refused),
        cmocka_unit_test(test_channel_too_large_is_out_of_memory),
        cmocka_unit_test(test_channel_buffer_is_first_in_first_out),
        cmocka_unit_test(test_channel_rendezvous_hands_over_to_the_one_that_waits),
        cmocka_unit_test(test_channel_rendezvous_ping_pong_keeps_step),
        cmocka_unit_test(test_channel_many_producers_and_consumers_add_up),
        cmocka_unit_test(test_channel_one_to_one_keeps_order),
        cmocka_unit_test(test_channel_close_wakes_all_that_wait),
        cmocka_unit_test(test_channel_closed_is_drained_first),
        cmocka_unit_test(test_channel_killed_waiter_neither_sent_nor_received),
        cmocka_unit_test(test_channel_killed_coroutine_may_try_and_close),
        cmocka_unit_test(test_channel_deadline_ends_the_wait),
        cmocka_unit_test(test_channel_large_elements_arrive_whole),
        cmocka_unit_test(test_channel_small_elements_of_every_size_arrive_whole),
        cmocka_unit_test(test_channel_waiting_senders_are_served_in_order),
        cmocka_unit_test(test_channel_kills_and_deadlines_lose_no_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
