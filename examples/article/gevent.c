/* The article's first example of gevent, in C: two coroutines that let each other run by sleeping for no time.
 *
 *     Running in foo
 *     Explicit context to bar
 *     Explicit context switch to foo again
 *     Implicit context switch back to bar
 *
 * That order is one worker's, as gevent has one thread; with more, foo and bar run at the same time.
 */
#include <stdio.h>
#include <string.h>

#include "weft.h"

static void *foo(void *arg)
{
    puts("Running in foo");
    weft_sleep(0);
    puts("Explicit context switch to foo again");
    return arg;
}

static void *bar(void *arg)
{
    puts("Explicit context to bar");
    weft_sleep(0);
    puts("Implicit context switch back to bar");
    return arg;
}

static void *run_both(void *arg)
{
    weft_t *both[] = {weft_spawn(foo, arg), weft_spawn(bar, arg)};
    int error = weft_joinall(both, 2);
    if (error != 0)
        fprintf(stderr, "weft_joinall: %s\n", strerror(-error));
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
        error = weft_run(run_both, NULL, &result);
    if (error == 0)
        error = weft_stop(WEFT_NEVER);
    if (error != 0)
        fprintf(stderr, "weft: %s\n", strerror(-error));
    return error != 0 || result != NULL;
}
