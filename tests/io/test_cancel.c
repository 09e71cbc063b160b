/* Calls that are ended before they are through: by a deadline, a timeout, a kill, a close. Each ends once, loses
 * nothing that it had moved, and leaves nothing in flight. Every test is made with each kind of call that can wait. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "io/fd.h"
#include "runtime.h"

/* ---- calls that wait for ever ---- */

/* What a call waits on: `fd` is the one it is made with, `other` what would let it go on. */
struct place {
    int fd, other;
    int extra[4];
};

enum kind {
    RECV,
    RECVFROM,
    READ,
    READ_FULL,
    ACCEPT,
    RECVMSG,
    READV,
    POLL_ONE,
    POLL_MANY,
    SEND,
    SENDTO,
    SENDMSG,
    WRITE,
    WRITEV,
    WRITE_FULL,
    CONNECT,
    KINDS
};

static bool reads_pipe(enum kind kind)
{
    return kind == READ || kind == READ_FULL || kind == READV;
}

static bool writes_pipe(enum kind kind)
{
    return kind == WRITE || kind == WRITEV || kind == WRITE_FULL;
}

static bool sends(enum kind kind)
{
    return kind == SEND || kind == SENDTO || kind == SENDMSG;
}

static void open_listener(struct place *p)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    p->fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    p->other = -1;
    CHECK_INT(weft_bind(p->fd, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_INT(weft_listen(p->fd, 10), 0);
}

/* A local socket whose listener has no room left: connecting to it waits. */
static void open_full_listener(struct place *p)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    p->other = weft_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(weft_bind(p->other, (struct sockaddr *)&address, sizeof(sa_family_t)), 0); /* a name of its own */
    getsockname(p->other, (struct sockaddr *)&address, &length);
    CHECK_INT(weft_listen(p->other, 0), 0);
    p->extra[0] = weft_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(weft_connect(p->extra[0], (struct sockaddr *)&address, length), 0);
    p->fd = weft_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void open_place(struct place *p, enum kind kind)
{
    int fds[2];
    static char fill[4096];
    *p = (struct place){.extra = {-1, -1, -1, -1}};
    if (kind == ACCEPT) {
        open_listener(p);
    } else if (kind == CONNECT) {
        open_full_listener(p);
    } else if (reads_pipe(kind)) {
        CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
        p->fd = fds[0];
        p->other = fds[1];
    } else if (writes_pipe(kind)) {
        CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
        p->fd = fds[1];
        p->other = fds[0];
        while (weft_write_until(p->fd, fill, sizeof fill, 0) > 0)
            ;
    } else {
        CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        p->fd = fds[0];
        p->other = fds[1];
        while (sends(kind) && weft_send(p->fd, fill, sizeof fill, MSG_DONTWAIT) > 0)
            ;
    }
    if (kind == POLL_MANY)
        for (int i = 0; i < 4; i += 2)
            CHECK_INT(weft_pipe2(&p->extra[i], O_CLOEXEC), 0);
}

static void close_place(struct place *p)
{
    int all[] = {p->fd, p->other, p->extra[0], p->extra[1], p->extra[2], p->extra[3]};
    for (int i = 0; i < 6; i++)
        if (all[i] >= 0)
            CHECK_INT(weft_close(all[i]), 0);
}

static ssize_t poll_many(const struct place *p, int64_t deadline)
{
    struct pollfd fds[4] = {{.fd = p->extra[0], .events = POLLIN},
                            {.fd = -1},
                            {.fd = p->fd, .events = POLLIN},
                            {.fd = p->extra[2], .events = POLLIN}};
    return weft_poll_until(fds, 4, deadline);
}

static ssize_t connect_to_full(const struct place *p, int64_t deadline)
{
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    getsockname(p->other, (struct sockaddr *)&address, &length);
    return weft_connect_until(p->fd, (struct sockaddr *)&address, length, deadline);
}

/* Those that take no deadline of their own: inside a timeout that ends at it. */
static ssize_t call_in_timeout(const struct place *p, enum kind kind, int64_t deadline)
{
    char bytes[16] = "";
    weft_timeout timeout = {0};
    CHECK_INT(weft_timeout_start(&timeout, deadline == WEFT_NEVER ? WEFT_NEVER : deadline - weft_now()), 0);
    ssize_t result = kind == RECVFROM ? weft_recvfrom(p->fd, bytes, sizeof bytes, 0, NULL, NULL)
                                      : weft_sendto(p->fd, bytes, sizeof bytes, 0, NULL, 0);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return result;
}

static ssize_t make_call(const struct place *p, enum kind kind, int64_t deadline)
{
    char bytes[16] = "";
    struct iovec iov = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    struct pollfd one = {.fd = p->fd, .events = POLLIN};
    switch (kind) {
    case RECV:
        return weft_recv_until(p->fd, bytes, sizeof bytes, 0, deadline);
    case RECVFROM:
    case SENDTO:
        return call_in_timeout(p, kind, deadline);
    case READ:
        return weft_read_until(p->fd, bytes, sizeof bytes, deadline);
    case READ_FULL:
        return weft_read_full_until(p->fd, bytes, sizeof bytes, deadline);
    case ACCEPT:
        return weft_accept4_until(p->fd, NULL, NULL, SOCK_CLOEXEC, deadline);
    case RECVMSG:
        return weft_recvmsg_until(p->fd, &message, 0, deadline);
    case READV:
        return weft_readv_until(p->fd, &iov, 1, deadline);
    case POLL_ONE:
        return weft_poll_until(&one, 1, deadline);
    case POLL_MANY:
        return poll_many(p, deadline);
    case SEND:
        return weft_send_until(p->fd, bytes, sizeof bytes, 0, deadline);
    case SENDMSG:
        return weft_sendmsg_until(p->fd, &message, 0, deadline);
    case WRITE:
        return weft_write_until(p->fd, bytes, sizeof bytes, deadline);
    case WRITEV:
        return weft_writev_until(p->fd, &iov, 1, deadline);
    case WRITE_FULL:
        return weft_write_full_until(p->fd, bytes, sizeof bytes, deadline);
    default:
        return connect_to_full(p, deadline);
    }
}

/* The kinds whose own deadline is no error. */
static int64_t timed_out(enum kind kind)
{
    return kind == POLL_ONE || kind == POLL_MANY ? 0 : -ETIMEDOUT;
}

static void with_each_kind(void (*test)(enum kind kind))
{
    for (enum kind kind = 0; kind < KINDS; kind++)
        test(kind);
}

/* ---- deadlines ---- */

enum { CONNECTS = 300 };

static void end_by_deadline(enum kind kind)
{
    struct place place;
    open_place(&place, kind);
    int64_t deadline = weft_after(3 * WEFT_MILLISECOND);
    CHECK_INT(make_call(&place, kind, deadline), timed_out(kind));
    CHECK(weft_now() >= deadline);
    CHECK_INT(make_call(&place, kind, 0), timed_out(kind));
    close_place(&place);
}

static void *end_all_by_deadline(void *arg)
{
    (void)arg;
    with_each_kind(end_by_deadline);
    return NULL;
}

static void test_call_whose_deadline_passes_returns_etimedout(void **state)
{
    (void)state;
    wt_over_workers(end_all_by_deadline, NULL);
}

/* A connect to a local listener that is full is run by a thread of the kernel. The cancel comes at every moment of its way there. */
static void *connect_in_vain(void *arg)
{
    struct place place;
    (void)arg;
    open_place(&place, CONNECT);
    for (int i = 0; i < wt_scaled(CONNECTS); i++)
        CHECK_INT(make_call(&place, CONNECT, weft_after(i % 100 * 2 * WEFT_MICROSECOND)), -ETIMEDOUT);
    close_place(&place);
    return NULL;
}

static void test_cancel_stops_a_thread_of_the_kernel_whenever_it_comes(void **state)
{
    (void)state;
    wt_over_workers(connect_in_vain, NULL);
}

static void end_on_thread(enum kind kind)
{
    if (kind != CONNECT) /* a local connect has nothing to poll for: on a plain thread no deadline bounds it */
        end_by_deadline(kind);
}

static void *end_all_on_thread(void *arg)
{
    (void)arg;
    with_each_kind(end_on_thread);
    return NULL;
}

static void test_call_of_a_plain_thread_whose_deadline_passes_returns_etimedout(void **state)
{
    (void)state;
    wt_on_thread(end_all_on_thread, NULL);
    wt_finish();
}

static void end_by_timeout(enum kind kind)
{
    struct place place;
    weft_timeout timeout = {0};
    open_place(&place, kind);
    CHECK_INT(weft_timeout_start(&timeout, 2 * WEFT_MILLISECOND), 0);
    CHECK_INT(make_call(&place, kind, WEFT_NEVER), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    close_place(&place);
}

static void *end_all_by_timeout(void *arg)
{
    (void)arg;
    with_each_kind(end_by_timeout);
    return NULL;
}

static void test_call_inside_a_timeout_returns_etimedout_and_the_timeout_fired(void **state)
{
    (void)state;
    wt_over_workers(end_all_by_timeout, NULL);
}

/* ---- kill ---- */

struct call {
    struct place place;
    enum kind kind;
    _Atomic(int) returned;
};

static void *call_for_ever(void *arg)
{
    struct call *call = arg;
    ssize_t result = make_call(&call->place, call->kind, WEFT_NEVER);
    call->returned++;
    return (void *)(intptr_t)result;
}

static void end_by_kill(enum kind kind)
{
    struct call call = {.kind = kind};
    void *result;
    open_place(&call.place, kind);
    weft_t *caller = weft_spawn(call_for_ever, &call);
    wt_until_waiting(caller, WF_WAIT_IO);
    CHECK_INT(weft_kill(caller), 0);
    CHECK_INT(weft_join(caller, &result), 0);
    CHECK_INT((intptr_t)result, -ECANCELED);
    CHECK_INT(call.returned, 1);
    close_place(&call.place);
}

static void *end_all_by_kill(void *arg)
{
    (void)arg;
    with_each_kind(end_by_kill);
    return NULL;
}

static void test_killed_call_returns_ecanceled_once(void **state)
{
    (void)state;
    wt_over_workers(end_all_by_kill, NULL);
}

/* Coroutines that do nothing but move between workers, so that one that is woken by a kill is often stolen: then its
 * cancel has to travel to the ring that has its operation. */
struct crowd {
    _Atomic(bool) over;
    int calls;
};

static void *be_restless(void *arg)
{
    struct crowd *crowd = arg;
    while (!crowd->over)
        weft_yield();
    return NULL;
}

static void *start_and_kill(void *arg)
{
    struct crowd *crowd = arg;
    unsigned seed = (unsigned)weft_id(NULL);
    for (int i = 0; i < crowd->calls; i++) {
        struct call call = {.kind = (enum kind)((unsigned)rand_r(&seed) % KINDS)};
        void *result;
        open_place(&call.place, call.kind);
        weft_t *caller = weft_spawn(call_for_ever, &call);
        for (int n = rand_r(&seed) % 4; n > 0; n--)
            weft_yield();
        CHECK_INT(weft_kill(caller), 0);
        CHECK_INT(weft_join(caller, &result), 0);
        if (result != NULL) /* else it was killed before it began */
            CHECK_INT((intptr_t)result, -ECANCELED);
        CHECK(call.returned <= 1);
        close_place(&call.place);
    }
    return NULL;
}

static void *kill_in_a_crowd(void *arg)
{
    (void)arg;
    struct crowd crowd = {.calls = wt_scaled(200)};
    weft_t *restless[8];
    for (int i = 0; i < 8; i++)
        restless[i] = weft_spawn(be_restless, &crowd);
    wt_spawn_and_join(8, start_and_kill, &crowd);
    crowd.over = true;
    CHECK_INT(weft_joinall(restless, 8), 0);
    return NULL;
}

static void test_calls_killed_while_coroutines_move_between_workers_end_once(void **state)
{
    (void)state;
    wt_over_workers(kill_in_a_crowd, NULL);
}

/* ---- a kill or a deadline against the data ---- */

struct ledger {
    int fds[2];
    int bytes;
    _Atomic(int) received;
    _Atomic(int) cut_short;
};

static void *receive_with_deadlines(void *arg)
{
    struct ledger *ledger = arg;
    char bytes[8];
    unsigned seed = (unsigned)weft_id(NULL);
    for (;;) {
        ssize_t n = weft_recv_until(ledger->fds[0], bytes, sizeof bytes, 0, weft_after(rand_r(&seed) % 40000));
        if (n == 0)
            return NULL;
        if (n > 0)
            ledger->received += (int)n;
        else if (CHECK_INT(n, -ETIMEDOUT))
            ledger->cut_short++;
    }
}

static void *send_slowly(void *arg)
{
    struct ledger *ledger = arg;
    for (int i = 0; i < ledger->bytes; i++) {
        CHECK_INT(weft_send(ledger->fds[1], "x", 1, 0), 1);
        weft_sleep(i % 3 * 10 * WEFT_MICROSECOND);
    }
    CHECK_INT(weft_shutdown(ledger->fds[1], SHUT_WR), 0);
    return NULL;
}

static void *race_deadlines_and_data(void *arg)
{
    (void)arg;
    struct ledger ledger = {.bytes = wt_scaled(5000)};
    weft_t *receivers[4];
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ledger.fds), 0);
    for (int i = 0; i < 4; i++)
        receivers[i] = weft_spawn(receive_with_deadlines, &ledger);
    send_slowly(&ledger);
    CHECK_INT(weft_joinall(receivers, 4), 0);
    CHECK_INT(ledger.received, ledger.bytes);
    CHECK(ledger.cut_short > 0);
    CHECK_INT(weft_close(ledger.fds[0]), 0);
    CHECK_INT(weft_close(ledger.fds[1]), 0);
    return NULL;
}

