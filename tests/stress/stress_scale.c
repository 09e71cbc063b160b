/* Scale: a hundred thousand coroutines asleep at once, as many killed in their sleep, as many timers on one tick while others
 * do I/O. None is lost, memory comes back, I/O goes on. --full: a million asleep and killed. Prints what they cost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "runtime.h"
#include "sched/worker.h"

enum {
    MANY = 100000,
    MILLION = 1000000,
    BLOCK_BYTES = 192,
    SLACK_KIB = 8192,
    EACH_MOST = 49 * 1024 / 10, /* one page of stack, a block, an eighth of a page of page tables, and a little */
};

static bool full;

/* How many: a hundred thousand, a million with --full, fewer under a sanitizer. */
static int many(void)
{
    int n = wt_scaled(full ? MILLION : MANY);
    return n < WT_FIBERS_MAX ? n : WT_FIBERS_MAX;
}

/* ---- memory ---- */

/* Control blocks are kept for ever by design; all else must be back. */
static void check_memory_is_back(int64_t before_kib, int n)
{
    int64_t kept_kib = wt_memory_kib() - before_kib;
    print_message("%u workers, %d coroutines: %lld KiB kept, of which blocks %lld KiB\n", wt_workers(), n,
                  (long long)kept_kib, (long long)n * BLOCK_BYTES / 1024);
    CHECK(!WT_MEMORY_TELLS || kept_kib < (int64_t)n * BLOCK_BYTES / 1024 + SLACK_KIB);
}

/* ---- asleep ---- */

struct crowd {
    int n;
    weft_t **ts;
    int64_t sleep_ns; /* for how long, at first */
    int64_t until;    /* when they wake */
    int expected;     /* what their sleep returns */
    int64_t before_kib;
    _Atomic(int) asleep, awake, wrong;
};

static void *sleep_in_the_crowd(void *arg)
{
    struct crowd *crowd = arg;
    wf_fetch_add_relaxed(&crowd->asleep, 1); /* relaxed, as all below: counters */
    int result = weft_sleep_until(crowd->until);
    wf_fetch_add_relaxed(&crowd->awake, 1);
    if (result != crowd->expected || (result == 0 && weft_now() < crowd->until))
        wf_fetch_add_relaxed(&crowd->wrong, 1);
    return NULL;
}

static void spawn_crowd(struct crowd *crowd)
{
    for (int i = 0; i < crowd->n; i++)
        if (!CHECK((crowd->ts[i] = weft_spawn(sleep_in_the_crowd, crowd)) != NULL))
            abort();
    while (wf_load_relaxed(&crowd->asleep) < crowd->n) /* relaxed: a counter */
        weft_sleep(WEFT_MILLISECOND);
}

static void join_crowd(struct crowd *crowd)
{
    for (int i = 0; i < crowd->n; i++)
        CHECK_INT(weft_join(crowd->ts[i], NULL), 0);
    CHECK_INT(crowd->awake, crowd->n);
    CHECK_INT(crowd->wrong, 0);
}

/* Spawn the crowd so that all of it is asleep at once. Where the machine is too slow for that, they sleep for twice as long.
 * Returns when the first was spawned. */
static int64_t put_all_to_sleep(struct crowd *crowd)
{
    for (int64_t sleep_ns = crowd->sleep_ns;; sleep_ns *= 2) {
        int64_t began = weft_now();
        crowd->asleep = crowd->awake = crowd->wrong = 0;
        crowd->until = weft_after(sleep_ns);
        spawn_crowd(crowd);
        if (wf_load_relaxed(&crowd->awake) == 0) /* relaxed: a counter */
            return began;
        join_crowd(crowd);
    }
}

static void *sleep_and_wake(void *arg)
{
    struct crowd *crowd = arg;
    int64_t began = put_all_to_sleep(crowd);
    int64_t spawned = weft_now();
    int64_t each = (wt_memory_kib() - crowd->before_kib) * 1024 / crowd->n;
    CHECK(!WT_MEMORY_TELLS || sysconf(_SC_PAGESIZE) != 4096 || each <= EACH_MOST);
    join_crowd(crowd);
    print_message("%u workers: %d asleep at once after %lld ms, %lld bytes each (resident and page tables), all up "
                  "%lld ms late\n",
                  wt_workers(), crowd->n, (long long)((spawned - began) / WEFT_MILLISECOND), (long long)each,
                  (long long)((weft_now() - crowd->until) / WEFT_MILLISECOND));
    return NULL;
}

static void *kill_asleep(void *arg)
{
    struct crowd *crowd = arg;
    spawn_crowd(crowd);
    int64_t began = weft_now();
    CHECK_INT(weft_killall(crowd->ts, (size_t)crowd->n), 0);
    join_crowd(crowd);
    print_message("%u workers: %d killed and joined in %lld ms\n", wt_workers(), crowd->n,
                  (long long)((weft_now() - began) / WEFT_MILLISECOND));
    return NULL;
}

/* Twice: what the second round keeps, it keeps for ever. */
static void over_one_and_two_workers(weft_fn *body, int64_t sleep_ns, int expected)
{
    struct crowd crowd = {.n = many(), .sleep_ns = sleep_ns, .expected = expected};
    crowd.ts = calloc((size_t)crowd.n, sizeof *crowd.ts);
    assert_non_null(crowd.ts);
    memset(crowd.ts, 1, (size_t)crowd.n * sizeof *crowd.ts); /* resident before the first look at the memory */
    int64_t before_kib = wt_memory_kib();
    for (unsigned workers = 1; workers <= 2; workers++) {
        crowd.asleep = crowd.awake = crowd.wrong = 0;
        crowd.before_kib = wt_memory_kib();
        crowd.until = weft_after(sleep_ns);
        wt_run(workers, body, &crowd);
        check_memory_is_back(before_kib, crowd.n);
    }
    free(crowd.ts);
    wt_finish();
}

