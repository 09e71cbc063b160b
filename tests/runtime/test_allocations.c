/* Every small allocation failing, once and for good, at each public call that makes one: the call says so, what it was given is
 * unharmed, and the same call succeeds afterwards. What blocks, wakes, kills and ends needs none, so it works while all fail.
 *
 * A scenario is run again and again, with its first allocation failing, then its second, and so on, until it has made fewer
 * than that; each time alone, and together with all that come after it. */
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "runtime.h"

#define NONE UINT64_MAX

enum { FAILURES_MOST = 200, KEYS = 20, FDS = 40, CROWD = 10 };

static void fail_all(void)
{
    wf_alloc_fail_after(0, true);
}

static void fail_none(void)
{
    wf_alloc_fail_after(NONE, false);
}

/* ---- scenarios: each returns 0 or the error of the call that failed, and leaves nothing ---- */

static void count(void *arg)
{
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read after a join, or on the same thread */
}

static void *return_arg(void *arg)
{
    return arg;
}

/* Run it in a coroutine of its own, which has allocated nothing yet. */
static int run_fresh(weft_fn *fn, void *arg)
{
    void *result = NULL;
    weft_t *t = weft_spawn(fn, arg);
    if (!CHECK(t != NULL))
        return weft_last_error();
    CHECK_INT(weft_join(t, &result), 0);
    return (int)(intptr_t)result;
}

static int spawn_with_options(void)
{
    _Atomic(int) cleaned = 0;
    weft_spawn_options options = {.name = "named", .cleanup = count};
    weft_t *t = weft_spawn_opt(&options, return_arg, &cleaned);
    int error = t == NULL ? weft_last_error() : weft_join(t, NULL);
    CHECK_INT(cleaned, 1);
    return error;
}

static void *set_name_body(void *arg)
{
    char name[32];
    int error = weft_set_name(arg);
    CHECK_INT(weft_name(NULL, name, sizeof name), error == 0 ? (int)strlen(arg) : 0);
    return (void *)(intptr_t)error;
}

static int set_name(void)
{
    return run_fresh(set_name_body, "someone");
}

static void *push_cleanups_body(void *arg)
{
    int error = weft_cleanup_push(count, arg);
    if (error == 0) {
        error = weft_cleanup_push(count, arg);
        CHECK_INT(weft_cleanup_pop(1), 0);
        if (error == 0)
            CHECK_INT(weft_cleanup_pop(1), 0);
    }
    CHECK_INT(weft_cleanup_pop(1), -EINVAL);
    return (void *)(intptr_t)error;
}

static int push_cleanups(void)
{
    _Atomic(int) cleaned = 0;
    int error = run_fresh(push_cleanups_body, &cleaned);
    CHECK(error != 0 || cleaned == 2);
    return error;
}

/* So many keys that the array has to grow. What was set stays when one cannot be. */
static void *set_locals_body(void *arg)
{
    weft_key *keys = arg;
    int error = 0, set = 0;
    while (set < KEYS && (error = weft_key_set(keys[set], &keys[set])) == 0)
        set++;
    for (int i = 0; i < KEYS; i++)
        CHECK(weft_key_get(keys[i]) == (i < set ? &keys[i] : NULL));
    return (void *)(intptr_t)error;
}

static int set_locals(void)
{
    weft_key keys[KEYS];
    for (int i = 0; i < KEYS; i++)
        CHECK_INT(weft_key_create(&keys[i], NULL), 0);
    int error = run_fresh(set_locals_body, keys);
    for (int i = 0; i < KEYS; i++)
        CHECK_INT(weft_key_delete(keys[i]), 0);
    return error;
}

static int wait_any(void)
{
    weft_t *ts[3];
    for (int i = 0; i < 3; i++)
        CHECK((ts[i] = weft_spawn(return_arg, NULL)) != NULL);
    int result = weft_wait_any(ts, 3);
    CHECK_INT(weft_joinall(ts, 3), 0); /* the handles are still ours */
    return result < 0 ? result : 0;
}

static int make_channel(void)
{
    weft_chan *ch = weft_chan_new(8, 100);
    return ch != NULL ? weft_chan_free(ch) : weft_last_error();
}

/* So many that they do not fit the stack; nothing comes. */
static int poll_many(void)
{
    struct pollfd fds[FDS];
    int pipe[2];
    CHECK_INT(weft_pipe2(pipe, O_CLOEXEC), 0);
    for (int i = 0; i < FDS; i++)
        fds[i] = (struct pollfd){.fd = pipe[0], .events = POLLIN};
    int result = weft_poll(fds, FDS, 1);
    CHECK_INT(weft_close(pipe[0]), 0);
    CHECK_INT(weft_close(pipe[1]), 0);
    return result;
}

