#include "examples/crawl/frontier.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Held for microseconds, so a kill need not end the wait for it: callers may count on having it. */
static void lock(struct frontier *f)
{
    weft_shield_begin();
    weft_mutex_lock(&f->lock);
    weft_shield_end();
}

static void unlock(struct frontier *f)
{
    weft_mutex_unlock(&f->lock);
}

void frontier_init(struct frontier *f, const struct frontier_limits *limits)
{
    *f = (struct frontier){.limits = *limits};
    weft_mutex_init(&f->lock);
    weft_cond_init(&f->work);
}

static int compare_visits(const void *a, const void *b)
{
    return strcmp(((const struct visit *)a)->url.text, ((const struct visit *)b)->url.text);
}

/* ---- hosts ---- */

static struct host *find_host(struct frontier *f, const char *name_port)
{
    struct host *host = f->hosts;
    for (struct host *first = host; host; host = host->next == first ? NULL : host->next) {
        if (strcmp(host->address, name_port) == 0)
            return host;
    }
    return NULL;
}

static struct host *make_host(struct frontier *f, const char *name_port)
{
    struct host *host = calloc(1, sizeof *host);
    if (!host)
        return NULL;
    host->address = strdup(name_port);
    host->idle = calloc(f->limits.per_host, sizeof *host->idle);
    if (!host->address || !host->idle) {
        free(host->address);
        free(host->idle);
        free(host);
        return NULL;
    }
    host->next = f->hosts ? f->hosts->next : host;
    if (f->hosts)
        f->hosts->next = host;
    else
        f->hosts = host;
    return host;
}

/* The host of `url`; made unless only known ones are asked for. */
static struct host *host_of(struct frontier *f, const struct url *url, bool make)
{
    char name_port[URL_MAX_HOST + sizeof ":65535"];
    int length = snprintf(name_port, sizeof name_port, "%.*s", (int)url->host_length, url->text + URL_HOST);
    if (url->port == 80)
        snprintf(name_port + length, sizeof name_port - (size_t)length, ":80");
    struct host *host = find_host(f, name_port);
    return host || !make ? host : make_host(f, name_port);
}

/* ---- adding ---- */

static void enqueue(struct frontier *f, struct visit *visit)
{
    struct host *host = visit->host;
    if (host->last)
        host->last->next = visit;
    else
        host->first = visit;
    host->last = visit;
    if (f->made_last)
        f->made_last->next_made = visit;
    else
        f->made_first = visit;
    f->made_last = visit;
    f->made++;
    f->redirected += visit->from != NULL;
    f->waiting++;
    weft_cond_signal(&f->work);
}

static struct visit *make_visit(struct frontier *f, struct url *url, struct host *host)
{
    struct visit *visit = calloc(1, sizeof *visit);
    if (!visit)
        return NULL;
    visit->url = *url;
    visit->host = host;
    if (!tsearch(visit, &f->seen, compare_visits)) {
        free(visit);
        return NULL;
    }
    *url = (struct url){0};
    return visit;
}

/* `draft` says where it comes from. Under the lock. */
static enum frontier_added add(struct frontier *f, struct url *url, const struct visit *draft, bool any_host)
{
    struct visit key = {.url = *url};
    if (tfind(&key, &f->seen, compare_visits))
        return FRONTIER_SEEN;
    struct host *host = host_of(f, url, any_host);
    if (!any_host && (!host || !host->wanted))
        return FRONTIER_UNWANTED;
    struct visit *visit = host ? make_visit(f, url, host) : NULL;
    if (!visit)
        return FRONTIER_NO_MEMORY;
    /* A start URL opens its host, also the one that it is redirected to ("example.com" to "www.example.com"). */
    host->wanted |= draft->depth == 0;
    visit->from = draft->from;
    visit->depth = draft->depth;
    visit->redirects = draft->redirects;
    enqueue(f, visit);
    return FRONTIER_ADDED;
}

enum frontier_added frontier_add_start(struct frontier *f, struct url *url)
{
    struct visit draft = {.depth = 0};
    lock(f);
    enum frontier_added added = f->made < f->limits.max_pages ? add(f, url, &draft, true) : FRONTIER_UNWANTED;
    unlock(f);
    url_free(url);
    return added;
}

