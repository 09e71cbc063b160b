/* weft_select over channels and times: which case happens, how it is told, that exactly one does; closing, kill, deadlines. With
 * descriptors: tests/io/test_select_fd.c. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"
#include "sched/self.h"
#include "sched/suspend.h"

enum { MANY = 1500, LARGE = 1000, ROUNDS = 3000, SIDES = 4 };

#define RECV(chan_, value_) ((weft_select_case){.op = WEFT_SELECT_RECV, .chan = (chan_), .value = (value_)})
#define SEND(chan_, value_) ((weft_select_case){.op = WEFT_SELECT_SEND, .chan = (chan_), .value = (value_)})
#define TIMER(deadline_) ((weft_select_case){.op = WEFT_SELECT_TIMER, .deadline = (deadline_)})

/* A select on a coroutine or thread of its own. */
struct waiter {
    weft_select_case cases[4];
    size_t n;
    int64_t deadline;
    int result;
    weft_t *t;
};

static void *run_select(void *arg)
{
    struct waiter *w = arg;
    w->result = weft_select(w->cases, w->n, w->deadline == 0 ? WEFT_NEVER : w->deadline);
    return NULL;
}

static void start(struct waiter *w)
{
    w->t = weft_spawn(run_select, w);
    wt_until_waiting(w->t, WF_WAIT_SELECT);
}

static int finish(struct waiter *w)
{
    CHECK_INT(weft_join(w->t, NULL), 0);
    return w->result;
}

/* ---- what does not wait ---- */

static void *misuse(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 1);
    weft_select_case unknown = {.op = (enum weft_select_op)77, .chan = ch};
    weft_select_case nothing_to_send = SEND(ch, NULL);
    weft_select_case fine = RECV(ch, NULL);
    (void)arg;
    CHECK_INT(weft_select(NULL, 1, 0), -EINVAL);
    CHECK_INT(weft_select(&unknown, 1, 0), -EINVAL);
    CHECK_INT(weft_select(&nothing_to_send, 1, 0), -EINVAL);
    CHECK_INT(weft_select(&fine, (size_t)INT_MAX + 1, 0), -EINVAL);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_select_bad_arguments_are_refused(void **state)
{
    (void)state;
    wt_over_workers_and_thread(misuse, NULL);
}

