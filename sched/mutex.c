/* Mutex: an owner, waiters in a line, and newcomers that may overtake them, but not for long.
 *
 * The word
 *     owner     address of the control block that holds it (64-byte aligned, so the low bits are free); 0: nobody. A
 *               plain thread has a block too, so there is one kind of owner
 *     WAITERS   somebody stands in the line. May be stale (the last one timed out); never missing
 *     WOKEN     one waiter was woken and is on its way to try again: an unlock need not wake another
 *     HANDOVER  the first in the line has been passed over long enough: unlock makes it the owner itself
 *
 *     take      owner 0 → self, flags kept; a woken waiter drops WOKEN with the same compare-and-swap. Without the lock
 *     release   owner self → 0, flags kept, where nobody is to be woken. Without the lock
 *     wait      owner ≠ 0: + WAITERS, - WOKEN if it was the woken one, + HANDOVER if it starves. Under the lock
 *     wake      owner self → 0 + WOKEN, or → the first in the line with HANDOVER. Under the lock
 * While somebody holds the mutex, flags change under the lock only; while nobody does, only `take` changes the word.
 *
 * Why no wake-up is lost: somebody stands in the line only while (owner ≠ 0 and WAITERS) or WOKEN. A waiter sets
 * WAITERS with a compare-and-swap that fails unless there is an owner, and stands in the line before it lets go of the
 * lock. That owner's release either finds WAITERS and goes to the lock, where it wakes one (WOKEN), or leaves it to the
 * woken one that is under way. A woken one was claimed, so neither kill nor a deadline keeps it from trying: it becomes
 * the owner, or goes back into the line by the step `wait`, and either restores the first half of the condition.
 *
 * Overtaking or handing over. Handing the mutex to the first in the line at each unlock is fair, but then each lock of
 * a busy mutex costs a switch: who unlocks and soon locks again finds it owned by someone that has not run yet, and
 * must wait (a convoy). With 64 coroutines on one mutex that is some 50 ns per turn, where taking it again at once
 * costs the two atomic operations of an uncontended one. So unlock sets it free, wakes at most one waiter at a time,
 * and whoever comes first takes it. A waiter that lost PASSED_MAX times, or waits for over STARVING_NS, asks for
 * HANDOVER and is the next owner. Those that wait are served in the order in which they came: a woken one that lost
 * goes back to the front.
 *
 * A contender spins before it waits only while the owner is running at this moment, on another core: the end of a
 * section is then near, and two switches cost more. The owner's block may be looked at although it may have ended:
 * blocks stay mapped.
 *
 * The model is tests/model/model_mutex.c.
 */
#include "sched/mutex.h"

#include "sched/waiters.h"

enum { WAITERS = 1, WOKEN = 2, HANDOVER = 4, FLAGS = WAITERS | WOKEN | HANDOVER };

/* What a waiter is told. */
enum { WAKE_OWNER = 0, WAKE_RETRY = 1 };

/* About 1 µs at 30–40 cycles each: what it costs to leave and to be brought back by another worker. */
#ifndef WF_MUTEX_SPINS
#define WF_MUTEX_SPINS 100 /* the model uses 1 */
#endif

/* A section under a mutex is rarely over some microseconds, and the woken one loses a turn to each that overtakes it;
 * twice is chance. 1 ms bounds the wait where it is not. */
enum { PASSED_MAX = 2 };
static const int64_t STARVING_NS = WEFT_MILLISECOND;

struct mutex {
    _Atomic(uintptr_t) word; /* any (atomic): see above */
    wf_biased lock;
    uint32_t recursive; /* fixed by init */
    uint32_t depth;     /* owner: locks beyond the first */
    wf_list waiters;    /* lock: the line */
};

static_assert(sizeof(struct mutex) <= sizeof(weft_mutex), "fits the public object");
static_assert(_Alignof(struct mutex) <= _Alignof(weft_mutex), "is aligned as the public object");

/* One attempt to lock, from its first failure to its end. */
struct attempt {
    wf_coro *self;
    int64_t deadline;
    int64_t since;   /* when it first stood in the line; 0: not yet */
    unsigned passed; /* times that it was woken and found the mutex taken */
    bool woken;      /* WOKEN is set on its account */
    bool firm;       /* neither kill nor deadline ends it */
};

static struct mutex *open_mutex(weft_mutex *mutex)
{
    return (struct mutex *)(void *)mutex;
}

