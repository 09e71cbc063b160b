/* The ring itself: more work than its queues hold, the rings of older kernels, and rings that are refused. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/ring.h"
#include "runtime.h"

/* ---- small queues ---- */

/* As wt_run, with the smallest rings there are. */
static void run_in_small_rings(unsigned workers, weft_fn *body, void *arg)
{
    setenv("WEFT_RING_ENTRIES", "8", 1);
    wt_run(workers, body, arg);
    unsetenv("WEFT_RING_ENTRIES");
}

static void over_small_rings(weft_fn *body, void *arg)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2)
        run_in_small_rings(workers, body, arg);
}

enum { READERS = 1000 };

struct readers {
    int fds[2];
    _Atomic(int) got;
};

static void *read_one(void *arg)
{
    struct readers *r = arg;
    char byte;
    CHECK_INT(weft_read(r->fds[0], &byte, 1), 1);
    r->got++;
    return NULL;
}

/* The writes stand behind a thousand reads that only they can end. */
static void *read_from_one_pipe(void *arg)
{
    (void)arg;
    struct readers r = {.got = 0};
    weft_t *readers[READERS];
    char bytes[READERS / 2] = "";
    CHECK_INT(weft_pipe2(r.fds, O_CLOEXEC), 0);
    for (int i = 0; i < READERS; i++)
        readers[i] = weft_spawn(read_one, &r);
    for (int i = 0; i < READERS; i++)
        wt_until_waiting(readers[i], WF_WAIT_IO);
    CHECK_INT(weft_write(r.fds[1], bytes, sizeof bytes), sizeof bytes);
    CHECK_INT(weft_write(r.fds[1], bytes, sizeof bytes), sizeof bytes);
    CHECK_INT(weft_joinall(readers, READERS), 0);
    CHECK_INT(r.got, READERS);
    CHECK_INT(weft_close(r.fds[0]), 0);
    CHECK_INT(weft_close(r.fds[1]), 0);
    return NULL;
}

static void test_more_reads_than_the_queues_hold_are_all_served(void **state)
{
    (void)state;
    over_small_rings(read_from_one_pipe, NULL);
}

static void *read_zero(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char byte;
    return (void *)(intptr_t)weft_read(fd, &byte, 1);
}

/* How often the kernel had to keep completions of any ring back, so far in this run. */
static uint64_t overflows(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < wf_rt.count; i++)
        sum += wf_load_relaxed(&((wf_ring *)wf_rt.workers[i]->source)->overflows); /* relaxed: a count */
    return sum;
}

/* All are completed at one stroke: many times what the completion queue holds. */
static void *complete_all_at_once(void *arg)
{
    (void)arg;
    int fds[2];
    weft_t *readers[READERS];
    CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
    for (int i = 0; i < READERS; i++)
        readers[i] = weft_spawn(read_zero, (void *)(intptr_t)fds[0]);
    for (int i = 0; i < READERS; i++)
        wt_until_waiting(readers[i], WF_WAIT_IO);
    CHECK_INT(weft_close(fds[1]), 0);
    for (int i = 0; i < READERS; i++) {
        void *result;
        CHECK_INT(weft_join(readers[i], &result), 0);
        CHECK_INT((intptr_t)result, 0);
    }
    CHECK_INT(weft_close(fds[0]), 0);
    /* All at once is how it is in one ring of a kernel that does not wait for us to ask; else they may come in portions. */
    if (wt_workers() == 1 && !(wf_ring_self()->uring.flags & IORING_SETUP_DEFER_TASKRUN))
        CHECK(overflows() > 0);
    return NULL;
}

static void *kill_all_at_once(void *arg)
{
    (void)arg;
    int fds[2];
    weft_t *readers[READERS];
    CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
    for (int i = 0; i < READERS; i++)
        readers[i] = weft_spawn(read_zero, (void *)(intptr_t)fds[0]);
    for (int i = 0; i < READERS; i++)
        wt_until_waiting(readers[i], WF_WAIT_IO);
    CHECK_INT(weft_killall(readers, READERS), 0);
    for (int i = 0; i < READERS; i++) {
        void *result;
        CHECK_INT(weft_join(readers[i], &result), 0);
        CHECK_INT((intptr_t)result, -ECANCELED);
    }
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    return NULL;
}

static void test_more_completions_at_once_than_the_queue_holds_are_none_lost(void **state)
{
    (void)state;
    over_small_rings(complete_all_at_once, NULL);
    over_small_rings(kill_all_at_once, NULL);
}

/* Completions of no consequence that come as the entries are submitted, one after the other, without a look in between. */
static void complete_nothing(int times)
{
    wf_ring *ring = wf_ring_self();
    for (int i = 0; i < times; i++) {
        struct io_uring_sqe *sqe = wf_ring_entry(ring);
        io_uring_prep_nop(sqe);
        sqe->user_data = WF_RING_WOKEN;
    }
}

static void *read_one_in_a_flood(void *arg)
{
    complete_nothing(4);
    return read_one(arg);
}

/* Each read completes as it is submitted, since the bytes are there, and its completion stands in the midst of others. A worker
 * looks at its ring after 61 of them: they are five times as many then as its queue holds. */
