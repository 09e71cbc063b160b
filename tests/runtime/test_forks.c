/* Fork, sync and weft_parallel_for: that each task runs once, where and when it may, and what becomes of those that wait. */
#include <fenv.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "child.h"
#include "core/alloc.h"
#include "core/fiber.h"
#include "core/split_deque.h"
#include "runtime.h"
#include "sched/suspend.h"
#include "sched/worker.h"

enum { SAID = 4000 };

/* ---- sums over trees ---- */

struct fib {
    int n;
    long result;
};

static long serial_fib(int n)
{
    return n < 2 ? n : serial_fib(n - 1) + serial_fib(n - 2);
}

static long fib(int n);

static void *run_fib(void *arg)
{
    struct fib *f = arg;
    f->result = fib(f->n);
    return NULL;
}

static long fib(int n)
{
    if (n < 2)
        return n;
    struct fib right = {.n = n - 2};
    weft_task task;
    CHECK_INT(weft_fork(&task, run_fib, &right), 0);
    long left = fib(n - 1);
    CHECK_INT(weft_sync(&task), 0);
    return left + right.result;
}

static long slow_fib(int n);

static void *run_slow_fib(void *arg)
{
    struct fib *f = arg;
    f->result = slow_fib(f->n);
    return NULL;
}

/* The same, never inlined. */
static long slow_fib(int n)
{
    if (n < 2)
        return n;
    struct fib right = {.n = n - 2};
    weft_task task;
    CHECK_INT(weft_fork_slow(&task, run_slow_fib, &right), 0);
    long left = slow_fib(n - 1);
    CHECK_INT(weft_sync_slow(&task), 0);
    return left + right.result;
}

static void *compare_fib(void *arg)
{
    int n = wt_scaled(20) == 20 ? 24 : 18;
    (void)arg;
    CHECK_INT(fib(n), serial_fib(n));
    CHECK_INT(slow_fib(n - 4), serial_fib(n - 4));
    return NULL;
}

static void test_forks_fib_is_that_of_the_serial_recursion(void **state)
{
    (void)state;
    wt_over_workers(compare_fib, NULL);
}

/* Wide and uneven: node k has k % 7 children. */
struct node {
    int depth;
    int number;
    long sum;
};

static void *sum_node(void *arg)
{
    struct node *node = arg;
    struct node children[6];
    weft_task tasks[6];
    int count = node->depth == 0 ? 0 : node->number % 7;
    for (int i = 0; i < count; i++) {
        children[i] = (struct node){.depth = node->depth - 1, .number = node->number + i + 1};
        CHECK_INT(weft_fork(&tasks[i], sum_node, &children[i]), 0);
    }
    node->sum = 1;
    for (int i = count - 1; i >= 0; i--) {
        CHECK_INT(weft_sync(&tasks[i]), 0);
        node->sum += children[i].sum;
    }
    return NULL;
}

static long serial_sum(int depth, int number)
{
    long sum = 1;
    for (int i = 0; depth > 0 && i < number % 7; i++)
        sum += serial_sum(depth - 1, number + i + 1);
    return sum;
}

static void *compare_sums(void *arg)
{
    (void)arg;
    for (int number = 0; number < 7; number++) {
        struct node root = {.depth = 7, .number = number};
        sum_node(&root);
        CHECK_INT(root.sum, serial_sum(7, number));
    }
    return NULL;
}

static void test_forks_uneven_tree_is_summed(void **state)
{
    (void)state;
    wt_over_workers(compare_sums, NULL);
}

/* ---- in any order ---- */

static void *count_up(void *arg)
{
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read after the sync */
    return NULL;
}

/* All orders of syncing four tasks. */
static void *sync_in_all_orders(void *arg)
{
    (void)arg;
    for (int order = 0; order < 24; order++) {
        weft_task tasks[4];
        _Atomic(int) counts[4] = {0};
        int left[4] = {0, 1, 2, 3};
        for (int i = 0; i < 4; i++)
            CHECK_INT(weft_fork(&tasks[i], count_up, &counts[i]), 0);
        if (order % 3 == 0)
            CHECK_INT(weft_yield(), 0); /* all of them leave the deque */
        for (int i = 4, rest = order; i > 0; rest /= i, i--) {
            int at = rest % i, which = left[at];
            left[at] = left[i - 1];
            CHECK_INT(weft_sync(&tasks[which]), 0);
            CHECK_INT(counts[which], 1);
            CHECK_INT(weft_sync(&tasks[which]), -EINVAL);
        }
        for (int i = 0; i < 4; i++)
            CHECK_INT(counts[i], 1);
    }
    return NULL;
}

static void test_forks_may_be_synced_in_any_order(void **state)
{
    (void)state;
    wt_over_workers(sync_in_all_orders, NULL);
}

/* ---- suspending ---- */

struct pair {
    weft_chan *to, *from;
    int result;
};

/* Its parent sends to it before it syncs: the task must run while the parent waits. */
static void *echo(void *arg)
{
    struct pair *p = arg;
    int value = 0;
    CHECK_INT(weft_chan_recv(p->to, &value), 0);
    value++;
    CHECK_INT(weft_chan_send(p->from, &value), 0);
    p->result = value;
    return NULL;
}

