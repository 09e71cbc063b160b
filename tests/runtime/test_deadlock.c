/* Deadlocks: found when nothing can ever run again, told with all that wait, and ended by -EDEADLK; and never found where something
 * could still happen, however long that takes. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "capture.h"
#include "child.h"
#include "runtime.h"
#include "sched/census.h"
#include "sched/deadlock.h"
#include "sched/worker.h"

/* ThreadSanitizer holds signals back until a thread makes a call that it knows to block, and starts no threads in the child of a
 * process that has some. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { UNDER_TSAN = true };
#else
enum { UNDER_TSAN = false };
#endif
#elif defined(__SANITIZE_THREAD__)
enum { UNDER_TSAN = true };
#else
enum { UNDER_TSAN = false };
#endif

/* Several times what the monitor waits before it looks. */
#define LONG_ENOUGH (100 * WEFT_MILLISECOND)

static void pause_briefly(void)
{
    struct timespec moment = {.tv_nsec = 500000};
    nanosleep(&moment, NULL);
}

static unsigned count_reports(const char *text)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, "weft: deadlock: ")) != NULL; at++)
        count++;
    return count;
}

static void check_has(const char *text, const char *part)
{
    if (!CHECK(strstr(text, part) != NULL))
        fprintf(stderr, "\"%s\" is not in:\n%s\n", part, text);
}

/* Run it over so many workers. So many deadlocks are reported meanwhile; what was said is the caller's to free. */
static char *run_with(unsigned workers, weft_fn *body, unsigned reports)
{
    wt_capture capture;
    wt_capture_begin(&capture);
    wt_start(workers);
    CHECK_INT(weft_run(body, NULL, NULL), 0);
    wt_stop();
    char *text = wt_capture_end(&capture);
    if (!CHECK_INT(count_reports(text), reports))
        fprintf(stderr, "%s\n", text);
    return text;
}

static void over_workers(weft_fn *body, unsigned reports)
{
    for (unsigned workers = 1; workers <= 8; workers *= 2)
        free(run_with(workers, body, reports));
    wt_finish();
}

/* ---- threads of tools ---- */

static void *do_nothing(void *arg)
{
    return arg;
}

/* A sanitizer may have a thread of its own in this process, from its first thread on. */
static int note_tool(void)
{
    pthread_t first;
    if (pthread_create(&first, NULL, do_nothing, NULL) != 0 || pthread_join(first, NULL) != 0)
        return -1;
    pause_briefly(); /* until the kernel has forgotten it */
    wf_census_tool = 0;
    DIR *folder = opendir("/proc/self/task");
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != gettid())
            wf_census_tool = atoi(entry->d_name);
    closedir(folder);
    return 0;
}

/* ---- each wait ends, and what it waited on can be used ---- */

static struct {
    weft_mutex held, guard;
    weft_cond cond;
    weft_sem sem;
    weft_event event;
    weft_group group, ended;
    weft_chan *empty, *full, *large;
    weft_rwlock rwlock;
    weft_barrier barrier;
    weft_future future;
    weft_queue *tasks, *no_tasks;
    weft_t *waiter;
} w;

static int lock(void)
{
    return weft_mutex_lock(&w.held);
}

static int wait_cond(void)
{
    CHECK_INT(weft_mutex_lock(&w.guard), 0);
    int result = weft_cond_wait(&w.cond, &w.guard);
    CHECK_INT(weft_mutex_unlock(&w.guard), 0); /* it is held again */
    return result;
}

static int wait_sem(void)
{
    return weft_sem_wait(&w.sem);
}

static int wait_event(void)
{
    return weft_event_wait(&w.event);
}

static int wait_group(void)
{
    return weft_group_wait(&w.group);
}

static int send_one(void)
{
    int value = 2;
    return weft_chan_send(w.full, &value);
}

static int receive(void)
{
    int value = 7;
    int result = weft_chan_recv(w.empty, &value);
    CHECK_INT(value, 7);
    return result;
}

static int receive_large(void)
{
    char value[64] = "as it was";
    int result = weft_chan_recv(w.large, value);
    CHECK(strcmp(value, "as it was") == 0);
    return result;
}

static int lock_to_read(void)
{
    return weft_rwlock_rdlock(&w.rwlock);
}

static int lock_to_write(void)
{
    return weft_rwlock_wrlock(&w.rwlock);
}

static int wait_barrier(void)
{
    return weft_barrier_wait(&w.barrier);
}

static int get_future(void)
{
    return weft_future_get(&w.future, NULL);
}

static int put_task(void)
{
    int value = 2;
    return weft_queue_put(w.tasks, &value);
}

static int get_task(void)
{
    int value = 7;
    int result = weft_queue_get(w.no_tasks, &value);
    CHECK_INT(value, 7);
    return result;
}

