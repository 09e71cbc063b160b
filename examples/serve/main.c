/* serve: a small HTTP/1.1 file server, a coroutine per connection. `serve --help` tells how to use it. */
#include "examples/serve/server.h"

int main(int argc, char **argv)
{
    return serve_main(argc, argv);
}
