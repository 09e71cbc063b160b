/* A hundred thousand generators that stand in a yield at once, opened by some coroutines and closed by others, and then by
 * plain threads: each has run to its end, and nothing is left. --full: a million. Prints what they cost. And some that wait
 * in their bodies, asked by coroutines that are killed and time out: none is lost, none yields twice. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/stack.h"
#include "memory.h"
#include "runtime.h"

enum {
    MANY = 100000,
    MILLION = 1000000,
    HANDS = 4,                  /* coroutines, or threads, that share them out among themselves */
    EACH_MOST = 49 * 1024 / 10, /* one page of stack, an eighth of a page of page tables, the generator, and a little */
    SLACK_KIB = 16384,
};

static bool full;

struct crowd {
    int n;
    weft_gen **gens;
    _Atomic(int) begun, ended;
    _Atomic(int) next_hand;
};

static int many(void)
{
    int n = wt_scaled(full ? MILLION : MANY);
    return n < WT_FIBERS_MAX ? n : WT_FIBERS_MAX;
}

/* Yields once. */
static void *stand_in_yield(void *arg)
{
    struct crowd *crowd = arg;
    wf_fetch_add_relaxed(&crowd->begun, 1); /* relaxed, as below: counters */
    weft_gen_yield(arg);
    if (weft_gen_error() == -ECANCELED)
        wf_fetch_add_relaxed(&crowd->ended, 1);
    return NULL;
}

/* This hand's part of them, taken as they come. */
static void each_of_a_part(struct crowd *crowd, void (*todo)(struct crowd *crowd, int i))
{
    int hand = wf_fetch_add_relaxed(&crowd->next_hand, 1) % HANDS; /* relaxed: a number */
    for (int i = hand; i < crowd->n; i += HANDS)
        todo(crowd, i);
}

static void open_one(struct crowd *crowd, int i)
{
    void *value = NULL;
    crowd->gens[i] = weft_gen_new(stand_in_yield, crowd);
    if (!CHECK(crowd->gens[i] != NULL))
        abort();
    CHECK_INT(weft_gen_next(crowd->gens[i], &value), 1);
    CHECK(value == crowd);
}

static void close_one(struct crowd *crowd, int i)
{
    CHECK_INT(weft_gen_free(crowd->gens[i]), 0);
}

static void *open_part(void *arg)
{
    each_of_a_part(arg, open_one);
    return NULL;
}

static void *close_part(void *arg)
{
    each_of_a_part(arg, close_one);
    return NULL;
}

static void on_threads(weft_fn *fn, struct crowd *crowd)
{
    wt_thread *threads[HANDS];
    for (int i = 0; i < HANDS; i++)
        threads[i] = wt_thread_start(fn, crowd);
    for (int i = 0; i < HANDS; i++)
        wt_thread_join(threads[i]);
}

/* Twice: closed by coroutines, and by plain threads. */
static void *open_and_close(void *arg)
{
    struct crowd *crowd = arg;
    for (int round = 0; round < 2; round++) {
        size_t stacks = wf_stack_live();
        int64_t before_kib = wt_memory_kib(), began = weft_now();
        crowd->begun = crowd->ended = crowd->next_hand = 0;
        wt_spawn_and_join(HANDS, open_part, crowd);
        int64_t opened = weft_now(), each = (wt_memory_kib() - before_kib) * 1024 / crowd->n;
        CHECK_INT(crowd->begun, crowd->n);
        CHECK_INT((int64_t)wf_stack_live(), (int64_t)stacks + crowd->n);
        CHECK(!WT_MEMORY_TELLS || sysconf(_SC_PAGESIZE) != 4096 || each <= EACH_MOST);
        if (round == 0)
            wt_spawn_and_join(HANDS, close_part, crowd);
        else
            on_threads(close_part, crowd);
        CHECK_INT(crowd->ended, crowd->n);
        CHECK_INT((int64_t)wf_stack_live(), (int64_t)stacks);
        print_message("%u workers: %d open at once after %lld ms, %lld bytes each (resident and page tables), all "
                      "closed by %s %lld ms later\n",
                      wt_workers(), crowd->n, (long long)((opened - began) / WEFT_MILLISECOND), (long long)each,
                      round == 0 ? "coroutines" : "threads", (long long)((weft_now() - opened) / WEFT_MILLISECOND));
    }
    return NULL;
}

static void test_generators_by_the_million_leave_nothing(void **state)
{
    struct crowd crowd = {.n = many()};
    (void)state;
    crowd.gens = calloc((size_t)crowd.n, sizeof *crowd.gens);
    assert_non_null(crowd.gens);
    memset(crowd.gens, 1, (size_t)crowd.n * sizeof *crowd.gens); /* resident before the first look at the memory */
    int64_t before_kib = wt_memory_kib();
    for (unsigned workers = 1; workers <= 2; workers++) {
        wt_run(workers, open_and_close, &crowd);
        malloc_trim(0); /* it keeps what was freed */
        int64_t kept_kib = wt_memory_kib() - before_kib;
        print_message("%u workers: %lld KiB kept\n", workers, (long long)kept_kib);
        CHECK(!WT_MEMORY_TELLS || kept_kib < SLACK_KIB);
    }
    free(crowd.gens);
    wt_finish();
}

