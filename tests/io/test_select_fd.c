/* weft_select with descriptors among its cases: on coroutines over the ring, on plain threads in ppoll. */
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#include "runtime.h"

enum { MANY = 40 };

#define RECV(chan_, value_) ((weft_select_case){.op = WEFT_SELECT_RECV, .chan = (chan_), .value = (value_)})
#define READABLE(fd_) ((weft_select_case){.op = WEFT_SELECT_FD, .fd = (fd_), .events = POLLIN})
#define WRITABLE(fd_) ((weft_select_case){.op = WEFT_SELECT_FD, .fd = (fd_), .events = POLLOUT})
#define TIMER(deadline_) ((weft_select_case){.op = WEFT_SELECT_TIMER, .deadline = (deadline_)})

struct pipe {
    int out, in; /* to read from, to write to */
};

static struct pipe open_pipe(void)
{
    int fds[2] = {-1, -1};
    CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
    return (struct pipe){fds[0], fds[1]};
}

static void close_pipe(struct pipe p)
{
    CHECK_INT(weft_close(p.out), 0);
    CHECK_INT(weft_close(p.in), 0);
}

static void put_byte(struct pipe p)
{
    char byte = 'x';
    CHECK_INT(weft_write(p.in, &byte, 1), 1);
}

static void take_byte(struct pipe p)
{
    char byte = 0;
    CHECK_INT(weft_read(p.out, &byte, 1), 1);
    CHECK_INT(byte, 'x');
}

/* A select on a coroutine of its own, or on a plain thread: what is tested is the same. */
struct waiter {
    weft_select_case cases[4];
    size_t n;
    int64_t timeout; /* of an enclosing weft_timeout; 0: none */
    int result;
    bool on_thread;
    weft_t *t;
    wt_thread *thread;
};

static void *run_select(void *arg)
{
    struct waiter *w = arg;
    weft_timeout timeout;
    if (w->timeout != 0)
        CHECK_INT(weft_timeout_start(&timeout, w->timeout), 0);
    w->result = weft_select(w->cases, w->n, WEFT_NEVER);
    if (w->timeout != 0) {
        CHECK_INT(weft_timeout_fired(&timeout), w->result == -ETIMEDOUT);
        CHECK_INT(weft_timeout_stop(&timeout), 0);
    }
    return NULL;
}

static void start(struct waiter *w)
{
    if (w->on_thread) {
        w->thread = wt_thread_start(run_select, w);
        wt_until_block_waits(wt_thread_block(w->thread), WF_WAIT_SELECT);
    } else {
        w->t = weft_spawn(run_select, w);
        wt_until_waiting(w->t, WF_WAIT_SELECT);
    }
}

static int finish(struct waiter *w)
{
    if (w->on_thread)
        wt_thread_join(w->thread);
    else
        CHECK_INT(weft_join(w->t, NULL), 0);
    return w->result;
}

static void on_both(weft_fn *body)
{
    for (int on_thread = 0; on_thread < 2; on_thread++)
        wt_over_workers(body, &(bool){on_thread});
}

/* ---- at once ---- */