static const wf_coro *owner_of(uintptr_t word)
{
    return (const wf_coro *)(word & ~(uintptr_t)FLAGS); /* a block's address, or NULL */
}

/* Make self the owner if nobody is. `drop` is WOKEN when the caller is the woken one. */
WF_INLINE bool take(struct mutex *m, wf_coro *self, uintptr_t drop)
{
    uintptr_t word = 0;
    do {
        /* ORDER(mutex): acquire pairs with release and wake_next: this section sees what the sections before it wrote.
         * ORDER(mutex-owner): release pairs with spin: a plain thread's block may be quite new. */
        if (wf_cas_acq_rel(&m->word, &word, (word & ~drop) | (uintptr_t)self))
            return true;
    } while (owner_of(word) == NULL);
    return false;
}

static bool is_running(const wf_coro *coro)
{
    /* relaxed: a guess at how long the owner will take; the block is never unmapped. */
    uint64_t state = wf_load_relaxed(&((wf_coro *)(uintptr_t)coro)->state);
    return wf_state_phase(state) == WF_PHASE_RUNNING;
}

/* Try for as long as the owner is running. True: taken. */
static bool spin(struct mutex *m, struct attempt *a)
{
    for (int i = 0; i < WF_MUTEX_SPINS; i++) {
        uintptr_t word = wf_load_acquire(&m->word); /* ORDER(mutex-owner): pairs with take: the owner's block. */
        if (owner_of(word) == NULL)
            return take(m, a->self, a->woken ? WOKEN : 0);
        if ((word & HANDOVER) || !is_running(owner_of(word)))
            return false;
        wf_spin_pause();
    }
    return false;
}

static bool is_starving(struct attempt *a)
{
    if (a->since == 0)
        a->since = weft_now();
    return a->passed >= PASSED_MAX || (a->passed > 0 && weft_now() - a->since > STARVING_NS);
}

/* The step `wait`, or `take` if it has become free. The lock is held. True: taken. */
static bool take_or_announce(struct mutex *m, struct attempt *a)
{
    uintptr_t drop = a->woken ? WOKEN : 0;
    uintptr_t add = WAITERS | (is_starving(a) ? HANDOVER : 0);
    uintptr_t word = wf_load_relaxed(&m->word); /* relaxed: the CAS decides */
    do {
        if (owner_of(word) == NULL && take(m, a->self, drop))
            return true;
        word = wf_load_relaxed(&m->word); /* relaxed: as above */
        /* relaxed: flags publish nothing; who acts on them takes the lock first. */
    } while (owner_of(word) == NULL || !wf_cas_relaxed(&m->word, &word, (word & ~drop) | add));
    return false;
}

static WF_SLOW int lock_contended(struct mutex *m, struct attempt *a)
{
    for (;;) {
        if (spin(m, a))
            return 0;
        wf_object_lock(&m->lock);
        if (take_or_announce(m, a)) {
            wf_object_unlock(&m->lock);
            return 0;
        }
        if (a->woken)
            wf_list_push_front(&m->waiters, &a->self->wait_node);
        else
            wf_list_push_back(&m->waiters, &a->self->wait_node);
        int result = a->firm ? wf_wait_locked_firm(a->self, WF_WAIT_MUTEX, m, &m->lock)
                             : wf_wait_locked(a->self, WF_WAIT_MUTEX, m, a->deadline, &m->lock);
        if (result == WAKE_OWNER)
            return 0;
        if (result != WAKE_RETRY) {
            wf_wait_unlink(a->self, &m->lock);
            return result;
        }
        a->woken = true;
        a->passed++;
    }
}

/* Lock a mutex that self holds. */
static int relock(struct mutex *m)
{
    if (!m->recursive)
        return -EDEADLK;
    if (m->depth == UINT32_MAX)
        return -EAGAIN;
    m->depth++;
    return 0;
}

/* Set it free under the lock, for the first in the line to take, or give it to that one. */
static WF_SLOW void wake_next(struct mutex *m)
{
    wf_object_lock(&m->lock);
    uintptr_t word = wf_load_relaxed(&m->word); /* relaxed: ours, and flags change under the lock */
    wf_coro *next = wf_waiters_claim(&m->waiters);
    uintptr_t fresh = (word & WOKEN) | (wf_list_is_empty(&m->waiters) ? 0 : WAITERS);
    int told = WAKE_RETRY;
    if (next != NULL && (word & HANDOVER)) {
        fresh |= (uintptr_t)next;
        told = WAKE_OWNER;
    } else if (next != NULL) {
        fresh |= WOKEN;
    }
    /* ORDER(mutex): pairs with take. One that is handed the mutex is ordered by its claim and its queue. */
    wf_store_release(&m->word, fresh);
    wf_object_unlock(&m->lock);
    if (next != NULL)
        wf_ready(next, told);
}

