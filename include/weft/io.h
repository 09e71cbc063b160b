/* weft: files, sockets and readiness, with the POSIX names, arguments and meanings.
 *
 * For all of them, unless their comment says otherwise
 *   - Each does and returns what its namesake does, or -errno. A blocking descriptor is what they are made for: the
 *     call then waits as its namesake would. On a descriptor with O_NONBLOCK set, or with MSG_DONTWAIT, it does not
 *     wait: -EAGAIN.
 *   - Units: sizes in bytes, deadlines as in base.h. At most 0x7ffff000 bytes move in one call, as everywhere on Linux.
 *   - Buffers, addresses, vectors and messages are the caller's, and the call's until it returns; that is always after
 *     the kernel has let go of them, also when it was killed or timed out. They may lie on the stack. A descriptor that
 *     is returned is the caller's to weft_close.
 *   - "May suspend": the coroutine waits and its worker runs others; afterwards it may be on another thread. From a
 *     plain thread they wait in the kernel. Not from signal handlers.
 *   - Errors beyond those of the namesake. -ECANCELED: the coroutine was killed before or while it waited, or somebody
 *     closed the descriptor with weft_close meanwhile (-EBADF when that had begun before the call). -ETIMEDOUT: the
 *     call had to wait and an enclosing weft_timeout, or the deadline of the _until form, passed. -ENOMEM: no memory
 *     for what weft notes of a descriptor number, or of a plain thread, when it first meets it. -EINTR does not come on
 *     coroutines. A call that had moved some bytes when it was ended returns their number.
 *   - Plain threads: a kill cannot meet them; a deadline does not bound regular files, accept on a listener that
 *     another thread empties first, nor reading from a file that knows no RWF_NOWAIT (a terminal).
 *   - Linux: 5.19 for coroutines (io_uring_setup(2), io_uring_enter(2); weft_start says so on an older one). Plain
 *     threads need what the system calls need: 4.14 (RWF_NOWAIT, preadv2(2)).
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

/* Read up to `count` bytes into `buffer`, at the descriptor's own position. May suspend. The number of bytes, 0 at the
 * end of the file or stream; the errors of read(2) and of all. */
WEFT_API ssize_t weft_read(int fd, void *buffer, size_t count);
WEFT_API ssize_t weft_read_until(int fd, void *buffer, size_t count, int64_t deadline);

/* Write `count` bytes, at the descriptor's own position; as a blocking write(2) it goes on after a short one, so that
 * fewer come back only where an error, a kill or the deadline ended it in the middle. Never raises SIGPIPE. May
 * suspend. The number of bytes; the errors of write(2) and of all. */
WEFT_API ssize_t weft_write(int fd, const void *buffer, size_t count);
WEFT_API ssize_t weft_write_until(int fd, const void *buffer, size_t count, int64_t deadline);

/* The same from and into `iovcnt` buffers. writev with more than 64 of them may return short. May suspend. The number
 * of bytes; -EINVAL for a negative iovcnt; the errors of readv(2), writev(2) and of all. */
WEFT_API ssize_t weft_readv(int fd, const struct iovec *iov, int iovcnt);
WEFT_API ssize_t weft_readv_until(int fd, const struct iovec *iov, int iovcnt, int64_t deadline);
WEFT_API ssize_t weft_writev(int fd, const struct iovec *iov, int iovcnt);
WEFT_API ssize_t weft_writev_until(int fd, const struct iovec *iov, int iovcnt, int64_t deadline);

/* The same at `offset` bytes from the beginning; the descriptor's own position stays. May suspend. The number of bytes;
 * -EINVAL for a negative offset, -ESPIPE where there are none (pipes, sockets); the errors of pread(2), pwrite(2) and
 * of all. */
WEFT_API ssize_t weft_pread(int fd, void *buffer, size_t count, off_t offset);
WEFT_API ssize_t weft_pread_until(int fd, void *buffer, size_t count, off_t offset, int64_t deadline);
WEFT_API ssize_t weft_pwrite(int fd, const void *buffer, size_t count, off_t offset);
WEFT_API ssize_t weft_pwrite_until(int fd, const void *buffer, size_t count, off_t offset, int64_t deadline);

/* Open a file; `mode` counts with O_CREAT and O_TMPFILE only, but has to be given. The path is the caller's. May
 * suspend, for as long as the file system needs (a FIFO: until its other end is opened). A descriptor, without
 * O_CLOEXEC unless asked for; the errors of openat(2); -ECANCELED and -ETIMEDOUT as all: nothing was opened then. */
WEFT_API int weft_open(const char *path, int flags, mode_t mode);
WEFT_API int weft_openat(int dirfd, const char *path, int flags, mode_t mode);

/* Close fd. Calls of others in flight on it, coroutines and plain threads, end with -ECANCELED first, so that a reused
 * number never gets their bytes; calls on a duplicate of it go on. May suspend when there are such calls. Closes also
 * when the caller was killed, and never returns -ECANCELED or -ETIMEDOUT. 0; -EBADF (not open, or somebody else is
 * closing it); -EIO and the like as close(2): it is closed all the same; -ENOMEM. */
WEFT_API int weft_close(int fd);

/* Have what was written to fd reach the disk; fdatasync: without metadata that nobody needs to read it back. May
 * suspend. 0; the errors of fsync(2) and of all; after -ECANCELED or -ETIMEDOUT nothing is known. */
WEFT_API int weft_fsync(int fd);
WEFT_API int weft_fdatasync(int fd);

/* Look at a file: `mask` says what is wanted in *result (linux/stat.h or, with _GNU_SOURCE, sys/stat.h have it). May
 * suspend. 0; the errors of statx(2); -ECANCELED and -ETIMEDOUT as all: *result is then undefined. */