static void *suspend_with_forks(void *arg)
{
    struct pair p = {.to = weft_chan_new(sizeof(int), 0), .from = weft_chan_new(sizeof(int), 0)};
    weft_task older, task, newer;
    _Atomic(int) counts[2] = {0};
    int value = 41;
    (void)arg;
    CHECK_INT(weft_fork(&older, count_up, &counts[0]), 0);
    CHECK_INT(weft_fork(&task, echo, &p), 0);
    CHECK_INT(weft_fork(&newer, count_up, &counts[1]), 0);
    CHECK_INT(weft_chan_send(p.to, &value), 0);
    CHECK_INT(weft_chan_recv(p.from, &value), 0);
    CHECK_INT(value, 42);
    CHECK_INT(weft_sleep(WEFT_MILLISECOND), 0);
    CHECK_INT(weft_sync(&newer), 0);
    CHECK_INT(weft_sync(&task), 0);
    CHECK_INT(weft_sync(&older), 0);
    CHECK_INT(p.result, 42);
    CHECK_INT(counts[0], 1);
    CHECK_INT(counts[1], 1);
    weft_chan_free(p.to);
    weft_chan_free(p.from);
    return NULL;
}

static void test_forks_of_a_suspended_coroutine_go_on(void **state)
{
    (void)state;
    wt_over_workers(suspend_with_forks, NULL);
}

/* A tree whose tasks suspend at every level, in different ways. */
static long restless_fib(int n);

static void *run_restless_fib(void *arg)
{
    struct fib *f = arg;
    f->result = restless_fib(f->n);
    return NULL;
}

static long restless_fib(int n)
{
    if (n < 2)
        return n;
    struct fib right = {.n = n - 2};
    weft_task task;
    CHECK_INT(weft_fork(&task, run_restless_fib, &right), 0);
    if (n % 5 == 0)
        CHECK_INT(weft_sleep(10 * WEFT_MICROSECOND), 0);
    long left = restless_fib(n - 1);
    if (n % 3 == 0)
        CHECK_INT(weft_yield(), 0);
    CHECK_INT(weft_sync(&task), 0);
    return left + right.result;
}

static void *compare_restless_fib(void *arg)
{
    int n = wt_scaled(20) == 20 ? 17 : 12;
    (void)arg;
    CHECK_INT(restless_fib(n), serial_fib(n));
    return NULL;
}

static void test_forks_that_suspend_at_every_level_end(void **state)
{
    (void)state;
    wt_over_workers(compare_restless_fib, NULL);
}

static void *many_trees(void *arg)
{
    (void)arg;
    wt_spawn_and_join(40, compare_sums, NULL);
    wt_spawn_and_join(40, suspend_with_forks, NULL);
    return NULL;
}

static void test_forks_of_many_coroutines_do_not_mix(void **state)
{
    (void)state;
    wt_over_workers(many_trees, NULL);
}

/* ---- stealing ---- */

struct worker_of {
    _Atomic(int) started;
    int worker;
};

static void *note_worker(void *arg)
{
    struct worker_of *w = arg;
    w->worker = wf_worker_self()->index;
    wf_store_release(&w->started, 1); /* ORDER(test): pairs with compute_until_stolen */
    return NULL;
}

/* One fork, nothing that suspends, and the task must begin elsewhere all the same. */
static void *compute_until_stolen(void *arg)
{
    weft_stats_info stats;
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct worker_of w = {.worker = -1};
        weft_task task;
        int here = wf_worker_self()->index;
        int64_t end = weft_after(10 * WEFT_SECOND);
        CHECK_INT(weft_fork(&task, note_worker, &w), 0);
        while (!wf_load_acquire(&w.started) && weft_now() < end) /* ORDER(test): pairs with note_worker */
            wf_spin_pause();
        CHECK(w.worker >= 0 && w.worker != here);
        CHECK_INT(weft_sync(&task), 0);
        if (i % 4 == 3)
            CHECK_INT(weft_sleep(2 * WEFT_MILLISECOND), 0); /* the others go to sleep */
    }
    CHECK_INT(weft_stats(&stats), 0);
    CHECK(stats.forks_stolen >= 20);
    CHECK(stats.forks_exposed >= stats.forks_stolen);
    return NULL;
}

static void test_forks_idle_worker_takes_the_only_one(void **state)
{
    (void)state;
    wt_run(2, compute_until_stolen, NULL);
    wt_run(4, compute_until_stolen, NULL);
}

struct late {
    _Atomic(int) started;
    _Atomic(int) others;
};

static void *start_late(void *arg)
{
    wf_fetch_add_acq_rel(&((struct late *)arg)->others, 1); /* ORDER(test): a count */
    return NULL;
}

static void *occupy(void *arg)
{
    struct late *l = arg;
    wf_fetch_add_acq_rel(&l->started, 1); /* ORDER(test): a count */
    int64_t end = weft_after(5 * WEFT_MILLISECOND);
    while (weft_now() < end)
        wf_spin_pause();
    return NULL;
}

/* All workers are busy while it forks; those that become idle later ask, and get what is left at the next sync. */
static void *fork_before_anybody_is_idle(void *arg)
{
    struct late l = {0};
    weft_task tasks[100];
    weft_stats_info stats;
    (void)arg;
    weft_t *busy = weft_spawn(occupy, &l);
    int64_t end = weft_after(10 * WEFT_SECOND);
    while (wf_load_acquire(&l.started) == 0 && weft_now() < end) /* ORDER(test): a count */
        wf_spin_pause();
    for (int i = 0; i < 100; i++)
        CHECK_INT(weft_fork(&tasks[i], start_late, &l), 0);
    end = weft_after(20 * WEFT_MILLISECOND);
    while (weft_now() < end)
        wf_spin_pause();
    for (int i = 99; i >= 0; i--) {
        CHECK_INT(weft_sync(&tasks[i]), 0);
        end = weft_after(200 * WEFT_MICROSECOND);
        while (weft_now() < end)
            wf_spin_pause();
    }
    CHECK_INT(l.others, 100);
    CHECK_INT(weft_join(busy, NULL), 0);
    CHECK_INT(weft_stats(&stats), 0);
    CHECK(stats.forks_stolen > 0);
    return NULL;
}

