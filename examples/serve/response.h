/* Answering one request. */
#ifndef SERVE_RESPONSE_H
#define SERVE_RESPONSE_H

#include <stdbool.h>

#include "examples/serve/server.h"

/* Answer the request that is in the connection. Returns true when the connection may go on with another. */
bool response_send(struct connection *c);

/* Answer with an error and "Connection: close". */
void response_refuse(struct connection *c, int status);

#endif