static void *never(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 1);
    int value = 1;
    weft_select_case cases[] = {RECV(ch, &value),
                                RECV(NULL, &value),
                                SEND(NULL, NULL),
                                {.op = WEFT_SELECT_NONE, .chan = ch},
                                {.op = WEFT_SELECT_FD, .fd = -1},
                                TIMER(WEFT_NEVER)};
    (void)arg;
    CHECK_INT(weft_select(cases, 6, 0), -ETIMEDOUT);
    CHECK_INT(weft_select(cases, 6, weft_after(-1)), -ETIMEDOUT);
    CHECK_INT(weft_select(cases, 6, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_select(cases + 1, 5, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_select(NULL, 0, 0), -ETIMEDOUT);
    CHECK_INT(weft_select(NULL, 0, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_select_cases_that_never_happen_leave_the_deadline(void **state)
{
    (void)state;
    wt_over_workers_and_thread(never, NULL);
}

static void *at_once(void *arg)
{
    weft_chan *full = weft_chan_new(sizeof(int), 1), *empty = weft_chan_new(sizeof(int), 1);
    int in = 5, out = 6;
    (void)arg;
    CHECK_INT(weft_chan_send(full, &in), 0);
    in = 0;
    weft_select_case cases[] = {RECV(empty, &in), SEND(full, &out), RECV(full, &in)};
    cases[2].result = 99;
    CHECK_INT(weft_select(cases, 3, WEFT_NEVER), 2);
    CHECK_INT(cases[2].result, 0);
    CHECK_INT(in, 5);
    CHECK_INT(weft_select(cases, 3, 0), 1); /* full is empty now */
    CHECK_INT(weft_select(cases, 1, 0), -ETIMEDOUT);
    CHECK_INT(weft_select(cases + 2, 1, 0), 0);
    CHECK_INT(in, 6);
    CHECK_INT(weft_chan_free(full), 0);
    CHECK_INT(weft_chan_free(empty), 0);
    return NULL;
}

static void test_select_what_is_ready_happens_at_once(void **state)
{
    (void)state;
    wt_over_workers_and_thread(at_once, NULL);
}

static void *closed(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 2), *other = weft_chan_new(sizeof(int), 0);
    int value = 3;
    (void)arg;
    CHECK_INT(weft_chan_send(ch, &value), 0);
    CHECK_INT(weft_chan_close(ch), 0);
    weft_select_case cases[] = {RECV(other, &value), RECV(ch, &value)};
    value = 0;
    CHECK_INT(weft_select(cases, 2, WEFT_NEVER), 1);
    CHECK_INT(cases[1].result, 0); /* what is buffered comes first */
    CHECK_INT(value, 3);
    CHECK_INT(weft_select(cases, 2, WEFT_NEVER), 1);
    CHECK_INT(cases[1].result, -EPIPE);
    cases[1] = SEND(ch, &value);
    CHECK_INT(weft_select(cases, 2, 0), 1);
    CHECK_INT(cases[1].result, -EPIPE);
    CHECK_INT(weft_chan_free(ch), 0);
    CHECK_INT(weft_chan_free(other), 0);
    return NULL;
}

static void test_select_closed_channel_is_ready(void **state)
{
    (void)state;
    wt_over_workers_and_thread(closed, NULL);
}

/* Five cases of which three are ready, many times: each of the three about as often. The standard deviation is 26 of 1000. */
static void *fair(void *arg)
{
    weft_chan *ready[3], *empty = weft_chan_new(sizeof(int), 1);
    int value = 0, count[5] = {0};
    (void)arg;
    for (int i = 0; i < 3; i++)
        ready[i] = weft_chan_new(sizeof(int), 1);
    weft_select_case cases[] = {SEND(ready[0], &value), RECV(empty, NULL), SEND(ready[1], &value), RECV(empty, NULL),
                                SEND(ready[2], &value)};
    for (int i = 0; i < ROUNDS; i++) {
        int happened = weft_select(cases, 5, WEFT_NEVER);
        if (!CHECK(happened >= 0 && happened % 2 == 0))
            break;
        count[happened]++;
        CHECK_INT(weft_chan_recv(ready[happened / 2], NULL), 0);
    }
    for (int i = 0; i < 5; i += 2)
        CHECK(count[i] > ROUNDS / 3 - 250 && count[i] < ROUNDS / 3 + 250);
    for (int i = 0; i < 3; i++)
        CHECK_INT(weft_chan_free(ready[i]), 0);
    CHECK_INT(weft_chan_free(empty), 0);
    return NULL;
}

static void test_select_of_several_that_are_ready_each_is_as_likely(void **state)
{
    (void)state;
    wt_over_workers_and_thread(fair, NULL);
}

/* ---- waiting ---- */

static void pattern(unsigned char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + seed);
}

/* Both ways, for elements in the control block and out of it. */
static void one_size(size_t size)
{
    unsigned char in[LARGE], out[LARGE], scrap[LARGE];
    weft_chan *ch = weft_chan_new(size, 0), *other = weft_chan_new(size, 0);
    struct waiter w = {.cases = {RECV(other, scrap), RECV(ch, in)}, .n = 2};
    pattern(out, size, 1);
    start(&w);
    CHECK_INT(weft_chan_free(ch), -EBUSY);
    CHECK_INT(weft_chan_try_send(ch, out), 0);
    CHECK_INT(finish(&w), 1);
    CHECK_INT(w.cases[1].result, 0);
    CHECK(memcmp(in, out, size) == 0);

    w = (struct waiter){.cases = {RECV(other, scrap), SEND(ch, out)}, .n = 2};
    pattern(out, size, 2);
    start(&w);
    CHECK_INT(weft_chan_try_recv(ch, in), 0);
    CHECK_INT(finish(&w), 1);
    CHECK(memcmp(in, out, size) == 0);

    w = (struct waiter){.cases = {SEND(other, scrap), RECV(ch, NULL)}, .n = 2};
    start(&w);
    CHECK_INT(weft_chan_try_send(ch, out), 0);
    CHECK_INT(finish(&w), 1);
    CHECK_INT(weft_chan_free(ch), 0);
    CHECK_INT(weft_chan_free(other), 0);
}

static void *sizes(void *arg)
{
    static const size_t all[] = {1, 4, 8, 12, 16, 17, 24, LARGE};
    (void)arg;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        one_size(all[i]);
    return NULL;
}

static void test_select_that_waits_gets_and_gives_elements_of_any_size(void **state)
{
    (void)state;
    wt_over_workers(sizes, NULL);
}

/* The waiting select's element goes into a buffer that a plain receive has just made room in. */
static void *behind_a_buffer(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 1), *other = weft_chan_new(sizeof(int), 0);
    int first = 1, second = 2, got = 0;
    struct waiter w = {.cases = {SEND(ch, &second), RECV(other, NULL)}, .n = 2};
    (void)arg;
    CHECK_INT(weft_chan_send(ch, &first), 0);
    start(&w);
    CHECK_INT(weft_chan_recv(ch, &got), 0);
    CHECK_INT(got, 1);
    CHECK_INT(finish(&w), 0);
    CHECK_INT(weft_chan_recv(ch, &got), 0);
    CHECK_INT(got, 2);
    CHECK_INT(weft_chan_free(ch), 0);
    CHECK_INT(weft_chan_free(other), 0);
    return NULL;
}

static void test_select_that_waits_to_send_comes_behind_the_buffer(void **state)
{
    (void)state;
    wt_over_workers(behind_a_buffer, NULL);
}

/* Who closes may free at once, when nobody but those that it woke was there. */
static void *closed_while_waiting(void *arg)
{
    int value = 4;
    (void)arg;
    for (int send = 0; send < 2; send++) {
        weft_chan *ch = weft_chan_new(sizeof(int), 0), *other = weft_chan_new(sizeof(int), 0);
        struct waiter w = {.cases = {RECV(other, NULL), send ? SEND(ch, &value) : RECV(ch, &value)}, .n = 2};
        start(&w);
        CHECK_INT(weft_chan_close(ch), 0);
        CHECK_INT(weft_chan_free(ch), 0);
        CHECK_INT(finish(&w), 1);
        CHECK_INT(w.cases[1].result, -EPIPE);
        CHECK_INT(value, 4);
        CHECK_INT(weft_chan_free(other), 0);
    }
    return NULL;
}

static void test_select_is_told_of_a_close_while_it_waits(void **state)
{
    (void)state;
    wt_over_workers(closed_while_waiting, NULL);
}

/* Several selects, and plain waiters between them, in one line: served in their order. */
static void *in_order(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 0), *other = weft_chan_new(sizeof(int), 0);
    struct waiter w[SIDES];
    int got[SIDES];
    (void)arg;
    for (int i = 0; i < SIDES; i++) {
        got[i] = -1;
        w[i] = (struct waiter){.cases = {RECV(ch, &got[i]), RECV(other, NULL)}, .n = 2};
        start(&w[i]);
    }
    for (int i = 0; i < SIDES; i++)
        CHECK_INT(weft_chan_send(ch, &i), 0);
    for (int i = 0; i < SIDES; i++) {
        CHECK_INT(finish(&w[i]), 0);
        CHECK_INT(got[i], i);
    }
    CHECK_INT(weft_chan_free(ch), 0);
    CHECK_INT(weft_chan_free(other), 0);
    return NULL;
}