static int join_tasks(void)
{
    return weft_queue_join(w.tasks);
}

static int select_one(void)
{
    uint64_t value = 0;
    weft_select_case cases[] = {{.op = WEFT_SELECT_RECV, .chan = w.empty, .value = &value},
                                {.op = WEFT_SELECT_SEND, .chan = w.full, .value = &value}};
    return weft_select(cases, 2, WEFT_NEVER);
}

static int sleep_for_ever(void)
{
    return weft_sleep(WEFT_NEVER);
}

static int poll_nothing(void)
{
    return weft_poll(NULL, 0, -1);
}

typedef int blocking(void);

static blocking *const waits[] = {lock,         wait_cond,     wait_sem,      wait_event,     wait_group,
                                  send_one,     receive,       receive_large, sleep_for_ever, poll_nothing,
                                  lock_to_read, lock_to_write, wait_barrier,  get_future,     put_task,
                                  get_task,     join_tasks,    select_one};

enum { WAITS = sizeof(waits) / sizeof(waits[0]) };

static void *wait_in(void *arg)
{
    blocking *const *wait = arg;
    CHECK_INT((*wait)(), -EDEADLK);
    CHECK_INT(weft_checkpoint(), 0); /* it is not killed */
    weft_group_done(&w.ended);
    return NULL;
}

static void open_world(void)
{
    int value = 1;
    memset(&w, 0, sizeof(w));
    w.empty = weft_chan_new(sizeof(int), 0);
    w.full = weft_chan_new(sizeof(int), 1);
    w.large = weft_chan_new(64, 2);
    CHECK_INT(weft_group_add(&w.group, 1), 0);
    CHECK_INT(weft_chan_send(w.full, &value), 0);
    CHECK_INT(weft_mutex_lock(&w.held), 0);
    CHECK_INT(weft_rwlock_wrlock(&w.rwlock), 0);
    CHECK_INT(weft_barrier_init(&w.barrier, 1 << 16), 0);
    w.tasks = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(int), 1);
    w.no_tasks = weft_queue_new(WEFT_QUEUE_FIFO, sizeof(int), 1);
    CHECK_INT(weft_queue_put(w.tasks, &value), 0);
}

/* All of it works as if nobody had ever waited. */
static void close_world(void)
{
    int value = 0;
    CHECK_INT(weft_mutex_unlock(&w.held), 0);
    CHECK_INT(weft_mutex_lock(&w.held), 0);
    CHECK_INT(weft_mutex_unlock(&w.held), 0);
    CHECK_INT(weft_mutex_fini(&w.held), 0);
    CHECK_INT(weft_rwlock_unlock(&w.rwlock), 0);
    CHECK_INT(weft_rwlock_rdlock(&w.rwlock), 0);
    CHECK_INT(weft_rwlock_unlock(&w.rwlock), 0);
    CHECK_INT(weft_rwlock_fini(&w.rwlock), 0);
    CHECK_INT(weft_barrier_fini(&w.barrier), 0);
    CHECK_INT(weft_future_set(&w.future, NULL), 0);
    CHECK_INT(weft_future_get(&w.future, NULL), 0);
    CHECK_INT(weft_queue_get(w.tasks, &value), 0);
    CHECK_INT(weft_queue_task_done(w.tasks), 0);
    CHECK_INT(weft_queue_join(w.tasks), 0);
    CHECK_INT(weft_queue_free(w.tasks), 0);
    CHECK_INT(weft_queue_free(w.no_tasks), 0);
    CHECK_INT(weft_mutex_fini(&w.guard), 0);
    CHECK_INT(weft_cond_signal(&w.cond), 0);
    CHECK_INT(weft_cond_fini(&w.cond), 0);
    CHECK_INT(weft_sem_post(&w.sem), 0);
    CHECK_INT(weft_sem_value(&w.sem), 1);
    CHECK_INT(weft_sem_trywait(&w.sem), 0);
    CHECK_INT(weft_sem_fini(&w.sem), 0);
    CHECK_INT(weft_event_set(&w.event), 0);
    CHECK_INT(weft_event_wait(&w.event), 0);
    CHECK_INT(weft_event_fini(&w.event), 0);
    CHECK_INT(weft_group_done(&w.group), 0);
    CHECK_INT(weft_group_wait(&w.group), 0);
    CHECK_INT(weft_group_fini(&w.group), 0);
    CHECK_INT(weft_chan_try_send(w.empty, &value), -EAGAIN);
    CHECK_INT(weft_chan_recv(w.full, &value), 0);
    CHECK_INT(value, 1);
    CHECK_INT(weft_chan_try_recv(w.full, &value), -EAGAIN); /* what the ended send offered was not sent */
    CHECK_INT(weft_chan_free(w.empty), 0);
    CHECK_INT(weft_chan_free(w.full), 0);
    CHECK_INT(weft_chan_free(w.large), 0);
}

