/* A listening socket on a free port of the loopback, for the servers that are not written with weft. */
#ifndef BENCH_LISTEN_H
#define BENCH_LISTEN_H

/* Listens, announces the port to the runner and returns the descriptor; raises the limit of open descriptors. `flags`
 * as of socket(2). Exits on an error. */
int bench_listen(int flags);

#endif