static void test_select_waiters_are_served_in_order(void **state)
{
    (void)state;
    wt_over_workers(in_order, NULL);
}

/* ---- times ---- */

static void *times(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    (void)arg;
    weft_select_case cases[] = {RECV(ch, NULL), TIMER(weft_after(WEFT_SECOND * 60)),
                                TIMER(weft_after(2 * WEFT_MILLISECOND))};
    cases[2].result = 99;
    CHECK_INT(weft_select(cases, 3, WEFT_NEVER), 2);
    CHECK_INT(cases[2].result, 0);
    CHECK(weft_now() >= cases[2].deadline);
    CHECK_INT(weft_select(cases, 3, 0), 2); /* it is over now */
    /* The call's own deadline: earlier than any case, or at the same moment. */
    CHECK_INT(weft_select(cases, 2, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    cases[1].deadline = weft_after(WEFT_MILLISECOND);
    CHECK_INT(weft_select(cases, 2, cases[1].deadline), 1);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_select_earliest_time_happens(void **state)
{
    (void)state;
    wt_over_workers_and_thread(times, NULL);
}

static void *same_time(void *arg)
{
    int count[2] = {0};
    (void)arg;
    for (int i = 0; i < 200; i++) {
        int64_t at = weft_after(10 * WEFT_MICROSECOND);
        weft_select_case cases[] = {TIMER(at), TIMER(at)};
        int happened = weft_select(cases, 2, WEFT_NEVER);
        if (CHECK(happened == 0 || happened == 1))
            count[happened]++;
    }
    CHECK(count[0] > 30 && count[1] > 30);
    return NULL;
}

static void test_select_of_two_times_each_is_as_likely(void **state)
{
    (void)state;
    wt_over_workers(same_time, NULL);
}

static void *enclosed(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    weft_timeout timeout;
    weft_select_case cases[] = {RECV(ch, NULL), TIMER(weft_after(60 * WEFT_SECOND))};
    (void)arg;
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_select(cases, 2, WEFT_NEVER), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_timeout_start(&timeout, 60 * WEFT_SECOND), 0);
    cases[1].deadline = weft_after(WEFT_MILLISECOND);
    CHECK_INT(weft_select(cases, 2, WEFT_NEVER), 1);
    CHECK_INT(weft_timeout_fired(&timeout), 0);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_chan_free(ch), 0); /* nothing was left in its line */
    return NULL;
}

static void test_select_enclosing_timeout_is_no_case(void **state)
{
    (void)state;
    wt_over_workers_and_thread(enclosed, NULL);
}

/* ---- kill ---- */

static void *killed(void *arg)
{
    weft_chan *a = weft_chan_new(sizeof(int), 0), *b = weft_chan_new(sizeof(int), 0);
    int value = 1;
    struct waiter w = {.cases = {RECV(a, NULL), SEND(b, &value), TIMER(weft_after(60 * WEFT_SECOND))}, .n = 3};
    (void)arg;
    start(&w);
    CHECK_INT(weft_kill(w.t), 0);
    CHECK_INT(finish(&w), -ECANCELED);
    CHECK_INT(weft_chan_try_send(a, &value), -EAGAIN);
    CHECK_INT(weft_chan_try_recv(b, &value), -EAGAIN);
    w = (struct waiter){.n = 0};
    start(&w);
    CHECK_INT(weft_kill(w.t), 0);
    CHECK_INT(finish(&w), -ECANCELED);
    CHECK_INT(weft_chan_free(a), 0);
    CHECK_INT(weft_chan_free(b), 0);
    return NULL;
}

static void test_select_killed_leaves_all_lines(void **state)
{
    (void)state;
    wt_over_workers(killed, NULL);
}

static void *shielded(void *arg)
{
    weft_chan *ch = arg;
    int value = 0;
    weft_select_case c = RECV(ch, &value);
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_select(&c, 1, WEFT_NEVER), -ECANCELED); /* though there is something */
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_select(&c, 1, WEFT_NEVER), 0);
    CHECK_INT(value, 8);
    CHECK_INT(weft_shield_end(), 0);
    return NULL;
}