static void test_forks_worker_that_is_idle_later_gets_some(void **state)
{
    (void)state;
    wt_run(2, fork_before_anybody_is_idle, NULL);
}

/* Five forks of which the first is public and stolen; the rest are private, and only a sync can answer the one who asks for more. */
struct five {
    _Atomic(int) others; /* that began on the other worker */
    _Atomic(int) busy;   /* the other worker computes: 1; it may stop: 2 */
    int owner;
};

static void *stay_busy(void *arg)
{
    struct five *f = arg;
    int64_t end = weft_after(10 * WEFT_SECOND);
    wf_store_release(&f->busy, 1);                             /* ORDER(test): pairs with occupy_other */
    while (wf_load_acquire(&f->busy) == 1 && weft_now() < end) /* ORDER(test): pairs with the test's body */
        wf_spin_pause();
    return NULL;
}

/* Until f->busy is 2 the other worker asks for nothing. */
static weft_t *occupy_other(struct five *f)
{
    int64_t end = weft_after(10 * WEFT_SECOND);
    weft_t *busy = weft_spawn(stay_busy, f);
    while (wf_load_acquire(&f->busy) == 0 && weft_now() < end) /* ORDER(test): pairs with stay_busy */
        wf_spin_pause();
    return busy;
}

static bool first_is_stolen_and_more_is_asked_for(void *arg)
{
    struct five *f = arg;
    return wf_load_acquire(&f->others) == 1 && wf_split_is_asked(&wf_worker_self()->forks); /* ORDER(test): a count */
}

static bool second_is_stolen(void *arg)
{
    return wf_load_acquire(&((struct five *)arg)->others) >= 2; /* ORDER(test): a count */
}

static void compute_until(bool (*holds)(void *arg), void *arg)
{
    int64_t end = weft_after(10 * WEFT_SECOND);
    while (!holds(arg) && weft_now() < end)
        wf_spin_pause();
    CHECK(holds(arg));
}

static void *count_others(void *arg)
{
    struct five *f = arg;
    if (wf_worker_self()->index != f->owner)
        wf_fetch_add_acq_rel(&f->others, 1); /* ORDER(test): a count */
    return NULL;
}

static void *wait_for_request(void *arg)
{
    compute_until(first_is_stolen_and_more_is_asked_for, arg);
    return NULL;
}

static void *wait_for_second(void *arg)
{
    compute_until(second_is_stolen, arg);
    return NULL;
}

static void *answer_in_sync(void *arg)
{
    static weft_fn *const bodies[] = {count_others, count_others, count_others, wait_for_second, wait_for_request};
    struct five f = {.owner = wf_worker_self()->index};
    weft_task tasks[5];
    (void)arg;
    weft_t *busy = occupy_other(&f);
    for (int i = 0; i < 5; i++)
        CHECK_INT(weft_fork(&tasks[i], bodies[i], &f), 0);
    wf_store_release(&f.busy, 2); /* ORDER(test): pairs with stay_busy */
    for (int i = 4; i >= 0; i--)
        CHECK_INT(weft_sync(&tasks[i]), 0);
    CHECK_INT(weft_join(busy, NULL), 0);
    return NULL;
}

static void test_forks_sync_answers_requests(void **state)
{
    (void)state;
    wt_run(2, answer_in_sync, NULL);
}

/* A full deque is shared too. */
static void *share_full_deque(void *arg)
{
    static weft_task tasks[WF_SPLIT_SIZE];
    struct five f = {.owner = wf_worker_self()->index};
    weft_task extra;
    (void)arg;
    weft_t *busy = occupy_other(&f);
    for (int i = 0; i < WF_SPLIT_SIZE; i++)
        CHECK_INT(weft_fork(&tasks[i], count_others, &f), 0);
    wf_store_release(&f.busy, 2); /* ORDER(test): pairs with stay_busy */
    int64_t end = weft_after(10 * WEFT_SECOND);
    while (!second_is_stolen(&f) && weft_now() < end) {
        CHECK_INT(weft_fork(&extra, count_others, &f), 0);
        CHECK_INT(weft_sync(&extra), 0);
    }
    CHECK(second_is_stolen(&f));
    for (int i = WF_SPLIT_SIZE - 1; i >= 0; i--)
        CHECK_INT(weft_sync(&tasks[i]), 0);
    CHECK_INT(weft_join(busy, NULL), 0);
    return NULL;
}

static void test_forks_full_deque_is_shared(void **state)
{
    (void)state;
    wt_run(2, share_full_deque, NULL);
}

static void *expose_nothing(void *arg)
{
    weft_stats_info stats;
    (void)arg;
    CHECK_INT(fib(15), serial_fib(15));
    CHECK_INT(weft_stats(&stats), 0);
    CHECK_INT((int64_t)stats.forks_exposed, 0);
    CHECK_INT((int64_t)stats.forks_stolen, 0);
    CHECK_INT((int64_t)stats.spawned, 1);
    return NULL;
}

static void test_forks_with_one_worker_are_plain_calls(void **state)
{
    (void)state;
    wt_run(1, expose_nothing, NULL);
}

/* ---- kill and timeouts ---- */

struct wait {
    weft_event event;
    _Atomic(int) began;
    int result;
};

static void *wait_for_event(void *arg)
{
    struct wait *w = arg;
    wf_store_release(&w->began, 1); /* ORDER(test): pairs with fork_and_sync */
    w->result = weft_event_wait(&w->event);
    return NULL;
}

