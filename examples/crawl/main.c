/* crawl: fetch web pages and follow their links, many at once, in plain blocking style. `crawl --help` tells how to use
 * it. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "examples/common/arguments.h"
#include "examples/crawl/links.h"
#include "examples/crawl/options.h"
#include "examples/crawl/table.h"
#include "examples/serve/server.h"

enum {
    EXIT_USAGE = 2,
    EXIT_STOPPED = 128 + SIGINT,
};

static const sigset_t *interrupts(void)
{
    static sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return &signals;
}

/* Lives as long as the process. */
static void *wait_for_interrupts(void *arg)
{
    struct crawl *c = arg;
    int signal_number;
    sigwait(interrupts(), &signal_number);
    if (!c->options.quiet)
        report_remark(&c->report, "crawl", "stopping; once more to quit at once");
    crawl_stop(c);
    sigwait(interrupts(), &signal_number);
    _exit(EXIT_STOPPED);
}

static int print_result(struct crawl *c, bool json)
{
    bool stopped = atomic_load(&c->stopping);
    if (!json)
        report_print_totals(&c->report, c->seconds, stopped);
    else if (report_print_json(&c->report, &c->frontier, c->seconds, stopped) < 0)
        fprintf(stderr, "crawl: no memory for the report\n");
    if (fflush(stdout) != 0) {
        fprintf(stderr, "crawl: standard output: %s\n", strerrordesc_np(errno));
        return 1;
    }
    return stopped ? EXIT_STOPPED : c->report.failed > 0;
}

static int crawl_urls(const struct options *options)
{
    static struct crawl crawl; /* static: the thread that waits for Ctrl-C may look at it to the very end */
    pthread_t waiter;
    pthread_sigmask(SIG_BLOCK, interrupts(), NULL); /* before any thread is started, so that sigwait gets them */
    if (crawl_open(&crawl, &options->crawl) < 0)
        return 1;
    if (options->crawl.mode == CRAWL_COROUTINES && weft_start(NULL) < 0)
        return 1; /* it has said why */
    for (char *const *url = options->urls; *url; url++)
        crawl_add(&crawl, *url);
    if (pthread_create(&waiter, NULL, wait_for_interrupts, &crawl) == 0)
        pthread_detach(waiter);
    int status = crawl_run(&crawl) < 0 ? 1 : print_result(&crawl, options->json);
    if (options->crawl.mode == CRAWL_COROUTINES)
        weft_stop(weft_now());
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) /* how --table starts its server; see table_server.c */
        return serve_main(argc - 1, argv + 1);
    if (options_parse(argc, argv, &options) < 0) {
        fprintf(stderr, "crawl --help tells more\n");
        return EXIT_USAGE;
    }
    if (options.help) {
        fputs(options_usage, stdout);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    links_init();
    return options.table ? table_run(&options) : crawl_urls(&options);
}
