/* Sections in which a coroutine must not leave its worker.
 *
 * They are counted in the worker, since the coroutine stays there as long as it is in one. The count stands beside the flag that
 * says that the coroutine has forked, which every leave looks at anyway (sched/forks.h): so nobody pays for it.
 */
#include <errno.h>

#include "core/symbol.h"
#include "sched/dump.h"
#include "sched/suspend.h"
#include "sched/worker.h"

enum { SYMBOL_TEXT = 128 };

int weft_no_switch_begin(void)
{
    wf_worker *self = wf_worker_self();
    if (wf_self_coro() == NULL)
        return -EPERM;
    if (self->fixed == UINT8_MAX)
        return -EOVERFLOW;
    if (self->fixed++ == 0)
        self->fixed_at = __builtin_return_address(0);
    return 0;
}

int weft_no_switch_end(void)
{
    wf_worker *self = wf_worker_self();
    if (self == NULL || self->fixed == 0)
        return -EINVAL;
    if (--self->fixed == 0)
        self->fixed_at = NULL;
    return 0;
}

/* What would it wait for? */
static const char *intention(wf_coro *coro)
{
    unsigned kind = wf_load_relaxed(&coro->wait_kind); /* relaxed: its own */
    return kind == WF_WAIT_NONE ? "weft_yield" : wf_dump_wait_name(kind);
}

void wf_no_switch_die(wf_worker *self, wf_coro *coro, bool ended)
{
    char id[WF_CORO_ID_TEXT], entry[SYMBOL_TEXT], site[SYMBOL_TEXT] = "a raw link, which runs at an end";
    wf_coro_format_id((uint64_t)(uintptr_t)wf_coro_handle(coro), id);
    wf_symbol_format((const void *)(uintptr_t)coro->fn, false, entry, sizeof(entry));
    if (self->fixed_at != NULL)
        wf_symbol_format(self->fixed_at, true, site, sizeof(site));
    if (ended)
        wf_die("coroutine %s \"%s\", which runs %s, has ended inside of a section that must not switch, begun in %s: "
               "call weft_no_switch_end before it returns",
               id, wf_coro_name(coro), entry, site);
    wf_die("coroutine %s \"%s\", which runs %s, would switch (%s) inside of a section that must not, "
           "begun in %s: end the section first, or use a call that does not wait",
           id, wf_coro_name(coro), entry, intention(coro), site);
}