static void test_bytes_that_arrive_as_the_deadline_passes_are_not_lost(void **state)
{
    (void)state;
    wt_over_workers(race_deadlines_and_data, NULL);
}

/* ---- close ---- */

static uint64_t operations_live(void)
{
    weft_stats_info stats = {0};
    CHECK_INT(weft_stats(&stats), 0);
    return stats.operations_live;
}

static void end_by_close(enum kind kind)
{
    enum { CALLERS = 5 };
    struct call call = {.kind = kind};
    weft_t *callers[CALLERS];
    open_place(&call.place, kind);
    for (int i = 0; i < CALLERS; i++)
        callers[i] = weft_spawn(call_for_ever, &call);
    for (int i = 0; i < CALLERS; i++)
        wt_until_waiting(callers[i], WF_WAIT_IO);
    CHECK_INT((int64_t)operations_live(), CALLERS);
    CHECK_INT(weft_close(call.place.fd), 0);
    /* The kernel has let go of all, and none is in the descriptor any more. That they have returned to their callers, on other
     * workers, is neither promised nor needed: nothing of theirs can reach the number's next owner. */
    CHECK_INT((int64_t)operations_live(), 0);
    CHECK_INT(wf_load_relaxed(&wf_fd_of(call.place.fd)->word), 0);
    for (int i = 0; i < CALLERS; i++) {
        void *result;
        CHECK_INT(weft_join(callers[i], &result), 0);
        CHECK_INT((intptr_t)result, -ECANCELED);
    }
    CHECK_INT(call.returned, CALLERS);
    CHECK_INT(make_call(&call.place, kind, WEFT_NEVER), kind >= POLL_ONE && kind <= POLL_MANY ? 1 : -EBADF);
    call.place.fd = -1;
    close_place(&call.place);
}

