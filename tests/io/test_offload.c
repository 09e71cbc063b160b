/* Threads for code that must block. */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime.h"

static void *add_one(void *arg)
{
    CHECK(weft_self() == NULL);
    return (char *)arg + 1;
}

static void *call_add_one(void *arg)
{
    (void)arg;
    void *result = NULL;
    CHECK_INT(weft_offload(add_one, (void *)41, &result), 0);
    CHECK_INT((intptr_t)result, 42);
    CHECK_INT(weft_offload(add_one, NULL, NULL), 0);
    CHECK_INT(weft_offload(NULL, NULL, NULL), -EINVAL);
    return NULL;
}

static void *call_on_thread(void *arg)
{
    wt_on_thread(call_add_one, arg);
    return NULL;
}

static void test_offload_returns_the_result_of_the_function(void **state)
{
    (void)state;
    wt_over_workers(call_add_one, NULL);
    wt_over_workers(call_on_thread, NULL);
}

/* ---- many, on few threads ---- */

struct load {
    _Atomic(int) running, most, done;
};

static void *be_busy(void *arg)
{
    struct load *load = arg;
    int running = ++load->running;
    for (int most = load->most; running > most && !atomic_compare_exchange_weak(&load->most, &most, running);)
        ;
    usleep(200);
    load->running--;
    load->done++;
    return NULL;
}

static void *offload_busy(void *arg)
{
    CHECK_INT(weft_offload(be_busy, arg, NULL), 0);
    return NULL;
}

static void *offload_many(void *arg)
{
    (void)arg;
    struct load load = {0};
    wt_spawn_and_join(300, offload_busy, &load);
    CHECK_INT(load.done, 300);
    CHECK(load.most <= 3);
    return NULL;
}

static void test_offload_of_more_than_the_threads_queues_the_rest(void **state)
{
    (void)state;
    setenv("WEFT_OFFLOAD_THREADS", "3", 1);
    wt_over_workers(offload_many, NULL);
    unsetenv("WEFT_OFFLOAD_THREADS");
}

/* ---- kill and timeouts ---- */

struct gate {
    sem_t open;
    _Atomic(bool) entered;
    _Atomic(int) runs;
    void *result;
};

static void *pass_gate(void *arg)
{
    struct gate *gate = arg;
    gate->runs++;
    gate->entered = true;
    while (sem_wait(&gate->open) != 0)
        ;
    return gate;
}

static void *offload_gate(void *arg)
{
    struct gate *gate = arg;
    return (void *)(intptr_t)weft_offload(pass_gate, gate, &gate->result);
}

static bool has_entered(void *arg)
{
    return ((struct gate *)arg)->entered;
}

static void *kill_running(void *arg)
{
    (void)arg;
    struct gate gate = {.runs = 0};
    void *result;
    sem_init(&gate.open, 0, 0);
    weft_t *caller = weft_spawn(offload_gate, &gate);
    wt_until(has_entered, &gate);
    CHECK_INT(weft_kill(caller), 0);
    CHECK_INT(weft_join_until(caller, NULL, weft_after(5 * WEFT_MILLISECOND)), -ETIMEDOUT); /* fn still runs */
    sem_post(&gate.open);
    CHECK_INT(weft_join(caller, &result), 0);
    CHECK_INT((intptr_t)result, -ECANCELED);
    CHECK(gate.result == &gate);
    CHECK_INT(gate.runs, 1);
    sem_destroy(&gate.open);
    return NULL;
}

static void test_offload_killed_while_it_runs_waits_for_its_end_and_keeps_the_result(void **state)
{
    (void)state;
    wt_over_workers(kill_running, NULL);
}

static void *open_gate_later(void *arg)
{
    struct gate *gate = arg;
    wt_until(has_entered, gate);
    weft_sleep(2 * WEFT_MILLISECOND); /* the timeout passes */
    sem_post(&gate->open);
    return NULL;
}

/* The timeout passes while fn runs: the call waits for it, and says so. */
static void *time_out_running(void *arg)
{
    (void)arg;
    struct gate gate = {.runs = 0};
    weft_timeout timeout = {0};
    sem_init(&gate.open, 0, 0);
    weft_t *opener = weft_spawn(open_gate_later, &gate);
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    int result = weft_offload(pass_gate, &gate, &gate.result);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    if (gate.runs == 1) /* else the thread took longer than the timeout to begin, and it did not run */
        CHECK(gate.result == &gate);
    CHECK_INT(result, -ETIMEDOUT);
    gate.entered = true;
    CHECK_INT(weft_join(opener, NULL), 0);
    sem_destroy(&gate.open);
    return NULL;
}

static void test_offload_that_times_out_while_it_runs_keeps_the_result(void **state)
{
    (void)state;
    wt_over_workers(time_out_running, NULL);
}

static void *end_queued(void *arg)
{
    (void)arg;
    struct gate first = {.runs = 0}, second = {.runs = 0};
    weft_timeout timeout = {0};
    void *result;
    sem_init(&first.open, 0, 0);
    weft_t *running = weft_spawn(offload_gate, &first);
    wt_until(has_entered, &first);
    weft_t *queued = weft_spawn(offload_gate, &second);
    wt_until_waiting(queued, WF_WAIT_OFFLOAD);
    CHECK_INT(weft_kill(queued), 0);
    CHECK_INT(weft_join(queued, &result), 0);
    CHECK_INT((intptr_t)result, -ECANCELED);
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_offload(pass_gate, &second, NULL), -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    sem_post(&first.open);
    CHECK_INT(weft_join(running, &result), 0);
    CHECK_INT((intptr_t)result, 0);
    CHECK_INT(second.runs, 0);
    sem_destroy(&first.open);
    return NULL;
}

static void test_offload_ended_before_it_began_never_runs(void **state)
{
    (void)state;
    setenv("WEFT_OFFLOAD_THREADS", "1", 1);
    wt_over_workers(end_queued, NULL);
    unsetenv("WEFT_OFFLOAD_THREADS");
}

static void *look_at_mask(void *arg)
{
    sigset_t mask;
    (void)arg;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return (void *)(intptr_t)(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGCHLD) &&
                              !sigismember(&mask, SIGSEGV));
}

static void *offload_mask(void *arg)
{
    void *quiet = NULL;
    (void)arg;
    CHECK_INT(weft_offload(look_at_mask, NULL, &quiet), 0);
    CHECK((intptr_t)quiet == 1);
    return NULL;
}

static void test_offload_thread_takes_no_signals_of_the_program(void **state)
{
    (void)state;
    wt_run(1, offload_mask, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offload_returns_the_result_of_the_function),
        cmocka_unit_test(test_offload_of_more_than_the_threads_queues_the_rest),
        cmocka_unit_test(test_offload_killed_while_it_runs_waits_for_its_end_and_keeps_the_result),
        cmocka_unit_test(test_offload_that_times_out_while_it_runs_keeps_the_result),
        cmocka_unit_test(test_offload_ended_before_it_began_never_runs),
        cmocka_unit_test(test_offload_thread_takes_no_signals_of_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
