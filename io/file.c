/* Reading and writing descriptors of any kind, and what is done to files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/syscall.h"
#include "io/call.h"
#include "sched/suspend.h"
#include "weft.h"

/* What the kernel moves at most in one call. */
enum { COUNT_MAX = 0x7ffff000 };

/* So many vectors can be continued after a short write; a longer one returns short. */
enum { IOV_MAX_CONTINUED = 64 };

/* Offset of the descriptor's own position. */
#define POSITION UINT64_MAX

static size_t clamp(size_t count)
{
    return count < COUNT_MAX ? count : COUNT_MAX;
}

/* preadv2 and pwritev2 take the offset in two halves; on 64-bit machines the low one is all of it. */
static void describe(wf_call *call, long nr, int fd, const struct iovec *iov, int count, uint64_t offset)
{
    call->fd = fd;
    call->kind = WF_CALL_NOWAIT;
    call->nr = nr;
    call->args[0] = fd;
    call->args[1] = (long)iov;
    call->args[2] = count;
    call->args[3] = (long)offset;
    call->writes = nr == SYS_pwritev2;
    call->events = call->writes ? POLLOUT : POLLIN;
}

static ssize_t read_at(int fd, void *buffer, size_t count, uint64_t offset, int64_t deadline)
{
    struct iovec iov = {.iov_base = buffer, .iov_len = clamp(count)};
    wf_call call = {0};
    describe(&call, SYS_preadv2, fd, &iov, 1, offset);
    io_uring_prep_read(&call.sqe, fd, buffer, (unsigned)iov.iov_len, offset);
    return wf_call_run(&call, deadline);
}

static ssize_t write_once(int fd, const char *data, size_t count, uint64_t offset, int64_t deadline)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = count};
    wf_call call = {0};
    describe(&call, SYS_pwritev2, fd, &iov, 1, offset);
    io_uring_prep_write(&call.sqe, fd, data, (unsigned)count, offset);
    return wf_call_run(&call, deadline);
}

/* As write(2) on a blocking descriptor: goes on after a short write. A ring writes to a pipe or socket what there is
 * room for. */
static ssize_t write_at(int fd, const void *buffer, size_t count, uint64_t offset, int64_t deadline)
{
    const char *data = buffer;
    size_t left = clamp(count);
    size_t done = 0;
    do {
        ssize_t n = write_once(fd, data + done, left - done, offset, deadline);
        if (n <= 0)
            return done > 0 ? (ssize_t)done : n;
        done += (size_t)n;
        if (offset != POSITION)
            offset += (uint64_t)n;
    } while (done < left);
    return (ssize_t)done;
}

/* A ring would overlook the offset where there are none, and wait for what comes through the pipe. */
static int check_offset(int fd, off_t offset)
{
    return offset < 0 ? -EINVAL : wf_syscall3(SYS_lseek, fd, 0, SEEK_CUR) == -ESPIPE ? -ESPIPE : 0;
}

WEFT_API ssize_t weft_read_until(int fd, void *buffer, size_t count, int64_t deadline)
{
    return read_at(fd, buffer, count, POSITION, deadline);
}

WEFT_API ssize_t weft_read(int fd, void *buffer, size_t count)
{
    return weft_read_until(fd, buffer, count, WEFT_NEVER);
}

WEFT_API ssize_t weft_write_until(int fd, const void *buffer, size_t count, int64_t deadline)
{
    return write_at(fd, buffer, count, POSITION, deadline);
}

WEFT_API ssize_t weft_write(int fd, const void *buffer, size_t count)
{
    return weft_write_until(fd, buffer, count, WEFT_NEVER);
}

WEFT_API ssize_t weft_pread_until(int fd, void *buffer, size_t count, off_t offset, int64_t deadline)
{
    int error = check_offset(fd, offset);
    return error < 0 ? error : read_at(fd, buffer, count, (uint64_t)offset, deadline);
}

WEFT_API ssize_t weft_pread(int fd, void *buffer, size_t count, off_t offset)
{
    return weft_pread_until(fd, buffer, count, offset, WEFT_NEVER);
}