static void *end_all_by_close(void *arg)
{
    (void)arg;
    with_each_kind(end_by_close);
    return NULL;
}

static void test_close_ends_the_calls_in_flight_before_it_returns(void **state)
{
    (void)state;
    wt_over_workers(end_all_by_close, NULL);
}

static void *close_by_thread(void *arg)
{
    struct call *call = arg;
    CHECK_INT(weft_close(call->place.fd), 0);
    return NULL;
}

static void *end_across(void *arg)
{
    (void)arg;
    for (enum kind kind = 0; kind < CONNECT; kind++) {
        struct call call = {.kind = kind};
        open_place(&call.place, kind);
        weft_t *caller = weft_spawn(call_for_ever, &call);
        wt_thread *thread = wt_thread_start(call_for_ever, &call);
        wt_until_waiting(caller, WF_WAIT_IO);
        weft_sleep(2 * WEFT_MILLISECOND); /* the thread may or may not be in ppoll by then: both must do */
        wt_on_thread(close_by_thread, &call);
        CHECK_INT(weft_join(caller, NULL), 0);
        wt_thread_join(thread);
        CHECK_INT(call.returned, 2);
        call.place.fd = -1;
        close_place(&call.place);
    }
    return NULL;
}

static void test_close_by_a_thread_ends_calls_of_coroutines_and_threads(void **state)
{
    (void)state;
    wt_over_workers(end_across, NULL);
}