static void *ends_coroutines(void *arg)
{
    weft_t *ts[WAITS];
    open_world();
    for (int i = 0; i < WAITS; i++)
        ts[i] = weft_spawn(wait_in, (void *)&waits[i]);
    CHECK_INT(weft_joinall(ts, WAITS), 0); /* it waits for the others' end, and gets it */
    close_world();
    return arg;
}

static void test_deadlock_ends_every_wait_of_coroutines(void **state)
{
    (void)state;
    over_workers(ends_coroutines, 1);
}

static void *ends_threads(void *arg)
{
    wt_thread *threads[WAITS];
    open_world();
    CHECK_INT(weft_group_add(&w.ended, WAITS), 0);
    for (int i = 0; i < WAITS; i++)
        threads[i] = wt_thread_start(wait_in, (void *)&waits[i]);
    CHECK_INT(weft_group_wait(&w.ended), -EDEADLK);
    while (weft_group_wait(&w.ended) != 0) /* some thread may not have waited yet the first time: it was alive, then */
        continue;
    for (int i = 0; i < WAITS; i++)
        wt_thread_join(threads[i]);
    close_world();
    return arg;
}

static void test_deadlock_ends_every_wait_of_threads(void **state)
{
    (void)state;
    over_workers(ends_threads, 1);
}

/* ---- those that wait for others ---- */

static void *run_wait(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)wait_event();
}

static void *join_waiter(void *arg)
{
    void *result;
    CHECK_INT(weft_join(w.waiter, &result), 0);
    CHECK_INT((intptr_t)result, -EDEADLK);
    return arg;
}

static void *wait_for_any(void *arg)
{
    CHECK_INT(weft_wait_any(&w.waiter, 1), 0);
    return arg;
}

static void *forked(void *arg)
{
    *(int *)arg = wait_event();
    return NULL;
}

/* The task is moved out when this coroutine yields, and so is away when it is synced. */
static void *sync_task(void *arg)
{
    weft_task task;
    int result = 0;
    CHECK_INT(weft_fork(&task, forked, &result), 0);
    CHECK_INT(weft_sleep(WEFT_MILLISECOND), 0);
    CHECK_INT(weft_sync(&task), 0);
    CHECK_INT(result, -EDEADLK);
    return arg;
}

static void *lets_joins_go_on(void *arg)
{
    memset(&w, 0, sizeof(w));
    w.waiter = weft_spawn(run_wait, NULL);
    weft_ref(w.waiter);
    weft_t *ts[] = {weft_spawn(join_waiter, NULL), weft_spawn(wait_for_any, NULL), weft_spawn(sync_task, NULL)};
    CHECK_INT(weft_joinall(ts, 3), 0);
    CHECK_INT(weft_unref(w.waiter), 0);
    return arg;
}

static void test_deadlock_joins_go_on_when_those_they_wait_for_have_returned(void **state)
{
    (void)state;
    over_workers(lets_joins_go_on, 1);
}

static void *wait_under_shield(void *arg)
{
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_event_wait(&w.event), 0);
    CHECK_INT(weft_shield_end(), 0);
    return arg;
}

static void *set_after_deadlock(void *arg)
{
    CHECK_INT(weft_sleep(WEFT_NEVER), -EDEADLK);
    CHECK_INT(weft_event_set(&w.event), 0);
    return arg;
}

static void *leaves_shields(void *arg)
{
    memset(&w, 0, sizeof(w));
    weft_t *ts[] = {weft_spawn(wait_under_shield, NULL), weft_spawn(set_after_deadlock, NULL)};
    CHECK_INT(weft_joinall(ts, 2), 0);
    return arg;
}

static void test_deadlock_does_not_end_a_wait_under_a_shield(void **state)
{
    (void)state;
    over_workers(leaves_shields, 1);
}