/* ---- bodies that block, asked by those who are killed and time out, here and there ---- */

enum { BODIES = 24, ACTORS = 16, KILLS = 2000 };

struct storm {
    weft_chan *idle; /* of generators that nobody asks at the moment */
    weft_sem sem;
    _Atomic(int64_t) asked;
};

/* Waits in several ways, whatever becomes of it, and counts how often it has yielded. */
static void *wait_and_yield(void *arg)
{
    struct storm *s = arg;
    for (intptr_t i = 0;; i++) {
        if (i % 3 == 0)
            weft_sleep((i % 7) * WEFT_MICROSECOND);
        else if (i % 3 == 1 && weft_sem_wait(&s->sem) == 0) {
            weft_yield();
            CHECK_INT(weft_sem_post(&s->sem), 0);
        }
        weft_gen_yield(NULL);
        if (weft_gen_error() != 0)
            return (void *)(i + 1);
    }
}

static void *ask_until_killed(void *arg)
{
    struct storm *s = arg;
    weft_gen *g = NULL;
    while (weft_chan_recv(s->idle, &g) == 0) {
        weft_timeout t = {0};
        CHECK_INT(weft_timeout_start(&t, 20 * WEFT_MICROSECOND), 0);
        CHECK_INT(weft_gen_next(g, NULL), 1);
        CHECK_INT(weft_timeout_stop(&t), 0);
        wf_fetch_add_relaxed(&s->asked, 1);            /* relaxed: read after the joins */
        CHECK_INT(weft_chan_try_send(s->idle, &g), 0); /* also by a killed one; there is room for all */
    }
    return NULL;
}

static void *ask_some(void *arg)
{
    struct storm *s = arg;
    for (int i = 0; i < wt_scaled(KILLS); i++) {
        weft_gen *g = NULL;
        CHECK_INT(weft_chan_recv(s->idle, &g), 0);
        CHECK_INT(weft_gen_next(g, NULL), 1);
        wf_fetch_add_relaxed(&s->asked, 1); /* relaxed: read after the joins */
        CHECK_INT(weft_chan_try_send(s->idle, &g), 0);
    }
    return NULL;
}

static void open_all(struct storm *s)
{
    for (int i = 0; i < BODIES; i++) {
        weft_gen *g = weft_gen_new(wait_and_yield, s);
        CHECK(g != NULL);
        CHECK_INT(weft_chan_send(s->idle, &g), 0);
    }
}

/* Each has yielded as often as it was asked. */
static void close_all(struct storm *s)
{
    int64_t yielded = 0;
    for (int i = 0; i < BODIES; i++) {
        weft_gen *g = NULL;
        void *result = NULL;
        if (!CHECK_INT(weft_chan_try_recv(s->idle, &g), 0))
            return;
        CHECK_INT(weft_gen_close(g), 0);
        CHECK_INT(weft_gen_result(g, &result), 0);
        CHECK_INT(weft_gen_free(g), 0);
        yielded += (intptr_t)result;
    }
    CHECK_INT(yielded, s->asked);
}

static void *storm(void *arg)
{
    struct storm s = {.idle = weft_chan_new(sizeof(weft_gen *), BODIES)};
    weft_t *ts[ACTORS];
    (void)arg;
    CHECK_INT(weft_sem_init(&s.sem, 1), 0);
    open_all(&s);
    for (int i = 0; i < ACTORS; i++)
        CHECK((ts[i] = weft_spawn(ask_until_killed, &s)) != NULL);
    wt_thread *thread = wt_thread_start(ask_some, &s);
    for (int i = 0; i < wt_scaled(KILLS); i++) {
        CHECK_INT(weft_kill(ts[i % ACTORS]), 0);
        CHECK_INT(weft_join(ts[i % ACTORS], NULL), 0);
        CHECK((ts[i % ACTORS] = weft_spawn(ask_until_killed, &s)) != NULL);
    }
    wt_thread_join(thread);
    CHECK_INT(weft_killall(ts, ACTORS), 0);
    CHECK_INT(weft_joinall(ts, ACTORS), 0);
    close_all(&s);
    CHECK_INT(weft_sem_value(&s.sem), 1);
    CHECK_INT(weft_chan_free(s.idle), 0);
    return NULL;
}

static void test_generators_outlive_kills_and_timeouts_of_who_asks(void **state)
{
    (void)state;
    wt_over_workers(storm, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generators_by_the_million_leave_nothing),
        cmocka_unit_test(test_generators_outlive_kills_and_timeouts_of_who_asks),
    };
    full = argc > 1 && strcmp(argv[1], "--full") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