struct parent {
    struct wait wait;
    int sync_result;
    int timed_out;
    bool in_deque;
};

/* Sync a task that waits for ever: one that was taken, or one that is run in place. */
static void *fork_and_sync(void *arg)
{
    struct parent *p = arg;
    weft_task task;
    CHECK_INT(weft_fork(&task, wait_for_event, &p->wait), 0);
    if (!p->in_deque) {
        /* It becomes a coroutine. */
        while (!wf_load_acquire(&p->wait.began)) /* ORDER(test): pairs with wait_for_event */
            weft_sleep(100 * WEFT_MICROSECOND);
    }
    p->sync_result = weft_sync(&task);
    CHECK_INT(weft_sync(&task), -EINVAL);
    return NULL;
}

static void *kill_parent(void *arg)
{
    (void)arg;
    for (int in_deque = 0; in_deque <= 1; in_deque++) {
        struct parent p = {.in_deque = in_deque, .sync_result = 1};
        weft_t *t = weft_spawn(fork_and_sync, &p);
        if (in_deque)
            while (!wf_load_acquire(&p.wait.began)) /* ORDER(test): pairs with wait_for_event */
                weft_sleep(100 * WEFT_MICROSECOND);
        else
            wt_until_waiting(t, WF_WAIT_FORK);
        CHECK_INT(weft_kill(t), 0);
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK_INT(p.wait.result, -ECANCELED);
        if (!in_deque)
            CHECK_INT(p.sync_result, -ECANCELED);
        else
            CHECK(p.sync_result == 0 || p.sync_result == -ECANCELED); /* it may have been stolen */
    }
    return NULL;
}

static void test_forks_kill_reaches_a_task_and_is_waited_for(void **state)
{
    (void)state;
    wt_over_workers(kill_parent, NULL);
}

static void *time_out_parent(void *arg)
{
    (void)arg;
    for (int in_deque = 0; in_deque <= 1; in_deque++) {
        struct parent p = {.in_deque = in_deque, .sync_result = 1};
        weft_timeout timeout;
        CHECK_INT(weft_timeout_start(&timeout, 20 * WEFT_MILLISECOND), 0);
        fork_and_sync(&p);
        CHECK_INT(weft_timeout_fired(&timeout), 1);
        CHECK_INT(weft_timeout_stop(&timeout), 0);
        if (p.sync_result == 0) {
            CHECK(in_deque);
            CHECK_INT(p.wait.result, -ETIMEDOUT); /* its own wait timed out, on our stack */
        } else {
            CHECK_INT(p.sync_result, -ETIMEDOUT);
            CHECK_INT(p.wait.result, -ECANCELED);
        }
    }
    return NULL;
}

static void test_forks_timeout_kills_a_taken_task_and_is_marked(void **state)
{
    (void)state;
    wt_over_workers(time_out_parent, NULL);
}

/* A task that takes its time under a shield: a sync that was killed waits for it. */
static void *end_slowly(void *arg)
{
    struct wait *w = arg;
    wf_store_release(&w->began, 1); /* ORDER(test): pairs with fork_and_sync */
    w->result = weft_event_wait(&w->event);
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_sleep(5 * WEFT_MILLISECOND), 0);
    CHECK_INT(weft_shield_end(), 0);
    w->result = 7;
    return NULL;
}

static void *sync_slow_task(void *arg)
{
    struct wait w = {.result = 0};
    weft_task task;
    (void)arg;
    CHECK_INT(weft_fork(&task, end_slowly, &w), 0);
    while (!wf_load_acquire(&w.began)) /* ORDER(test): pairs with end_slowly */
        weft_sleep(100 * WEFT_MICROSECOND);
    int result = weft_sync(&task);
    CHECK_INT(w.result, 7);
    return (void *)(intptr_t)result;
}

static void *kill_and_find_it_waited(void *arg)
{
    void *result = NULL;
    (void)arg;
    weft_t *t = weft_spawn(sync_slow_task, NULL);
    wt_until_waiting(t, WF_WAIT_FORK);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, &result), 0);
    CHECK_INT((intptr_t)result, -ECANCELED);
    return NULL;
}

static void test_forks_killed_sync_returns_after_its_task_has_ended(void **state)
{
    (void)state;
    wt_over_workers(kill_and_find_it_waited, NULL);
}

/* Killed before it could start: it runs all the same. */
static void *fork_and_be_killed(void *arg)
{
    _Atomic(int) count = 0;
    weft_task task;
    (void)arg;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_fork(&task, count_up, &count), 0);
    CHECK_INT(weft_yield(), -ECANCELED);
    CHECK_INT(weft_event_wait(&(weft_event)WEFT_EVENT_INIT), -ECANCELED);
    int result = weft_sync(&task);
    CHECK(result == 0 || result == -ECANCELED);
    CHECK_INT(count, 1);
    return NULL;
}

static void *kill_before_start(void *arg)
{
    (void)arg;
    wt_spawn_and_join(50, fork_and_be_killed, NULL);
    return NULL;
}

static void test_forks_task_of_a_killed_coroutine_runs(void **state)
{
    (void)state;
    wt_over_workers(kill_before_start, NULL);
}

/* Kills that come at any moment. */
static long patient_fib(int n);

static void *run_patient_fib(void *arg)
{
    struct fib *f = arg;
    f->result = patient_fib(f->n);
    return NULL;
}

/* Like restless_fib, and takes errors as they come. */
static long patient_fib(int n)
{
    if (n < 2)
        return n;
    struct fib right = {.n = n - 2};
    weft_task task;
    CHECK_INT(weft_fork(&task, run_patient_fib, &right), 0);
    if (n % 4 == 0)
        weft_sleep(20 * WEFT_MICROSECOND);
    long left = patient_fib(n - 1);
    int error = weft_sync(&task);
    CHECK(error == 0 || error == -ECANCELED || error == -ETIMEDOUT);
    return left + right.result;
}

