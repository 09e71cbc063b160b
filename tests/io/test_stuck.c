/* A worker is stuck in a coroutine that computes, or blocks in a call that weft does not know. What is in flight in its ring completes
 * all the same, for coroutines that other workers can run. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "runtime.h"
#include "sched/worker.h"

/* On a busy machine the monitor and the other worker may wait for a CPU as long as the kernel likes. PATIENCE ends a test that
 * fails. */
enum { READERS = 20, WORKERS = 2 };

#define PATIENCE (60 * WEFT_SECOND)

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIGNALS_ARE_LATE 1 /* handlers run when the thread next makes one of some calls that may block */
#endif
#endif
#ifndef SIGNALS_ARE_LATE
#define SIGNALS_ARE_LATE 0
#endif

struct scene {
    struct reader {
        struct scene *scene;
        weft_t *t;
        int fds[2];
        bool by_poll;
        _Atomic(int) worker; /* in whose ring it waits */
    } readers[READERS];
    int hog_fds[2];     /* the last reader to end writes a byte */
    int home;           /* the hog's worker */
    int beside;         /* readers that wait in its ring */
    _Atomic(int) ended; /* of these */
    int ended_at_the_end;
};

static int worker_index(void)
{
    return wf_worker_self()->index;
}

static void *read_a_byte(void *arg)
{
    struct reader *r = arg;
    struct scene *s = r->scene;
    char byte = 0;
    wf_store_relaxed(&r->worker, worker_index()); /* relaxed, as all here: counters */
    if (r->by_poll) {
        struct pollfd fd = {.fd = r->fds[0], .events = POLLIN};
        CHECK_INT(weft_poll(&fd, 1, -1), 1);
    }
    CHECK_INT(weft_read(r->fds[0], &byte, 1), 1);
    CHECK_INT(byte, 'x');
    if (wf_load_relaxed(&r->worker) == s->home && wf_fetch_add_relaxed(&s->ended, 1) + 1 == s->beside)
        CHECK_INT(write(s->hog_fds[1], "y", 1), 1);
    return NULL;
}