static void *ends_joins_at_last(void *arg)
{
    memset(&w, 0, sizeof(w));
    weft_t *t = weft_spawn(wait_under_shield, NULL);
    CHECK_INT(weft_join(t, NULL), -EDEADLK);
    CHECK_INT(weft_event_set(&w.event), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    return arg;
}

/* But only the one that joins what cannot be ended. The thread that runs it waits in a join as well, which goes on. */
static void test_deadlock_ends_a_join_when_nothing_else_can_be_ended(void **state)
{
    (void)state;
    over_workers(ends_joins_at_last, 1);
}

static void *keep_mutex(void *arg)
{
    CHECK_INT(weft_mutex_lock(&w.guard), 0);
    CHECK_INT(weft_event_wait(&w.event), -EDEADLK);
    CHECK_INT(weft_mutex_unlock(&w.guard), 0);
    return arg;
}

/* Its wait is ended first, and its mutex still taken then. */
static void *relocks(void *arg)
{
    memset(&w, 0, sizeof(w));
    weft_t *waiter = weft_spawn(wait_in, (void *)&waits[1]);
    wt_until_waiting(waiter, WF_WAIT_COND);
    weft_t *keeper = weft_spawn(keep_mutex, NULL);
    CHECK_INT(weft_joinall((weft_t *[]){waiter, keeper}, 2), 0);
    return arg;
}

static void test_deadlock_of_a_condition_locks_its_mutex_again(void **state)
{
    (void)state;
    over_workers(relocks, 1);
}

static void *pinned_waiter(void *arg)
{
    CHECK_INT(weft_pin(), 0);
    CHECK_INT(weft_event_wait(&w.event), -EDEADLK);
    CHECK_INT(weft_unpin(), 0);
    return arg;
}

static void *ends_pinned(void *arg)
{
    memset(&w, 0, sizeof(w));
    wt_spawn_and_join(16, pinned_waiter, NULL);
    return arg;
}

static void test_deadlock_ends_pinned_ones(void **state)
{
    (void)state;
    over_workers(ends_pinned, 1);
}

/* ---- again and again; many ---- */

enum { TIMES = 4, MANY = 3000 };

static void *deadlocks_repeatedly(void *arg)
{
    memset(&w, 0, sizeof(w));
    for (int i = 0; i < TIMES; i++)
        CHECK_INT(weft_event_wait(&w.event), -EDEADLK);
    return arg;
}

static void test_deadlock_is_found_each_time(void **state)
{
    (void)state;
    over_workers(deadlocks_repeatedly, TIMES);
}

static void *deadlocks_many(void *arg)
{
    memset(&w, 0, sizeof(w));
    wt_spawn_and_join(MANY, wait_in, (void *)&waits[3]);
    return arg;
}

static void test_deadlock_of_many_lists_some_and_ends_all(void **state)
{
    (void)state;
    char *text = run_with(4, deadlocks_many, 1);
    unsigned listed = 0;
    for (const char *at = text; (at = strstr(at, "\ncoroutine ")) != NULL; at++)
        listed++;
    CHECK(listed > 1 && listed <= 100);
    check_has(text, "deadlock: 3001 coroutines and 1 threads wait");
    free(text);
    wt_finish();
}

/* ---- what is said ---- */

static void *is_told(void *arg)
{
    weft_spawn_options options = {.name = "the reader"};
    open_world();
    weft_t *ts[] = {weft_spawn_opt(&options, wait_in, (void *)&waits[6]), weft_spawn(wait_in, (void *)&waits[0])};
    CHECK_INT(weft_joinall(ts, 2), 0);
    close_world();
    return arg;
}

static void test_deadlock_report_names_who_waits_for_what_and_where(void **state)
{
    (void)state;
    char expected[128];
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        char *text = run_with(workers, is_told, 1);
        check_has(text, "weft: deadlock: 3 coroutines and 1 threads wait");
        check_has(text, " \"the reader\" waits for an element of channel 0x");
        snprintf(expected, sizeof(expected), " waits for mutex %p since ", (void *)&w.held);
        check_has(text, expected);
        check_has(text, "runs wait_in (test_deadlock), spawned at is_told+0x");
        check_has(text, " receive+0x");
        check_has(text, " waits for the end of coroutine ");
        check_has(text, "\nthread ");
        free(text);
    }
    wt_finish();
}

/* ---- stopping ---- */

static void *unwind(void *arg)
{
    CHECK_INT(weft_event_wait(&w.event), -EDEADLK);
    CHECK_INT(weft_sleep(WEFT_MILLISECOND), 0);
    return arg;
}

static void test_deadlock_while_stopping_lets_the_stop_end(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        wt_capture capture;
        memset(&w, 0, sizeof(w));
        wt_capture_begin(&capture);
        wt_start(workers);
        for (int i = 0; i < 10; i++)
            CHECK_INT(weft_go(unwind, NULL), 0);
        CHECK_INT(weft_stop(WEFT_NEVER), 0);
        char *text = wt_capture_end(&capture);
        CHECK_INT(count_reports(text), 1);
        check_has(text, "weft: deadlock: 10 coroutines and 0 threads wait, and weft_stop for their end, ");
        free(text);
    }
    wt_finish();
}

/* ---- a thread that makes it one ---- */

static bool is_looked_at(void *arg)
{
    (void)arg;
    return wf_quiet_is_looked_at(&wf_rt.quiet);
}

