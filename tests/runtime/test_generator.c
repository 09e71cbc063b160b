/* Generators: values, errors, closing; bodies that block, fork, move; misuse. */
#include "runtime.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "child.h"
#include "core/alloc.h"
#include "core/stack.h"

enum { VALUES = 1000, MOVERS = 16, MOVES = 200 };

#define NUMBER(n) ((void *)(intptr_t)(n))

static int number(void *value)
{
    return (int)(intptr_t)value;
}

/* Hands out 1 … n. */
static void *count_to(void *arg)
{
    for (intptr_t i = 1; i <= (intptr_t)arg; i++)
        weft_gen_yield(NUMBER(i));
    return NUMBER(-1);
}

/* The same, and ends when it is told to. */
static void *count_politely(void *arg)
{
    for (intptr_t i = 1; i <= (intptr_t)arg; i++) {
        weft_gen_yield(NUMBER(i));
        if (weft_gen_error() != 0)
            return NULL;
    }
    return NUMBER(-1);
}

static weft_gen *counter(int n)
{
    weft_gen *g = weft_gen_new(count_to, NUMBER(n));
    CHECK(g != NULL);
    return g;
}

/* ---- values ---- */

static void *take_values(void *arg)
{
    void *value = NULL, *result = NULL;
    weft_gen *g = counter(2);
    (void)arg;
    CHECK_INT(weft_gen_result(g, NULL), -EAGAIN);
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(number(value), 1);
    CHECK_INT(weft_gen_next(g, NULL), 1); /* dropped */
    CHECK_INT(weft_gen_result(g, &result), -EAGAIN);
    CHECK_INT(weft_gen_next(g, &value), 0);
    CHECK_INT(number(value), 1); /* as it was */
    CHECK_INT(weft_gen_next(g, &value), 0);
    CHECK_INT(weft_gen_send(g, &value, &value), 0);
    CHECK_INT(weft_gen_result(g, &result), 0);
    CHECK_INT(number(result), -1);
    CHECK_INT(weft_gen_free(g), 0);
    return NULL;
}

static void test_generator_hands_out_its_values_and_then_its_result(void **state)
{
    (void)state;
    wt_over_workers_and_thread(take_values, NULL);
}

/* Adds up what it is sent, and yields the sum so far. */
static void *add_up(void *arg)
{
    intptr_t sum = 0;
    (void)arg;
    for (;;) {
        void *sent = weft_gen_yield(NUMBER(sum));
        if (weft_gen_error() != 0)
            return NUMBER(sum);
        sum += (intptr_t)sent;
    }
}

static void *send_values(void *arg)
{
    void *sum = NULL, *result = NULL;
    weft_gen *g = weft_gen_new(add_up, NULL);
    (void)arg;
    CHECK_INT(weft_gen_send(g, NUMBER(1), &sum), -EINVAL);
    CHECK_INT(weft_gen_send(g, NULL, &sum), 1);
    for (int i = 1; i <= 10; i++)
        CHECK_INT(weft_gen_send(g, NUMBER(i), &sum), 1);
    CHECK_INT(number(sum), 55);
    CHECK_INT(weft_gen_close(g), 0);
    CHECK_INT(weft_gen_result(g, &result), 0);
    CHECK_INT(number(result), 55);
    CHECK_INT(weft_gen_free(g), 0);
    return NULL;
}

static void test_generator_receives_what_is_sent(void **state)
{
    (void)state;
    wt_over_workers_and_thread(send_values, NULL);
}

/* ---- errors ---- */

/* Yields each error that is thrown into it, as a value; ends at -EPIPE with a result, at -EIO with that error. */
static void *catch_errors(void *arg)
{
    intptr_t value = 0;
    (void)arg;
    for (;;) {
        CHECK(weft_gen_yield(NUMBER(value)) == NULL);
        value = weft_gen_error();
        CHECK_INT(weft_gen_error(), value); /* asking twice is fine */
        if (value == -EPIPE)
            return NUMBER(7);
        if (value == -EIO) {
            CHECK_INT(weft_gen_set_error(1), -EINVAL);
            CHECK_INT(weft_gen_set_error(-EIO), 0);
            return NULL;
        }
        if (value == -EPROTO) {
            CHECK_INT(weft_gen_set_error(WEFT_GEN_DONE), 0);
            return NULL;
        }
    }
}

static weft_gen *catcher(void)
{
    weft_gen *g = weft_gen_new(catch_errors, NULL);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    return g;
}

