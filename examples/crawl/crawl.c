#include "examples/crawl/crawl.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/crawl/save.h"
#include "examples/crawl/visit.h"

int crawl_open(struct crawl *c, const struct crawl_options *options)
{
    *c = (struct crawl){.options = *options, .output_folder = -1};
    if (options->output) {
        c->output_folder = save_open_folder(options->output);
        if (c->output_folder < 0) {
            fprintf(stderr, "crawl: %s: %s\n", options->output, strerrordesc_np(-c->output_folder));
            return c->output_folder;
        }
    }
    weft_mutex_init(&c->lock);
    atomic_init(&c->stopping, false);
    frontier_init(&c->frontier, &options->limits);
    report_init(&c->report, options->quiet);
    return 0;
}

void crawl_close(struct crawl *c)
{
    frontier_free(&c->frontier);
    report_free(&c->report);
    weft_mutex_fini(&c->lock);
    if (c->output_folder >= 0)
        weft_close(c->output_folder);
}

void crawl_add(struct crawl *c, const char *text)
{
    struct url url;
    enum url_result result = url_resolve(NULL, text, &url);
    if (result != URL_OK)
        report_rejected(&c->report, text, url_result_text(result));
    else if (frontier_add_start(&c->frontier, &url) == FRONTIER_NO_MEMORY)
        report_rejected(&c->report, text, "no memory");
}

/* The whole of a worker, whatever it runs on. */
static void *work(void *arg)
{
    struct crawl *c = arg;
    for (struct visit *visit; (visit = frontier_take(&c->frontier));) {
        visit_page(c, visit);
        frontier_done(&c->frontier, visit);
    }
    return NULL;
}

static int run_threads(struct crawl *c)
{
    pthread_t *threads = calloc(c->options.jobs, sizeof *threads);
    unsigned count = 0;
    int error = threads ? 0 : ENOMEM;
    while (!error && count < c->options.jobs) {
        error = pthread_create(&threads[count], NULL, work, c);
        count += error == 0;
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return count > 0 ? 0 : -error;
}

static int spawn_workers(struct crawl *c)
{
    int error = 0;
    weft_mutex_lock(&c->lock);
    while (!error && c->coroutine_count < c->options.jobs) {
        weft_t *worker = weft_spawn_opt(&(weft_spawn_options){.name = "fetch"}, work, c);
        if (worker)
            c->coroutines[c->coroutine_count++] = worker;
        else
            error = weft_last_error();
    }
    weft_mutex_unlock(&c->lock);
    return c->coroutine_count > 0 ? 0 : error;
}

static int run_coroutines(struct crawl *c)
{
    c->coroutines = calloc(c->options.jobs, sizeof(weft_t *));
    if (!c->coroutines)
        return -ENOMEM;
    int error = spawn_workers(c);
    if (!error)
        error = weft_joinall(c->coroutines, c->coroutine_count);
    weft_mutex_lock(&c->lock);
    free(c->coroutines);
    c->coroutines = NULL;
    c->coroutine_count = 0;
    weft_mutex_unlock(&c->lock);
    return error;
}

int crawl_run(struct crawl *c)
{
    int error = 0;
    int64_t begun = weft_now();
    switch (c->options.mode) {
    case CRAWL_SERIAL:
        work(c);
        break;
    case CRAWL_THREADS:
        error = run_threads(c);
        break;
    case CRAWL_COROUTINES:
        error = run_coroutines(c);
        break;
    }
    c->seconds = (double)(weft_now() - begun) / 1e9;
    report_end_progress(&c->report);
    if (error)
        fprintf(stderr, "crawl: cannot start a worker: %s\n", strerrordesc_np(-error));
    return error;
}

void crawl_stop(struct crawl *c)
{
    atomic_store_explicit(&c->stopping, true, memory_order_relaxed); /* a hint: nothing is published by it */
    frontier_stop(&c->frontier);
    weft_mutex_lock(&c->lock);
    /* One that was joined meanwhile has a stale handle, which does no harm. */
    weft_killall(c->coroutines, c->coroutine_count);
    weft_mutex_unlock(&c->lock);
}