/* The monitor has looked, and found that this thread may do something. Then the thread waits too. */
static void test_deadlock_begins_when_the_last_thread_waits(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        wt_capture capture;
        memset(&w, 0, sizeof(w));
        wt_capture_begin(&capture);
        wt_start(workers);
        weft_t *t = weft_spawn(wait_in, (void *)&waits[3]);
        wt_until(is_looked_at, NULL);
        CHECK_INT(weft_sem_wait(&w.sem), -EDEADLK);
        CHECK_INT(weft_join(t, NULL), 0);
        wt_stop();
        char *text = wt_capture_end(&capture);
        CHECK_INT(count_reports(text), 1);
        free(text);
    }
    wt_finish();
}

static void *end_when_looked_at(void *arg)
{
    while (!is_looked_at(NULL))
        pause_briefly();
    return arg;
}

/* A thread that weft has never heard of ends, and tells nobody. */
static void test_deadlock_begins_when_a_stranger_ends(void **state)
{
    (void)state;
    wt_capture capture;
    pthread_t stranger;
    memset(&w, 0, sizeof(w));
    wt_capture_begin(&capture);
    wt_start(2);
    CHECK_INT(pthread_create(&stranger, NULL, end_when_looked_at, NULL), 0);
    weft_t *t = weft_spawn(wait_in, (void *)&waits[3]);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(pthread_join(stranger, NULL), 0);
    wt_stop();
    char *text = wt_capture_end(&capture);
    CHECK_INT(count_reports(text), 1);
    free(text);
    wt_finish();
}

/* ---- no deadlocks ---- */

static void *post_when_looked_at(void *arg)
{
    wf_quiet_forget(&wf_rt.quiet);
    end_when_looked_at(NULL);
    pause_briefly(); /* until the look is over */
    CHECK_INT(weft_sem_post(&w.sem), 0);
    return arg;
}

static void *waits_for_a_thread(void *arg)
{
    memset(&w, 0, sizeof(w));
    wt_thread *thread = wt_thread_start(post_when_looked_at, NULL);
    CHECK_INT(weft_sem_wait(&w.sem), 0);
    wt_thread_join(thread);
    pthread_t stranger; /* without a block */
    CHECK_INT(pthread_create(&stranger, NULL, post_when_looked_at, NULL), 0);
    CHECK_INT(weft_sem_wait(&w.sem), 0);
    CHECK_INT(pthread_join(stranger, NULL), 0);
    return arg;
}

static void test_deadlock_is_none_while_another_thread_lives(void **state)
{
    (void)state;
    over_workers(waits_for_a_thread, 0);
}

static void *set_later(void *arg)
{
    CHECK_INT(weft_sleep(LONG_ENOUGH), 0);
    CHECK_INT(weft_event_set(&w.event), 0);
    return arg;
}

