/* The article's producer and consumers: what one makes, two take in turn, and each is busy with it for a while.
 *
 * They wait at the same time: the second begins its item before the first has finished its own. A scope sees to it that all
 * three have ended before the program goes on, and that none goes on when one fails.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "weft.h"

enum { ITEMS = 6, WORK_MS = 50 };

struct consumer {
    const char *name;
    weft_chan *items;
};

static void *produce(void *arg)
{
    weft_chan *items = arg;
    for (int item = 1; item <= ITEMS; item++) {
        int error = weft_chan_send(items, &item);
        if (error != 0)
            weft_set_error(error);
    }
    printf("producer: done\n");
    weft_chan_close(items);
    return NULL;
}

static void *consume(void *arg)
{
    struct consumer *c = arg;
    int item;
    while (weft_chan_recv(c->items, &item) == 0) { /* until it is closed and empty */
        printf("%s: begins %d\n", c->name, item);
        weft_sleep(WORK_MS * WEFT_MILLISECOND);
        printf("%s: ends %d\n", c->name, item);
    }
    printf("%s: done\n", c->name);
    return NULL;
}

static void *run_all(void *arg)
{
    weft_chan *items = weft_chan_new(sizeof(int), 0);
    struct consumer consumers[] = {{"first", items}, {"second", items}};
    weft_scope scope;
    (void)arg;
    int error = items != NULL ? weft_scope_open(&scope) : -ENOMEM;
    if (error != 0)
        return (void *)(intptr_t)error;
    error = weft_scope_go(&scope, consume, &consumers[0]);
    if (error == 0)
        error = weft_scope_go(&scope, consume, &consumers[1]);
    if (error == 0)
        error = weft_scope_go(&scope, produce, items);
    if (error != 0)
        weft_scope_cancel(&scope); /* whoever was spawned would wait for the others for ever */
    int failed = weft_scope_close(&scope);
    if (error == 0)
        error = failed;
    weft_chan_free(items);
    return (void *)(intptr_t)error;
}

int main(void)
{
    weft_config config;
    void *result = NULL;
    int error = weft_config_from_env(&config);
    config.threads = 1;
    if (error == 0)
        error = weft_start(&config);
    if (error == 0)
        error = weft_run(run_all, NULL, &result);
    if (error == 0)
        error = (int)(intptr_t)result;
    if (error != 0)
        fprintf(stderr, "weft: %s\n", strerror(-error));
    weft_stop(WEFT_NEVER);
    return error != 0;
}