static void *read_in_a_flood(void *arg)
{
    (void)arg;
    struct readers r = {.got = 0};
    weft_t *readers[READERS];
    char bytes[READERS] = "";
    CHECK_INT(weft_pipe2(r.fds, O_CLOEXEC), 0);
    CHECK_INT(weft_write(r.fds[1], bytes, sizeof bytes), sizeof bytes);
    CHECK_INT((int64_t)overflows(), 0);
    for (int i = 0; i < READERS; i++)
        readers[i] = weft_spawn(read_one_in_a_flood, &r);
    CHECK_INT(weft_joinall(readers, READERS), 0);
    CHECK_INT(r.got, READERS);
    CHECK(wt_workers() > 1 || overflows() > 0); /* more workers may each run few of them between two looks */
    CHECK_INT(weft_close(r.fds[0]), 0);
    CHECK_INT(weft_close(r.fds[1]), 0);
    return NULL;
}

static void test_completions_that_the_kernel_had_to_keep_are_none_lost(void **state)
{
    (void)state;
    over_small_rings(read_in_a_flood, NULL);
}

/* ---- older kernels ---- */

static void *use_ring(void *arg)
{
    unsigned *flags = arg;
    wf_ring *ring = wf_ring_self();
    *flags = ring->uring.flags;
    return NULL;
}

static void without(unsigned barred, unsigned kept)
{
    unsigned flags = 0;
    wf_ring_flags_barred = barred;
    wt_run(2, use_ring, &flags);
    assert_int_equal(flags & barred, 0);
    assert_int_equal(flags & kept, kept);
    over_small_rings(read_from_one_pipe, NULL);
    over_small_rings(complete_all_at_once, NULL);
    over_small_rings(kill_all_at_once, NULL);
    over_small_rings(read_in_a_flood, NULL);
    wf_ring_flags_barred = 0;
}

static void test_ring_without_deferred_completions_serves_all(void **state)
{
    (void)state;
    without(IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN);
}

static void test_ring_without_any_of_the_newer_flags_serves_all(void **state)
{
    (void)state;
    without(IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN, 0);
}

static void test_ring_uses_deferred_completions_where_the_kernel_has_them(void **state)
{
    (void)state;
    unsigned flags = 0;
    wt_run(1, use_ring, &flags);
    if (!(flags & IORING_SETUP_DEFER_TASKRUN)) {
        print_message("this kernel has no IORING_SETUP_DEFER_TASKRUN (Linux 6.1)\n");
        skip();
    }
    assert_int_equal(flags & IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_SINGLE_ISSUER);
}

/* ---- refusals, in a child ---- */

/* Make io_uring_setup fail with this error from here on. */
static int bar_setup(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : -errno;
}

static int bar_descriptors(int error)
{
    (void)error;
    struct rlimit few = {.rlim_cur = 3, .rlim_max = 3};
    return setrlimit(RLIMIT_NOFILE, &few) == 0 ? 0 : -errno;
}

/* Start the runtime in a child after `bar`; what it returned, and what it said on stderr. */
static int start_in_child(int (*bar)(int), int error, char *said, size_t size)
{
    int fds[2], status;
    size_t n = 0;
    ssize_t got;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        if (bar(error) < 0)
            _exit(255);
        _exit(-weft_start(NULL) & 0xff);
    }
    close(fds[1]);
    while (n < size - 1 && (got = read(fds[0], said + n, size - 1 - n)) > 0)
        n += (size_t)got;
    said[n] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 255) {
        print_message("cannot install a seccomp filter here\n");
        skip();
    }
    return -WEXITSTATUS(status);
}

static void test_start_where_seccomp_refuses_io_uring_says_so(void **state)
{
    (void)state;
    char said[1000];
    assert_int_equal(start_in_child(bar_setup, EPERM, said, sizeof said), -EPERM);
    assert_non_null(strstr(said, "EPERM"));
    assert_non_null(strstr(said, "seccomp"));
    assert_int_equal(start_in_child(bar_setup, ENOSYS, said, sizeof said), -ENOSYS);
    assert_non_null(strstr(said, "ENOSYS"));
    assert_non_null(strstr(said, "5.19"));
}

static void test_start_where_memory_for_rings_is_refused_names_the_limit(void **state)
{
    (void)state;
    char said[1000];
    assert_int_equal(start_in_child(bar_setup, ENOMEM, said, sizeof said), -ENOMEM);
    assert_non_null(strstr(said, "RLIMIT_MEMLOCK"));
}

static void test_start_without_descriptors_names_the_limit(void **state)
{
    (void)state;
    char said[1000];
    assert_int_equal(start_in_child(bar_descriptors, 0, said, sizeof said), -EMFILE);
    assert_non_null(strstr(said, "RLIMIT_NOFILE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_reads_than_the_queues_hold_are_all_served),
        cmocka_unit_test(test_more_completions_at_once_than_the_queue_holds_are_none_lost),
        cmocka_unit_test(test_completions_that_the_kernel_had_to_keep_are_none_lost),
        cmocka_unit_test(test_ring_uses_deferred_completions_where_the_kernel_has_them),
        cmocka_unit_test(test_ring_without_deferred_completions_serves_all),
        cmocka_unit_test(test_ring_without_any_of_the_newer_flags_serves_all),
        cmocka_unit_test(test_start_where_seccomp_refuses_io_uring_says_so),
        cmocka_unit_test(test_start_where_memory_for_rings_is_refused_names_the_limit),
        cmocka_unit_test(test_start_without_descriptors_names_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