static void *waits_for_a_timer(void *arg)
{
    memset(&w, 0, sizeof(w));
    CHECK_INT(weft_go(set_later, NULL), 0);
    CHECK_INT(weft_event_wait(&w.event), 0);
    CHECK_INT(weft_sem_wait_until(&w.sem, weft_after(LONG_ENOUGH)), -ETIMEDOUT);
    weft_timeout timeout;
    CHECK_INT(weft_timeout_start(&timeout, LONG_ENOUGH), 0);
    CHECK_INT(weft_sem_wait(&w.sem), -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    weft_spawn_options later = {.start_after = LONG_ENOUGH};
    weft_t *t = weft_spawn_opt(&later, deadlocks_repeatedly, NULL);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    return arg;
}

static void test_deadlock_is_none_with_a_timer(void **state)
{
    (void)state;
    over_workers(waits_for_a_timer, 0);
}

static void *wait_with_deadline(void *arg)
{
    CHECK_INT(weft_sem_wait_until(&w.sem, weft_after(LONG_ENOUGH)), -ETIMEDOUT);
    CHECK_INT(weft_event_set(&w.event), 0);
    return arg;
}

static void *waits_for_a_threads_deadline(void *arg)
{
    memset(&w, 0, sizeof(w));
    wt_thread *thread = wt_thread_start(wait_with_deadline, NULL);
    CHECK_INT(weft_event_wait(&w.event), 0);
    wt_thread_join(thread);
    return arg;
}

static void test_deadlock_is_none_with_the_deadline_of_a_thread(void **state)
{
    (void)state;
    over_workers(waits_for_a_threads_deadline, 0);
}

static int pipe_fds[2];

/* It could be another process. As long as it is left out of account like one, nothing but the operation tells that it will come. */
static void *feed_pipe(void *arg)
{
    int32_t tool = wf_census_tool;
    wf_census_tool = gettid();
    end_when_looked_at(NULL);
    pause_briefly();
    CHECK_INT(write(pipe_fds[1], "x", 1), 1);
    wf_census_tool = tool;
    return arg;
}

static void *waits_for_a_pipe(void *arg)
{
    char byte;
    CHECK_INT(pipe(pipe_fds), 0);
    wt_thread *thread = wt_thread_start(feed_pipe, NULL);
    CHECK_INT(weft_read(pipe_fds[0], &byte, 1), 1);
    wt_thread_join(thread);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return arg;
}

static void test_deadlock_is_none_with_a_read_in_flight(void **state)
{
    (void)state;
    over_workers(waits_for_a_pipe, 0);
}

static void write_to_pipe(int number)
{
    (void)number;
    if (write(pipe_fds[1], "s", 1) != 1)
        abort();
}

/* Nothing but a signal handler of this very process, on a thread that waits in weft, makes it readable. */
static void *waits_for_a_signal(void *arg)
{
    struct itimerval once = {.it_value.tv_usec = 100000};
    struct sigaction action = {.sa_handler = write_to_pipe, .sa_flags = SA_RESTART}, before;
    CHECK_INT(pipe(pipe_fds), 0);
    CHECK_INT(sigaction(SIGALRM, &action, &before), 0);
    CHECK_INT(setitimer(ITIMER_REAL, &once, NULL), 0);
    struct pollfd poll = {.fd = pipe_fds[0], .events = POLLIN};
    CHECK_INT(weft_poll(&poll, 1, -1), 1);
    CHECK_INT(sigaction(SIGALRM, &before, NULL), 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return arg;
}

static void test_deadlock_is_none_while_a_poll_is_pending(void **state)
{
    (void)state;
    if (UNDER_TSAN) {
        print_message("SKIP: this sanitizer delivers no signal to a thread that waits in weft\n");
        skip();
    }
    over_workers(waits_for_a_signal, 0);
}

static void *sleep_in_kernel(void *arg)
{
    struct timespec time = {.tv_nsec = LONG_ENOUGH};
    nanosleep(&time, NULL);
    return arg;
}

static void *waits_for_offload(void *arg)
{
    CHECK_INT(weft_offload(sleep_in_kernel, NULL, NULL), 0);
    return arg;
}

static void test_deadlock_is_none_while_a_job_is_offloaded(void **state)
{
    (void)state;
    over_workers(waits_for_offload, 0);
}

/* The thread of the pool stays, and idles. */
static void *deadlocks_after_offload(void *arg)
{
    memset(&w, 0, sizeof(w));
    CHECK_INT(weft_offload(sleep_in_kernel, NULL, NULL), 0);
    CHECK_INT(weft_event_wait(&w.event), -EDEADLK);
    return arg;
}

static void test_deadlock_is_found_beside_idle_offload_threads(void **state)
{
    (void)state;
    over_workers(deadlocks_after_offload, 1);
}

/* fsync is done by a thread of the kernel, which stays for a while, and is listed with the process's own. */
static void *deadlocks_after_fsync(void *arg)
{
    memset(&w, 0, sizeof(w));
    int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(file >= 0);
    CHECK_INT(weft_fsync(file), 0);
    close(file);
    CHECK_INT(weft_event_wait(&w.event), -EDEADLK);
    return arg;
}

static void test_deadlock_is_found_beside_threads_of_the_kernel(void **state)
{
    (void)state;
    over_workers(deadlocks_after_fsync, 1);
}

static void *compute(void *arg)
{
    int64_t end = weft_after(LONG_ENOUGH);
    while (weft_now() < end)
        continue;
    CHECK_INT(weft_event_set(&w.event), 0);
    return arg;
}

static void *waits_for_a_hog(void *arg)
{
    memset(&w, 0, sizeof(w));
    CHECK_INT(weft_go(compute, NULL), 0);
    CHECK_INT(weft_event_wait(&w.event), 0);
    return arg;
}

static void test_deadlock_is_none_while_one_computes(void **state)
{
    (void)state;
    over_workers(waits_for_a_hog, 0);
}

static void test_deadlock_is_none_without_anybody_that_waits(void **state)
{
    (void)state;
    wt_capture capture;
    wt_capture_begin(&capture);
    wt_start(2);
    wt_until(is_looked_at, NULL);
    wt_stop();
    char *text = wt_capture_end(&capture);
    CHECK_INT(count_reports(text), 0);
    free(text);
    wt_finish();
}

/* ---- settings, processes ---- */

/* Wait in a coroutine, for ever if waits are not ended: until SIGALRM ends the process then. */
static int wait_with(enum weft_deadlock deadlock, int dump_signal, weft_fn *body)
{
    weft_config config;
    struct itimerval once = {.it_value.tv_usec = 500000};
    signal(SIGALRM, SIG_DFL);
    if (note_tool() != 0 || weft_config_from_env(&config) != 0)
        return 2;
    config.threads = 2;
    config.deadlock = deadlock;
    config.dump_signal = dump_signal;
    if (weft_start(&config) != 0)
        return 3;
    if (deadlock != WEFT_DEADLOCK_ERROR)
        setitimer(ITIMER_REAL, &once, NULL);
    return weft_run(body, NULL, NULL) == 0 ? 0 : 4;
}

static int in_report_mode(void)
{
    return wait_with(WEFT_DEADLOCK_REPORT, 0, run_wait);
}

static int in_off_mode(void)
{
    return wait_with(WEFT_DEADLOCK_OFF, 0, run_wait);
}

static int with_a_dump_thread(void)
{
    return wait_with(WEFT_DEADLOCK_ERROR, SIGUSR1, run_wait);
}

static void *wait_shielded_for_ever(void *arg)
{
    weft_shield_begin();
    weft_event_wait(&w.event);
    return arg;
}

static int under_shield(void)
{
    return wait_with(WEFT_DEADLOCK_ERROR, 0, wait_shielded_for_ever);
}

/* The exit status, or the negative number of the signal; and what was said. */
static int child(int (*fn)(void), char *said, size_t size)
{
    memset(&w, 0, sizeof(w));
    int status = wt_in_child(fn, said, size);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_deadlock_in_report_mode_is_told_once_and_not_ended(void **state)
{
    (void)state;
    static char said[20000];
    assert_int_equal(child(in_report_mode, said, sizeof(said)), -SIGALRM);
    assert_int_equal(count_reports(said), 1);
    assert_non_null(strstr(said, "they wait on"));
}

static void test_deadlock_in_off_mode_is_not_looked_for(void **state)
{
    (void)state;
    static char said[20000];
    assert_int_equal(child(in_off_mode, said, sizeof(said)), -SIGALRM);
    assert_int_equal(count_reports(said), 0);
}

static void test_deadlock_is_found_beside_the_thread_that_dumps(void **state)
{
    (void)state;
    static char said[20000];
    assert_int_equal(child(with_a_dump_thread, said, sizeof(said)), 0);
    assert_int_equal(count_reports(said), 1);
}

/* The coroutine is under a shield; the join of the main thread is what can be ended. */
static void test_deadlock_of_a_shielded_coroutine_ends_weft_run(void **state)
{
    (void)state;
    static char said[20000];
    assert_int_equal(child(under_shield, said, sizeof(said)), 4);
    assert_int_equal(count_reports(said), 1);
}

static void test_deadlock_is_found_in_the_child_of_a_fork(void **state)
{
    (void)state;
    static char said[20000];
    if (UNDER_TSAN) {
        print_message("SKIP: this sanitizer starts no threads in the child of a process that had some\n");
        skip();
    }
    wt_start(2);
    wt_until(is_looked_at, NULL);
    CHECK_INT(child(with_a_dump_thread, said, sizeof(said)), 0);
    CHECK_INT(count_reports(said), 1);
    wt_stop();
    wt_finish();
}

/* ---- never a false one ---- */

enum { ROUNDS = 3000 };

static struct {
    weft_sem ping, pong;
    weft_chan *echo;
    _Atomic(bool) over;
    _Atomic(int) looks, dead;
} s;

/* As the monitor does, but all the time. With detection off the monitor itself does not. */
static void *look_always(void *arg)
{
    wf_helper helper = {0};
    wf_helper_enter(&helper);
    while (!s.over) {
        s.dead += wf_deadlock_look() == WF_VERDICT_DEAD;
        s.looks++;
    }
    wf_helper_leave(&helper);
    return arg;
}

static void *spin_for_nothing(void *arg)
{
    for (volatile int i = 0; i < 1000; i++)
        continue;
    return arg;
}

/* Whatever a coroutine can wait for before it answers, and all of it comes. */
static void wait_for_something(unsigned how)
{
    int value = 5;
    switch (how % 6) {
    case 0:
        CHECK_INT(weft_sleep(10 * WEFT_MICROSECOND), 0);
        break;
    case 1:
        CHECK_INT(weft_offload(spin_for_nothing, NULL, NULL), 0);
        break;
    case 2:
        CHECK_INT(weft_chan_send(s.echo, &value), 0);
        CHECK_INT(weft_chan_recv(s.echo, &value), 0);
        break;
    case 3:
        CHECK_INT(weft_write(pipe_fds[1], "y", 1), 1);
        CHECK_INT(weft_read(pipe_fds[0], &value, 1), 1);
        break;
    case 4:
        CHECK_INT(weft_yield(), 0);
        break;
    default:
        break;
    }
}

static void *answer(void *arg)
{
    unsigned random = 1;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        CHECK_INT(weft_sem_wait(&s.ping), 0);
        random = random * 1103515245 + 12345;
        wait_for_something(random >> 16);
        CHECK_INT(weft_sem_post(&s.pong), 0);
    }
    return arg;
}

/* Gives back what it gets. */
static void *echo(void *arg)
{
    int value;
    while (weft_chan_recv(s.echo, &value) == 0)
        if (weft_chan_send(s.echo, &value) != 0)
            break;
    return arg;
}

/* A thread that asks, after a short while or at once, and waits for the answer for as long as it takes. */
static void *ask(void *arg)
{
    unsigned random = 7;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        random = random * 1103515245 + 12345;
        for (volatile unsigned spin = random >> 16 & 8191; spin > 0; spin--)
            continue;
        CHECK_INT(weft_sem_post(&s.ping), 0);
        CHECK_INT(weft_sem_wait(&s.pong), 0);
    }
    return arg;
}

static void test_deadlock_looked_for_all_the_time_is_never_found_where_none_is(void **state)
{
    (void)state;
    setenv("WEFT_DEADLOCK", "off", 1);
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        memset(&s, 0, sizeof(s));
        wt_start(workers);
        CHECK_INT(pipe(pipe_fds), 0);
        s.echo = weft_chan_new(sizeof(int), 0);
        wt_thread *looker = wt_thread_start(look_always, NULL);
        weft_t *echoes = weft_spawn(echo, NULL);
        weft_t *answers = weft_spawn(answer, NULL);
        wt_thread *asker = wt_thread_start(ask, NULL);
        CHECK_INT(weft_join(answers, NULL), 0);
        wt_thread_join(asker);
        s.over = true;
        wt_thread_join(looker);
        CHECK_INT(weft_chan_close(s.echo), 0);
        CHECK_INT(weft_join(echoes, NULL), 0);
        CHECK_INT(weft_chan_free(s.echo), 0);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        CHECK_INT(s.dead, 0);
        CHECK(s.looks > 0);
        wt_stop();
    }
    unsetenv("WEFT_DEADLOCK");
    wt_finish();
}

