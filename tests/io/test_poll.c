/* weft_poll: what poll(2) says, without holding a thread. */
#include <stdlib.h>

#include "runtime.h"

enum { MANY = 100 };

static void *poll_at_once(void *arg)
{
    (void)arg;
    int fds[2];
    CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
    struct pollfd both[3] = {
        {.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLOUT}, {.fd = -1, .revents = 7}};
    CHECK_INT(weft_poll(both, 3, -1), 1);
    CHECK_INT(both[0].revents, 0);
    CHECK_INT(both[1].revents, POLLOUT);
    CHECK_INT(both[2].revents, 0);
    CHECK_INT(weft_poll(both, 1, 0), 0);
    CHECK_INT(weft_poll(both, 1, 2), 0);
    CHECK_INT(weft_poll(NULL, 0, 2), 0);
    CHECK_INT(weft_poll(&both[2], 1, 2), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    CHECK_INT(weft_poll(both, 1, -1), 1);
    CHECK_INT(both[0].revents, POLLHUP);
    CHECK_INT(weft_close(fds[0]), 0);
    return NULL;
}

static void test_poll_reports_what_is_ready_and_returns_0_at_its_own_timeout(void **state)
{
    (void)state;
    wt_over_workers_and_thread(poll_at_once, NULL);
}

struct pipes {
    int n;
    int fds[MANY][2];
};

static void *poll_pipes(void *arg)
{
    struct pipes *p = arg;
    struct pollfd fds[MANY];
    for (int i = 0; i < p->n; i++)
        fds[i] = (struct pollfd){.fd = p->fds[i][0], .events = POLLIN};
    int ready = weft_poll(fds, (nfds_t)p->n, -1);
    CHECK(ready >= 1);
    for (int i = 0; i < p->n; i++)
        if (fds[i].revents != 0)
            return (void *)(intptr_t)i;
    return (void *)-1;
}

static void wake_poll_of(int n)
{
    struct pipes p = {.n = n};
    for (int i = 0; i < n; i++)
        CHECK_INT(weft_pipe2(p.fds[i], O_CLOEXEC), 0);
    for (int ready = 0; ready < n; ready += 1 + n / 5) {
        void *first;
        char byte = 'x';
        weft_t *poller = weft_spawn(poll_pipes, &p);
        wt_until_waiting(poller, WF_WAIT_IO);
        CHECK_INT(weft_write(p.fds[ready][1], &byte, 1), 1);
        CHECK_INT(weft_join(poller, &first), 0);
        CHECK_INT((intptr_t)first, ready);
        CHECK_INT(weft_read(p.fds[ready][0], &byte, 1), 1);
    }
    for (int i = 0; i < n; i++) {
        CHECK_INT(weft_close(p.fds[i][0]), 0);
        CHECK_INT(weft_close(p.fds[i][1]), 0);
    }
}

static void *wake_polls(void *arg)
{
    (void)arg;
    wake_poll_of(1);
    wake_poll_of(2);
    wake_poll_of(MANY);
    return NULL;
}

static void test_poll_of_several_wakes_for_the_one_that_becomes_ready(void **state)
{
    (void)state;
    wt_over_workers_and_thread(wake_polls, NULL);
    setenv("WEFT_RING_ENTRIES", "8", 1); /* more descriptors than the submission queue holds */
    wt_over_workers(wake_polls, NULL);
    unsetenv("WEFT_RING_ENTRIES");
}

static void *poll_in_timeout(void *arg)
{
    (void)arg;
    int fds[2];
    weft_timeout timeout = {0};
    CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
    struct pollfd one = {.fd = fds[0], .events = POLLIN};
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_poll(&one, 1, 10000), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_timeout_start(&timeout, WEFT_SECOND), 0);
    CHECK_INT(weft_poll(&one, 1, 1), 0);
    CHECK_INT(weft_timeout_fired(&timeout), 0);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    return NULL;
}

static void test_poll_tells_an_enclosing_timeout_from_its_own(void **state)
{
    (void)state;
    wt_over_workers_and_thread(poll_in_timeout, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poll_reports_what_is_ready_and_returns_0_at_its_own_timeout),
        cmocka_unit_test(test_poll_of_several_wakes_for_the_one_that_becomes_ready),
        cmocka_unit_test(test_poll_tells_an_enclosing_timeout_from_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
