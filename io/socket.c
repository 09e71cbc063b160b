/* Sockets: accepting, connecting, sending, receiving. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "core/syscall.h"
#include "io/call.h"
#include "sched/suspend.h"
#include "weft.h"

enum { COUNT_MAX = 0x7ffff000 };

/* So many vectors of a message can be continued after a short send; a longer one returns short. */
enum { IOV_MAX_CONTINUED = 64 };

/* ---- what never waits ---- */

WEFT_API int weft_socket(int domain, int type, int protocol)
{
    return (int)wf_syscall3(SYS_socket, domain, type, protocol);
}

WEFT_API int weft_socketpair(int domain, int type, int protocol, int fds[2])
{
    return (int)wf_syscall4(SYS_socketpair, domain, type, protocol, fds);
}

WEFT_API int weft_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return (int)wf_syscall3(SYS_bind, fd, address, length);
}

WEFT_API int weft_listen(int fd, int backlog)
{
    return (int)wf_syscall3(SYS_listen, fd, backlog, 0);
}

WEFT_API int weft_shutdown(int fd, int how)
{
    return (int)wf_syscall3(SYS_shutdown, fd, how, 0);
}

/* ---- accept, connect ---- */

WEFT_API int weft_accept4_until(int fd, struct sockaddr *address, socklen_t *length, int flags, int64_t deadline)
{
    wf_call call = {.fd = fd, .events = POLLIN, .kind = WF_CALL_BLOCKS, .nr = SYS_accept4};
    call.args[0] = fd;
    call.args[1] = (long)address;
    call.args[2] = (long)length;
    call.args[3] = flags;
    io_uring_prep_accept(&call.sqe, fd, address, length, flags);
    return (int)wf_call_run(&call, deadline);
}

WEFT_API int weft_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    return weft_accept4_until(fd, address, length, flags, WEFT_NEVER);
}

WEFT_API int weft_accept(int fd, struct sockaddr *address, socklen_t *length)
{
    return weft_accept4(fd, address, length, 0);
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    long result = wf_syscall6(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, (long)&error, (long)&size, 0);
    return result < 0 ? (int)result : -error;
}

/* A plain thread connects without blocking and waits for the outcome, so that a deadline can bound it. */
static int connect_on_thread(int fd, const struct sockaddr *address, socklen_t length, int64_t deadline)
{
    long flags = wf_syscall3(SYS_fcntl, fd, F_GETFL, 0);
    if (flags < 0)
        return (int)flags;
    if (flags & O_NONBLOCK)
        return (int)wf_syscall3(SYS_connect, fd, address, length);
    wf_syscall3(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
    int result = (int)wf_syscall3(SYS_connect, fd, address, length);
    wf_syscall3(SYS_fcntl, fd, F_SETFL, flags);
    if (result == -EAGAIN) /* a local socket whose listener is behind: nothing to poll for */
        return (int)wf_syscall3(SYS_connect, fd, address, length);
    if (result != -EINPROGRESS)
        return result;
    struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
    result = weft_poll_until(&pollfd, 1, deadline);
    return result == 0 ? -ETIMEDOUT : result < 0 ? result : socket_error(fd);
}

WEFT_API int weft_connect_until(int fd, const struct sockaddr *address, socklen_t length, int64_t deadline)
{
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    if (self->flags & WF_CORO_THREAD)
        return connect_on_thread(fd, address, length, deadline);
    wf_call call = {.fd = fd, .events = POLLOUT, .kind = WF_CALL_BLOCKS, .nr = SYS_connect};
    call.args[0] = fd;
    call.args[1] = (long)address;
    call.args[2] = (long)length;
    io_uring_prep_connect(&call.sqe, fd, address, length);
    return (int)wf_call_run(&call, deadline);
}

WEFT_API int weft_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    return weft_connect_until(fd, address, length, WEFT_NEVER);
}

/* ---- sending ---- */

static void describe_send(wf_call *call, long nr, int fd, int flags)
{
    call->fd = fd;
    call->events = POLLOUT;
    call->kind = WF_CALL_DONTWAIT;
    call->eager = true;
    call->dontwait = flags & MSG_DONTWAIT;
    call->nr = nr;
    call->args[0] = fd;
}

static ssize_t send_once(int fd, const char *data, size_t length, int flags, int64_t deadline)
{
    wf_call call = {0};
    describe_send(&call, SYS_sendto, fd, flags);
    call.args[1] = (long)data;
    call.args[2] = (long)length;
    call.args[3] = flags | MSG_NOSIGNAL | MSG_DONTWAIT;
    io_uring_prep_send(&call.sqe, fd, data, length, flags | MSG_NOSIGNAL | MSG_WAITALL);
    return wf_call_run(&call, deadline);
}

/* As send(2) on a blocking socket: all of it, unless an error or the deadline comes between. */
WEFT_API ssize_t weft_send_until(int fd, const void *buffer, size_t length, int flags, int64_t deadline)
{
    const char *data = buffer;
    size_t left = length < COUNT_MAX ? length : COUNT_MAX;
    size_t done = 0;
    do {
        ssize_t n = send_once(fd, data + done, left - done, flags, deadline);
        if (n <= 0)
            return done > 0 ? (ssize_t)done : n;
        done += (size_t)n;
    } while (done < left);
    return (ssize_t)done;
}