static void *throw_errors(void *arg)
{
    void *value = NULL;
    weft_gen *g = catcher();
    (void)arg;
    CHECK_INT(weft_gen_throw(g, -EDOM, &value), 1);
    CHECK_INT(number(value), -EDOM);
    CHECK_INT(weft_gen_next(g, &value), 1); /* it goes on, and the error is gone */
    CHECK_INT(number(value), 0);
    CHECK_INT(weft_gen_throw(g, -EPIPE, &value), 0);
    CHECK_INT(weft_gen_result(g, &value), 0);
    CHECK_INT(number(value), 7);
    CHECK_INT(weft_gen_throw(g, -EDOM, &value), -EDOM); /* nobody is there to see it */
    CHECK_INT(weft_gen_free(g), 0);

    g = catcher();
    CHECK_INT(weft_gen_throw(g, -EIO, &value), -EIO);
    CHECK_INT(weft_gen_next(g, &value), 0); /* told once */
    CHECK_INT(weft_gen_result(g, &value), -EIO);
    CHECK_INT(weft_gen_free(g), 0);

    g = catcher();
    CHECK_INT(weft_gen_throw(g, -EPROTO, &value), -EPROTO);
    CHECK_INT(weft_gen_result(g, &value), -EPROTO);
    CHECK_INT(weft_gen_free(g), 0);
    return NULL;
}

static void test_generator_body_sees_what_is_thrown_and_may_go_on(void **state)
{
    (void)state;
    wt_over_workers_and_thread(throw_errors, NULL);
}

static void *throw_at_the_blind(void *arg)
{
    void *value = NULL;
    weft_gen *g = counter(1);
    (void)arg;
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(weft_gen_throw(g, -EDOM, &value), -EDOM); /* it ended without having asked */
    CHECK_INT(weft_gen_next(g, &value), 0);
    CHECK_INT(weft_gen_free(g), 0);
    g = counter(2);
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(weft_gen_throw(g, -EDOM, &value), 1); /* it went on */
    CHECK_INT(weft_gen_next(g, &value), 0);
    CHECK_INT(weft_gen_free(g), 0);
    g = counter(1);
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(weft_gen_throw(g, WEFT_GEN_DONE, &value), -EPROTO);
    CHECK_INT(weft_gen_free(g), 0);
    g = counter(1);
    CHECK_INT(weft_gen_throw(g, -EDOM, &value), -EDOM); /* it never ran */
    CHECK_INT(weft_gen_next(g, &value), 0);
    CHECK_INT(weft_gen_result(g, &value), -EDOM);
    CHECK_INT(weft_gen_free(g), 0);
    g = counter(1);
    CHECK_INT(weft_gen_throw(g, WEFT_GEN_DONE, &value), -EPROTO);
    CHECK_INT(weft_gen_throw(g, 0, &value), -EINVAL);
    CHECK_INT(weft_gen_throw(g, EDOM, &value), -EINVAL);
    CHECK_INT(weft_gen_free(g), 0);
    return NULL;
}

static void test_generator_error_nobody_looked_at_comes_out(void **state)
{
    (void)state;
    wt_over_workers_and_thread(throw_at_the_blind, NULL);
}

/* ---- closing ---- */

/* Refuses to end as often as it is told to. */
static void *refuse_to_end(void *arg)
{
    int *times = arg;
    for (intptr_t i = 0; *times >= 0; i++) {
        weft_gen_yield(NUMBER(i));
        if (weft_gen_error() == -ECANCELED)
            --*times;
    }
    return NUMBER(9);
}

static void *close_stubborn(void *arg)
{
    int times = 2;
    void *value = NULL;
    weft_gen *g = weft_gen_new(refuse_to_end, &times);
    (void)arg;
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(weft_gen_close(g), -EBUSY);
    CHECK_INT(weft_gen_next(g, &value), 1); /* it stands in a yield as ever */
    CHECK_INT(weft_gen_free(g), -EBUSY);
    CHECK_INT(weft_gen_close(g), 0);
    CHECK_INT(weft_gen_close(g), 0);
    CHECK_INT(weft_gen_result(g, &value), 0);
    CHECK_INT(number(value), 9);
    CHECK_INT(weft_gen_next(g, &value), 0);
    CHECK_INT(weft_gen_free(g), 0);
    return NULL;
}

static void test_generator_that_yields_when_closed_is_busy(void **state)
{
    (void)state;
    wt_over_workers_and_thread(close_stubborn, NULL);
}

static void *note_end(void *arg)
{
    int *seen = arg;
    weft_gen_yield(NULL);
    *seen = weft_gen_error();
    weft_gen_set_error(*seen == -ECANCELED ? -EIO : 0);
    return NULL;
}