WEFT_API ssize_t weft_pwrite_until(int fd, const void *buffer, size_t count, off_t offset, int64_t deadline)
{
    int error = check_offset(fd, offset);
    return error < 0 ? error : write_at(fd, buffer, count, (uint64_t)offset, deadline);
}

WEFT_API ssize_t weft_pwrite(int fd, const void *buffer, size_t count, off_t offset)
{
    return weft_pwrite_until(fd, buffer, count, offset, WEFT_NEVER);
}

/* ---- vectors ---- */

WEFT_API ssize_t weft_readv_until(int fd, const struct iovec *iov, int iovcnt, int64_t deadline)
{
    wf_call call = {0};
    if (iovcnt < 0)
        return -EINVAL;
    describe(&call, SYS_preadv2, fd, iov, iovcnt, POSITION);
    io_uring_prep_readv(&call.sqe, fd, iov, (unsigned)iovcnt, POSITION);
    return wf_call_run(&call, deadline);
}

WEFT_API ssize_t weft_readv(int fd, const struct iovec *iov, int iovcnt)
{
    return weft_readv_until(fd, iov, iovcnt, WEFT_NEVER);
}

static ssize_t writev_once(int fd, const struct iovec *iov, int iovcnt, int64_t deadline)
{
    wf_call call = {0};
    describe(&call, SYS_pwritev2, fd, iov, iovcnt, POSITION);
    io_uring_prep_writev(&call.sqe, fd, iov, (unsigned)iovcnt, POSITION);
    return wf_call_run(&call, deadline);
}

static size_t total(const struct iovec *iov, int iovcnt)
{
    size_t sum = 0;
    for (int i = 0; i < iovcnt; i++)
        sum += iov[i].iov_len;
    return sum;
}

/* Drop the first n bytes; returns how many vectors are left, moved to the front. */
static int drop(struct iovec *iov, int iovcnt, size_t n)
{
    int first = 0;
    while (first < iovcnt && n >= iov[first].iov_len)
        n -= iov[first++].iov_len;
    memmove(iov, iov + first, (size_t)(iovcnt - first) * sizeof *iov);
    if (first < iovcnt) {
        iov[0].iov_base = (char *)iov[0].iov_base + n;
        iov[0].iov_len -= n;
    }
    return iovcnt - first;
}

/* After a short writev: the rest, from a copy of the vectors. */
static ssize_t write_rest(int fd, const struct iovec *iov, int iovcnt, size_t done, int64_t deadline)
{
    struct iovec rest[IOV_MAX_CONTINUED];
    memcpy(rest, iov, (size_t)iovcnt * sizeof *iov);
    int count = drop(rest, iovcnt, done);
    while (count > 0) {
        ssize_t n = writev_once(fd, rest, count, deadline);
        if (n <= 0)
            break;
        done += (size_t)n;
        count = drop(rest, count, (size_t)n);
    }
    return (ssize_t)done;
}

WEFT_API ssize_t weft_writev_until(int fd, const struct iovec *iov, int iovcnt, int64_t deadline)
{
    if (iovcnt < 0)
        return -EINVAL;
    ssize_t n = writev_once(fd, iov, iovcnt, deadline);
    if (n <= 0 || iovcnt > IOV_MAX_CONTINUED || (size_t)n >= clamp(total(iov, iovcnt)))
        return n;
    return write_rest(fd, iov, iovcnt, (size_t)n, deadline);
}

WEFT_API ssize_t weft_writev(int fd, const struct iovec *iov, int iovcnt)
{
    return weft_writev_until(fd, iov, iovcnt, WEFT_NEVER);
}

/* ---- exactly so many bytes ---- */

