/* A process in which everything waits for long does not wake up: no ticks, no polling, no monitor. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime.h"

enum { SLEEPERS = 1000, READERS = 100, SETTLE_S = 2, WATCH_S = 3, SWITCHES_MOST = 5 };

/* How often this thread gave up its CPU by itself; -1 when it is not one of the library's. */
static long voluntary_switches(const char *path)
{
    static const char key[] = "voluntary_ctxt_switches:";
    char line[256];
    long count = -1;
    bool ours = false;
    FILE *status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        ours = ours || strncmp(line, "Name:\tweft", 10) == 0;
        if (ours && strncmp(line, key, sizeof key - 1) == 0)
            count = strtol(line + sizeof key - 1, NULL, 10);
    }
    if (status != NULL)
        fclose(status);
    return count;
}

/* Over all threads that the library started. A sanitizer's own thread has another name. */
static long count_switches(void)
{
    char path[300];
    long sum = 0;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    int threads = 0;
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        long count = voluntary_switches(path);
        threads += count >= 0;
        sum += count >= 0 ? count : 0;
    }
    if (tasks != NULL)
        closedir(tasks);
    CHECK(threads >= (int)wt_workers());
    return sum;
}

static void pass(int seconds)
{
    struct timespec left = {.tv_sec = seconds};
    while (nanosleep(&left, &left) != 0)
        ;
}

/* Nobody of us does anything meanwhile. */
static void check_that_nothing_wakes(void)
{
    pass(SETTLE_S);
    long before = count_switches();
    pass(WATCH_S);
    long switches = count_switches() - before;
    print_message("%u workers: %ld voluntary context switches in %d s\n", wt_workers(), switches, WATCH_S);
    CHECK(switches < SWITCHES_MOST);
}

static void *sleep_long(void *arg)
{
    (void)arg;
    CHECK_INT(weft_sleep(1000 * WEFT_SECOND), -ECANCELED);
    return NULL;
}

static void test_idle_process_of_sleepers_does_not_wake(void **state)
{
    static weft_t *ts[SLEEPERS];
    static const unsigned workers[] = {1, 2, 64};
    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        wt_start(workers[w]);
        for (int i = 0; i < SLEEPERS; i++)
            CHECK((ts[i] = weft_spawn(sleep_long, NULL)) != NULL);
        check_that_nothing_wakes();
        CHECK_INT(weft_killall(ts, SLEEPERS), 0);
        CHECK_INT(weft_joinall(ts, SLEEPERS), 0);
        wt_stop();
    }
    wt_finish();
}

static void *read_one(void *arg)
{
    char byte;
    CHECK_INT(weft_recv(*(int *)arg, &byte, 1, 0), 1);
    return NULL;
}

static void test_idle_process_of_readers_does_not_wake(void **state)
{
    static weft_t *ts[READERS];
    char bytes[READERS] = {0};
    int fds[2];
    (void)state;
    wt_start(2);
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    for (int i = 0; i < READERS; i++)
        CHECK((ts[i] = weft_spawn(read_one, &fds[0])) != NULL);
    check_that_nothing_wakes();
    CHECK_INT(weft_write_full(fds[1], bytes, READERS), READERS);
    CHECK_INT(weft_joinall(ts, READERS), 0);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    wt_stop();
    wt_finish();
}

/* ---- beside a worker that does not dispatch ---- */

enum { CROWD = 100, ROUNDS = 10, STAY_MS = 30, PARKS_MOST = 40 };

static void *come_and_go(void *arg)
{
    return arg;
}

static uint64_t parks(void)
{
    weft_stats_info stats = {0};
    CHECK_INT(weft_stats(&stats), 0);
    return stats.parks;
}

/* All are up; then one child is left, which those that come for it can take once, and this worker stays away. */
static void *stay_away(void *arg)
{
    uint64_t parked = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct timespec left = {.tv_nsec = STAY_MS * 1000000};
        wt_spawn_and_join(CROWD, come_and_go, arg);
        weft_t *child = weft_spawn(come_and_go, arg);
        uint64_t before = parks();
        while (nanosleep(&left, &left) != 0)
            ;
        parked += parks() - before;
        CHECK_INT(weft_join(child, NULL), 0);
    }
    print_message("%u workers: %llu parks in %d ms\n", wt_workers(), (unsigned long long)parked, ROUNDS * STAY_MS);
    CHECK(parked < (uint64_t)PARKS_MOST * ROUNDS * wt_workers());
    return NULL;
}

static void test_idle_workers_beside_one_that_stays_away_sleep(void **state)
{
    (void)state;
    wt_over_workers(stay_away, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_process_of_sleepers_does_not_wake),
        cmocka_unit_test(test_idle_process_of_readers_does_not_wake),
        cmocka_unit_test(test_idle_workers_beside_one_that_stays_away_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