WF_INLINE bool is_wake_due(uintptr_t word)
{
    return (word & HANDOVER) || (word & (WAITERS | WOKEN)) == WAITERS;
}

/* By `self`? */
WF_INLINE bool is_held(struct mutex *m, const wf_coro *self)
{
    /* relaxed: only self makes it self's own, or no longer so. */
    const wf_coro *owner = owner_of(wf_load_relaxed(&m->word));
    return owner != NULL && owner == self;
}

/* The owner lets go. */
WF_INLINE void release(struct mutex *m)
{
    uintptr_t word = wf_load_relaxed(&m->word); /* relaxed: ours; the CAS decides about the flags */
    do {
        if (wf_unlikely(is_wake_due(word))) {
            wake_next(m);
            return;
        }
        /* ORDER(mutex): pairs with take. */
    } while (!wf_cas_release(&m->word, &word, word & FLAGS));
}

int weft_mutex_init(weft_mutex *mutex)
{
    if (mutex == NULL)
        return -EINVAL;
    *mutex = (weft_mutex)WEFT_MUTEX_INIT;
    return 0;
}

int weft_mutex_init_recursive(weft_mutex *mutex)
{
    int error = weft_mutex_init(mutex);
    if (error == 0)
        open_mutex(mutex)->recursive = 1;
    return error;
}

int weft_mutex_fini(weft_mutex *mutex)
{
    if (mutex == NULL)
        return -EINVAL;
    struct mutex *m = open_mutex(mutex);
    /* Once it has the lock, whoever unlocked the mutex last is done with it too. */
    wf_object_lock(&m->lock);
    uintptr_t word =
        wf_load_relaxed(&m->word); /* relaxed: held or waited for now, or the caller has seen to it that not */
    bool busy = owner_of(word) != NULL || (word & WOKEN) || !wf_list_is_empty(&m->waiters);
    wf_object_unlock(&m->lock);
    return busy ? -EBUSY : 0;
}

int weft_mutex_lock(weft_mutex *mutex)
{
    return weft_mutex_lock_until(mutex, WEFT_NEVER);
}

int weft_mutex_lock_until(weft_mutex *mutex, int64_t deadline)
{
    if (mutex == NULL)
        return -EINVAL;
    wf_coro *self;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    struct mutex *m = open_mutex(mutex);
    if (wf_likely(take(m, self, 0)))
        return 0;
    if (wf_mutex_is_held(mutex, self))
        return relock(m);
    return lock_contended(m, &(struct attempt){.self = self, .deadline = deadline});
}

int weft_mutex_trylock(weft_mutex *mutex)
{
    if (mutex == NULL)
        return -EINVAL;
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    struct mutex *m = open_mutex(mutex);
    if (take(m, self, 0))
        return 0;
    return wf_mutex_is_held(mutex, self) ? relock(m) : -EBUSY;
}

int weft_mutex_unlock(weft_mutex *mutex)
{
    if (mutex == NULL)
        return -EINVAL;
    if (wf_unlikely(!is_held(open_mutex(mutex), wf_self_fast())))
        return -EPERM;
    struct mutex *m = open_mutex(mutex);
    if (wf_unlikely(m->depth > 0))
        m->depth--;
    else
        release(m);
    return 0;
}

bool wf_mutex_is_held(weft_mutex *mutex, const wf_coro *self)
{
    return is_held(open_mutex(mutex), self);
}

uint32_t wf_mutex_unlock_all(weft_mutex *mutex)
{
    struct mutex *m = open_mutex(mutex);
    uint32_t depth = m->depth;
    m->depth = 0;
    release(m);
    return depth;
}

void wf_mutex_lock_again(weft_mutex *mutex, wf_coro *self, uint32_t depth)
{
    struct mutex *m = open_mutex(mutex);
    if (!take(m, self, 0))
        lock_contended(m, &(struct attempt){.self = self, .deadline = WEFT_NEVER, .firm = true});
    m->depth = depth;
}