/* A duplicate is another number: calls on it go on. */
static void *close_one_of_two(void *arg)
{
    (void)arg;
    struct call call = {.kind = RECV};
    void *result;
    open_place(&call.place, RECV);
    int duplicate = weft_dup(call.place.fd);
    weft_t *caller = weft_spawn(call_for_ever, &call);
    wt_until_waiting(caller, WF_WAIT_IO);
    CHECK_INT(weft_close(duplicate), 0);
    CHECK_INT(weft_send(call.place.other, "x", 1, 0), 1);
    CHECK_INT(weft_join(caller, &result), 0);
    CHECK_INT((intptr_t)result, 1);
    close_place(&call.place);
    return NULL;
}

static void test_close_of_a_duplicate_leaves_the_other_alone(void **state)
{
    (void)state;
    wt_over_workers(close_one_of_two, NULL);
}

/* Descriptors are opened and closed all the time, so that numbers recur at once. Each pair carries a mark of its own,
 * and a receiver on a descriptor that was closed must never see another pair's mark. */
struct pair {
    int fds[2];
    char mark;
    int sent;
    _Atomic(int) got, wrong;
};

static void *receive_marks(void *arg)
{
    struct pair *pair = arg;
    char byte;
    ssize_t n;
    while ((n = weft_recv(pair->fds[0], &byte, 1, 0)) == 1) {
        pair->wrong += byte != pair->mark;
        pair->got++;
    }
    return (void *)(intptr_t)n;
}