WEFT_API int weft_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *result);

/* Read exactly `count` bytes. May suspend, again and again; the deadline bounds all of it. `count`; fewer when the
 * stream ends before; an error of weft_read, and then the bytes that had come are in the buffer but their number is
 * lost. */
WEFT_API ssize_t weft_read_full(int fd, void *buffer, size_t count);
WEFT_API ssize_t weft_read_full_until(int fd, void *buffer, size_t count, int64_t deadline);

/* Write exactly `count` bytes, likewise. `count`, or an error of weft_write, never fewer; -EIO when the descriptor
 * takes none and reports no error. */
WEFT_API ssize_t weft_write_full(int fd, const void *buffer, size_t count);
WEFT_API ssize_t weft_write_full_until(int fd, const void *buffer, size_t count, int64_t deadline);

/* A new socket, or two that are connected. `type` takes SOCK_CLOEXEC; leave SOCK_NONBLOCK out, lest its calls return
 * -EAGAIN. Never suspend, also for a killed coroutine. A descriptor, 0 for the pair; the errors of socket(2),
 * socketpair(2). */
WEFT_API int weft_socket(int domain, int type, int protocol);
WEFT_API int weft_socketpair(int domain, int type, int protocol, int fds[2]);

/* Give a socket its address; have it take connections, `backlog` of them waiting at most. Never suspend. 0; the errors
 * of bind(2), listen(2). */
WEFT_API int weft_bind(int fd, const struct sockaddr *address, socklen_t length);
WEFT_API int weft_listen(int fd, int backlog);

/* Wait for a connection. address and length (in: room, out: size) take the peer's address; NULL for both: not wanted.
 * flags: SOCK_CLOEXEC, SOCK_NONBLOCK. May suspend; those that wait on one socket are served in order. A descriptor; the
 * errors of accept4(2) and of all. */
WEFT_API int weft_accept(int fd, struct sockaddr *address, socklen_t *length);
WEFT_API int weft_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
WEFT_API int weft_accept4_until(int fd, struct sockaddr *address, socklen_t *length, int flags, int64_t deadline);

/* Connect a socket. May suspend. 0; the errors of connect(2) and of all; -ETIMEDOUT is also the kernel's when the peer
 * does not answer. After an error of a stream socket close it: what becomes of the attempt is not known. */
WEFT_API int weft_connect(int fd, const struct sockaddr *address, socklen_t length);
WEFT_API int weft_connect_until(int fd, const struct sockaddr *address, socklen_t length, int64_t deadline);

/* Send. Never raises SIGPIPE: MSG_NOSIGNAL is implied. On a stream it goes on after a short send, as a blocking send(2)
 * does (sendmsg with more than 64 buffers may return short); the control data of a message goes with its first bytes.
 * May suspend; tries first, so a call that need not wait is not ended by a deadline. The number of bytes; the errors of
 * send(2) and of all. */
WEFT_API ssize_t weft_send(int fd, const void *buffer, size_t length, int flags);
WEFT_API ssize_t weft_send_until(int fd, const void *buffer, size_t length, int flags, int64_t deadline);
WEFT_API ssize_t weft_sendto(int fd, const void *buffer, size_t length, int flags, const struct sockaddr *to,
                             socklen_t to_length);
WEFT_API ssize_t weft_sendmsg(int fd, const struct msghdr *message, int flags);
WEFT_API ssize_t weft_sendmsg_until(int fd, const struct msghdr *message, int flags, int64_t deadline);

/* Receive what is there, at least one byte of a stream; with MSG_WAITALL all of `length`. recvfrom: from and
 * from_length as address and length of accept. May suspend. The number of bytes, 0 when the peer has shut down; the
 * errors of recv(2) and of all. */
WEFT_API ssize_t weft_recv(int fd, void *buffer, size_t length, int flags);
WEFT_API ssize_t weft_recv_until(int fd, void *buffer, size_t length, int flags, int64_t deadline);
WEFT_API ssize_t weft_recvfrom(int fd, void *buffer, size_t length, int flags, struct sockaddr *from,
                               socklen_t *from_length);
WEFT_API ssize_t weft_recvmsg(int fd, struct msghdr *message, int flags);
WEFT_API ssize_t weft_recvmsg_until(int fd, struct msghdr *message, int flags, int64_t deadline);

/* End one direction of a connection, or both (SHUT_RD, SHUT_WR, SHUT_RDWR): those that wait in it return. Never
 * suspends, also for a killed coroutine. 0; the errors of shutdown(2). */
WEFT_API int weft_shutdown(int fd, int how);

/* A pipe, fds[0] to read from and fds[1] to write to; flags: O_CLOEXEC, O_DIRECT (O_NONBLOCK: as above). A duplicate of
 * a descriptor, without close-on-exec: weft_close of one does not end calls on the other. Never suspend. 0, or the
 * duplicate; the errors of pipe2(2), dup(2). */
WEFT_API int weft_pipe2(int fds[2], int flags);
WEFT_API int weft_dup(int fd);

/* Wait until one of n descriptors is ready for what its `events` ask for; `revents` of each says what it is ready for.
 * timeout in milliseconds, negative: for ever; 0: look only. The array is the caller's and must stay as it is
 * meanwhile. May suspend. Returns the number of descriptors with events; 0 when its own timeout or deadline passed;
 * -ETIMEDOUT only for an enclosing weft_timeout; -ECANCELED when killed, or when one of them was closed with weft_close
 * meanwhile; -ENOMEM, for more than 8 descriptors. */
WEFT_API int weft_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
WEFT_API int weft_poll_until(struct pollfd *fds, nfds_t n, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