static void *run_patiently(void *arg)
{
    (void)arg;
    CHECK_INT(patient_fib(13), serial_fib(13));
    return NULL;
}

static void *kill_at_any_moment(void *arg)
{
    (void)arg;
    for (int i = 0; i < 30; i++) {
        weft_t *t = weft_spawn(run_patiently, NULL);
        if (i % 3 != 0)
            CHECK_INT(weft_sleep(i * 20 * WEFT_MICROSECOND), 0);
        CHECK_INT(weft_kill(t), 0);
        CHECK_INT(weft_join(t, NULL), 0);
        weft_timeout timeout;
        CHECK_INT(weft_timeout_start(&timeout, i * 20 * WEFT_MICROSECOND), 0);
        CHECK_INT(patient_fib(12), serial_fib(12));
        CHECK_INT(weft_timeout_stop(&timeout), 0);
    }
    return NULL;
}

static void test_forks_kills_and_timeouts_at_any_moment_lose_no_task(void **state)
{
    (void)state;
    wt_over_workers(kill_at_any_moment, NULL);
}

/* ---- stacks ---- */

struct chain {
    int left;
    long length;
};

/* Each link is run by the sync of the one before it. */
static void *follow(void *arg)
{
    struct chain *c = arg;
    volatile char frame[200];
    frame[0] = 0;
    if (c->left == 0)
        return NULL;
    struct chain rest = {.left = c->left - 1};
    weft_task task;
    CHECK_INT(weft_fork(&task, follow, &rest), 0);
    CHECK_INT(weft_sync(&task), 0);
    c->length = rest.length + 1 + frame[0];
    return NULL;
}

static void *follow_deep(void *arg)
{
    struct chain c = {.left = (int)(intptr_t)arg};
    follow(&c);
    CHECK_INT(c.length, c.left);
    return NULL;
}

static void test_forks_recursion_deeper_than_the_stack_goes_on_elsewhere(void **state)
{
    (void)state;
    wt_over_workers(follow_deep, (void *)(intptr_t)wt_scaled(20000));
}

static void *follow_on_small_stack(void *arg)
{
    const size_t sizes[] = {wt_scaled(20) == 20 ? 16 << 10 : 64 << 10, 64 << 10, 1 << 20}; /* sanitizers need more */
    (void)arg;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        weft_spawn_options options = {.stack_size = sizes[i], .secret = i == 1};
        weft_t *t = weft_spawn_opt(&options, follow_deep, (void *)(intptr_t)wt_scaled(2000));
        CHECK_INT(weft_join(t, NULL), 0);
    }
    return NULL;
}

static void test_forks_tasks_have_stacks_like_their_parents(void **state)
{
    (void)state;
    wt_over_workers(follow_on_small_stack, NULL);
}

/* A large frame in a task of a coroutine with a large stack. */
static void *use_much_stack(void *arg)
{
    volatile char frame[600 << 10];
    memset((char *)frame, 1, sizeof frame);
    *(long *)arg = frame[1000];
    return NULL;
}

static void *fork_much_stack(void *arg)
{
    weft_task tasks[20];
    long results[20] = {0};
    (void)arg;
    for (int i = 0; i < 20; i++)
        CHECK_INT(weft_fork(&tasks[i], use_much_stack, &results[i]), 0);
    CHECK_INT(weft_yield(), 0);
    for (int i = 19; i >= 0; i--) {
        CHECK_INT(weft_sync(&tasks[i]), 0);
        CHECK_INT(results[i], 1);
    }
    return NULL;
}

static void *give_much_stack(void *arg)
{
    weft_spawn_options options = {.stack_size = 1 << 20};
    (void)arg;
    CHECK_INT(weft_join(weft_spawn_opt(&options, fork_much_stack, NULL), NULL), 0);
    return NULL;
}

static void test_forks_task_that_was_taken_has_the_callers_stack_size(void **state)
{
    (void)state;
    wt_over_workers(give_much_stack, NULL);
}

/* ---- a full deque, no memory ---- */

enum { VERY_MANY = 3 * WF_SPLIT_SIZE + 100 };

static void *fork_very_many(void *arg)
{
    weft_task *tasks = calloc(VERY_MANY, sizeof *tasks);
    _Atomic(int) count = 0;
    (void)arg;
    if (!CHECK(tasks != NULL))
        return NULL;
    for (int i = 0; i < VERY_MANY; i++)
        CHECK_INT(weft_fork(&tasks[i], count_up, &count), 0);
    CHECK(count >= VERY_MANY - WF_SPLIT_SIZE || wt_workers() > 1);
    for (int i = VERY_MANY - 1; i >= 0; i--)
        CHECK_INT(weft_sync(&tasks[i]), 0);
    CHECK_INT(count, VERY_MANY);
    for (int i = 0; i < VERY_MANY; i++)
        CHECK_INT(weft_fork(&tasks[i], count_up, &count), 0);
    CHECK_INT(weft_yield(), 0); /* more than a run queue holds */
    for (int i = 0; i < VERY_MANY; i++)
        CHECK_INT(weft_sync(&tasks[i]), 0);
    CHECK_INT(count, 2 * VERY_MANY);
    free(tasks);
    return NULL;
}

static void test_forks_more_than_fit_run_at_once(void **state)
{
    (void)state;
    wt_over_workers(fork_very_many, NULL);
}