static void *close_and_free(void *arg)
{
    int seen = 1;
    (void)arg;
    weft_gen *g = weft_gen_new(note_end, &seen);
    CHECK_INT(weft_gen_close(g), 0); /* never ran */
    CHECK_INT(seen, 1);
    CHECK_INT(weft_gen_next(g, NULL), 0);
    CHECK_INT(weft_gen_free(g), 0);
    g = weft_gen_new(note_end, &seen);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT(seen, 1);
    g = weft_gen_new(note_end, &seen);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_close(g), -EIO); /* the body failed */
    CHECK_INT(seen, -ECANCELED);
    CHECK_INT(weft_gen_free(g), 0);
    seen = 1;
    g = weft_gen_new(note_end, &seen);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT(seen, -ECANCELED);
    CHECK_INT(weft_gen_free(NULL), 0);
    return NULL;
}

static void test_generator_freed_runs_to_its_end(void **state)
{
    (void)state;
    wt_over_workers_and_thread(close_and_free, NULL);
}

/* ---- already executing ---- */

static weft_gen *own;

static void *ask_oneself(void *arg)
{
    (void)arg;
    CHECK_INT(weft_gen_next(own, NULL), -EDEADLK);
    CHECK_INT(weft_gen_send(own, own, NULL), -EDEADLK);
    CHECK_INT(weft_gen_throw(own, -EIO, NULL), -EDEADLK);
    CHECK_INT(weft_gen_close(own), -EDEADLK);
    CHECK_INT(weft_gen_free(own), -EBUSY);
    CHECK_INT(weft_gen_from(own, NULL), -EDEADLK);
    CHECK_INT(weft_gen_error(), -EDEADLK);
    weft_gen_yield(NUMBER(4));
    return NULL;
}

static void *reenter(void *arg)
{
    void *value = NULL;
    (void)arg;
    own = weft_gen_new(ask_oneself, NULL);
    CHECK_INT(weft_gen_next(own, &value), 1);
    CHECK_INT(number(value), 4);
    CHECK_INT(weft_gen_next(own, &value), 0);
    CHECK_INT(weft_gen_free(own), 0);
    return NULL;
}

static void test_generator_that_runs_is_not_entered_again(void **state)
{
    (void)state;
    wt_over_workers_and_thread(reenter, NULL);
}

struct meeting {
    weft_event here, there;
    weft_gen *g;
};

static void *block_in_body(void *arg)
{
    struct meeting *m = arg;
    CHECK_INT(weft_event_set(&m->here), 0);
    int result = weft_event_wait(&m->there);
    weft_gen_yield(NUMBER(result));
    return NULL;
}

static void *next_of_meeting(void *arg)
{
    struct meeting *m = arg;
    void *value = NUMBER(1);
    CHECK_INT(weft_gen_next(m->g, &value), 1);
    return value;
}

static void meeting_init(struct meeting *m)
{
    CHECK_INT(weft_event_init(&m->here), 0);
    CHECK_INT(weft_event_init(&m->there), 0);
    m->g = weft_gen_new(block_in_body, m);
}

static void *block_elsewhere(void *arg)
{
    struct meeting m;
    void *value = NUMBER(1);
    (void)arg;
    meeting_init(&m);
    weft_t *t = weft_spawn(next_of_meeting, &m);
    CHECK_INT(weft_event_wait(&m.here), 0);
    wt_until_waiting(t, WF_WAIT_EVENT); /* the coroutine waits, in the body */
    CHECK_INT(weft_gen_next(m.g, NULL), -EDEADLK);
    CHECK_INT(weft_gen_free(m.g), -EBUSY);
    CHECK_INT(weft_event_set(&m.there), 0);
    CHECK_INT(weft_join(t, &value), 0);
    CHECK_INT(number(value), 0);
    CHECK_INT(weft_gen_next(m.g, NULL), 0); /* and goes on here */
    CHECK_INT(weft_gen_free(m.g), 0);
    return NULL;
}

static void test_generator_blocked_in_one_coroutine_is_executing_for_others(void **state)
{
    (void)state;
    wt_over_workers(block_elsewhere, NULL);
}

static void *kill_in_body(void *arg)
{
    struct meeting m;
    void *value = NUMBER(1);
    (void)arg;
    meeting_init(&m);
    weft_t *t = weft_spawn(next_of_meeting, &m);
    CHECK_INT(weft_event_wait(&m.here), 0);
    wt_until_waiting(t, WF_WAIT_EVENT);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, &value), 0);
    CHECK_INT(number(value), -ECANCELED);
    CHECK_INT(weft_gen_close(m.g), 0);
    CHECK_INT(weft_gen_free(m.g), 0);
    return NULL;
}

static void test_generator_kill_ends_the_wait_of_the_body(void **state)
{
    (void)state;
    wt_over_workers(kill_in_body, NULL);
}

static void *sleep_long(void *arg)
{
    (void)arg;
    for (;;) {
        weft_gen_yield(NUMBER(weft_sleep(WEFT_NEVER)));
        if (weft_gen_error() != 0)
            return NULL;
    }
}