enum frontier_added frontier_add_links(struct frontier *f, struct url *urls, size_t count, const struct visit *parent)
{
    struct visit draft = {.depth = parent->depth + 1};
    enum frontier_added added = FRONTIER_ADDED;
    lock(f);
    for (size_t i = 0; i < count && draft.depth <= f->limits.max_depth && added != FRONTIER_NO_MEMORY; i++) {
        if (f->made - f->redirected < f->limits.max_pages)
            added = add(f, &urls[i], &draft, f->limits.span_hosts);
    }
    unlock(f);
    for (size_t i = 0; i < count; i++)
        url_free(&urls[i]);
    return added == FRONTIER_NO_MEMORY ? added : FRONTIER_ADDED;
}

enum frontier_added frontier_add_redirect(struct frontier *f, struct url *url, const struct visit *from)
{
    struct visit draft = {.from = from, .depth = from->depth, .redirects = from->redirects + 1};
    enum frontier_added added = FRONTIER_ADDED;
    for (const struct visit *v = from; v; v = v->from) {
        if (strcmp(v->url.text, url->text) == 0)
            added = FRONTIER_LOOP;
    }
    if (added != FRONTIER_LOOP) {
        lock(f);
        added = add(f, url, &draft, draft.depth == 0 || f->limits.span_hosts);
        unlock(f);
    }
    url_free(url);
    return added;
}

/* ---- taking ---- */

/* The next visit whose host has a fetch to spare; hosts take turns. Under the lock. */
static struct visit *take_now(struct frontier *f)
{
    struct host *host = f->hosts, *first = host;
    if (f->waiting == 0)
        return NULL;
    do {
        host = host->next;
        if (host->first && host->active < f->limits.per_host) {
            struct visit *visit = host->first;
            host->first = visit->next;
            if (!host->first)
                host->last = NULL;
            host->active++;
            f->hosts = host;
            f->waiting--;
            f->active++;
            return visit;
        }
    } while (host != first);
    return NULL;
}

struct visit *frontier_take(struct frontier *f)
{
    struct visit *visit = NULL;
    lock(f);
    while (!f->stopped && !(visit = take_now(f))) {
        if (f->active == 0 && f->waiting == 0) {
            weft_cond_broadcast(&f->work); /* the others that wait have nothing to wait for either */
            break;
        }
        if (weft_cond_wait(&f->work, &f->lock) < 0)
            break; /* killed */
    }
    unlock(f);
    return visit;
}

void frontier_done(struct frontier *f, struct visit *visit)
{
    lock(f);
    visit->host->active--;
    f->active--;
    if (f->active == 0 && f->waiting == 0)
        weft_cond_broadcast(&f->work);
    else if (visit->host->first)
        weft_cond_signal(&f->work); /* this host may be fetched from again */
    unlock(f);
}

void frontier_stop(struct frontier *f)
{
    lock(f);
    f->stopped = true;
    weft_cond_broadcast(&f->work);
    unlock(f);
}

/* ---- connections ---- */

int frontier_take_connection(struct frontier *f, const struct visit *visit)
{
    struct host *host = visit->host;
    lock(f);
    int fd = host->idle_count > 0 ? host->idle[--host->idle_count] : -1;
    unlock(f);
    return fd;
}

void frontier_give_connection(struct frontier *f, const struct visit *visit, int fd)
{
    struct host *host = visit->host;
    lock(f);
    bool kept = !f->stopped && host->idle_count < f->limits.per_host;
    if (kept)
        host->idle[host->idle_count++] = fd;
    unlock(f);
    if (!kept)
        weft_close(fd);
}

/* ---- the end ---- */

static void free_host(struct host *host)
{
    while (host->idle_count > 0)
        weft_close(host->idle[--host->idle_count]);
    free(host->idle);
    free(host->address);
    free(host);
}

static void keep_visit(void *visit)
{
    (void)visit; /* the list of all frees it */
}

void frontier_free(struct frontier *f)
{
    tdestroy(f->seen, keep_visit);
    for (struct visit *visit = f->made_first, *next; visit; visit = next) {
        next = visit->next_made;
        url_free(&visit->url);
        free(visit->problem);
        free(visit);
    }
    for (struct host *host = f->hosts ? f->hosts->next : NULL; host;) {
        struct host *next = host == f->hosts ? NULL : host->next;
        free_host(host);
        host = next;
    }
    weft_cond_fini(&f->work);
    weft_mutex_fini(&f->lock);
}