/* No memory for control blocks: there are 1024 at a time, and then the limit is hit. The tasks for which there is none run at their
 * sync. */
static void *fork_without_memory(void *arg)
{
    enum { TASKS = 1500 };
    static weft_task tasks[TASKS];
    static _Atomic(int) count;
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    weft_stats_info stats = {0};
    _Atomic(int) *result = arg;
    wt_spawn_and_join(4, compare_sums, NULL); /* stacks and what else is made on first use */
    if (setrlimit(RLIMIT_DATA, &limit) != 0)
        return NULL;
    for (int i = 0; i < TASKS; i++)
        weft_fork(&tasks[i], count_up, &count);
    weft_yield();
    for (int i = 0; i < TASKS; i++)
        if (weft_sync(&tasks[i]) != 0)
            return NULL;
    weft_stats(&stats);
    fprintf(stderr, "%d ran, %d moved", (int)count, (int)stats.forks_moved);
    *result = count == TASKS && stats.forks_moved > 0 && stats.forks_moved < TASKS;
    return NULL;
}

static int run_without_memory(void)
{
    _Atomic(int) result = 0;
    weft_config config;
    weft_config_default(&config);
    config.threads = 1;
    weft_start(&config);
    weft_run(fork_without_memory, &result, NULL);
    return result ? 0 : 1;
}

static void test_forks_without_memory_run_at_their_sync(void **state)
{
    static char said[SAID];
    (void)state;
    if (wt_scaled(20) != 20) {
        print_message("SKIP: sanitizers need memory of their own\n");
        skip();
    }
    int status = wt_in_child(run_without_memory, said, sizeof said);
    if (status != 0)
        fail_msg("status %x, said: %s", (unsigned)status, said);
}

/* ---- where there is no deque ---- */

static void *fork_on_thread(void *arg)
{
    compare_fib(arg);
    sync_in_all_orders(NULL);
    weft_task never = {0};
    CHECK_INT(weft_sync(&never), -EINVAL);
    return NULL;
}

static void test_forks_on_plain_threads_are_plain_calls(void **state)
{
    (void)state;
    fork_on_thread(NULL); /* without a runtime */
    wt_start(2);
    wt_on_thread(fork_on_thread, NULL);
    fork_on_thread(NULL);
    wt_stop();
    wt_finish();
}

static void *note_rounding(void *arg)
{
    *(int *)arg = fegetround();
    return NULL;
}

static void *fork_rounding_up(void *arg)
{
    weft_task tasks[3];
    int modes[3] = {-1, -1, -1};
    (void)arg;
    fesetround(FE_UPWARD);
    for (int i = 0; i < 3; i++)
        CHECK_INT(weft_fork(&tasks[i], note_rounding, &modes[i]), 0);
    CHECK_INT(weft_sleep(WEFT_MILLISECOND), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(weft_sync(&tasks[i]), 0);
        CHECK_INT(modes[i], FE_UPWARD);
    }
    return NULL;
}

static void *fork_with_fpenv(void *arg)
{
    weft_spawn_options options = {.fpenv = true};
    (void)arg;
    CHECK_INT(weft_join(weft_spawn_opt(&options, fork_rounding_up, NULL), NULL), 0);
    return NULL;
}

static void test_forks_with_a_floating_point_environment_keep_it(void **state)
{
    (void)state;
    wt_over_workers(fork_with_fpenv, NULL);
}

static void *fork_pinned(void *arg)
{
    weft_spawn_options options = {.pinned = true, .name = "pinned"};
    (void)arg;
    CHECK_INT(weft_join(weft_spawn_opt(&options, compare_restless_fib, NULL), NULL), 0);
    return NULL;
}

static void test_forks_of_a_pinned_coroutine_end(void **state)
{
    (void)state;
    wt_over_workers(fork_pinned, NULL);
}

/* ---- misuse ---- */

static void *misuse(void *arg)
{
    _Atomic(int) count = 0;
    weft_task task = {0};
    (void)arg;
    CHECK_INT(weft_fork(NULL, count_up, &count), -EINVAL);
    CHECK_INT(weft_fork(&task, NULL, &count), -EINVAL);
    CHECK_INT(weft_sync(NULL), -EINVAL);
    CHECK_INT(weft_sync(&task), -EINVAL);
    CHECK_INT(weft_fork(&task, count_up, &count), 0);
    CHECK_INT(weft_sync(&task), 0);
    CHECK_INT(weft_sync(&task), -EINVAL);
    CHECK_INT(weft_sync_slow(&task), -EINVAL);
    CHECK_INT(count, 1);
    return NULL;
}

static void test_forks_misuse_is_refused(void **state)
{
    (void)state;
    wt_over_workers(misuse, NULL);
    misuse(NULL);
    wt_finish();
}

/* One that others would get to only if the coroutine ended without it. */
static weft_task forgotten;
static _Atomic(int) forgotten_count;

static void *forget_one(void *arg)
{
    weft_set_name("forgetful");
    weft_fork(&forgotten, count_up, &forgotten_count);
    if (arg != NULL)
        weft_yield();
    return NULL;
}

/* With nothing that its end has to run. */
static void *forget_unnamed(void *arg)
{
    (void)arg;
    weft_fork(&forgotten, count_up, &forgotten_count);
    return NULL;
}

static void *forget_in_task(void *arg)
{
    weft_task task;
    weft_set_name("forgetful");
    weft_fork_slow(&task, forget_one, arg);
    weft_sync_slow(&task);
    return NULL;
}

static void *fork_twice(void *arg)
{
    (void)arg;
    weft_set_name("forgetful");
    weft_fork(&forgotten, count_up, &forgotten_count);
    weft_fork(&forgotten, count_up, &forgotten_count);
    weft_yield();
    weft_sleep(WEFT_MILLISECOND);
    return NULL;
}

