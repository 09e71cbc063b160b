/* The distant site of the table: a server in a process of its own, so that it shares nothing with what is measured. */
#ifndef CRAWL_TABLE_SERVER_H
#define CRAWL_TABLE_SERVER_H

#include <sys/types.h>

struct table_server {
    pid_t pid;
    int port;
};

/* Serve the folder `root` on a free port of 127.0.0.1, each answer delay_ms late. 0; -1 with a message on stderr. */
int table_server_start(struct table_server *server, const char *root, long delay_ms);

/* End it and wait for its end. */
void table_server_stop(struct table_server *server);

#endif