static void *sleep_until_past(void *arg)
{
    weft_event *event = arg;
    weft_gen_yield(NUMBER(weft_event_wait_until(event, weft_after(WEFT_MILLISECOND))));
    return NULL;
}

static void *time_out_in_body(void *arg)
{
    weft_timeout t = {0};
    weft_event event;
    void *value = NULL;
    weft_gen *g = weft_gen_new(sleep_long, NULL);
    (void)arg;
    CHECK_INT(weft_timeout_start(&t, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(number(value), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&t), 1);
    CHECK_INT(weft_timeout_stop(&t), 0);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT(weft_event_init(&event), 0);
    g = weft_gen_new(sleep_until_past, &event);
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(number(value), -ETIMEDOUT);
    CHECK_INT(weft_gen_free(g), 0);
    return NULL;
}

static void test_generator_timeouts_bound_the_body(void **state)
{
    (void)state;
    wt_over_workers_and_thread(time_out_in_body, NULL);
}

/* A killed coroutine may use generators: asking is no blocking call. */
static void *use_when_killed(void *arg)
{
    void *value = NULL;
    weft_gen *g = counter(1);
    (void)arg;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(weft_gen_next(g, &value), 0);
    CHECK_INT(weft_gen_free(g), 0);
    return NULL;
}

static void *spawn_killed(void *arg)
{
    (void)arg;
    wt_spawn_and_join(1, use_when_killed, NULL);
    return NULL;
}

static void test_generator_works_in_a_killed_coroutine(void **state)
{
    (void)state;
    wt_over_workers(spawn_killed, NULL);
}

/* ---- moving ---- */

/* Yields where it is interrupted by others in all ways. */
static void *wander(void *arg)
{
    weft_sem *sem = arg;
    for (intptr_t i = 0;; i++) {
        weft_yield();
        CHECK_INT(weft_sem_wait(sem), 0);
        weft_yield();
        CHECK_INT(weft_sem_post(sem), 0);
        weft_gen_yield(NUMBER(i));
        if (weft_gen_error() != 0)
            return NUMBER(i + 1);
    }
}

struct pass {
    weft_chan *from, *to;
    int moves;
};

/* Take a generator from one channel, ask it, hand it on. */
static void *ask_and_pass(void *arg)
{
    struct pass *p = arg;
    for (int i = 0; i < p->moves; i++) {
        weft_gen *g = NULL;
        CHECK_INT(weft_chan_recv(p->from, &g), 0);
        CHECK_INT(weft_gen_next(g, NULL), 1);
        CHECK_INT(weft_chan_send(p->to, &g), 0);
    }
    return NULL;
}

static void *move_about(void *arg)
{
    weft_gen *gs[MOVERS];
    weft_chan *chans[2] = {weft_chan_new(sizeof(weft_gen *), MOVERS), weft_chan_new(sizeof(weft_gen *), MOVERS)};
    int moves = wt_scaled(MOVES);
    struct pass passes[2] = {{chans[0], chans[1], moves}, {chans[1], chans[0], moves}};
    weft_t *ts[8];
    weft_sem sem;
    (void)arg;
    CHECK_INT(weft_sem_init(&sem, 1), 0);
    for (int i = 0; i < MOVERS; i++) {
        gs[i] = weft_gen_new(wander, &sem);
        CHECK_INT(weft_chan_send(chans[0], &gs[i]), 0);
    }
    for (int i = 0; i < 8; i++)
        ts[i] = weft_spawn(ask_and_pass, &passes[i % 2]);
    wt_thread *threads[2] = {wt_thread_start(ask_and_pass, &passes[0]), wt_thread_start(ask_and_pass, &passes[1])};
    for (int i = 0; i < 8; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(threads[0]);
    wt_thread_join(threads[1]);
    intptr_t asked = 0;
    for (int i = 0; i < MOVERS; i++) {
        void *result = NULL;
        CHECK_INT(weft_gen_close(gs[i]), 0);
        CHECK_INT(weft_gen_result(gs[i], &result), 0);
        asked += (intptr_t)result;
        CHECK_INT(weft_gen_free(gs[i]), 0);
    }
    CHECK_INT(asked, 10 * moves);
    CHECK_INT(weft_chan_free(chans[0]), 0);
    CHECK_INT(weft_chan_free(chans[1]), 0);
    return NULL;
}

static void test_generator_moves_between_coroutines_workers_and_threads(void **state)
{
    (void)state;
    wt_over_workers(move_about, NULL);
}

/* ---- forks ---- */

static void *add_one(void *arg)
{
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read after the syncs */
    return NULL;
}

/* Leaves forks behind over a yield. */
static void *fork_and_yield(void *arg)
{
    weft_task tasks[4];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 4; i++)
            CHECK_INT(weft_fork(&tasks[i], add_one, arg), 0);
        if (round != 0)
            CHECK_INT(weft_sync(&tasks[3]), 0);
        weft_gen_yield(NULL);
        for (int i = round != 0 ? 2 : 3; i >= 0; i--)
            CHECK_INT(weft_sync(&tasks[i]), 0);
    }
    return NULL;
}

