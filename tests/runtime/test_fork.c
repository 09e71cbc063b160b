/* fork: the child has no runtime and may start its own, whoever forked, and whatever the others were doing at that moment; the
 * parent goes on as if nothing had happened. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "core/fiber.h"
#include "runtime.h"

#if defined(WF_ASAN) || defined(WF_TSAN)
#define CHILDREN_HAVE_THREADS 0
#else
#define CHILDREN_HAVE_THREADS 1
#endif

enum { FORKS = 60, HANGS_AFTER_S = 30, SAID = 4000 };

/* ThreadSanitizer lets no child of a process with threads start any; AddressSanitizer's allocator holds no lock over a fork, so
 * that a child may find one taken for ever by a thread that it does not have. */
static void skip_where_children_have_no_threads(void)
{
    if (!CHILDREN_HAVE_THREADS) {
        print_message("SKIP: this sanitizer does not support threads in the child of a fork\n");
        skip();
    }
}

/* In a child: say so and leave, unless this holds. */
#define NEED(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "child: line %d: %s\n", __LINE__, #condition); \
            _exit(1); \
        } \
    } while (0)

static void *return_arg(void *arg)
{
    return arg;
}

static void *read_byte(void *arg)
{
    char byte = 0;
    return weft_recv(*(int *)arg, &byte, 1, 0) == 1 ? arg : NULL;
}

/* A life of its own: spawn, sleep, I/O, locals of the runtime, stop. */
static void *live(void *arg)
{
    int fds[2];
    void *result = NULL;
    NEED(weft_self() != NULL);
    NEED(weft_sleep(100 * WEFT_MICROSECOND) == 0);
    NEED(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    weft_t *reader = weft_spawn(read_byte, &fds[0]);
    NEED(reader != NULL && weft_yield() == 0);
    NEED(weft_send(fds[1], "x", 1, 0) == 1);
    NEED(weft_join(reader, &result) == 0 && result == &fds[0]);
    NEED(weft_close(fds[0]) == 0 && weft_close(fds[1]) == 0);
    NEED(weft_offload(return_arg, fds, &result) == 0 && result == fds);
    return arg;
}

/* A descriptor on which coroutines of the parent have calls in flight; -1: none. */
static int in_use = -1;

static void be_child(weft_t *of_the_parent)
{
    weft_config config;
    weft_stats_info stats;
    alarm(HANGS_AFTER_S);
    NEED(weft_self() == NULL);
    NEED(weft_stats(&stats) == -ESRCH);
    NEED(weft_stop(0) == -ESRCH);
    if (of_the_parent != NULL) {
        NEED(weft_kill(of_the_parent) == -ESRCH);
        NEED(weft_join(of_the_parent, NULL) == -ESRCH);
    }
    NEED(weft_config_from_env(&config) == 0);
    config.threads = 2;
    NEED(weft_start(&config) == 0);
    NEED(weft_run(live, NULL, NULL) == 0);
    NEED(weft_stop(WEFT_NEVER) == 0);
    if (in_use >= 0)
        NEED(weft_close(in_use) == 0); /* those calls are not ours to wait for */
    _exit(0);
}

/* Fork, and wait for the child, which is to end with 0. */
static void fork_once(weft_t *other)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        be_child(other);
    if (!CHECK(child > 0))
        return;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    CHECK_INT(status, 0);
}

/* ---- by a coroutine ---- */

static void *wait_for_event(void *arg)
{
    CHECK_INT(weft_event_wait(arg), 0);
    return NULL;
}

static void *fork_inside(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    (void)arg;
    weft_t *other = weft_spawn(wait_for_event, &event);
    wt_until_waiting(other, WF_WAIT_EVENT);
    for (int i = 0; i < 3; i++) {
        fork_once(other);
        CHECK_INT(weft_sleep(100 * WEFT_MICROSECOND), 0);
    }
    CHECK_INT(weft_ready(other), 0);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_join(other, NULL), 0);
    return NULL;
}

static void test_fork_in_a_coroutine_gives_a_child_that_may_start_anew(void **state)
{
    (void)state;
    skip_where_children_have_no_threads();
    for (unsigned workers = 1; workers <= 8; workers *= 2)
        wt_run(workers, fork_inside, NULL);
}

static void *return_in_the_child(void *arg)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        return arg;
    NEED(child > 0 && waitpid(child, &status, 0) == child);
    return (void *)(intptr_t)status;
}