WEFT_API ssize_t weft_send(int fd, const void *buffer, size_t length, int flags)
{
    return weft_send_until(fd, buffer, length, flags, WEFT_NEVER);
}

static ssize_t sendmsg_once(int fd, const struct msghdr *message, int flags, int64_t deadline)
{
    wf_call call = {0};
    describe_send(&call, SYS_sendmsg, fd, flags);
    call.args[1] = (long)message;
    call.args[2] = flags | MSG_NOSIGNAL | MSG_DONTWAIT;
    io_uring_prep_sendmsg(&call.sqe, fd, message, (unsigned)(flags | MSG_NOSIGNAL | MSG_WAITALL));
    return wf_call_run(&call, deadline);
}

/* What is left of a message on a stream after `done` bytes of it; its control data went with the first of them. */
static bool cut(const struct msghdr *message, size_t done, struct msghdr *rest, struct iovec *iov)
{
    *rest = *message;
    rest->msg_control = NULL;
    rest->msg_controllen = 0;
    rest->msg_iov = iov;
    rest->msg_iovlen = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        struct iovec part = message->msg_iov[i];
        size_t skip = done < part.iov_len ? done : part.iov_len;
        done -= skip;
        if (part.iov_len == skip)
            continue;
        iov[rest->msg_iovlen++] = (struct iovec){(char *)part.iov_base + skip, part.iov_len - skip};
    }
    return rest->msg_iovlen > 0;
}

WEFT_API ssize_t weft_sendmsg_until(int fd, const struct msghdr *message, int flags, int64_t deadline)
{
    struct iovec iov[IOV_MAX_CONTINUED];
    struct msghdr rest;
    ssize_t n = sendmsg_once(fd, message, flags, deadline);
    if (n <= 0 || message->msg_iovlen > IOV_MAX_CONTINUED)
        return n;
    size_t done = (size_t)n;
    while (cut(message, done, &rest, iov)) {
        n = sendmsg_once(fd, &rest, flags, deadline);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

WEFT_API ssize_t weft_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return weft_sendmsg_until(fd, message, flags, WEFT_NEVER);
}

WEFT_API ssize_t weft_sendto(int fd, const void *buffer, size_t length, int flags, const struct sockaddr *to,
                             socklen_t to_length)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buffer, .iov_len = length};
    struct msghdr message = {
        .msg_name = (void *)(uintptr_t)to, .msg_namelen = to == NULL ? 0 : to_length, .msg_iov = &iov, .msg_iovlen = 1};
    return weft_sendmsg(fd, &message, flags);
}

/* ---- receiving ---- */

static void describe_receive(wf_call *call, long nr, int fd, int flags)
{
    call->fd = fd;
    call->events = flags & MSG_ERRQUEUE ? POLLERR : POLLIN;
    call->kind = WF_CALL_DONTWAIT;
    call->dontwait = flags & MSG_DONTWAIT;
    call->nr = nr;
    call->args[0] = fd;
}

WEFT_API ssize_t weft_recv_until(int fd, void *buffer, size_t length, int flags, int64_t deadline)
{
    wf_call call = {0};
    describe_receive(&call, SYS_recvfrom, fd, flags);
    call.args[1] = (long)buffer;
    call.args[2] = (long)length;
    call.args[3] = flags | MSG_DONTWAIT;
    call.wanted = length;
    if ((flags & MSG_WAITALL) && !call.dontwait) {
        /* An attempt that does not wait would stop half way. */
        call.kind = WF_CALL_BLOCKS;
        call.args[3] = flags;
    }
    io_uring_prep_recv(&call.sqe, fd, buffer, length < COUNT_MAX ? length : COUNT_MAX, flags);
    /* There most likely is nothing: an attempt would be a look for naught. */
    call.sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
    return wf_call_run(&call, deadline);
}

WEFT_API ssize_t weft_recv(int fd, void *buffer, size_t length, int flags)
{
    return weft_recv_until(fd, buffer, length, flags, WEFT_NEVER);
}

WEFT_API ssize_t weft_recvmsg_until(int fd, struct msghdr *message, int flags, int64_t deadline)
{
    wf_call call = {0};
    describe_receive(&call, SYS_recvmsg, fd, flags);
    call.args[1] = (long)message;
    call.args[2] = flags | MSG_DONTWAIT;
    if ((flags & MSG_WAITALL) && !call.dontwait) {
        call.kind = WF_CALL_BLOCKS; /* as above */
        call.args[2] = flags;
    }
    io_uring_prep_recvmsg(&call.sqe, fd, message, (unsigned)flags);
    return wf_call_run(&call, deadline);
}

WEFT_API ssize_t weft_recvmsg(int fd, struct msghdr *message, int flags)
{
    return weft_recvmsg_until(fd, message, flags, WEFT_NEVER);
}

WEFT_API ssize_t weft_recvfrom(int fd, void *buffer, size_t length, int flags, struct sockaddr *from,
                               socklen_t *from_length)
{
    struct iovec iov = {.iov_base = buffer, .iov_len = length};
    struct msghdr message = {.msg_name = from, .msg_iov = &iov, .msg_iovlen = 1};
    if (from != NULL && from_length != NULL)
        message.msg_namelen = *from_length;
    ssize_t n = weft_recvmsg(fd, &message, flags);
    if (n >= 0 && from != NULL && from_length != NULL)
        *from_length = message.msg_namelen;
    return n;
}
