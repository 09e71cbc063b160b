/* See runtime.h. */
#include "runtime.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/stack.h"
#include "sched/suspend.h"

enum { SETTLE_SECONDS = 10, FAILURES_SHOWN = 10 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOWER = 10 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SLOWER = 10 };
#else
enum { SLOWER = 1 };
#endif
#else
enum { SLOWER = 1 };
#endif

static pthread_mutex_t record_lock = PTHREAD_MUTEX_INITIALIZER;
static int failures;
static unsigned workers_now;
static int descriptors_before;

static void record(const char *file, int line, const char *text)
{
    pthread_mutex_lock(&record_lock);
    if (failures++ < FAILURES_SHOWN)
        fprintf(stderr, "%s:%d: (%u workers) %s\n", file, line, workers_now, text);
    pthread_mutex_unlock(&record_lock);
}

bool wt_check(bool holds, const char *file, int line, const char *what)
{
    if (!holds)
        record(file, line, what);
    return holds;
}

bool wt_check_int(int64_t actual, int64_t expected, const char *file, int line, const char *what)
{
    if (actual == expected)
        return true;
    char text[300];
    snprintf(text, sizeof text, "%s is %lld, not %lld", what, (long long)actual, (long long)expected);
    record(file, line, text);
    return false;
}

void wt_finish(void)
{
    pthread_mutex_lock(&record_lock);
    int count = failures;
    failures = 0;
    pthread_mutex_unlock(&record_lock);
    if (count != 0)
        fail_msg("%d checks failed", count);
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return -1;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* Let others run for a moment. */
static void pause_briefly(void)
{
    struct timespec moment = {.tv_nsec = 50000};
    if (wf_self_coro() != NULL)
        weft_sleep(moment.tv_nsec);
    else
        nanosleep(&moment, NULL);
}

static bool holds_in_time(bool (*holds)(void *arg), void *arg)
{
    int64_t end = weft_now() + SETTLE_SECONDS * WEFT_SECOND;
    while (!holds(arg)) {
        if (weft_now() > end)
            return false;
        pause_briefly();
    }
    return true;
}

void wt_until(bool (*holds)(void *arg), void *arg)
{
    CHECK(holds_in_time(holds, arg));
}

static bool is_settled(void *arg)
{
    weft_stats_info *stats = arg;
    return weft_stats(stats) != 0 || (stats->coroutines_live == 0 && stats->operations_live == 0);
}

void wt_start(unsigned workers)
{
    weft_config config;
    workers_now = workers;
    descriptors_before = count_descriptors();
    if (!CHECK_INT(weft_config_from_env(&config), 0))
        return;
    config.threads = workers;
    CHECK_INT(weft_start(&config), 0);
}

void wt_stop(void)
{
    weft_stats_info stats = {0};
    if (!holds_in_time(is_settled, &stats)) {
        CHECK_INT((int64_t)stats.coroutines_live, 0);
        CHECK_INT((int64_t)stats.operations_live, 0);
        weft_dump(2);
    }
    CHECK_INT(weft_stop(weft_after(SETTLE_SECONDS * WEFT_SECOND)), 0);
    CHECK_INT((int64_t)wf_stack_live(), 0);
    CHECK_INT(count_descriptors(), descriptors_before);
}

void wt_run(unsigned workers, weft_fn *body, void *arg)
{
    wt_start(workers);
    CHECK_INT(weft_run(body, arg, NULL), 0);
    wt_stop();
    wt_finish();
}

void wt_over_workers(weft_fn *body, void *arg)
{
    for (unsigned workers = 1; workers <= 8; workers *= 2)
        wt_run(workers, body, arg);
}

void wt_over_few_workers(weft_fn *body, void *arg)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2)
        wt_run(workers, body, arg);
}

void wt_over_workers_and_thread(weft_fn *body, void *arg)
{
    wt_over_workers(body, arg);
    wt_start(1);
    wt_on_thread(body, arg);
    wt_stop();
    wt_finish();
}

unsigned wt_workers(void)
{
    return workers_now;
}

int wt_scaled(int n)
{
    return n / SLOWER > 0 ? n / SLOWER : 1;
}

/* ---- waiting for others ---- */

struct waiter {
    wf_coro *block;
    enum wf_wait_kind kind;
};

static bool is_waiting(void *arg)
{
    struct waiter *waiter = arg;
    uint64_t state = wf_load_acquire(&waiter->block->state);
    if (wf_state_phase(state) != WF_PHASE_WAITING)
        return false;
    /* relaxed: the state was acquired. */
    return waiter->kind == WF_WAIT_NONE || wf_load_relaxed(&waiter->block->wait_kind) == waiter->kind;
}

void wt_until_block_waits(wf_coro *block, enum wf_wait_kind kind)
{
    struct waiter waiter = {block, kind};
    wt_until(is_waiting, &waiter);
}

void wt_until_waiting(weft_t *t, enum wf_wait_kind kind)
{
    wf_coro *block = wf_coro_from_handle(t);
    if (CHECK(block != NULL))
        wt_until_block_waits(block, kind);
}

/* ---- by the dozen ---- */

void wt_spawn_and_join(int n, weft_fn *fn, void *arg)
{
    weft_t **ts = calloc((size_t)n, sizeof *ts);
    if (!CHECK(ts != NULL))
        return;
    for (int i = 0; i < n; i++)
        CHECK((ts[i] = weft_spawn(fn, arg)) != NULL);
    for (int i = 0; i < n; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    free(ts);
}

struct wt_thread {
    pthread_t id;
    weft_fn *fn;
    void *arg;
    _Atomic(wf_coro *) block;
    _Atomic(bool) done;
};

static void *run_thread(void *arg)
{
    wt_thread *thread = arg;
    wf_store_release(&thread->block, wf_self()); /* ORDER(wt-thread): pairs with has_block. */
    thread->fn(thread->arg);
    wf_store_release(&thread->done, true); /* ORDER(wt-thread): pairs with is_done. */
    return NULL;
}

static bool has_block(void *arg)
{
    return wf_load_acquire(&((wt_thread *)arg)->block) != NULL;
}

static bool is_done(void *arg)
{
    return wf_load_acquire(&((wt_thread *)arg)->done);
}

wt_thread *wt_thread_start(weft_fn *fn, void *arg)
{
    wt_thread *thread = calloc(1, sizeof *thread);
    if (!CHECK(thread != NULL))
        abort();
    thread->fn = fn;
    thread->arg = arg;
    if (!CHECK_INT(pthread_create(&thread->id, NULL, run_thread, thread), 0))
        abort();
    return thread;
}

void wt_thread_join(wt_thread *thread)
{
    while (!is_done(thread))
        pause_briefly();
    CHECK_INT(pthread_join(thread->id, NULL), 0);
    free(thread);
}

void wt_on_thread(weft_fn *fn, void *arg)
{
    wt_thread_join(wt_thread_start(fn, arg));
}

wf_coro *wt_thread_block(wt_thread *thread)
{
    wt_until(has_block, thread);
    return wf_load_acquire(&thread->block);
}
