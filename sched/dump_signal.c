/* WEFT_DUMP_SIGNAL: dump to stderr when a signal comes. The handler only posts a semaphore; a thread that exists for nothing else
 * waits for it and makes the dump, so that it works also when all workers are stuck. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "sched/census.h"
#include "sched/dump.h"
#include "sched/worker.h"

/* A handler may still be running on some thread when it has been taken down, so the semaphore is never destroyed. */
static struct {
    int number; /* 0: not started; by the threads that start and stop the runtime, which take turns */
    pthread_t thread;
    struct sigaction before;
    _Atomic(bool) stopping;
    bool made; /* the semaphore */
    sem_t asked;
} signals;

static void ask(int number)
{
    (void)number;
    int saved = errno;
    sem_post(&signals.asked);
    errno = saved;
}

static void *serve(void *arg)
{
    wf_helper helper = {0};
    (void)arg;
    wf_helper_enter(&helper);
    for (;;) {
        while (sem_wait(&signals.asked) != 0)
            continue; /* EINTR */
        /* relaxed: the semaphore orders it */
        if (wf_load_relaxed(&signals.stopping))
            break;
        weft_dump(STDERR_FILENO);
    }
    wf_helper_leave(&helper);
    return NULL;
}

/* A thread with all signals blocked: the program's own belong to the program's threads. */
static int start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&signals.thread, NULL, serve, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(signals.thread, "weft-dump");
    return -error;
}

int wf_dump_signal_start(int number)
{
    if (number == 0)
        return 0;
    int saved = errno;
    if (!signals.made)
        sem_init(&signals.asked, 0, 0);
    signals.made = true;
    while (sem_trywait(&signals.asked) == 0)
        continue; /* left from before the last stop */
    errno = saved;
    wf_store_relaxed(&signals.stopping, false); /* relaxed: the start of the thread publishes it */
    int result = start_thread();
    if (result < 0)
        return result;
    struct sigaction action = {.sa_handler = ask, .sa_flags = SA_RESTART | SA_ONSTACK};
    signals.number = number;
    if (sigaction(number, &action, &signals.before) != 0) {
        result = -errno;
        memset(&signals.before, 0, sizeof(signals.before));
        wf_dump_signal_stop();
    }
    errno = saved;
    return result;
}

static void restore_handler(void)
{
    struct sigaction present;
    if (sigaction(signals.number, NULL, &present) == 0 &&
        present.sa_handler == ask) /* the program may have taken it since */
        sigaction(signals.number, &signals.before, NULL);
    signals.number = 0;
}

void wf_dump_signal_stop(void)
{
    if (signals.number == 0)
        return;
    int saved = errno;
    restore_handler();
    wf_store_relaxed(&signals.stopping, true); /* relaxed: the semaphore orders it */
    sem_post(&signals.asked);
    pthread_join(signals.thread, NULL);
    errno = saved;
}

void wf_dump_signal_forget(void)
{
    if (signals.number != 0)
        restore_handler();
}