static int set_up(void **state)
{
    (void)state;
    return note_tool();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlock_ends_every_wait_of_coroutines),
        cmocka_unit_test(test_deadlock_ends_every_wait_of_threads),
        cmocka_unit_test(test_deadlock_joins_go_on_when_those_they_wait_for_have_returned),
        cmocka_unit_test(test_deadlock_does_not_end_a_wait_under_a_shield),
        cmocka_unit_test(test_deadlock_ends_a_join_when_nothing_else_can_be_ended),
        cmocka_unit_test(test_deadlock_of_a_condition_locks_its_mutex_again),
        cmocka_unit_test(test_deadlock_ends_pinned_ones),
        cmocka_unit_test(test_deadlock_is_found_each_time),
        cmocka_unit_test(test_deadlock_of_many_lists_some_and_ends_all),
        cmocka_unit_test(test_deadlock_report_names_who_waits_for_what_and_where),
        cmocka_unit_test(test_deadlock_while_stopping_lets_the_stop_end),
        cmocka_unit_test(test_deadlock_begins_when_the_last_thread_waits),
        cmocka_unit_test(test_deadlock_begins_when_a_stranger_ends),
        cmocka_unit_test(test_deadlock_is_none_while_another_thread_lives),
        cmocka_unit_test(test_deadlock_is_none_with_a_timer),
        cmocka_unit_test(test_deadlock_is_none_with_the_deadline_of_a_thread),
        cmocka_unit_test(test_deadlock_is_none_with_a_read_in_flight),
        cmocka_unit_test(test_deadlock_is_none_while_a_poll_is_pending),
        cmocka_unit_test(test_deadlock_is_none_while_a_job_is_offloaded),
        cmocka_unit_test(test_deadlock_is_found_beside_idle_offload_threads),
        cmocka_unit_test(test_deadlock_is_found_beside_threads_of_the_kernel),
        cmocka_unit_test(test_deadlock_is_none_while_one_computes),
        cmocka_unit_test(test_deadlock_is_none_without_anybody_that_waits),
        cmocka_unit_test(test_deadlock_in_report_mode_is_told_once_and_not_ended),
        cmocka_unit_test(test_deadlock_in_off_mode_is_not_looked_for),
        cmocka_unit_test(test_deadlock_is_found_beside_the_thread_that_dumps),
        cmocka_unit_test(test_deadlock_of_a_shielded_coroutine_ends_weft_run),
        cmocka_unit_test(test_deadlock_is_found_in_the_child_of_a_fork),
        cmocka_unit_test(test_deadlock_looked_for_all_the_time_is_never_found_where_none_is),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
