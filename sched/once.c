/* Once: a function that is run to its success by the first that comes, while the others wait.
 *
 * The word
 *     0         not run, or every run has failed
 *     owner     address of the control block that runs it (64-byte aligned, so the low bits are free)
 *     WAITERS   somebody stands in the line. May be stale (the last one timed out); never missing
 *     DONE      alone: it has succeeded, for good
 *
 *     begin     owner 0 → self, WAITERS kept. Without the lock
 *     wait      owner ≠ 0: + WAITERS, and stand in the line. Under the lock
 *     end       success: DONE, and everybody in the line goes on. Failure: owner → 0, and the first in the line is told to try
 *               itself. Under the lock, if WAITERS is set
 *
 * Why no wake-up is lost: a waiter sets WAITERS with a compare-and-swap that fails unless somebody runs the function, and is in
 * the line before it lets the lock go; that run's end finds WAITERS. One that was told to try was claimed, so neither kill nor a
 * deadline keeps it from that: it runs the function, finds it done, or goes back into the line behind another that runs it, whose
 * end wakes the next.
 *
 * A mutex and a flag would do the same, but the line would be woken one by one.
 *
 * The model is tests/model/model_once.c.
 */
#include "sched/waiters.h"

enum { WAITERS = 1, DONE = 2 };

/* What a waiter is told. */
enum { WAKE_DONE = 0, WAKE_RETRY = 1 };

struct once {
    _Atomic(uintptr_t) word; /* any (atomic): see above */
    wf_biased lock;
    wf_list waiters; /* lock: the line */
};

static_assert(sizeof(struct once) <= sizeof(weft_once), "fits the public object");
static_assert(_Alignof(struct once) <= _Alignof(weft_once), "is aligned as the public object");

static struct once *open_once(weft_once *once)
{
    return (struct once *)(void *)once;
}

static uintptr_t owner_of(uintptr_t word)
{
    return word & ~(uintptr_t)(WAITERS | DONE);
}

static bool begin(struct once *o, wf_coro *self)
{
    uintptr_t word = wf_load_relaxed(&o->word); /* relaxed: the CAS decides */
    while (owner_of(word) == 0 && word != DONE) {
        /* ORDER(once): pairs with end: a run sees what those that failed have left. */
        if (wf_cas_acquire(&o->word, &word, word | (uintptr_t)self))
            return true;
    }
    return false;
}

/* The step `end`, with somebody in the line. While the owner is set the word changes under the lock only. */
static WF_SLOW void end_attended(struct once *o, bool success)
{
    wf_list claimed = {0};
    wf_object_lock(&o->lock);
    if (success) {
        wf_waiters_claim_all(&o->waiters, &claimed);
    } else {
        wf_coro *next = wf_waiters_claim(&o->waiters);
        if (next != NULL)
            wf_list_push_back(&claimed, &next->wait_node);
    }
    uintptr_t left = wf_list_is_empty(&o->waiters) ? 0 : WAITERS;
    wf_store_release(&o->word, success ? DONE : left); /* ORDER(once): pairs with begin and weft_once_do_until. */
    wf_object_unlock(&o->lock);
    wf_ready_all(&claimed, success ? WAKE_DONE : WAKE_RETRY);
}

static void end(struct once *o, wf_coro *self, bool success)
{
    uintptr_t word = (uintptr_t)self;
    /* ORDER(once): pairs with begin and weft_once_do_until. */
    if (!wf_cas_release(&o->word, &word, success ? DONE : 0))
        end_attended(o, success);
}

/* The step `wait`. WAKE_RETRY: look again; WAKE_DONE: it has succeeded. */
static int wait_for_end(struct once *o, wf_coro *self, int64_t deadline)
{
    wf_object_lock(&o->lock);
    uintptr_t word = wf_load_relaxed(&o->word); /* relaxed: the CAS decides; and who looks again acquires */
    do {
        if (owner_of(word) == 0) {
            wf_object_unlock(&o->lock);
            return WAKE_RETRY;
        }
        /* relaxed: the flag publishes nothing; who acts on it takes the lock first. */
    } while (!wf_cas_relaxed(&o->word, &word, word | WAITERS));
    return wf_wait_in_line(self, &o->waiters, WF_WAIT_ONCE, o, deadline, &o->lock);
}

static bool is_done(struct once *o)
{
    return wf_load_acquire(&o->word) == DONE; /* ORDER(once): pairs with end: what the function did. */
}

static WF_SLOW int do_or_wait(struct once *o, weft_once_fn *fn, void *arg, int64_t deadline)
{
    wf_coro *self;
    int result = wf_enter(&self);
    if (result != 0)
        return result;
    while (!is_done(o)) {
        if (begin(o, self)) {
            result = fn(arg);
            end(o, self, result >= 0);
            return result < 0 ? result : 0;
        }
        /* relaxed: only self makes it self's own, or no longer so. */
        if (owner_of(wf_load_relaxed(&o->word)) == (uintptr_t)self)
            return -EDEADLK;
        result = wait_for_end(o, self, deadline);
        if (result != WAKE_RETRY)
            return result;
    }
    return 0;
}

int weft_once_init(weft_once *once)
{
    if (once == NULL)
        return -EINVAL;
    *once = (weft_once)WEFT_ONCE_INIT;
    return 0;
}

int weft_once_fini(weft_once *once)
{
    if (once == NULL)
        return -EINVAL;
    struct once *o = open_once(once);
    wf_object_lock(&o->lock);
    /* relaxed: it runs now, or the caller has seen to it that not */
    bool busy = owner_of(wf_load_relaxed(&o->word)) != 0 || !wf_list_is_empty(&o->waiters);
    wf_object_unlock(&o->lock);
    return busy ? -EBUSY : 0;
}

int weft_once_do(weft_once *once, weft_once_fn *fn, void *arg)
{
    return weft_once_do_until(once, fn, arg, WEFT_NEVER);
}

int weft_once_do_until(weft_once *once, weft_once_fn *fn, void *arg, int64_t deadline)
{
    if (wf_unlikely(once == NULL || fn == NULL))
        return -EINVAL;
    struct once *o = open_once(once);
    return wf_likely(is_done(o)) ? 0 : do_or_wait(o, fn, arg, deadline);
}