static void *dead(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 1);
    int value = 8;
    (void)arg;
    CHECK_INT(weft_chan_send(ch, &value), 0);
    wt_spawn_and_join(1, shielded, ch);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_select_of_a_killed_coroutine_needs_a_shield(void **state)
{
    (void)state;
    wt_over_workers(dead, NULL);
}

/* ---- the same channel more than once ---- */

static void *itself(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    int out = 1, in = 0, value = 0;
    weft_select_case cases[] = {SEND(ch, &out), RECV(ch, &in), SEND(ch, &out), RECV(ch, &in)};
    (void)arg;
    CHECK_INT(weft_select(cases, 4, 0), -ETIMEDOUT);
    CHECK_INT(weft_select(cases, 4, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(in, 0);
    struct waiter w = {.cases = {SEND(ch, &out), RECV(ch, &in), SEND(ch, &out), RECV(ch, &in)}, .n = 4};
    start(&w);
    value = 7;
    CHECK_INT(weft_chan_send(ch, &value), 0);
    CHECK_INT(finish(&w) % 2, 1);
    CHECK_INT(in, 7);
    start(&w);
    CHECK_INT(weft_chan_recv(ch, &value), 0);
    CHECK_INT(value, 1);
    CHECK_INT(finish(&w) % 2, 0);
    start(&w);
    CHECK_INT(weft_chan_close(ch), 0);
    CHECK_INT(weft_chan_free(ch), 0);
    int result = finish(&w);
    CHECK(result >= 0 && result < 4);
    CHECK_INT(w.cases[result].result, -EPIPE);
    return NULL;
}

static void test_select_does_not_meet_itself(void **state)
{
    (void)state;
    wt_over_workers(itself, NULL);
}

/* Two selects, each of which could send or receive: one does this, the other that. */
static void *two_selects(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    (void)arg;
    for (int i = 0; i < 100; i++) {
        int out[2] = {10, 20}, in[2] = {0, 0};
        struct waiter w = {.cases = {SEND(ch, &out[0]), RECV(ch, &in[0])}, .n = 2};
        weft_select_case mine[] = {SEND(ch, &out[1]), RECV(ch, &in[1])};
        start(&w);
        int result = weft_select(mine, 2, WEFT_NEVER);
        CHECK_INT(finish(&w), 1 - result);
        CHECK_INT(in[0], result == 0 ? 20 : 0);
        CHECK_INT(in[1], result == 1 ? 10 : 0);
    }
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_select_meets_another_select(void **state)
{
    (void)state;
    wt_over_workers(two_selects, NULL);
}

/* ---- many cases ---- */

struct crowd {
    weft_chan *chans[MANY];
    weft_select_case cases[2 * MANY];
    int in[2 * MANY];
    int result;
};

static void *run_crowd(void *arg)
{
    struct crowd *c = arg;
    c->result = weft_select(c->cases, 2 * MANY, WEFT_NEVER);
    return NULL;
}

/* Each channel stands in it twice, in another order than that of the addresses. */
static void *many(void *arg)
{
    struct crowd *c = calloc(1, sizeof *c);
    (void)arg;
    for (int i = 0; i < MANY; i++)
        c->chans[i] = weft_chan_new(sizeof(int), 0);
    for (int i = 0; i < 2 * MANY; i++)
        c->cases[i] = RECV(c->chans[(unsigned)i * 7919u % MANY], &c->in[i]);
    CHECK_INT(weft_select(c->cases, 2 * MANY, 0), -ETIMEDOUT);
    for (int i = 0; i < MANY; i += MANY / 5) {
        weft_t *t = weft_spawn(run_crowd, c);
        wt_until_waiting(t, WF_WAIT_SELECT);
        int value = i + 1;
        CHECK_INT(weft_chan_send(c->chans[i], &value), 0);
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK(c->result >= 0 && c->cases[c->result].chan == c->chans[i]);
        CHECK_INT(c->in[c->result], value);
    }
    for (int i = 0; i < MANY; i++)
        CHECK_INT(weft_chan_free(c->chans[i]), 0);
    free(c);
    return NULL;
}

static void test_select_of_thousands_finds_each(void **state)
{
    (void)state;
    wt_over_workers(many, NULL);
}

/* ---- nothing is lost or doubled ---- */

struct market {
    weft_chan *a, *b;
    _Atomic(int64_t) sent, received, ended;
};

static void account(struct market *m, const weft_select_case *c, int64_t value)
{
    if (c->op == WEFT_SELECT_SEND)
        wf_fetch_add_relaxed(&m->sent, value);
    else
        wf_fetch_add_relaxed(&m->received, value);
}

/* On either channel, either way; sometimes with a deadline that comes soon. */
static void *trade(void *arg)
{
    struct market *m = arg;
    for (int i = 1; i <= wt_scaled(2000); i++) {
        int64_t out = i, in = 0;
        weft_select_case cases[] = {SEND(m->a, &out), RECV(m->b, &in), RECV(m->a, &in), SEND(m->b, &out)};
        int result =
            weft_select(cases, 4, i % 3 == 0 ? weft_after(20 * WEFT_MICROSECOND) : weft_after(WEFT_MILLISECOND));
        if (result == -ECANCELED)
            break;
        if (result >= 0)
            account(m, &cases[result], result % 3 == 0 ? out : in);
        else
            CHECK_INT(result, -ETIMEDOUT);
    }
    wf_fetch_add_relaxed(&m->ended, 1); /* relaxed, as all of these: read after the joins */
    return NULL;
}

static void *trade_plainly(void *arg)
{
    struct market *m = arg;
    for (int i = 1; i <= wt_scaled(2000); i++) {
        int64_t value = i;
        int64_t soon = weft_after(50 * WEFT_MICROSECOND);
        weft_chan *ch = i % 4 < 2 ? m->a : m->b;
        if (i % 2 == 0 && weft_chan_send_until(ch, &value, soon) == 0)
            wf_fetch_add_relaxed(&m->sent, value);
        else if (i % 2 == 1 && weft_chan_recv_until(ch, &value, soon) == 0)
            wf_fetch_add_relaxed(&m->received, value);
    }
    wf_fetch_add_relaxed(&m->ended, 1); /* relaxed, as all of these: read after the joins */
    return NULL;
}

/* Selects, plain calls, plain threads and kills on two channels, one of them buffered. */
static void *exchange(void *arg)
{
    enum { SELECTS = 6, PLAIN = 3 };
    struct market m = {.a = weft_chan_new(sizeof(int64_t), 0), .b = weft_chan_new(sizeof(int64_t), 2)};
    weft_t *t[SELECTS + PLAIN], *victim = weft_spawn(trade, &m);
    (void)arg;
    for (int i = 0; i < SELECTS + PLAIN; i++)
        t[i] = weft_spawn(i < SELECTS ? trade : trade_plainly, &m);
    wt_thread *thread = wt_thread_start(trade, &m);
    weft_sleep(WEFT_MILLISECOND);
    CHECK(weft_kill(victim) == 0 || wf_load_relaxed(&m.ended) > 0);
    CHECK_INT(weft_join(victim, NULL), 0);
    CHECK_INT(weft_joinall(t, SELECTS + PLAIN), 0);
    wt_thread_join(thread);
    int64_t rest;
    while (weft_chan_try_recv(m.b, &rest) == 0)
        wf_fetch_add_relaxed(&m.received, rest);
    CHECK_INT(wf_load_relaxed(&m.sent), wf_load_relaxed(&m.received));
    CHECK_INT(weft_chan_free(m.a), 0);
    CHECK_INT(weft_chan_free(m.b), 0);
    return NULL;
}

static void test_select_loses_and_doubles_nothing(void **state)
{
    (void)state;
    wt_over_workers(exchange, NULL);
}

/* ---- plain threads ---- */

static void *on_threads(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 0), *other = weft_chan_new(sizeof(int), 0);
    int in = 0, out = 6, value = 5;
    struct waiter w = {.cases = {RECV(other, NULL), RECV(ch, &in)}, .n = 2};
    (void)arg;
    wt_thread *thread = wt_thread_start(run_select, &w);
    wt_until_block_waits(wt_thread_block(thread), WF_WAIT_SELECT);
    CHECK_INT(weft_chan_send(ch, &value), 0);
    wt_thread_join(thread);
    CHECK_INT(w.result, 1);
    CHECK_INT(in, 5);
    w = (struct waiter){.cases = {RECV(other, NULL), SEND(ch, &out)}, .n = 2};
    thread = wt_thread_start(run_select, &w);
    wt_until_block_waits(wt_thread_block(thread), WF_WAIT_SELECT);
    weft_select_case c = RECV(ch, &in);
    CHECK_INT(weft_select(&c, 1, WEFT_NEVER), 0);
    wt_thread_join(thread);
    CHECK_INT(w.result, 1);
    CHECK_INT(in, 6);
    CHECK_INT(weft_chan_free(ch), 0);
    CHECK_INT(weft_chan_free(other), 0);
    return NULL;
}

static void test_select_of_a_plain_thread_waits(void **state)
{
    (void)state;
    wt_over_workers(on_threads, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select_bad_arguments_are_refused),
        cmocka_unit_test(test_select_cases_that_never_happen_leave_the_deadline),
        cmocka_unit_test(test_select_what_is_ready_happens_at_once),
        cmocka_unit_test(test_select_closed_channel_is_ready),
        cmocka_unit_test(test_select_of_several_that_are_ready_each_is_as_likely),
        cmocka_unit_test(test_select_that_waits_gets_and_gives_elements_of_any_size),
        cmocka_unit_test(test_select_that_waits_to_send_comes_behind_the_buffer),
        cmocka_unit_test(test_select_is_told_of_a_close_while_it_waits),
        cmocka_unit_test(test_select_waiters_are_served_in_order),
        cmocka_unit_test(test_select_earliest_time_happens),
        cmocka_unit_test(test_select_of_two_times_each_is_as_likely),
        cmocka_unit_test(test_select_enclosing_timeout_is_no_case),
        cmocka_unit_test(test_select_killed_leaves_all_lines),
        cmocka_unit_test(test_select_of_a_killed_coroutine_needs_a_shield),
        cmocka_unit_test(test_select_does_not_meet_itself),
        cmocka_unit_test(test_select_meets_another_select),
        cmocka_unit_test(test_select_of_thousands_finds_each),
        cmocka_unit_test(test_select_loses_and_doubles_nothing),
        cmocka_unit_test(test_select_of_a_plain_thread_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