static bool has_got_all(void *arg)
{
    struct pair *pair = arg;
    return pair->got == pair->sent;
}

static void *reuse_numbers(void *arg)
{
    struct crowd *crowd = arg;
    unsigned seed = (unsigned)weft_id(NULL);
    for (int i = 0; i < crowd->calls; i++) {
        struct pair pair = {.mark = (char)rand_r(&seed), .sent = rand_r(&seed) % 3};
        void *result;
        CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.fds), 0);
        weft_t *receiver = weft_spawn(receive_marks, &pair);
        for (int n = 0; n < pair.sent; n++)
            CHECK_INT(weft_send(pair.fds[1], &pair.mark, 1, 0), 1);
        /* It must be in its last call: one that it began later would be on a number that may be another's by then. As
         * with threads, that is the program's business. */
        wt_until(has_got_all, &pair);
        wt_until_waiting(receiver, WF_WAIT_IO);
        CHECK_INT(weft_close(pair.fds[0]), 0);
        CHECK_INT(weft_join(receiver, &result), 0);
        CHECK_INT((intptr_t)result, -ECANCELED);
        CHECK_INT(pair.wrong, 0);
        CHECK_INT(pair.got, pair.sent);
        CHECK_INT(weft_close(pair.fds[1]), 0);
    }
    return NULL;
}

static void *reuse_in_a_crowd(void *arg)
{
    (void)arg;
    struct crowd crowd = {.calls = wt_scaled(200)};
    wt_spawn_and_join(8, reuse_numbers, &crowd);
    return NULL;
}

static void test_number_that_recurs_never_gets_bytes_of_the_old_peer(void **state)
{
    (void)state;
    wt_over_workers(reuse_in_a_crowd, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_whose_deadline_passes_returns_etimedout),
        cmocka_unit_test(test_cancel_stops_a_thread_of_the_kernel_whenever_it_comes),
        cmocka_unit_test(test_call_of_a_plain_thread_whose_deadline_passes_returns_etimedout),
        cmocka_unit_test(test_call_inside_a_timeout_returns_etimedout_and_the_timeout_fired),
        cmocka_unit_test(test_killed_call_returns_ecanceled_once),
        cmocka_unit_test(test_calls_killed_while_coroutines_move_between_workers_end_once),
        cmocka_unit_test(test_bytes_that_arrive_as_the_deadline_passes_are_not_lost),
        cmocka_unit_test(test_close_ends_the_calls_in_flight_before_it_returns),
        cmocka_unit_test(test_close_by_a_thread_ends_calls_of_coroutines_and_threads),
        cmocka_unit_test(test_close_of_a_duplicate_leaves_the_other_alone),
        cmocka_unit_test(test_number_that_recurs_never_gets_bytes_of_the_old_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
