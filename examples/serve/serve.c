/* The command line of serve, and its life from start to SIGTERM. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/common/arguments.h"
#include "examples/serve/server.h"

enum {
    STOP_SECONDS = 5,       /* that long may answers still be sent after SIGTERM */
    SPARE_DESCRIPTORS = 64, /* kept free for rings, logs and the like */
};

static const char usage[] =
    "usage: serve [OPTION]…\n"
    "Serve the files of a folder over HTTP/1.1.\n"
    "  --listen HOST:PORT      where to listen (127.0.0.1:8080); port 0 takes a free one\n"
    "  --root DIR              the folder (.)\n"
    "  --delay MS              send each answer so much later, as a distant site would (0)\n"
    "  --max-connections N     connections at once (10000); more wait in the backlog\n"
    "  --header-timeout MS     a request must be complete after that time (10000)\n"
    "  --idle-timeout MS       and the next begin, and each piece of an answer be taken (60000)\n"
    "  --quiet                 no line per request on stderr\n";

struct arguments {
    const char *listen, *root;
    long delay_ms, header_timeout_ms, idle_timeout_ms, max_connections;
    bool quiet;
};

static int parse_option(int option, struct arguments *a)
{
    const long day_ms = 24L * 60 * 60 * 1000;
    switch (option) {
    case 'l':
        a->listen = optarg;
        return 0;
    case 'r':
        a->root = optarg;
        return 0;
    case 'd':
        return argument_number("--delay", optarg, 0, day_ms, &a->delay_ms);
    case 'm':
        return argument_number("--max-connections", optarg, 1, 10000000, &a->max_connections);
    case 'h':
        return argument_number("--header-timeout", optarg, 1, day_ms, &a->header_timeout_ms);
    case 'i':
        return argument_number("--idle-timeout", optarg, 1, day_ms, &a->idle_timeout_ms);
    case 'q':
        a->quiet = true;
        return 0;
    default:
        return -1;
    }
}

/* 0; 1 when --help was asked for; -1 with a message. */
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"root", required_argument, NULL, 'r'},
        {"delay", required_argument, NULL, 'd'},
        {"max-connections", required_argument, NULL, 'm'},
        {"header-timeout", required_argument, NULL, 'h'},
        {"idle-timeout", required_argument, NULL, 'i'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, '?' + 256},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?' + 256)
            return 1;
        if (parse_option(option, a) < 0)
            return -1;
    }
    if (optind == argc)
        return 0;
    fprintf(stderr, "serve: %s: not an option\n", argv[optind]);
    return -1;
}

static struct server_options options_from(const struct arguments *a)
{
    long limit = (long)raise_descriptor_limit() - SPARE_DESCRIPTORS;
    struct server_options options = {
        .listen = a->listen,
        .root = a->root,
        .delay_ns = a->delay_ms * WEFT_MILLISECOND,
        .header_timeout_ns = a->header_timeout_ms * WEFT_MILLISECOND,
        .idle_timeout_ns = a->idle_timeout_ms * WEFT_MILLISECOND,
        .max_connections = (unsigned)a->max_connections,
        .quiet = a->quiet,
    };
    if (a->max_connections > limit)
        fprintf(stderr, "serve: the limit on open files leaves room for %ld connections at once\n", limit);
    return options;
}

/* Print where the server listens, to whoever started it. */
static void announce(const struct server *server)
{
    const char *colon = strrchr(server->options.listen, ':');
    int host_length = colon ? (int)(colon - server->options.listen) : 0;
    printf("listening on http://%.*s:%d/\n", host_length, server->options.listen, weft_tcp_port(server->listener));
    fflush(stdout);
}

static int serve_until_signal(struct server *server, const sigset_t *signals)
{
    int error = server_start(server), signal_number;
    if (error < 0) {
        fprintf(stderr, "serve: cannot start: %s\n", strerrordesc_np(-error));
        return 1;
    }
    announce(server);
    sigwait(signals, &signal_number);
    server_stop(server);
    return 0;
}

int serve_main(int argc, char **argv)
{
    struct arguments arguments = {.listen = "127.0.0.1:8080",
                                  .root = ".",
                                  .header_timeout_ms = 10000,
                                  .idle_timeout_ms = 60000,
                                  .max_connections = 10000};
    int parsed = parse_arguments(argc, argv, &arguments);
    if (parsed != 0) {
        fputs(usage, parsed < 0 ? stderr : stdout);
        return parsed < 0 ? 2 : 0;
    }
    /* Blocked before any thread is started, so that they reach sigwait only. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    struct server_options options = options_from(&arguments);
    static struct server server;
    int error = weft_start(NULL); /* it has said why on stderr */
    if (error < 0)
        return 1;
    if (server_open(&server, &options) < 0) {
        weft_stop(weft_now());
        return 1;
    }
    int status = serve_until_signal(&server, &signals);
    weft_stop(weft_after(STOP_SECONDS * WEFT_SECOND));
    server_close(&server);
    return status;
}
