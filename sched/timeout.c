/* Ambient timeouts: a chain of caller-owned deadlines per coroutine, innermost first. Every bounded wait takes the earliest of
 * them that was started at the present depth of shields. They touch no timer until the coroutine waits. */
#include <errno.h>

#include "core/clock.h"
#include "sched/suspend.h"
#include "sched/worker.h"

/* The ambient timeout that comes first, NULL when there is none. */
static weft_timeout *earliest(wf_coro *self)
{
    weft_timeout *first = NULL;
    for (weft_timeout *t = self->timeouts; t != NULL; t = t->outer)
        if (t->shield >= self->shield && (first == NULL || t->deadline < first->deadline))
            first = t;
    return first;
}

int64_t wf_timeout_effective(wf_coro *self, int64_t deadline)
{
    if (self->timeouts == NULL)
        return deadline;
    weft_timeout *first = earliest(self);
    return first != NULL && first->deadline < deadline ? first->deadline : deadline;
}

bool wf_timeout_mark_fired(wf_coro *self, int64_t deadline)
{
    if (self->timeouts == NULL)
        return false;
    weft_timeout *first = earliest(self);
    if (first == NULL || first->deadline >= deadline)
        return false;
    first->fired = true;
    return true;
}

int weft_timeout_start(weft_timeout *t, int64_t ns)
{
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    if (t == NULL)
        return -EINVAL;
    for (weft_timeout *other = self->timeouts; other != NULL; other = other->outer)
        if (other == t)
            return -EINVAL;
    *t = (weft_timeout){
        .deadline = weft_after(ns), .outer = self->timeouts, .owner = self, .shield = self->shield, .fired = false};
    self->timeouts = t;
    return 0;
}

int weft_timeout_stop(weft_timeout *t)
{
    wf_coro *self = wf_self();
    if (t == NULL || self == NULL)
        return -EINVAL;
    for (weft_timeout **at = &self->timeouts; *at != NULL; at = &(*at)->outer) {
        if (*at == t) {
            *at = t->outer;
            t->owner = NULL;
            return 0;
        }
    }
    return -EINVAL;
}

int weft_timeout_fired(weft_timeout *t)
{
    return t == NULL ? -EINVAL : t->fired;
}

int weft_shield_begin(void)
{
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    if (self->shield == UINT8_MAX)
        return -EOVERFLOW;
    self->shield++;
    return 0;
}

int weft_shield_end(void)
{
    wf_coro *self = wf_self();
    if (self == NULL || self->shield == 0)
        return -EINVAL;
    self->shield--;
    return 0;
}

int weft_checkpoint(void)
{
    wf_coro *self = wf_self();
    if (self == NULL)
        return 0; /* a plain thread without a block: it has no timeouts either */
    int killed = wf_check(self);
    if (killed != 0 || self->timeouts == NULL)
        return killed;
    weft_timeout *first = earliest(self);
    if (first == NULL || first->deadline > wf_clock_now())
        return 0;
    first->fired = true;
    return -ETIMEDOUT;
}