static void test_scale_all_asleep_at_once_wake_and_leave_nothing(void **state)
{
    (void)state;
    over_one_and_two_workers(sleep_and_wake, (full ? 30 : 3) * WEFT_SECOND, 0);
}

static void test_scale_all_killed_in_their_sleep_end_once(void **state)
{
    (void)state;
    over_one_and_two_workers(kill_asleep, 1000 * WEFT_SECOND, -ECANCELED);
}

/* ---- timers on one tick, beside I/O ----
 *
 * Time tells nothing about a machine that others use too, so what is counted is dispatches of the worker that the two sit on:
 * from a completion in its ring to the coroutine that it wakes there may lie one turn of the scheduler, in which it does not
 * look at its ring, and a full run queue. There and back both come twice, and the burst of timers may once push one of the two out
 * into the shared queue, which costs as much again. So much may run in between, and no more, however many timers fire. Where
 * there are several workers the two are pinned to one.
 */

enum { TURN = 61 /* see sched/queue.c */, GAP_MOST = 2 * 2 * (TURN + WF_RUNQ_SIZE) };

struct pingpong {
    struct crowd *crowd;
    int fds[2];
    uint16_t place;         /* index of the worker of ping */
    _Atomic(bool) together; /* pong is there too */
    int rounds;             /* there and back, until all timers had fired */
    int during;             /* of those, while they fired */
    uint64_t gap;           /* most dispatches of their worker from one round to the next */
};

static void *pong(void *arg)
{
    struct pingpong *p = arg;
    char byte;
    wf_store_relaxed(&p->together, wf_worker_self()->index == p->place); /* relaxed, as all of these: one flag */
    while (wf_load_relaxed(&p->together) && weft_recv(p->fds[1], &byte, 1, 0) == 1)
        CHECK_INT(weft_send(p->fds[1], &byte, 1, 0), 1);
    return NULL;
}

static bool has_begun(void *arg)
{
    wf_coro *block = wf_coro_from_handle(arg);
    return weft_ready(arg) == 1 || wf_load_relaxed(&block->wait_kind) == WF_WAIT_IO; /* relaxed: a look */
}

/* Start the other one on the same worker: one that another worker stole before it began ends at once. */
static weft_t *start_pong(struct pingpong *p)
{
    weft_spawn_options options = {.pinned = wt_workers() > 1};
    for (;;) {
        weft_t *t = weft_spawn_opt(&options, pong, p);
        wt_until(has_begun, t);
        if (wf_load_relaxed(&p->together))
            return t;
        CHECK_INT(weft_join(t, NULL), 0);
    }
}

static void *ping(void *arg)
{
    struct pingpong *p = arg;
    struct crowd *crowd = p->crowd;
    char byte = 'x';
    int awake;
    wf_worker *worker = wf_worker_self();
    p->place = worker->index;
    weft_t *other = start_pong(p);
    uint64_t last = wf_load_relaxed(&worker->dispatches); /* relaxed, as below: counters */
    do {
        CHECK_INT(weft_send(p->fds[0], &byte, 1, 0), 1);
        CHECK_INT(weft_recv(p->fds[0], &byte, 1, 0), 1);
        uint64_t now = wf_load_relaxed(&worker->dispatches);
        p->gap = now - last > p->gap ? now - last : p->gap;
        last = now;
        p->rounds++;
        awake = wf_load_relaxed(&crowd->awake);
        p->during += awake > 0 && awake < crowd->n;
    } while (awake < crowd->n);
    CHECK_INT(weft_shutdown(p->fds[0], SHUT_RDWR), 0);
    CHECK_INT(weft_join(other, NULL), 0);
    return NULL;
}

static void *fire_on_one_tick(void *arg)
{
    struct crowd *crowd = arg;
    struct pingpong p = {.crowd = crowd};
    weft_spawn_options options = {.pinned = wt_workers() > 1};
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p.fds), 0);
    put_all_to_sleep(crowd);
    CHECK_INT(weft_join(weft_spawn_opt(&options, ping, &p), NULL), 0);
    join_crowd(crowd);
    print_message(
        "%u workers: %d timers on one tick took %lld ms; %d rounds of I/O, %d of them while timers fired; at most "
        "%llu dispatches between two\n",
        wt_workers(), crowd->n, (long long)((weft_now() - crowd->until) / WEFT_MILLISECOND), p.rounds, p.during,
        (unsigned long long)p.gap);
    CHECK(p.gap <= GAP_MOST);
    /* A single worker dispatched all of the crowd. Of two the kernel may run the one first and then the other. */
    CHECK(wt_workers() > 1 || p.during >= crowd->n / GAP_MOST - 1);
    CHECK_INT(weft_close(p.fds[0]), 0);
    CHECK_INT(weft_close(p.fds[1]), 0);
    return NULL;
}

static void test_scale_timers_on_one_tick_let_io_go_on(void **state)
{
    (void)state;
    over_one_and_two_workers(fire_on_one_tick, (full ? 30 : 3) * WEFT_SECOND, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale_all_asleep_at_once_wake_and_leave_nothing),
        cmocka_unit_test(test_scale_all_killed_in_their_sleep_end_once),
        cmocka_unit_test(test_scale_timers_on_one_tick_let_io_go_on),
    };
    full = argc > 1 && strcmp(argv[1], "--full") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