static weft_fn *fatal;
static void *fatal_arg;

static int run_fatal(void)
{
    weft_config config;
    weft_config_default(&config);
    config.threads = 1;
    weft_start(&config);
    weft_run(fatal, fatal_arg, NULL);
    return 0;
}

static void test_forks_not_synced_abort_and_name_the_coroutine(void **state)
{
    static char said[SAID];
    static const struct {
        weft_fn *fn;
        void *arg;
        const char *says;
    } cases[] = {{forget_unnamed, NULL, "its body ended without weft_sync of 1 task"},
                 {forget_one, NULL, "its body ended without weft_sync of 1 task"},
                 {forget_one, said, "its body ended without weft_sync of 1 task"},
                 {forget_in_task, NULL, "a task ended without weft_sync of 1 task"},
                 {forget_in_task, said, "a task ended without weft_sync of 1 task"},
                 {fork_twice, NULL, "forked again"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fatal = cases[i].fn;
        fatal_arg = cases[i].arg;
        int status = wt_in_child(run_fatal, said, sizeof said);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || strstr(said, cases[i].says) == NULL ||
            ((i >= 1 && i < 5) && strstr(said, "\"forgetful\"") == NULL))
            fail_msg("case %zu: status %x, said: %s", i, (unsigned)status, said);
    }
}

/* ---- the child of a fork(2) ---- */

static void *fork_process(void *arg)
{
    weft_task tasks[3];
    _Atomic(int) count = 0;
    (void)arg;
    for (int i = 0; i < 3; i++)
        weft_fork(&tasks[i], count_up, &count);
    pid_t child = fork();
    for (int i = 2; i >= 0; i--) {
        int result = weft_sync(&tasks[i]);
        if (child == 0 && result != 0 && result != -EINVAL) /* -EINVAL: another worker had it, and is not there */
            _exit(1);
    }
    if (child == 0)
        _exit(wt_workers() > 1 || count == 3 ? 0 : 2);
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    CHECK_INT(count, 3);
    return NULL;
}

static void test_forks_child_process_runs_what_was_not_taken(void **state)
{
    (void)state;
    wt_over_workers(fork_process, NULL);
}

/* ---- stopping, dumps ---- */

static void *start_forks_and_go(void *arg)
{
    CHECK_INT(weft_go(arg, NULL), 0);
    CHECK_INT(weft_go(arg, NULL), 0);
    return NULL;
}

static void test_forks_stop_waits_for_tasks(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        wt_start(workers);
        CHECK_INT(weft_run(start_forks_and_go, compare_restless_fib, NULL), 0);
        CHECK_INT(weft_stop(WEFT_NEVER), 0);
        wt_start(workers);
        CHECK_INT(weft_run(start_forks_and_go, run_patiently, NULL), 0);
        int result = weft_stop(weft_after(200 * WEFT_MICROSECOND));
        CHECK(result == 0 || result == -ETIMEDOUT);
    }
    wt_finish();
}