/* The same as cases, with a channel; nothing of them is left in its line. */
static int select_many(void)
{
    weft_select_case cases[FDS + 1];
    weft_chan *ch = weft_chan_new(8, 0);
    if (ch == NULL)
        return weft_last_error();
    int pipe[2];
    CHECK_INT(weft_pipe2(pipe, O_CLOEXEC), 0);
    for (int i = 0; i < FDS; i++)
        cases[i] = (weft_select_case){.op = WEFT_SELECT_FD, .fd = pipe[0], .events = POLLIN};
    cases[FDS] = (weft_select_case){.op = WEFT_SELECT_RECV, .chan = ch};
    int result = weft_select(cases, FDS + 1, weft_after(WEFT_MILLISECOND));
    CHECK_INT(weft_close(pipe[0]), 0);
    CHECK_INT(weft_close(pipe[1]), 0);
    CHECK_INT(weft_chan_free(ch), 0);
    return result == -ETIMEDOUT ? 0 : result;
}

static int resolve_name(void)
{
    struct addrinfo *found = NULL;
    int result = weft_getaddrinfo("localhost", "80", NULL, &found);
    if (result == 0)
        freeaddrinfo(found);
    return result == EAI_SYSTEM ? weft_last_error() : result;
}

static int listen_and_dial(void)
{
    char address[40];
    int listener = weft_tcp_listen("localhost:0", 0);
    if (listener < 0)
        return listener;
    snprintf(address, sizeof address, "localhost:%d", weft_tcp_port(listener));
    int fd = weft_tcp_dial(address);
    if (fd >= 0)
        CHECK_INT(weft_close(fd), 0);
    CHECK_INT(weft_close(listener), 0);
    return fd < 0 ? fd : 0;
}

static int offload(void)
{
    void *result = NULL;
    int error = weft_offload(return_arg, &result, &result);
    CHECK(error != 0 || result == &result);
    return error;
}

static int run_twice(void)
{
    void *result;
    int error = weft_run(return_arg, NULL, &result);
    return error != 0 ? error : run_fresh(return_arg, NULL);
}

static void *yield_arg(void *arg)
{
    return weft_gen_yield(arg);
}

static int generate(void)
{
    void *value = NULL;
    weft_gen *g = weft_gen_new(yield_arg, &value);
    if (g == NULL)
        return weft_last_error();
    CHECK_INT(weft_gen_next(g, &value), 1);
    CHECK_INT(weft_gen_next(g, &value), 0);
    CHECK_INT(weft_gen_free(g), 0);
    return 0;
}

static void *switch_body(void *arg)
{
    weft_co *co = weft_co_new(return_arg, NULL);
    if (co == NULL)
        return (void *)(intptr_t)weft_last_error();
    CHECK(weft_co_switch(co, arg) == arg);
    CHECK_INT(weft_co_free(co), 0);
    return NULL;
}

static int switch_about(void)
{
    return run_fresh(switch_body, "value");
}

static const struct scenario {
    const char *name;
    int (*run)(void);
    int error;     /* what it returns when an allocation fails */
    bool offloads; /* or -EAGAIN when it was that of an offload thread, or 0 when another thread does the work */
    int least;     /* allocations that it makes at least */
} scenarios[] = {
    {"weft_spawn_opt", spawn_with_options, -ENOMEM, false, 1},
    {"weft_set_name", set_name, -ENOMEM, false, 1},
    {"weft_cleanup_push", push_cleanups, -ENOMEM, false, 3},
    {"weft_key_set", set_locals, -ENOMEM, false, 2},
    {"weft_wait_any", wait_any, -ENOMEM, false, 2},
    {"weft_chan_new", make_channel, -ENOMEM, false, 1},
    {"weft_poll", poll_many, -ENOMEM, false, 1},
    {"weft_select", select_many, -ENOMEM, false, 2},
    {"weft_offload", offload, -EAGAIN, true, 1},
    {"weft_getaddrinfo", resolve_name, -ENOMEM, true, 1},
    {"weft_tcp_listen, weft_tcp_dial", listen_and_dial, -ENOMEM, true, 2},
    {"weft_gen_new", generate, -ENOMEM, false, 1},
    {"weft_co_new", switch_about, -ENOMEM, false, 3},
    {"weft_run", run_twice, 0, false, 0},
};

/* ---- bystanders: they wait while allocations fail around them ---- */

struct bystanders {
    weft_event end;
    weft_t *ts[CROWD];
};

static void *stand_by(void *arg)
{
    struct bystanders *b = arg;
    int rounds = 0;
    while (weft_event_wait_until(&b->end, weft_after(100 * WEFT_MICROSECOND)) == -ETIMEDOUT)
        rounds++;
    CHECK_INT(weft_event_wait(&b->end), 0);
    return (void *)(intptr_t)rounds;
}