static void *next_forked(void *arg)
{
    CHECK_INT(weft_gen_next(arg, NULL), 1);
    return NULL;
}

/* The same from outside: forks of the caller are pending while the body runs. */
static void *fork_around(void *arg)
{
    _Atomic(int) inner = 0, outer = 0;
    (void)arg;
    weft_gen *g = weft_gen_new(fork_and_yield, &inner);
    for (int round = 0; round < 4; round++) {
        weft_task tasks[3];
        for (int i = 0; i < 3; i++)
            CHECK_INT(weft_fork(&tasks[i], add_one, &outer), 0);
        if (round % 2 == 0)
            CHECK_INT(weft_gen_next(g, NULL), 1);
        else
            wt_spawn_and_join(1, next_forked, g);
        CHECK_INT(weft_sync(&tasks[0]), 0);
        CHECK_INT(weft_sync(&tasks[2]), 0);
        CHECK_INT(weft_sync(&tasks[1]), 0);
    }
    CHECK_INT(weft_gen_next(g, NULL), 0);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT(wf_load_relaxed(&inner), 16); /* relaxed: synced */
    CHECK_INT(wf_load_relaxed(&outer), 12); /* relaxed: as above */
    return NULL;
}

static void test_generator_forks_outlive_yields_on_either_side(void **state)
{
    (void)state;
    wt_over_workers(fork_around, NULL);
}

static void *leave_fork(void *arg)
{
    static weft_task task;
    static _Atomic(int) count;
    (void)arg;
    weft_fork(&task, add_one, &count);
    return NULL;
}

static void *next_of_leaver(void *arg)
{
    (void)arg;
    weft_gen_next(weft_gen_new(leave_fork, NULL), NULL);
    return NULL;
}

static int leave_fork_behind(void)
{
    return weft_run(next_of_leaver, NULL, NULL);
}

static void test_generator_that_ends_with_a_fork_unsynced_is_named(void **state)
{
    char said[4096];
    (void)state;
    int status = wt_in_child(leave_fork_behind, said, sizeof said);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "the body of a generator ended without weft_sync of 1 task(s)"));
}

/* ---- delegating ---- */

struct delegate {
    weft_gen *sub;
    int error;   /* that came out of weft_gen_from */
    bool handle; /* look at it, and go on */
};

static void *delegate(void *arg)
{
    struct delegate *d = arg;
    void *result = NULL;
    d->error = weft_gen_from(d->sub, &result);
    if (d->handle) {
        CHECK_INT(weft_gen_error(), d->error);
        weft_gen_yield(NUMBER(d->error));
    }
    return result;
}

static void *go_through(void *arg)
{
    void *value = NULL, *result = NULL;
    struct delegate d = {.sub = weft_gen_new(add_up, NULL)};
    weft_gen *g = weft_gen_new(delegate, &d);
    (void)arg;
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(weft_gen_send(g, NUMBER(3), &value), 1);
    CHECK_INT(weft_gen_send(g, NUMBER(4), &value), 1);
    CHECK_INT(number(value), 7);
    CHECK_INT(weft_gen_throw(g, -EDOM, &value), 0); /* which ends add_up, with its sum */
    CHECK_INT(d.error, 0);
    CHECK_INT(weft_gen_result(g, &result), 0);
    CHECK_INT(number(result), 7);
    CHECK_INT(weft_gen_free(g), 0);
    g = weft_gen_new(delegate, &d); /* sub has ended: its result is there at once */
    CHECK_INT(weft_gen_next(g, &value), 0);
    CHECK_INT(weft_gen_result(g, &result), 0);
    CHECK_INT(number(result), 7);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT(weft_gen_free(d.sub), 0);
    return NULL;
}

static void test_generator_from_passes_values_both_ways_and_the_result(void **state)
{
    (void)state;
    wt_over_workers_and_thread(go_through, NULL);
}

static void *fail_through(void *arg)
{
    void *value = NULL;
    struct delegate d = {.sub = counter(1)};
    weft_gen *g = weft_gen_new(delegate, &d);
    (void)arg;
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(weft_gen_throw(g, -EDOM, &value), -EDOM); /* neither looked at it */
    CHECK_INT(d.error, -EDOM);
    CHECK_INT(weft_gen_result(d.sub, NULL), -EDOM);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT(weft_gen_free(d.sub), 0);
    d = (struct delegate){.sub = counter(1), .handle = true};
    g = weft_gen_new(delegate, &d);
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(weft_gen_throw(g, -EDOM, &value), 1);
    CHECK_INT(number(value), -EDOM);
    CHECK_INT(weft_gen_next(g, &value), 0);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT(weft_gen_free(d.sub), 0);
    return NULL;
}

