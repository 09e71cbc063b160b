/* weft: dialling, listening and names. From coroutines and plain threads, not from signal handlers. Least kernel: as
 * weft/io.h says. */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <netdb.h>

#include "weft/io.h"

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo; /* netdb.h hides it from strictly standard programs */

/* Listen on "host:port", "[v6]:port", ":port" (all addresses, v6 and v4 where the host has v6) or "*:port"; port 0 =
 * any free one. SO_REUSEADDR is set. backlog <= 0: SOMAXCONN. Resolves names in an offload thread, so it may suspend.
 * The string is the caller's. Returns a descriptor (CLOEXEC, the caller's to weft_close); -EINVAL for an address that
 * cannot be parsed, -ENOENT for a name that does not exist, -EAGAIN when name resolution failed for the moment, -EIO
 * when it failed for good, -ECANCELED, -ETIMEDOUT, -ENOMEM, or the error of socket, bind, listen. */
WEFT_API int weft_tcp_listen(const char *host_port, int backlog);

/* Connect to "host:port": resolves the name and tries its addresses as RFC 8305 says (alternating families, 250 ms
 * apart, the first that connects wins). TCP_NODELAY is set. May suspend. The string is the caller's. Returns a
 * descriptor (CLOEXEC, the caller's to weft_close) or -errno: of the resolution as above, the last error of connect,
 * -ECANCELED, -ETIMEDOUT (the deadline or an enclosing weft_timeout; also the kernel's), -ENOMEM. Nothing is left open
 * on an error. */
WEFT_API int weft_tcp_dial(const char *host_port);
WEFT_API int weft_tcp_dial_until(const char *host_port, int64_t deadline);

/* The port that a socket is bound to, in host order; -EAFNOSUPPORT for one that is not of the internet; the errors of
 * getsockname(2). Never suspends. */
WEFT_API int weft_tcp_port(int fd);

/* getaddrinfo and getnameinfo, run in an offload thread while the coroutine is suspended: same arguments, same EAI_
 * results. A failure of weft itself (killed, timed out, no memory) is EAI_SYSTEM, and weft_last_error() holds its
 * -errno. When the caller was killed or timed out the thread finishes on copies of the arguments and its result is
 * freed. Free a result with freeaddrinfo. */
WEFT_API int weft_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                              struct addrinfo **result);
WEFT_API int weft_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size,
                              char *service, socklen_t service_size, int flags);

#ifdef __cplusplus
}
#endif

#endif