static void start_bystanders(struct bystanders *b)
{
    *b = (struct bystanders){.end = WEFT_EVENT_INIT};
    for (int i = 0; i < CROWD; i++)
        CHECK((b->ts[i] = weft_spawn(stand_by, b)) != NULL);
}

static void end_bystanders(struct bystanders *b)
{
    void *rounds = NULL;
    CHECK_INT(weft_event_set(&b->end), 0);
    for (int i = 0; i < CROWD; i++) {
        CHECK_INT(weft_join(b->ts[i], &rounds), 0);
        CHECK((intptr_t)rounds > 0);
    }
}

/* ---- running them ---- */

/* Returns whether the scenario got that far. */
static bool run_failing(const struct scenario *s, uint64_t number, bool for_good)
{
    wf_alloc_fail_after(number, for_good);
    int result = s->run();
    bool failed = wf_alloc_fail_after(NONE, false) > number;
    bool expected = result == (failed ? s->error : 0) || (s->offloads && (result == -EAGAIN || result == 0));
    if (!CHECK(expected))
        print_error("  %s is %d with allocation %d failing%s\n", s->name, result, (int)number,
                    for_good ? " for good" : "");
    return failed;
}

static void *run_scenarios(void *arg)
{
    struct bystanders bystanders;
    (void)arg;
    start_bystanders(&bystanders);
    weft_sleep(WEFT_MILLISECOND);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        const struct scenario *s = &scenarios[i];
        uint64_t number = 0;
        while (number < FAILURES_MOST && run_failing(s, number, false)) {
            run_failing(s, number, true);
            number++;
        }
        if (!CHECK(number < FAILURES_MOST && (int64_t)number >= s->least))
            print_error("  %s failed with %d allocations\n", s->name, (int)number);
        CHECK_INT(s->run(), 0);
    }
    end_bystanders(&bystanders);
    return NULL;
}

static void test_allocations_that_fail_fail_their_call_and_nothing_else(void **state)
{
    (void)state;
    wt_over_workers(run_scenarios, NULL);
}

static void test_allocations_of_the_start_fail_it_and_leave_nothing(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        uint64_t number = 0, made;
        weft_config config;
        weft_config_default(&config);
        config.threads = workers;
        do {
            wf_alloc_fail_after(number, number % 2);
            int result = weft_start(&config);
            made = wf_alloc_fail_after(NONE, false);
            CHECK(made > number ? result == -ENOMEM || result == -ENOTSUP : result == 0);
            if (result != 0)
                CHECK_INT(weft_stop(0), -ESRCH);
        } while (made > number++ && number < FAILURES_MOST);
        CHECK(number > workers);
        CHECK_INT(weft_stop(WEFT_NEVER), 0);
        wt_start(workers);
        wt_stop();
    }
    wt_finish();
}

/* ---- while all of them fail ---- */

struct without {
    weft_mutex mutex;
    weft_cond cond;
    weft_sem sem, never;
    weft_event event;
    weft_group group;
    weft_chan *ch;
    int fds[2];
    _Atomic(int) ended;
};

static void *block_on_all(void *arg)
{
    struct without *w = arg;
    weft_timeout timeout;
    int value = 0;
    char byte = 0;
    CHECK_INT(weft_event_wait(&w->event), 0);
    CHECK_INT(weft_mutex_lock(&w->mutex), 0);
    CHECK_INT(weft_cond_wait_until(&w->cond, &w->mutex, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_sleep(100 * WEFT_MICROSECOND), 0);
    CHECK_INT(weft_mutex_unlock(&w->mutex), 0);
    CHECK_INT(weft_sem_wait(&w->sem), 0);
    CHECK_INT(weft_chan_recv(w->ch, &value), 0);
    CHECK_INT(value, 7);
    CHECK_INT(weft_timeout_start(&timeout, 100 * WEFT_MICROSECOND), 0);
    CHECK_INT(weft_sem_wait(&w->never), -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_recv(w->fds[0], &byte, 1, 0), 1);
    CHECK_INT(weft_group_done(&w->group), 0);
    CHECK_INT(weft_sleep(1000 * WEFT_SECOND), -ECANCELED);
    wf_fetch_add_relaxed(&w->ended, 1); /* relaxed: read after the joins */
    return NULL;
}

static void *work_without_memory(void *arg)
{
    struct without w = {.ended = 0};
    weft_t *ts[CROWD];
    int seven = 7;
    (void)arg;
    CHECK((w.ch = weft_chan_new(sizeof seven, 0)) != NULL);
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w.fds), 0);
    CHECK_INT(weft_group_add(&w.group, CROWD), 0);
    fail_all();
    for (int i = 0; i < CROWD; i++)
        CHECK((ts[i] = weft_spawn(block_on_all, &w)) != NULL);
    CHECK_INT(weft_sleep(WEFT_MILLISECOND), 0);
    CHECK_INT(weft_event_set(&w.event), 0);
    for (int i = 0; i < CROWD; i++)
        CHECK_INT(weft_sem_post(&w.sem), 0);
    for (int i = 0; i < CROWD; i++)
        CHECK_INT(weft_chan_send(w.ch, &seven), 0);
    for (int i = 0; i < CROWD; i++)
        CHECK_INT(weft_send(w.fds[1], "x", 1, 0), 1);
    CHECK_INT(weft_group_wait(&w.group), 0);
    CHECK_INT(weft_killall(ts, CROWD), 0);
    CHECK_INT(weft_joinall(ts, CROWD), 0);
    CHECK_INT(weft_close(w.fds[0]), 0);
    CHECK_INT(weft_close(w.fds[1]), 0);
    CHECK_INT(weft_chan_free(w.ch), 0);
    fail_none();
    CHECK_INT(w.ended, CROWD);
    return NULL;
}