static void test_generator_from_hands_on_errors(void **state)
{
    (void)state;
    wt_over_workers_and_thread(fail_through, NULL);
}

static void *close_through(void *arg)
{
    int times = 1, seen = 1;
    struct delegate d = {.sub = weft_gen_new(note_end, &seen)};
    weft_gen *g = weft_gen_new(delegate, &d);
    (void)arg;
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_close(g), -EIO); /* note_end fails with it */
    CHECK_INT(seen, -ECANCELED);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT(weft_gen_free(d.sub), 0);
    d.sub = counter(5);
    g = weft_gen_new(delegate, &d);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_throw(g, -ECANCELED, NULL), -EBUSY); /* as a close: and count_to does not look */
    CHECK_INT(d.error, -EBUSY);
    CHECK_INT(weft_gen_free(g), 0);
    while (weft_gen_next(d.sub, NULL) == 1)
        continue;
    CHECK_INT(weft_gen_free(d.sub), 0);
    d.sub = weft_gen_new(refuse_to_end, &times);
    g = weft_gen_new(delegate, &d);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_close(g), -EBUSY); /* sub refused, which comes out of the body */
    CHECK_INT(d.error, -EBUSY);
    CHECK_INT(weft_gen_next(g, NULL), 0);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT(weft_gen_free(d.sub), 0);
    return NULL;
}

static void test_generator_from_closes_the_other(void **state)
{
    (void)state;
    wt_over_workers_and_thread(close_through, NULL);
}

/* ---- loops ---- */

static int leave_by_return(weft_gen *g)
{
    WEFT_GEN_FOREACH (value, g) {
        if (number(value) == 2)
            return 2;
    }
    return 0;
}

static void *loop(void *arg)
{
    int sum = 0, seen = 1, inner = 0;
    weft_gen *g = weft_gen_new(count_politely, NUMBER(4));
    (void)arg;
    WEFT_GEN_FOREACH (value, g)
        sum += number(value);
    CHECK_INT(sum, 10);
    CHECK_INT(weft_gen_free(g), 0);
    g = weft_gen_new(count_politely, NUMBER(4));
    WEFT_GEN_FOREACH (value, g) {
        if (number(value) == 2)
            continue;
        if (number(value) == 3)
            break;
        sum += number(value);
    }
    CHECK_INT(sum, 11);
    CHECK_INT(weft_gen_next(g, NULL), 0); /* closed by the break */
    CHECK_INT(weft_gen_free(g), 0);
    g = weft_gen_new(note_end, &seen);
    WEFT_GEN_FOREACH (value, g)
        break;
    CHECK_INT(seen, -ECANCELED);
    CHECK_INT(weft_gen_result(g, NULL), -EIO);
    CHECK_INT(weft_gen_free(g), 0);
    g = weft_gen_new(count_politely, NUMBER(4));
    CHECK_INT(leave_by_return(g), 2);
    CHECK_INT(weft_gen_next(g, NULL), 0);
    CHECK_INT(weft_gen_free(g), 0);
    g = counter(3);
    WEFT_GEN_FOREACH (outer, g) {
        weft_gen *h = counter(number(outer));
        WEFT_GEN_FOREACH (value, h)
            inner += number(value);
        CHECK_INT(weft_gen_free(h), 0);
    }
    CHECK_INT(inner, 1 + 3 + 6);
    CHECK_INT(weft_gen_free(g), 0);
    return NULL;
}

static void test_generator_loop_ends_with_it_closed(void **state)
{
    (void)state;
    wt_over_workers_and_thread(loop, NULL);
}

/* ---- stacks ---- */

static void *deepen(int depth)
{
    volatile char room[256];
    room[0] = (char)depth;
    if (depth == 0)
        weft_gen_yield(NUMBER(1));
    else
        deepen(depth - 1);
    return NUMBER(room[0]);
}

static void *yield_from_the_deep(void *arg)
{
    (void)arg;
    deepen(100);
    return NULL;
}

