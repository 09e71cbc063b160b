/* Files and pipes. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime.h"

/* An open file with no name. */
static int open_scratch(void)
{
    const char *folder = getenv("TMPDIR");
    int fd = weft_open(folder != NULL ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    return fd;
}

static void *use_positions(void *arg)
{
    (void)arg;
    char bytes[8] = "";
    int fd = open_scratch();
    CHECK_INT(weft_write(fd, "hello ", 6), 6);
    CHECK_INT(weft_write(fd, "world", 5), 5);
    CHECK_INT(weft_pread(fd, bytes, 5, 6), 5);
    CHECK_INT(weft_pread_until(fd, bytes, 5, 6, weft_after(10 * WEFT_SECOND)), 5);
    CHECK_INT(weft_pwrite_until(fd, "d", 1, 10, weft_after(10 * WEFT_SECOND)), 1);
    CHECK_INT(weft_pwrite(fd, "x", 1, -1), -EINVAL);
    CHECK(memcmp(bytes, "world", 5) == 0);
    CHECK_INT(weft_pwrite(fd, "W", 1, 6), 1);
    CHECK_INT(lseek(fd, 5, SEEK_SET), 5);
    CHECK_INT(weft_read(fd, bytes, 3), 3);
    CHECK(memcmp(bytes, " Wo", 3) == 0);
    CHECK_INT(weft_read(fd, bytes, 8), 3);
    CHECK_INT(weft_read(fd, bytes, 8), 0);
    CHECK_INT(weft_fsync(fd), 0);
    CHECK_INT(weft_fdatasync(fd), 0);
    CHECK_INT(weft_close(fd), 0);
    return NULL;
}

static void test_reads_and_writes_follow_the_position_or_the_given_offset(void **state)
{
    (void)state;
    wt_over_workers_and_thread(use_positions, NULL);
}

static void *use_vectors(void *arg)
{
    (void)arg;
    char a[3], b[10] = "";
    struct iovec out[2] = {{"abc", 3}, {"defg", 4}};
    struct iovec in[2] = {{a, 3}, {b, 10}};
    int fd = open_scratch();
    CHECK_INT(weft_writev(fd, out, 2), 7);
    CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
    CHECK_INT(weft_readv(fd, in, 2), 7);
    CHECK(memcmp(a, "abc", 3) == 0 && memcmp(b, "defg", 4) == 0);
    CHECK_INT(weft_readv(fd, in, -1), -EINVAL);
    CHECK_INT(weft_writev(fd, out, -1), -EINVAL);
    CHECK_INT(weft_close(fd), 0);
    return NULL;
}

static void test_vectors_are_filled_in_order(void **state)
{
    (void)state;
    wt_over_workers_and_thread(use_vectors, NULL);
}

static void *open_and_look(void *arg)
{
    (void)arg;
    struct statx status = {0};
    int fds[2];
    CHECK_INT(weft_open("/nonexistent/file", O_RDONLY, 0), -ENOENT);
    CHECK_INT(weft_statx(AT_FDCWD, "/nonexistent/file", 0, STATX_ALL, &status), -ENOENT);
    CHECK_INT(weft_statx(AT_FDCWD, "/", 0, STATX_TYPE, &status), 0);
    CHECK(S_ISDIR(status.stx_mode));
    int root = weft_open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    int null = weft_openat(root, "dev/null", O_WRONLY | O_CLOEXEC, 0);
    CHECK(root >= 0 && null >= 0);
    CHECK_INT(weft_write(null, "x", 1), 1);
    CHECK_INT(weft_close(null), 0);
    CHECK_INT(weft_close(root), 0);
    CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
    CHECK_INT(weft_fsync(fds[1]), -EINVAL);
    CHECK_INT(weft_pread(fds[0], &status, 1, 0), -ESPIPE);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    return NULL;
}

static void test_opening_and_looking_at_files_has_the_kernels_errors(void **state)
{
    (void)state;
    wt_over_workers_and_thread(open_and_look, NULL);
}

/* ---- a FIFO, which opens when its other end does ---- */

static char fifo[64];

static void *open_fifo(void *arg)
{
    int fd = weft_open(fifo, O_RDONLY | O_CLOEXEC, 0);
    if (fd >= 0)
        CHECK_INT(weft_close(fd), 0);
    *(int *)arg = fd < 0 ? fd : 0;
    return NULL;
}

static void *wait_for_fifo(void *arg)
{
    int result = 1;
    weft_timeout timeout = {0};
    (void)arg;
    weft_t *t = weft_spawn(open_fifo, &result);
    wt_until_waiting(t, WF_WAIT_IO);
    int fd = weft_open(fifo, O_WRONLY | O_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(result, 0);
    CHECK_INT(weft_close(fd), 0);

    t = weft_spawn(open_fifo, &result);
    wt_until_waiting(t, WF_WAIT_IO);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(result, -ECANCELED);

    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    open_fifo(&result);
    CHECK_INT(result, -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

static void test_open_of_a_fifo_waits_for_its_other_end_a_kill_or_a_timeout(void **state)
{
    (void)state;
    snprintf(fifo, sizeof fifo, "/tmp/weft-test-fifo-%d", (int)getpid());
    assert_int_equal(mkfifo(fifo, 0600), 0);
    wt_over_workers(wait_for_fifo, NULL);
    assert_int_equal(unlink(fifo), 0);
}

/* ---- a stream through a pipe ---- */

enum { STREAM = 3 << 20 };

struct stream {
    int fds[2];
    uint64_t sum;
};

static uint64_t add_up(uint64_t sum, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static void *write_stream(void *arg)
{
    struct stream *s = arg;
    unsigned char *bytes = malloc(STREAM);
    for (size_t i = 0; i < STREAM; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    s->sum = add_up(0, bytes, STREAM);
    CHECK_INT(weft_write(s->fds[1], bytes, STREAM / 3), STREAM / 3);
    CHECK_INT(weft_write_full(s->fds[1], bytes + STREAM / 3, STREAM - STREAM / 3), STREAM - STREAM / 3);
    CHECK_INT(weft_close(s->fds[1]), 0);
    free(bytes);
    return NULL;
}

static void *read_stream(void *arg)
{
    struct stream *s = arg;
    unsigned char *bytes = malloc(STREAM);
    CHECK_INT(weft_read_full(s->fds[0], bytes, 1000), 1000);
    CHECK_INT(weft_read_full(s->fds[0], bytes + 1000, STREAM), STREAM - 1000); /* the stream ends before */
    uint64_t sum = add_up(0, bytes, STREAM);
    free(bytes);
    return (void *)(uintptr_t)sum;
}

static void *pass_stream(void *arg)
{
    (void)arg;
    struct stream s;
    void *sum;
    CHECK_INT(weft_pipe2(s.fds, O_CLOEXEC), 0);
    weft_t *writer = weft_spawn(write_stream, &s);
    weft_t *reader = weft_spawn(read_stream, &s);
    CHECK_INT(weft_join(writer, NULL), 0);
    CHECK_INT(weft_join(reader, &sum), 0);
    CHECK((uintptr_t)sum == s.sum);
    CHECK_INT(weft_close(s.fds[0]), 0);
    return NULL;
}

static void test_stream_through_a_pipe_arrives_whole(void **state)
{
    (void)state;
    wt_over_workers(pass_stream, NULL);
}

/* A plain thread at one end, a coroutine at the other. */
static void *pass_to_thread(void *arg)
{
    (void)arg;
    struct stream s;
    CHECK_INT(weft_pipe2(s.fds, O_CLOEXEC), 0);
    wt_thread *writer = wt_thread_start(write_stream, &s);
    void *sum = read_stream(&s);
    wt_thread_join(writer);
    CHECK((uintptr_t)sum == s.sum);
    CHECK_INT(weft_close(s.fds[0]), 0);
    return NULL;
}

static void test_stream_from_a_plain_thread_arrives_whole(void **state)
{
    (void)state;
    wt_over_workers(pass_to_thread, NULL);
}

/* ---- a call keeps its bytes when it is cut short ---- */

static void *write_too_much(void *arg)
{
    (void)arg;
    int fds[2];
    static char bytes[1 << 20];
    CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
    ssize_t moved = weft_write_until(fds[1], bytes, sizeof bytes, weft_after(5 * WEFT_MILLISECOND));
    CHECK(moved > 0 && moved < (ssize_t)sizeof bytes);
    CHECK_INT(weft_write_full_until(fds[1], bytes, sizeof bytes, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_close(fds[1]), 0);
    CHECK_INT(weft_read_full(fds[0], bytes, sizeof bytes), moved);
    CHECK_INT(weft_close(fds[0]), 0);
    return NULL;
}

static void test_write_that_times_out_half_way_returns_what_it_wrote(void **state)
{
    (void)state;
    wt_over_workers_and_thread(write_too_much, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_and_writes_follow_the_position_or_the_given_offset),
        cmocka_unit_test(test_vectors_are_filled_in_order),
        cmocka_unit_test(test_opening_and_looking_at_files_has_the_kernels_errors),
        cmocka_unit_test(test_open_of_a_fifo_waits_for_its_other_end_a_kill_or_a_timeout),
        cmocka_unit_test(test_stream_through_a_pipe_arrives_whole),
        cmocka_unit_test(test_stream_from_a_plain_thread_arrives_whole),
        cmocka_unit_test(test_write_that_times_out_half_way_returns_what_it_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
