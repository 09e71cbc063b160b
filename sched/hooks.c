/* What a program may hear of coroutines in general: of each spawn, and of each that failed and that nobody can join. */
#include <errno.h>

#include "sched/dump.h"
#include "sched/life.h"
#include "sched/suspend.h"
#include "sched/worker.h"

typedef void spawn_hook(weft_t *t);
typedef void error_handler(weft_t *t, int error);

static _Atomic(spawn_hook *) on_spawn;
static _Atomic(error_handler *) on_error;

void wf_hooks_watch(void)
{
    wf_fetch_or_relaxed(&wf_rt.gate, WF_GATE_WATCHED); /* relaxed: spawns that are under way may miss it */
}

void wf_hooks_spawned(wf_coro *coro)
{
    spawn_hook *hook = wf_load_acquire(&on_spawn); /* ORDER(hooks): pairs with weft_set_spawn_hook. */
    if (hook != NULL)
        hook(wf_coro_handle(coro));
}

int weft_set_spawn_hook(void (*hook)(weft_t *t))
{
    wf_store_release(&on_spawn, hook); /* ORDER(hooks): what it needs is there; pairs with wf_hooks_spawned. */
    if (hook != NULL)
        wf_hooks_watch();
    return 0;
}

int weft_set_error_handler(void (*handler)(weft_t *t, int error))
{
    wf_store_release(&on_error, handler); /* ORDER(hooks): pairs with wf_hooks_failed. */
    return 0;
}

static void log_failure(const wf_coro *self)
{
    char id[WF_CORO_ID_TEXT];
    wf_log(WEFT_LOG_WARN,
           "coroutine %s \"%s\" ended with error %d, and nobody can join it to hear of that; weft_set_error_handler "
           "takes such errors",
           wf_coro_format_id((uint64_t)(uintptr_t)wf_coro_handle(self), id), wf_coro_name(self), self->error);
}

void wf_hooks_failed(wf_coro *self)
{
    if (wf_load_relaxed(&self->life) & WF_LIFE_REFS) /* relaxed: a handle that is just given back may be missed */
        return;
    error_handler *handler = wf_load_acquire(&on_error); /* ORDER(hooks): pairs with weft_set_error_handler. */
    if (handler != NULL)
        handler(wf_coro_handle(self), self->error);
    else
        log_failure(self);
}