static void *count_stacks(void *arg)
{
    weft_gen_options large = {.stack_size = 1 << 20}, secret = {.secret = true}, huge = {.stack_size = 9 << 20};
    size_t before = wf_stack_live();
    weft_gen *g = weft_gen_new_opt(&large, yield_from_the_deep, NULL);
    (void)arg;
    CHECK_INT((int64_t)wf_stack_live(), (int64_t)before); /* it has none before it begins */
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT((int64_t)wf_stack_live(), (int64_t)before + 1);
    CHECK_INT(weft_gen_next(g, NULL), 0);
    CHECK_INT((int64_t)wf_stack_live(), (int64_t)before); /* nor after the end */
    CHECK_INT(weft_gen_free(g), 0);
    g = weft_gen_new_opt(&secret, yield_from_the_deep, NULL);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT((int64_t)wf_stack_live(), (int64_t)before);
    CHECK(weft_gen_new_opt(&huge, yield_from_the_deep, NULL) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    return NULL;
}

static void test_generator_has_a_stack_from_its_first_next_to_its_end(void **state)
{
    (void)state;
    wt_run(1, count_stacks, NULL);
    wt_start(1);
    wt_on_thread(count_stacks, NULL);
    wt_stop();
    wt_finish();
}

static int recurse(int depth)
{
    volatile char room[512];
    room[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + room[0];
}

static void *overflow(void *arg)
{
    (void)arg;
    return NUMBER(recurse(0));
}

static void *next_of_overflow(void *arg)
{
    weft_gen_next(weft_gen_new(overflow, arg), NULL);
    return NULL;
}

static int overflow_in_coroutine(void)
{
    return weft_run(next_of_overflow, NULL, NULL);
}

static int overflow_in_thread(void)
{
    next_of_overflow(NULL);
    return 0;
}

static void test_generator_overflow_names_the_body(void **state)
{
    char said[8192];
    (void)state;
    int status = wt_in_child(overflow_in_coroutine, said, sizeof said);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(said, "stack overflow in coroutine"));
    assert_non_null(strstr(said, "in the body of a generator, "));
    status = wt_in_child(overflow_in_thread, said, sizeof said);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(said, "(none: plain thread "));
    assert_non_null(strstr(said, "in the body of a generator, "));
}

/* ---- misuse and want of memory ---- */