static void test_allocations_are_not_needed_to_block_wake_kill_and_end(void **state)
{
    (void)state;
    wt_over_workers(work_without_memory, NULL);
}

/* ---- a plain thread without memory for a block of its own ---- */

struct stranger {
    weft_event never;
    weft_mutex held;
    weft_chan *ch;
    weft_t *t;
    weft_key key;
};

/* All that wait, or keep something for the thread. */
static void call_all(struct stranger *s, bool memory)
{
    weft_timeout timeout;
    int value = 0, lacks = memory ? 0 : -ENOMEM, late = memory ? -ETIMEDOUT : -ENOMEM;
    CHECK_INT(weft_event_wait_until(&s->never, weft_after(1000)), late);
    CHECK_INT(weft_mutex_lock_until(&s->held, weft_after(1000)), late);
    CHECK_INT(weft_chan_recv_until(s->ch, &value, weft_after(1000)), late);
    CHECK_INT(weft_chan_send_until(s->ch, &value, weft_after(1000)), late);
    CHECK_INT(weft_join_until(s->t, NULL, weft_after(1000)), late);
    CHECK_INT(weft_wait_any_until(&s->t, 1, weft_after(1000)), late);
    CHECK_INT(weft_sleep(1000), lacks);
    CHECK_INT(weft_run(return_arg, NULL, NULL), lacks);
    CHECK_INT(weft_key_set(s->key, s), lacks);
    CHECK(weft_key_get(s->key) == (memory ? s : NULL));
    CHECK_INT(weft_timeout_start(&timeout, WEFT_SECOND), lacks);
    if (memory)
        CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_yield(), 0);
    CHECK_INT(weft_kill(NULL), -ESRCH);
    CHECK_INT(weft_event_is_set(&s->never), 0);
}

static void *call_without_memory(void *arg)
{
    fail_all();
    call_all(arg, false);
    fail_none();
    call_all(arg, true);
    return NULL;
}

static void *wait_for_ever(void *arg)
{
    struct stranger *s = arg;
    CHECK_INT(weft_mutex_lock(&s->held), 0);
    CHECK_INT(weft_event_wait(&s->never), -ECANCELED);
    CHECK_INT(weft_mutex_unlock(&s->held), 0);
    return NULL;
}

/* First of all tests: a thread's block is kept for the next thread. */
static void test_allocations_of_a_plain_thread_fail_the_calls_that_wait(void **state)
{
    struct stranger s = {.ch = weft_chan_new(sizeof(int), 0)};
    pthread_t thread;
    (void)state;
    wt_start(2);
    CHECK_INT(weft_key_create(&s.key, NULL), 0);
    CHECK((s.t = weft_spawn(wait_for_ever, &s)) != NULL);
    wt_until_waiting(s.t, WF_WAIT_EVENT);
    assert_int_equal(pthread_create(&thread, NULL, call_without_memory, &s), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    CHECK_INT(weft_kill(s.t), 0);
    CHECK_INT(weft_join(s.t, NULL), 0);
    CHECK_INT(weft_key_delete(s.key), 0);
    CHECK_INT(weft_chan_free(s.ch), 0);
    wt_stop();
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations_of_a_plain_thread_fail_the_calls_that_wait),
        cmocka_unit_test(test_allocations_of_the_start_fail_it_and_leave_nothing),
        cmocka_unit_test(test_allocations_that_fail_fail_their_call_and_nothing_else),
        cmocka_unit_test(test_allocations_are_not_needed_to_block_wake_kill_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