WEFT_API ssize_t weft_read_full_until(int fd, void *buffer, size_t count, int64_t deadline)
{
    size_t done = 0;
    while (done < count) {
        ssize_t n = weft_read_until(fd, (char *)buffer + done, count - done, deadline);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

WEFT_API ssize_t weft_read_full(int fd, void *buffer, size_t count)
{
    return weft_read_full_until(fd, buffer, count, WEFT_NEVER);
}

WEFT_API ssize_t weft_write_full_until(int fd, const void *buffer, size_t count, int64_t deadline)
{
    size_t done = 0;
    while (done < count) {
        ssize_t n = weft_write_until(fd, (const char *)buffer + done, count - done, deadline);
        if (n <= 0)
            return n < 0 ? n : -EIO; /* nothing written and no error: it would never end */
        done += (size_t)n;
    }
    return (ssize_t)done;
}

WEFT_API ssize_t weft_write_full(int fd, const void *buffer, size_t count)
{
    return weft_write_full_until(fd, buffer, count, WEFT_NEVER);
}

/* ---- files ---- */

/* May its opening have to wait for somebody (a FIFO for its other end, a terminal for its line)? The ring tries with O_NONBLOCK
 * first, and by that would open such a file at once, or refuse it (-ENXIO), where open(2) waits. So look what it is, as far as
 * that can be told without waiting; what cannot is no file that the ring could open at once either. The look costs 1 µs; to
 * leave every opening to the kernel's own threads would cost 12 µs. */
static bool opening_may_wait(int dirfd, const char *path, int flags)
{
    /* The first three do not wait; with the others the ring does not try first. O_TMPFILE has O_DIRECTORY in it. */
    if (wf_self_coro() == NULL || (flags & (O_NONBLOCK | O_PATH | O_DIRECTORY | O_CREAT | O_TRUNC)))
        return false;
    struct open_how how = {.flags = O_PATH | O_CLOEXEC | ((unsigned)flags & O_NOFOLLOW), .resolve = RESOLVE_CACHED};
    long fd = wf_syscall4(SYS_openat2, dirfd, path, &how, sizeof how);
    if (fd < 0)
        return fd == -EAGAIN || fd == -ENOSYS || fd == -EPERM; /* others: the ring meets the same error */
    struct statx status = {0};
    long error = wf_syscall6(SYS_statx, fd, (long)"", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, (long)&status, 0);
    wf_syscall3(SYS_close, fd, 0, 0);
    return error < 0 || !(S_ISREG(status.stx_mode) || S_ISDIR(status.stx_mode));
}

WEFT_API int weft_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    wf_call call = {.fd = dirfd, .nr = SYS_openat, .args = {dirfd, (long)path, flags, mode}};
    io_uring_prep_openat(&call.sqe, dirfd, path, flags, mode);
    if (opening_may_wait(dirfd, path, flags))
        call.sqe.flags |= IOSQE_ASYNC;
    return (int)wf_call_run_detached(&call);
}

WEFT_API int weft_open(const char *path, int flags, mode_t mode)
{
    return weft_openat(AT_FDCWD, path, flags, mode);
}

static int sync_file(int fd, long nr, unsigned flags)
{
    wf_call call = {.fd = fd, .events = POLLOUT, .kind = WF_CALL_BLOCKS, .nr = nr, .args = {fd}};
    io_uring_prep_fsync(&call.sqe, fd, flags);
    return (int)wf_call_run(&call, WEFT_NEVER);
}

WEFT_API int weft_fsync(int fd)
{
    return sync_file(fd, SYS_fsync, 0);
}

WEFT_API int weft_fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync, IORING_FSYNC_DATASYNC);
}

WEFT_API int weft_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *result)
{
    wf_call call = {.fd = dirfd, .nr = SYS_statx, .args = {dirfd, (long)path, flags, mask, (long)result}};
    io_uring_prep_statx(&call.sqe, dirfd, path, flags, mask, result);
    return (int)wf_call_run_detached(&call);
}

WEFT_API int weft_pipe2(int fds[2], int flags)
{
    return (int)wf_syscall3(SYS_pipe2, fds, flags, 0);
}

WEFT_API int weft_dup(int fd)
{
    return (int)wf_syscall3(SYS_dup, fd, 0, 0);
}