static void *misuse(void *arg)
{
    (void)arg;
    CHECK_INT(weft_gen_next(NULL, NULL), -EINVAL);
    CHECK_INT(weft_gen_send(NULL, NULL, NULL), -EINVAL);
    CHECK_INT(weft_gen_throw(NULL, -EIO, NULL), -EINVAL);
    CHECK_INT(weft_gen_close(NULL), -EINVAL);
    CHECK_INT(weft_gen_result(NULL, NULL), -EINVAL);
    CHECK_INT(weft_gen_from(NULL, NULL), -EPERM);
    CHECK_INT(weft_gen_error(), -EPERM);
    CHECK_INT(weft_gen_set_error(0), -EPERM);
    CHECK(weft_gen_yield(NUMBER(1)) == NULL);
    CHECK_INT(weft_last_error(), -EPERM);
    CHECK(weft_gen_new(NULL, NULL) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    return NULL;
}

static void test_generator_misuse_is_refused(void **state)
{
    (void)state;
    wt_over_workers_and_thread(misuse, NULL);
}

static void *run_short_of_memory(void *arg)
{
    (void)arg;
    wf_alloc_fail_after(0, true);
    weft_gen *g = weft_gen_new(count_to, NULL);
    wf_alloc_fail_after(UINT64_MAX, false);
    CHECK(g == NULL);
    CHECK_INT(weft_last_error(), -ENOMEM);
    return NULL;
}

static void test_generator_without_memory_is_null(void **state)
{
    (void)state;
    wt_run(1, run_short_of_memory, NULL);
}

enum { HUNGRY = 64 };

/* In a child: little address space is left. */
static int run_short_of_stacks(void)
{
    weft_gen_options large = {.stack_size = 8 << 20};
    weft_gen *gens[HUNGRY];
    int begun = 0, error = 1;
    for (int i = 0; i < HUNGRY; i++)
        gens[i] = weft_gen_new_opt(&large, count_politely, NUMBER(1));
    rlim_t most = (rlim_t)256 << 20;
    setrlimit(RLIMIT_AS, &(struct rlimit){.rlim_cur = most, .rlim_max = most});
    while (begun < HUNGRY && (error = weft_gen_next(gens[begun], NULL)) == 1)
        begun++;
    if (error != -ENOMEM || begun == 0)
        return 1;
    if (weft_gen_next(gens[begun], NULL) != -ENOMEM || weft_gen_free(gens[0]) != 0)
        return 2;
    return weft_gen_next(gens[begun], NULL) == 1 ? 0 : 3; /* with the stack that the first one had */
}

static void test_generator_without_a_stack_can_be_tried_again(void **state)
{
    char said[512];
    (void)state;
    if (wt_scaled(100) != 100) {
        print_message("a sanitizer needs the address space: ");
        skip();
    }
    int status = wt_in_child(run_short_of_stacks, said, sizeof said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- without a runtime ---- */

/* In a child, which has not looked at its environment yet. */
static int read_junk(void)
{
    setenv("WEFT_STACK_SIZE", "junk", 1);
    if (weft_gen_new(count_to, NULL) != NULL || weft_last_error() != -EINVAL)
        return 1;
    if (weft_co_new(count_to, NULL) != NULL || weft_last_error() != -EINVAL)
        return 2;
    setenv("WEFT_STACK_SIZE", "64K", 1);
    weft_gen *g = weft_gen_new(count_politely, NUMBER(1));
    return g != NULL && weft_gen_next(g, NULL) == 1 && weft_gen_free(g) == 0 ? 0 : 3;
}

static void test_generator_without_a_runtime_heeds_the_environment(void **state)
{
    char said[512];
    (void)state;
    int status = wt_in_child(read_junk, said, sizeof said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_non_null(strstr(said, "WEFT_STACK_SIZE=junk is not a stack size"));
}

/* ---- the child of a fork(2) ---- */

static weft_gen *inherited;

static int go_on_in_child(void)
{
    void *value = NULL;
    if (weft_gen_next(inherited, &value) != 1 || number(value) != 2)
        return 1;
    if (weft_gen_free(inherited) != 0)
        return 2;
    inherited = weft_gen_new(count_politely, NUMBER(1));
    return weft_gen_next(inherited, &value) == 1 && weft_gen_free(inherited) == 0 ? 0 : 3;
}

static void test_generator_goes_on_in_the_child_of_a_fork(void **state)
{
    char said[512];
    void *value = NULL;
    (void)state;
    inherited = weft_gen_new(count_politely, NUMBER(3));
    CHECK_INT(weft_gen_next(inherited, NULL), 1);
    int status = wt_in_child(go_on_in_child, said, sizeof said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    CHECK_INT(weft_gen_next(inherited, &value), 1); /* a copy of it, that was */
    CHECK_INT(number(value), 2);
    CHECK_INT(weft_gen_free(inherited), 0);
    wt_finish();
}

/* No runtime was ever started, or it has stopped: generators need none. */
static void test_generator_needs_no_runtime(void **state)
{
    (void)state;
    take_values(NULL);
    loop(NULL);
    weft_gen *g = weft_gen_new(count_politely, NUMBER(3));
    void *value = NULL;
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(weft_run(next_forked, g, NULL), 0); /* over a whole runtime */
    CHECK_INT(weft_stop(WEFT_NEVER), 0);
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(number(value), 3);
    CHECK_INT(weft_gen_free(g), 0);
    CHECK_INT((int64_t)wf_stack_live(), 0);
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator_without_a_runtime_heeds_the_environment),
        cmocka_unit_test(test_generator_overflow_names_the_body),
        cmocka_unit_test(test_generator_that_ends_with_a_fork_unsynced_is_named),
        cmocka_unit_test(test_generator_without_a_stack_can_be_tried_again),
        cmocka_unit_test(test_generator_hands_out_its_values_and_then_its_result),
        cmocka_unit_test(test_generator_receives_what_is_sent),
        cmocka_unit_test(test_generator_body_sees_what_is_thrown_and_may_go_on),
        cmocka_unit_test(test_generator_error_nobody_looked_at_comes_out),
        cmocka_unit_test(test_generator_that_yields_when_closed_is_busy),
        cmocka_unit_test(test_generator_freed_runs_to_its_end),
        cmocka_unit_test(test_generator_that_runs_is_not_entered_again),
        cmocka_unit_test(test_generator_blocked_in_one_coroutine_is_executing_for_others),
        cmocka_unit_test(test_generator_kill_ends_the_wait_of_the_body),
        cmocka_unit_test(test_generator_timeouts_bound_the_body),
        cmocka_unit_test(test_generator_works_in_a_killed_coroutine),
        cmocka_unit_test(test_generator_moves_between_coroutines_workers_and_threads),
        cmocka_unit_test(test_generator_forks_outlive_yields_on_either_side),
        cmocka_unit_test(test_generator_from_passes_values_both_ways_and_the_result),
        cmocka_unit_test(test_generator_from_hands_on_errors),
        cmocka_unit_test(test_generator_from_closes_the_other),
        cmocka_unit_test(test_generator_loop_ends_with_it_closed),
        cmocka_unit_test(test_generator_has_a_stack_from_its_first_next_to_its_end),
        cmocka_unit_test(test_generator_misuse_is_refused),
        cmocka_unit_test(test_generator_without_memory_is_null),
        cmocka_unit_test(test_generator_goes_on_in_the_child_of_a_fork),
        cmocka_unit_test(test_generator_needs_no_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
