/* weft: files, sockets and readiness, with the POSIX names, arguments and meanings.
 *
 * Each call suspends the coroutine, not the thread; afterwards the coroutine may be on another thread. On a plain thread it
 * waits in the kernel. Each returns what its namesake returns, or -errno. A buffer belongs to the call until it returns, which
 * is always after the kernel has let go of it.
 *
 * Errors beyond those of the namesake, for all of them: -ECANCELED when the coroutine was killed, or when another coroutine
 * closed the descriptor with weft_close meanwhile; -ETIMEDOUT when an enclosing weft_timeout or the deadline of the _until form
 * passed. A call that had moved some bytes by then returns their number. A descriptor with O_NONBLOCK set gets -EAGAIN as the
 * program asked for. -ENOMEM for want of memory for the table of descriptors, or for the block of a plain thread.
 *
 * On a blocking descriptor write, writev, pwrite, send and sendmsg move all bytes, as their namesakes do, unless an error or a
 * deadline comes between. Nothing here raises SIGPIPE: -EPIPE.
 *
 * On coroutines the calls that may wait use io_uring and need Linux 5.19 (io_uring_enter(2), io_uring_setup(2)); weft_start
 * says so where it is older. Descriptors are closed with weft_close; one that is closed with close(2) while a call is in it
 * is the program's own business, as it is with threads.
 */
#ifndef WEFT_IO_H
#define WEFT_IO_H

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct statx;

WEFT_API ssize_t weft_read(int fd, void *buffer, size_t count);
WEFT_API ssize_t weft_read_until(int fd, void *buffer, size_t count, int64_t deadline);
WEFT_API ssize_t weft_write(int fd, const void *buffer, size_t count);
WEFT_API ssize_t weft_write_until(int fd, const void *buffer, size_t count, int64_t deadline);
WEFT_API ssize_t weft_readv(int fd, const struct iovec *iov, int iovcnt);
WEFT_API ssize_t weft_readv_until(int fd, const struct iovec *iov, int iovcnt, int64_t deadline);
WEFT_API ssize_t weft_writev(int fd, const struct iovec *iov, int iovcnt);
WEFT_API ssize_t weft_writev_until(int fd, const struct iovec *iov, int iovcnt, int64_t deadline);
WEFT_API ssize_t weft_pread(int fd, void *buffer, size_t count, off_t offset);
WEFT_API ssize_t weft_pread_until(int fd, void *buffer, size_t count, off_t offset, int64_t deadline);
WEFT_API ssize_t weft_pwrite(int fd, const void *buffer, size_t count, off_t offset);
WEFT_API ssize_t weft_pwrite_until(int fd, const void *buffer, size_t count, off_t offset, int64_t deadline);

/* open(path, flags, mode): mode counts with O_CREAT or O_TMPFILE only. */
WEFT_API int weft_open(const char *path, int flags, mode_t mode);
WEFT_API int weft_openat(int dirfd, const char *path, int flags, mode_t mode);

/* Close fd. Calls of others in flight on it, coroutines and plain threads, end with -ECANCELED first, so that a reused number
 * never gets their bytes; calls on a duplicate of it go on. May suspend when there are such calls. Closes also when the
 * caller was killed, and never returns -ECANCELED or -ETIMEDOUT. 0; -EBADF (not open, or somebody else is closing it); -EIO and
 * the like as close(2): it is closed all the same; -ENOMEM. */
WEFT_API int weft_close(int fd);

WEFT_API int weft_fsync(int fd);
WEFT_API int weft_fdatasync(int fd);
WEFT_API int weft_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *result);

/* Exactly `count` bytes unless the stream ends (then the number that came) or an error (-errno; bytes that had been moved
 * are lost to the count). write_full: count or -errno. */
WEFT_API ssize_t weft_read_full(int fd, void *buffer, size_t count);
WEFT_API ssize_t weft_read_full_until(int fd, void *buffer, size_t count, int64_t deadline);
WEFT_API ssize_t weft_write_full(int fd, const void *buffer, size_t count);
WEFT_API ssize_t weft_write_full_until(int fd, const void *buffer, size_t count, int64_t deadline);

WEFT_API int weft_socket(int domain, int type, int protocol);
WEFT_API int weft_socketpair(int domain, int type, int protocol, int fds[2]);
WEFT_API int weft_bind(int fd, const struct sockaddr *address, socklen_t length);
WEFT_API int weft_listen(int fd, int backlog);
WEFT_API int weft_accept(int fd, struct sockaddr *address, socklen_t *length);
WEFT_API int weft_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
WEFT_API int weft_accept4_until(int fd, struct sockaddr *address, socklen_t *length, int flags, int64_t deadline);
WEFT_API int weft_connect(int fd, const struct sockaddr *address, socklen_t length);
WEFT_API int weft_connect_until(int fd, const struct sockaddr *address, socklen_t length, int64_t deadline);
/* Sending never raises SIGPIPE: MSG_NOSIGNAL is implied. */
WEFT_API ssize_t weft_send(int fd, const void *buffer, size_t length, int flags);
WEFT_API ssize_t weft_send_until(int fd, const void *buffer, size_t length, int flags, int64_t deadline);
WEFT_API ssize_t weft_recv(int fd, void *buffer, size_t length, int flags);
WEFT_API ssize_t weft_recv_until(int fd, void *buffer, size_t length, int flags, int64_t deadline);
WEFT_API ssize_t weft_sendto(int fd, const void *buffer, size_t length, int flags, const struct sockaddr *to,
                             socklen_t to_length);
WEFT_API ssize_t weft_recvfrom(int fd, void *buffer, size_t length, int flags, struct sockaddr *from,
                               socklen_t *from_length);
WEFT_API ssize_t weft_sendmsg(int fd, const struct msghdr *message, int flags);
WEFT_API ssize_t weft_sendmsg_until(int fd, const struct msghdr *message, int flags, int64_t deadline);
WEFT_API ssize_t weft_recvmsg(int fd, struct msghdr *message, int flags);
WEFT_API ssize_t weft_recvmsg_until(int fd, struct msghdr *message, int flags, int64_t deadline);
WEFT_API int weft_shutdown(int fd, int how);
WEFT_API int weft_pipe2(int fds[2], int flags);
WEFT_API int weft_dup(int fd);

/* poll(fds, n, timeout in milliseconds, -1 = for ever). Returns the number of descriptors with events; 0 when its own timeout
 * or deadline passed; -ETIMEDOUT only for an enclosing weft_timeout; -ECANCELED when killed, or when one of them was closed with
 * weft_close meanwhile; -ENOMEM, for more than 8 descriptors. */
WEFT_API int weft_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
WEFT_API int weft_poll_until(struct pollfd *fds, nfds_t n, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