static int fork_and_return(void)
{
    void *status = NULL;
    NEED(weft_run(return_in_the_child, NULL, &status) == 0);
    NEED(WIFSIGNALED((int)(intptr_t)status) && WTERMSIG((int)(intptr_t)status) == SIGABRT);
    NEED(weft_stop(WEFT_NEVER) == 0);
    return 0;
}

static void test_fork_child_that_returns_from_the_coroutine_aborts_and_says_why(void **state)
{
    char said[SAID];
    (void)state;
    assert_int_equal(wt_in_child(fork_and_return, said, sizeof said), 0);
    assert_non_null(strstr(said, "fork"));
    assert_non_null(strstr(said, "_exit"));
}

/* ---- by a plain thread, in the middle of everything ---- */

struct bustle {
    _Atomic(bool) end;
    _Atomic(int) rounds;
    int fds[2];
};

static bool goes_on(struct bustle *b)
{
    wf_fetch_add_relaxed(&b->rounds, 1); /* relaxed, as below: a counter and a flag */
    return !wf_load_relaxed(&b->end);
}

static void *spawn_and_join(void *arg)
{
    while (goes_on(arg))
        CHECK_INT(weft_run(return_arg, NULL, NULL), 0);
    return NULL;
}

static void *sleep_and_set_locals(void *arg)
{
    weft_key key;
    while (goes_on(arg)) {
        CHECK_INT(weft_sleep(20 * WEFT_MICROSECOND), 0);
        CHECK_INT(weft_key_create(&key, NULL), 0);
        CHECK_INT(weft_key_set(key, arg), 0);
        CHECK_INT(weft_key_delete(key), 0);
    }
    return NULL;
}

static void *do_io(void *arg)
{
    struct bustle *b = arg;
    char byte = 'x';
    while (goes_on(b)) {
        CHECK_INT(weft_send(b->fds[0], &byte, 1, 0), 1);
        CHECK_INT(weft_recv(b->fds[1], &byte, 1, 0), 1);
        int other = weft_dup(b->fds[0]);
        CHECK_INT(weft_close(other), 0);
    }
    return NULL;
}

static void *do_offload(void *arg)
{
    while (goes_on(arg))
        CHECK_INT(weft_offload(return_arg, NULL, NULL), 0);
    return NULL;
}

static void *come_and_go(void *arg)
{
    (void)arg;
    CHECK_INT(weft_sleep(10 * WEFT_MICROSECOND), 0);
    return NULL;
}

static void *have_threads(void *arg)
{
    pthread_t thread;
    while (goes_on(arg))
        if (CHECK_INT(pthread_create(&thread, NULL, come_and_go, NULL), 0))
            pthread_join(thread, NULL);
    return NULL;
}

static void fork_in_the_bustle(unsigned workers)
{
    static weft_fn *const bodies[] = {spawn_and_join, spawn_and_join, sleep_and_set_locals, do_io, do_offload};
    enum { BODIES = sizeof bodies / sizeof *bodies };
    struct bustle b = {.rounds = 0};
    weft_t *ts[BODIES];
    wt_start(workers);
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b.fds), 0);
    in_use = b.fds[1];
    for (int i = 0; i < BODIES; i++)
        CHECK((ts[i] = weft_spawn(bodies[i], &b)) != NULL);
    wt_thread *spawner = wt_thread_start(spawn_and_join, &b);
    wt_thread *starter = wt_thread_start(have_threads, &b);
    for (int i = 0; i < wt_scaled(FORKS); i++) {
        int before = wf_load_relaxed(&b.rounds); /* relaxed: a counter */
        fork_once(NULL);
        while (wf_load_relaxed(&b.rounds) < before + 10)
            sched_yield();
    }
    wf_store_relaxed(&b.end, true); /* relaxed: a flag */
    CHECK_INT(weft_joinall(ts, BODIES), 0);
    wt_thread_join(spawner);
    wt_thread_join(starter);
    CHECK_INT(weft_close(b.fds[0]), 0);
    CHECK_INT(weft_close(b.fds[1]), 0);
    wt_stop();
    wt_finish();
}

static void test_fork_in_the_middle_of_everything_harms_neither_side(void **state)
{
    (void)state;
    skip_where_children_have_no_threads();
    for (unsigned workers = 1; workers <= 4; workers *= 2)
        fork_in_the_bustle(workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork_child_that_returns_from_the_coroutine_aborts_and_says_why),
        cmocka_unit_test(test_fork_in_a_coroutine_gives_a_child_that_may_start_anew),
        cmocka_unit_test(test_fork_in_the_middle_of_everything_harms_neither_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
