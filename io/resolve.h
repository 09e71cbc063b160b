/* "host:port" and the addresses behind it. */
#ifndef WF_IO_RESOLVE_H
#define WF_IO_RESOLVE_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct wf_host_port {
    char host[254]; /* a name, or an address without brackets; "" when any */
    char port[6];   /* decimal, 0 … 65535 */
    bool any;       /* ":port" or "*:port" */
    bool numeric;   /* an address: nothing to look up */
} wf_host_port;

/* Take "host:port", "1.2.3.4:port", "[v6]:port", ":port" or "*:port" apart. 0; -EINVAL for anything else. Allocates
 * nothing. */
int wf_host_port_parse(wf_host_port *result, const char *text);

/* The addresses of it, for stream sockets. `passive`: to listen on. May suspend, until the deadline. 0, or -errno as
 * weft_tcp_dial has it. Free the list with freeaddrinfo. */
int wf_resolve(const wf_host_port *name, bool passive, int64_t deadline, struct addrinfo **list);

#endif
