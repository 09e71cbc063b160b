/* Cleanups: functions that a coroutine has run for it when it ends, however it ends.
 *
 * A list of nodes on the coroutine's extra block, innermost first; only the coroutine itself touches it. A node is taken off before
 * its function is called, so each runs once, and a cleanup may push another.
 */
#include <errno.h>

#include "core/alloc.h"
#include "sched/suspend.h"
#include "sched/worker.h"

typedef struct wf_cleanup {
    void (*fn)(void *arg);
    void *arg;
    struct wf_cleanup *outer;
} wf_cleanup;

/* Take the innermost one off; call it if asked to. Under a shield, so that it may block though its coroutine was killed. */
static void finish(wf_coro *self, bool run)
{
    wf_cleanup *cleanup = self->extra->cleanups;
    wf_cleanup todo = *cleanup;
    self->extra->cleanups = todo.outer;
    wf_free(cleanup);
    if (!run)
        return;
    uint8_t before = self->shield;
    self->shield = before < UINT8_MAX ? before + 1 : before;
    todo.fn(todo.arg);
    self->shield = before; /* also where the function left a shield of its own up */
}

int weft_cleanup_push(void (*fn)(void *), void *arg)
{
    if (fn == NULL)
        return -EINVAL;
    wf_coro *self = wf_self_coro();
    if (self == NULL)
        return -EPERM;
    wf_coro_extra *extra = wf_coro_extra_get(self);
    wf_cleanup *cleanup = extra != NULL ? wf_alloc(sizeof(*cleanup)) : NULL;
    if (cleanup == NULL)
        return -ENOMEM;
    *cleanup = (wf_cleanup){.fn = fn, .arg = arg, .outer = extra->cleanups};
    extra->cleanups = cleanup;
    return 0;
}

int weft_cleanup_pop(int run)
{
    wf_coro *self = wf_self_coro();
    if (self == NULL || self->extra == NULL || self->extra->cleanups == NULL)
        return -EINVAL;
    finish(self, run != 0);
    return 0;
}

void wf_cleanup_run_all(wf_coro *coro)
{
    while (coro->extra != NULL && coro->extra->cleanups != NULL)
        finish(coro, true);
}