/* They begin on this worker when they are joined at once, but for what is stolen. */
static void start_readers(struct scene *s)
{
    s->home = worker_index();
    for (int i = 0; i < READERS; i++) {
        struct reader *r = &s->readers[i];
        r->scene = s;
        CHECK_INT(weft_pipe2(r->fds, O_CLOEXEC), 0);
        CHECK((r->t = weft_spawn(read_a_byte, r)) != NULL);
        CHECK_INT(weft_join_until(r->t, NULL, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
        wt_until_waiting(r->t, WF_WAIT_IO);
        s->beside += wf_load_relaxed(&r->worker) == s->home;
    }
    CHECK(s->beside > 0);
}

static void feed(struct scene *s)
{
    for (int i = 0; i < READERS; i++)
        CHECK_INT(write(s->readers[i].fds[1], "x", 1), 1);
}

static void finish_scene(struct scene *s)
{
    for (int i = 0; i < READERS; i++) {
        CHECK_INT(weft_join(s->readers[i].t, NULL), 0);
        CHECK_INT(weft_close(s->readers[i].fds[0]), 0);
        CHECK_INT(weft_close(s->readers[i].fds[1]), 0);
    }
    CHECK_INT(weft_close(s->hog_fds[0]), 0);
    CHECK_INT(weft_close(s->hog_fds[1]), 0);
}

static void *compute(void *arg)
{
    struct scene *s = arg;
    int64_t patience = weft_after(PATIENCE);
    start_readers(s);
    feed(s);
    while (wf_load_relaxed(&s->ended) < s->beside && weft_now() < patience)
        wf_spin_pause();
    s->ended_at_the_end = wf_load_relaxed(&s->ended);
    return NULL;
}

/* The call returns when the last of the readers has ended, so it hangs if they wait for it. */
static void *block(void *arg)
{
    struct scene *s = arg;
    char byte;
    start_readers(s);
    feed(s);
    CHECK_INT(read(s->hog_fds[0], &byte, 1), 1);
    s->ended_at_the_end = wf_load_relaxed(&s->ended);
    return NULL;
}

static void *play(void *arg)
{
    void **of = arg;
    struct scene *s = of[0];
    CHECK_INT(weft_pipe2(s->hog_fds, O_CLOEXEC), 0);
    CHECK_INT(weft_pin(), 0);
    ((weft_fn *)of[1])(s);
    CHECK_INT(weft_unpin(), 0);
    finish_scene(s);
    CHECK_INT(s->ended_at_the_end, s->beside);
    return NULL;
}

static void run_scene(weft_fn *hog, bool by_poll)
{
    for (int round = 0; round < 3; round++) {
        struct scene s = {.beside = 0};
        void *of[2] = {&s, (void *)hog};
        for (int i = 0; i < READERS; i++)
            s.readers[i].by_poll = by_poll;
        wt_run(WORKERS, play, of);
    }
}

static void skip_if_signals_are_late(void)
{
    if (!SIGNALS_ARE_LATE)
        return;
    print_message("ThreadSanitizer holds the signal back: ");
    skip();
}

static void test_stuck_worker_that_computes_holds_up_nobodys_read(void **state)
{
    (void)state;
    skip_if_signals_are_late();
    run_scene(compute, false);
}

static void test_stuck_worker_that_blocks_holds_up_nobodys_read(void **state)
{
    (void)state;
    skip_if_signals_are_late();
    run_scene(block, false);
}

/* ---- what is for the owner alone is kept for it ---- */

static void *compute_for_a_while(void *arg)
{
    struct scene *s = arg;
    int64_t end;
    start_readers(s);
    feed(s);
    end = weft_after(50 * WEFT_MILLISECOND); /* enough for some looks of the monitor; no matter if there are none */
    while (weft_now() < end)
        wf_spin_pause();
    s->ended_at_the_end = s->beside;
    return NULL;
}

static void test_stuck_worker_goes_on_with_polls_that_completed_meanwhile(void **state)
{
    (void)state;
    run_scene(compute_for_a_while, true);
}

/* ---- the signal ---- */

static void handle(int number)
{
    (void)number;
}

static void *do_nothing(void *arg)
{
    return arg;
}

static void test_signal_of_the_nudge_is_the_programs_when_it_has_a_handler(void **state)
{
    struct sigaction own = {.sa_handler = handle};
    struct sigaction before, seen;
    (void)state;
    assert_int_equal(sigaction(SIGURG, &own, &before), 0);
    wt_start(WORKERS);
    assert_int_equal(sigaction(SIGURG, NULL, &seen), 0);
    assert_ptr_equal(seen.sa_handler, handle);
    CHECK_INT(weft_run(do_nothing, NULL, NULL), 0);
    wt_stop();
    assert_int_equal(sigaction(SIGURG, &before, &seen), 0);
    assert_ptr_equal(seen.sa_handler, handle);
    wt_finish();
}

static void test_signal_of_the_nudge_is_given_back_at_stop(void **state)
{
    struct sigaction before, during, after;
    (void)state;
    assert_int_equal(sigaction(SIGURG, NULL, &before), 0);
    wt_start(WORKERS);
    assert_int_equal(sigaction(SIGURG, NULL, &during), 0);
    CHECK(during.sa_handler != before.sa_handler);
    CHECK(during.sa_flags & SA_RESTART);
    wt_stop();
    assert_int_equal(sigaction(SIGURG, NULL, &after), 0);
    assert_ptr_equal(after.sa_handler, before.sa_handler);
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stuck_worker_that_computes_holds_up_nobodys_read),
        cmocka_unit_test(test_stuck_worker_that_blocks_holds_up_nobodys_read),
        cmocka_unit_test(test_stuck_worker_goes_on_with_polls_that_completed_meanwhile),
        cmocka_unit_test(test_signal_of_the_nudge_is_the_programs_when_it_has_a_handler),
        cmocka_unit_test(test_signal_of_the_nudge_is_given_back_at_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