static void *at_once(void *arg)
{
    struct pipe p = open_pipe();
    weft_chan *ch = weft_chan_new(sizeof(int), 1);
    weft_select_case cases[] = {RECV(ch, NULL), READABLE(p.out), WRITABLE(p.in), READABLE(-1)};
    (void)arg;
    cases[2].result = 99;
    CHECK_INT(weft_select(cases, 4, WEFT_NEVER), 2);
    CHECK_INT(cases[2].result, 0);
    CHECK_INT(cases[2].revents, POLLOUT);
    CHECK_INT(weft_select(cases, 2, 0), -ETIMEDOUT);
    CHECK_INT(weft_select(cases, 2, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    put_byte(p);
    CHECK_INT(weft_select(cases, 2, 0), 1);
    CHECK_INT(cases[1].revents, POLLIN);
    take_byte(p); /* the select has taken nothing */
    int value = 0;
    CHECK_INT(weft_chan_send(ch, &value), 0);
    CHECK_INT(weft_select(cases, 2, WEFT_NEVER), 0);
    CHECK_INT(weft_close(p.in), 0);
    CHECK_INT(weft_select(cases, 2, WEFT_NEVER), 1);
    CHECK_INT(cases[1].revents, POLLHUP);
    CHECK_INT(weft_close(p.out), 0);
    CHECK_INT(weft_select(cases, 2, WEFT_NEVER), 1);
    CHECK_INT(cases[1].revents, POLLNVAL);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_select_descriptor_that_is_ready_happens_at_once(void **state)
{
    (void)state;
    wt_over_workers_and_thread(at_once, NULL);
}

/* A channel and a descriptor that are both ready: each about as often. The standard deviation is 16. */
static void *fair(void *arg)
{
    enum { ROUNDS = 1000 };
    struct pipe p = open_pipe();
    weft_chan *ch = weft_chan_new(sizeof(int), 1);
    weft_select_case cases[] = {{.op = WEFT_SELECT_SEND, .chan = ch, .value = &(int){1}}, WRITABLE(p.in)};
    int count[2] = {0};
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        int happened = weft_select(cases, 2, WEFT_NEVER);
        if (!CHECK(happened == 0 || happened == 1))
            break;
        count[happened]++;
        if (happened == 0)
            CHECK_INT(weft_chan_recv(ch, NULL), 0);
    }
    CHECK(count[0] > ROUNDS / 2 - 150 && count[1] > ROUNDS / 2 - 150);
    close_pipe(p);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_select_descriptor_is_as_likely_as_a_channel(void **state)
{
    (void)state;
    wt_over_workers_and_thread(fair, NULL);
}

/* ---- waiting ---- */

static void *wait_for_descriptor(void *arg)
{
    struct pipe p = open_pipe(), other = open_pipe();
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    struct waiter w = {
        .cases = {RECV(ch, NULL), READABLE(other.out), READABLE(p.out)}, .n = 3, .on_thread = *(bool *)arg};
    start(&w);
    put_byte(p);
    CHECK_INT(finish(&w), 2);
    CHECK_INT(w.cases[2].revents, POLLIN);
    CHECK_INT(w.cases[2].result, 0);
    take_byte(p);
    CHECK_INT(weft_chan_free(ch), 0); /* it is out of the channel's line */
    close_pipe(p);
    close_pipe(other);
    return NULL;
}

static void test_select_waits_for_a_descriptor(void **state)
{
    (void)state;
    on_both(wait_for_descriptor);
}

static void *wait_for_channel(void *arg)
{
    struct pipe p = open_pipe();
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    int in = 0, out = 4;
    struct waiter w = {.cases = {READABLE(p.out), RECV(ch, &in)}, .n = 2, .on_thread = *(bool *)arg};
    start(&w);
    CHECK_INT(weft_chan_send(ch, &out), 0);
    CHECK_INT(finish(&w), 1);
    CHECK_INT(in, 4);
    put_byte(p); /* nobody waits for it any more, and it is not lost */
    take_byte(p);
    start(&w);
    CHECK_INT(weft_chan_close(ch), 0);
    CHECK_INT(weft_chan_free(ch), 0);
    CHECK_INT(finish(&w), 1);
    CHECK_INT(w.cases[1].result, -EPIPE);
    close_pipe(p);
    return NULL;
}

static void test_select_with_a_descriptor_waits_for_a_channel(void **state)
{
    (void)state;
    on_both(wait_for_channel);
}

static void *times(void *arg)
{
    struct pipe p = open_pipe();
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    struct waiter w = {.cases = {READABLE(p.out), RECV(ch, NULL), TIMER(weft_after(3 * WEFT_MILLISECOND))},
                       .n = 3,
                       .on_thread = *(bool *)arg};
    w.thread = NULL;
    if (w.on_thread)
        wt_on_thread(run_select, &w);
    else
        run_select(&w);
    CHECK_INT(w.result, 2);
    CHECK_INT(w.cases[2].result, 0);
    w.timeout = WEFT_MILLISECOND;
    w.cases[2].deadline = weft_after(60 * WEFT_SECOND);
    if (w.on_thread)
        wt_on_thread(run_select, &w);
    else
        run_select(&w);
    CHECK_INT(w.result, -ETIMEDOUT);
    CHECK_INT(weft_chan_free(ch), 0);
    close_pipe(p);
    return NULL;
}

static void test_select_with_a_descriptor_keeps_times(void **state)
{
    (void)state;
    on_both(times);
}

static void *killed(void *arg)
{
    struct pipe p = open_pipe();
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    struct waiter w = {.cases = {READABLE(p.out), RECV(ch, NULL)}, .n = 2};
    (void)arg;
    start(&w);
    CHECK_INT(weft_kill(w.t), 0);
    CHECK_INT(finish(&w), -ECANCELED);
    CHECK_INT(weft_chan_free(ch), 0);
    close_pipe(p);
    return NULL;
}

static void test_select_with_a_descriptor_can_be_killed(void **state)
{
    (void)state;
    wt_over_workers(killed, NULL);
}

static void *closed(void *arg)
{
    struct pipe p = open_pipe(), other = open_pipe();
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    struct waiter w = {
        .cases = {READABLE(other.out), RECV(ch, NULL), READABLE(p.out)}, .n = 3, .on_thread = *(bool *)arg};
    start(&w);
    CHECK_INT(weft_close(p.out), 0);
    CHECK_INT(finish(&w), -ECANCELED);
    CHECK_INT(weft_chan_free(ch), 0);
    CHECK_INT(weft_close(p.in), 0);
    close_pipe(other);
    return NULL;
}

static void test_select_ends_when_its_descriptor_is_closed(void **state)
{
    (void)state;
    on_both(closed);
}

/* More than fit without an allocation; each of them in turn. */
struct many {
    struct pipe pipes[MANY];
    weft_select_case cases[MANY + 1];
    int result;
};

static void *run_many(void *arg)
{
    struct many *m = arg;
    m->result = weft_select(m->cases, MANY + 1, WEFT_NEVER);
    return NULL;
}

static void *many(void *arg)
{
    struct many m;
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        m.pipes[i] = open_pipe();
        m.cases[i] = READABLE(m.pipes[i].out);
    }
    m.cases[MANY] = RECV(ch, NULL);
    for (int i = 0; i <= MANY; i += 8) {
        weft_t *t = weft_spawn(run_many, &m);
        wt_until_waiting(t, WF_WAIT_SELECT);
        if (i < MANY)
            put_byte(m.pipes[i]);
        else
            CHECK_INT(weft_chan_send(ch, &i), 0);
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK_INT(m.result, i);
        if (i < MANY)
            take_byte(m.pipes[i]);
    }
    for (int i = 0; i < MANY; i++)
        close_pipe(m.pipes[i]);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_select_of_many_descriptors_finds_each(void **state)
{
    (void)state;
    wt_over_workers(many, NULL);
}

/* ---- nothing is lost ---- */

struct race {
    struct pipe pipe;
    weft_chan *ch;
    int rounds;
    bool on_thread;
};

static void *write_bytes(void *arg)
{
    struct race *r = arg;
    for (int i = 0; i < r->rounds; i++)
        put_byte(r->pipe);
    return NULL;
}

static void *send_numbers(void *arg)
{
    struct race *r = arg;
    for (int i = 0; i < r->rounds; i++)
        CHECK_INT(weft_chan_send(r->ch, &i), 0);
    return NULL;
}

/* The bytes and the numbers, as they come; each exactly once. */
static void *collect(void *arg)
{
    struct race *r = arg;
    int bytes = 0, numbers = 0, number = -1;
    weft_select_case cases[] = {READABLE(r->pipe.out), RECV(r->ch, &number)};
    while (bytes + numbers < 2 * r->rounds) {
        int happened = weft_select(cases, 2, WEFT_NEVER);
        if (happened == 0) {
            take_byte(r->pipe);
            bytes++;
        } else if (CHECK_INT(happened, 1)) {
            CHECK_INT(number, numbers);
            numbers++;
        } else {
            break;
        }
    }
    CHECK_INT(bytes, r->rounds);
    CHECK_INT(numbers, r->rounds);
    CHECK_INT(weft_select(cases, 2, 0), -ETIMEDOUT);
    return NULL;
}

static void *race(void *arg)
{
    struct race r = {.pipe = open_pipe(), .ch = weft_chan_new(sizeof(int), 0), .rounds = wt_scaled(1000)};
    weft_t *t[2] = {weft_spawn(write_bytes, &r), weft_spawn(send_numbers, &r)};
    if (*(bool *)arg)
        wt_on_thread(collect, &r);
    else
        wt_spawn_and_join(1, collect, &r);
    CHECK_INT(weft_joinall(t, 2), 0);
    close_pipe(r.pipe);
    CHECK_INT(weft_chan_free(r.ch), 0);
    return NULL;
}

static void test_select_of_a_descriptor_and_a_channel_loses_nothing(void **state)
{
    (void)state;
    on_both(race);
}

/* ---- no deadlock ---- */

struct alarm {
    weft_event rung;
    weft_chan *ch;
};

/* The only thing in the process that will ever happen is that a timer of the kernel runs out. */
static void *wait_for_alarm(void *arg)
{
    struct alarm *a = arg;
    struct itimerspec soon = {.it_value.tv_nsec = 150 * WEFT_MILLISECOND};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    CHECK_INT(timerfd_settime(fd, 0, &soon, NULL), 0);
    weft_select_case cases[] = {RECV(a->ch, NULL), READABLE(fd)};
    CHECK_INT(weft_select(cases, 2, WEFT_NEVER), 1);
    CHECK_INT(weft_close(fd), 0);
    CHECK_INT(weft_event_set(&a->rung), 0);
    return NULL;
}

static void *wait_until_rung(void *arg)
{
    struct alarm a = {.rung = WEFT_EVENT_INIT, .ch = weft_chan_new(sizeof(int), 0)};
    wt_thread *thread = wt_thread_start(wait_for_alarm, &a);
    (void)arg;
    CHECK_INT(weft_event_wait(&a.rung), 0);
    wt_thread_join(thread);
    CHECK_INT(weft_chan_free(a.ch), 0);
    return NULL;
}

static void test_select_of_a_thread_with_a_descriptor_is_no_deadlock(void **state)
{
    (void)state;
    wt_over_workers(wait_until_rung, NULL);
}

/* ---- without an eventfd ---- */

/* A plain thread that cannot be woken looks by itself. */
static void *without_eventfd(void *arg)
{
    struct pipe p = open_pipe();
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    struct waiter w = {.cases = {READABLE(p.out), RECV(ch, NULL)}, .n = 2, .on_thread = true};
    struct rlimit before, none;
    int value = 1;
    (void)arg;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max}; /* ppoll takes no more than so many at once */
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    start(&w);
    CHECK_INT(weft_chan_send(ch, &value), 0);
    CHECK_INT(finish(&w), 1);
    start(&w);
    put_byte(p);
    CHECK_INT(finish(&w), 0);
    take_byte(p);
    start(&w);
    CHECK_INT(weft_close(p.out), 0);
    CHECK_INT(finish(&w), -ECANCELED);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(weft_close(p.in), 0);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void test_select_of_a_thread_without_an_eventfd_looks_by_itself(void **state)
{
    (void)state;
    wt_run(2, without_eventfd, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select_descriptor_that_is_ready_happens_at_once),
        cmocka_unit_test(test_select_descriptor_is_as_likely_as_a_channel),
        cmocka_unit_test(test_select_waits_for_a_descriptor),
        cmocka_unit_test(test_select_with_a_descriptor_waits_for_a_channel),
        cmocka_unit_test(test_select_with_a_descriptor_keeps_times),
        cmocka_unit_test(test_select_with_a_descriptor_can_be_killed),
        cmocka_unit_test(test_select_ends_when_its_descriptor_is_closed),
        cmocka_unit_test(test_select_of_many_descriptors_finds_each),
        cmocka_unit_test(test_select_of_a_descriptor_and_a_channel_loses_nothing),
        cmocka_unit_test(test_select_of_a_thread_with_a_descriptor_is_no_deadlock),
        cmocka_unit_test(test_select_of_a_thread_without_an_eventfd_looks_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