static void *dump_tasks(void *arg)
{
    struct parent p = {.sync_result = 1};
    (void)arg;
    weft_t *t = weft_spawn(fork_and_sync, &p);
    wt_until_waiting(t, WF_WAIT_FORK);
    int file = wt_memory_file();
    CHECK_INT(weft_dump(file), 0);
    char *text = wt_memory_file_text(file);
    CHECK(strstr(text, "waits for the end of forked task") != NULL);
    CHECK(strstr(text, "runs wait_for_event") != NULL);
    CHECK(strstr(text, "spawned at wait_for_event") != NULL);
    free(text);
    CHECK_INT(weft_event_set(&p.wait.event), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(p.sync_result, 0);
    return NULL;
}

static void test_forks_dump_shows_tasks_and_who_waits_for_them(void **state)
{
    (void)state;
    wt_over_workers(dump_tasks, NULL);
}

/* A task's own cleanups and locals are over when its sync returns. */
static void clean_up(void *arg)
{
    weft_sleep(WEFT_MILLISECOND);
    count_up(arg);
}

static void *push_cleanup(void *arg)
{
    CHECK_INT(weft_cleanup_push(clean_up, arg), 0);
    return NULL;
}

static void *sync_after_cleanups(void *arg)
{
    _Atomic(int) count = 0;
    weft_task task;
    (void)arg;
    CHECK_INT(weft_fork(&task, push_cleanup, &count), 0);
    CHECK_INT(weft_sleep(100 * WEFT_MICROSECOND), 0); /* a coroutine of its own */
    CHECK_INT(weft_sync(&task), 0);
    CHECK_INT(count, 1);
    return NULL;
}

static void test_forks_cleanups_of_a_taken_task_run_before_its_sync_returns(void **state)
{
    (void)state;
    wt_over_workers(sync_after_cleanups, NULL);
}

/* ---- parallel_for ---- */

enum { CELLS = 10007 };

struct cells {
    _Atomic(uint8_t) visits[CELLS];
    size_t offset;
    size_t grain;
};

static void visit(size_t from, size_t to, void *arg)
{
    struct cells *c = arg;
    CHECK(from < to);
    CHECK(c->grain == 0 || to - from <= c->grain);
    for (size_t i = from; i < to; i++)
        wf_fetch_add_relaxed(&c->visits[i - c->offset], 1); /* relaxed: read after the end */
}

static void visit_all(size_t offset, size_t count, size_t grain)
{
    static struct cells c;
    c.offset = offset;
    c.grain = grain;
    for (size_t i = 0; i < CELLS; i++)
        c.visits[i] = 0;
    CHECK_INT(weft_parallel_for(offset, offset + count, grain, visit, &c), 0);
    for (size_t i = 0; i < CELLS; i++)
        if (!CHECK_INT(c.visits[i], i < count))
            break;
}

static void *visit_in_many_ways(void *arg)
{
    (void)arg;
    visit_all(0, CELLS, 0);
    visit_all(0, CELLS, 1);
    visit_all(0, CELLS, 7);
    visit_all(3, CELLS, 1000);
    visit_all(SIZE_MAX - CELLS, CELLS, 13);
    visit_all(0, CELLS, SIZE_MAX);
    visit_all(0, 1, 0);
    visit_all(0, 3, 0);
    visit_all(5, 0, 0);
    CHECK_INT(weft_parallel_for(9, 3, 0, visit, NULL), 0);
    CHECK_INT(weft_parallel_for(0, 3, 0, NULL, NULL), -EINVAL);
    return NULL;
}

static void test_forks_parallel_for_visits_each_once(void **state)
{
    (void)state;
    wt_over_workers(visit_in_many_ways, NULL);
    wt_start(2);
    visit_in_many_ways(NULL); /* on a plain thread */
    wt_stop();
    wt_finish();
}

static void compute_in_range(size_t from, size_t to, void *arg)
{
    int64_t end = weft_after((int64_t)(to - from) * 100 * WEFT_MICROSECOND);
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read after the end */
    while (weft_now() < end)
        wf_spin_pause();
}

static void sleep_in_range(size_t from, size_t to, void *arg)
{
    (void)from;
    (void)to;
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read after the end */
    weft_sleep(WEFT_MILLISECOND);
}

static void *stop_parallel_for(void *arg)
{
    _Atomic(int) parts = 0;
    weft_timeout timeout;
    (void)arg;
    CHECK_INT(weft_timeout_start(&timeout, 5 * WEFT_MILLISECOND), 0);
    CHECK_INT(weft_parallel_for(0, 10000, 1, compute_in_range, &parts), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK(parts < 10000);
    return NULL;
}

static void test_forks_parallel_for_is_ended_by_a_timeout(void **state)
{
    (void)state;
    wt_over_workers(stop_parallel_for, NULL);
    wt_start(2);
    stop_parallel_for(NULL);
    wt_stop();
    wt_finish();
}

static void nest(size_t from, size_t to, void *arg)
{
    for (size_t i = from; i < to; i++)
        CHECK_INT(weft_parallel_for(0, 100, 3, sleep_in_range, arg), 0);
}

static void *nested_loops(void *arg)
{
    _Atomic(int) parts = 0;
    (void)arg;
    CHECK_INT(weft_parallel_for(0, 4, 1, nest, &parts), 0);
    CHECK(parts >= 4 * 34);
    return NULL;
}

static void test_forks_parallel_for_nests(void **state)
{
    (void)state;
    wt_over_workers(nested_loops, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forks_not_synced_abort_and_name_the_coroutine),
        cmocka_unit_test(test_forks_without_memory_run_at_their_sync),
        cmocka_unit_test(test_forks_fib_is_that_of_the_serial_recursion),
        cmocka_unit_test(test_forks_uneven_tree_is_summed),
        cmocka_unit_test(test_forks_may_be_synced_in_any_order),
        cmocka_unit_test(test_forks_of_a_suspended_coroutine_go_on),
        cmocka_unit_test(test_forks_that_suspend_at_every_level_end),
        cmocka_unit_test(test_forks_of_many_coroutines_do_not_mix),
        cmocka_unit_test(test_forks_idle_worker_takes_the_only_one),
        cmocka_unit_test(test_forks_worker_that_is_idle_later_gets_some),
        cmocka_unit_test(test_forks_sync_answers_requests),
        cmocka_unit_test(test_forks_full_deque_is_shared),
        cmocka_unit_test(test_forks_with_one_worker_are_plain_calls),
        cmocka_unit_test(test_forks_kill_reaches_a_task_and_is_waited_for),
        cmocka_unit_test(test_forks_timeout_kills_a_taken_task_and_is_marked),
        cmocka_unit_test(test_forks_killed_sync_returns_after_its_task_has_ended),
        cmocka_unit_test(test_forks_task_of_a_killed_coroutine_runs),
        cmocka_unit_test(test_forks_kills_and_timeouts_at_any_moment_lose_no_task),
        cmocka_unit_test(test_forks_recursion_deeper_than_the_stack_goes_on_elsewhere),
        cmocka_unit_test(test_forks_tasks_have_stacks_like_their_parents),
        cmocka_unit_test(test_forks_task_that_was_taken_has_the_callers_stack_size),
        cmocka_unit_test(test_forks_more_than_fit_run_at_once),
        cmocka_unit_test(test_forks_on_plain_threads_are_plain_calls),
        cmocka_unit_test(test_forks_with_a_floating_point_environment_keep_it),
        cmocka_unit_test(test_forks_of_a_pinned_coroutine_end),
        cmocka_unit_test(test_forks_misuse_is_refused),
        cmocka_unit_test(test_forks_child_process_runs_what_was_not_taken),
        cmocka_unit_test(test_forks_stop_waits_for_tasks),
        cmocka_unit_test(test_forks_dump_shows_tasks_and_who_waits_for_them),
        cmocka_unit_test(test_forks_cleanups_of_a_taken_task_run_before_its_sync_returns),
        cmocka_unit_test(test_forks_parallel_for_visits_each_once),
        cmocka_unit_test(test_forks_parallel_for_is_ended_by_a_timeout),
        cmocka_unit_test(test_forks_parallel_for_nests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
