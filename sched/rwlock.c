/* Readers and a writer: many hold it to read, or one to write.
 *
 * Policy: phases take turns. Nobody enters while a writer waits, so a writer is held up by the readers that are inside and
 * by the writers before it, never by readers that came later. A writer that leaves lets all the readers in that wait at
 * that moment; the last reader that leaves lets the first writer in. So neither kind is starved: a reader waits for one
 * writer at most, a writer for one phase of readers for each writer before it. Who waits is handed the lock, and so is
 * never overtaken.
 *
 * The word
 *     WAITING   somebody stands in one of the two lines. Set and cleared under the lock
 *     WRITER    a writer holds it; `owner` is the one
 *     above     how many readers hold it
 *
 *     read      neither WAITING nor WRITER: one reader more. Without the lock
 *     write     nobody at all, word 0 → WRITER. Without the lock
 *     leave     a reader less, or WRITER → 0, unless WAITING is set and nobody else holds it. Without the lock
 *     wait      held, or a writer waits: + WAITING, and stand in the line. Under the lock
 *     hand      the last one leaves with WAITING set: claim whose turn it is, and count them in. Under the lock
 *     give up   (deadline, kill) leave the line. Where no writer waits any more and none holds it, the readers that waited
 *               behind one are let in. Under the lock
 *
 * Why no wake-up is lost: somebody who can be claimed stands in a line only while somebody holds it, and WAITING is set as
 * long as a line is not empty. A waiter sets WAITING with a compare-and-swap that fails unless it is held, and is in the line
 * before it lets the lock go; and whoever leaves last with WAITING set goes through the lock, and claims until it
 * found somebody or the lines are empty. A writer that a deadline has claimed may keep readers waiting until it has got out of
 * the line, and lets them in itself.
 *
 * Rejected: preferring readers (writers starve) or writers (readers do); setting it free at each unlock, as the mutex does, so
 * that newcomers may overtake: then a phase of readers has no end.
 *
 * The model is tests/model/model_rwlock.c.
 */
#include "sched/waiters.h"

enum { WAITING = 1, WRITER = 2, READER = 4 };

struct rwlock {
    _Atomic(uint64_t) word;   /* any (atomic): see above */
    _Atomic(uintptr_t) owner; /* the writer's control block; 0: none. By the writer, or whoever hands it over */
    wf_biased lock;
    wf_list readers; /* lock: the line */
    wf_list writers; /* lock: the line */
};

static_assert(sizeof(struct rwlock) <= sizeof(weft_rwlock), "fits the public object");
static_assert(_Alignof(struct rwlock) <= _Alignof(weft_rwlock), "is aligned as the public object");

static struct rwlock *open_rwlock(weft_rwlock *rwlock)
{
    return (struct rwlock *)(void *)rwlock;
}

WF_INLINE bool is_writer(struct rwlock *l, const wf_coro *self)
{
    /* relaxed: only self, and who hands it to self, make it self's own. */
    return self != NULL && wf_load_relaxed(&l->owner) == (uintptr_t)self;
}

static void set_owner(struct rwlock *l, const wf_coro *owner)
{
    wf_store_relaxed(&l->owner, (uintptr_t)owner); /* relaxed: only the owner itself finds itself there */
}

/* The step `read`. */
WF_INLINE bool enter_shared(struct rwlock *l)
{
    uint64_t word = wf_load_relaxed(&l->word); /* relaxed: the CAS decides */
    while (!(word & (WAITING | WRITER))) {
        /* ORDER(rwlock): pairs with leave_shared, leave_exclusive and hand_over: what was written before is seen. */
        if (wf_cas_acquire(&l->word, &word, word + READER))
            return true;
    }
    return false;
}

/* The step `write`. */
WF_INLINE bool enter_exclusive(struct rwlock *l, const wf_coro *self)
{
    uint64_t word = 0;
    /* ORDER(rwlock): as enter_shared; and what readers have read is not overwritten before they have. */
    if (!wf_cas_acquire(&l->word, &word, WRITER))
        return false;
    set_owner(l, self);
    return true;
}

/* The step `wait`, or `read` where that may be after all. The lock is held. True: entered. */
static bool read_or_announce(struct rwlock *l)
{
    uint64_t word = wf_load_relaxed(&l->word); /* relaxed: the CAS decides */
    for (;;) {
        if (!(word & WRITER) && wf_list_is_empty(&l->writers)) {
            /* ORDER(rwlock): as enter_shared. */
            if (wf_cas_acquire(&l->word, &word, word + READER))
                return true;
        } else if (wf_cas_relaxed(&l->word, &word, word | WAITING)) { /* relaxed: who acts on it takes the lock first */
            return false;
        }
    }
}

/* The same for `write`. */
static bool write_or_announce(struct rwlock *l, const wf_coro *self)
{
    uint64_t word;
    while (!enter_exclusive(l, self)) {
        word = wf_load_relaxed(&l->word); /* relaxed: the CAS decides, and as above */
        if (word != 0 && wf_cas_relaxed(&l->word, &word, word | WAITING))
            return false;
    }
    return true;
}

/* The lock is held, for all of these. */
static uint64_t waiting(struct rwlock *l)
{
    return wf_list_is_empty(&l->readers) && wf_list_is_empty(&l->writers) ? 0 : WAITING;
}

/* Claim all readers in line; returns how many there are. */
static uint64_t claim_readers(struct rwlock *l, wf_list *claimed)
{
    uint64_t n = 0;
    wf_waiters_claim_all(&l->readers, claimed);
    for (wf_list *node = claimed->next; node != claimed; node = node->next)
        n++;
    return n;
}

static bool claim_writer(struct rwlock *l, wf_list *claimed)
{
    wf_coro *writer = wf_waiters_claim(&l->writers);
    if (writer == NULL)
        return false;
    set_owner(l, writer);
    wf_list_push_back(claimed, &writer->wait_node);
    return true;
}

/* Whose turn is it after a reader, or after a writer? Claims them; returns the word that counts them. */
static uint64_t claim_next(struct rwlock *l, bool after_writer, wf_list *claimed)
{
    uint64_t readers = after_writer ? claim_readers(l, claimed) : 0;
    if (readers == 0 && claim_writer(l, claimed))
        return WRITER | waiting(l);
    if (readers == 0)
        readers = claim_readers(l, claimed);
    return readers * READER | waiting(l);
}

/* The step `hand`, by the only one who holds it: WRITER or one READER. False: it is not the only one, or nobody waits. */
static WF_SLOW bool hand_over(struct rwlock *l, uint64_t held)
{
    wf_list claimed = {0};
    wf_object_lock(&l->lock);
    /* ORDER(rwlock): pairs with leave_shared of the readers before, on behalf of those that are claimed. */
    bool due = wf_load_acquire(&l->word) == (held | WAITING);
    if (due) {
        /* Nobody else changes the word now: nobody enters or leaves it without the lock while it is so. */
        uint64_t fresh = claim_next(l, held == WRITER, &claimed);
        wf_store_release(&l->word, fresh); /* ORDER(rwlock): pairs with enter_shared and enter_exclusive. */
    }
    wf_object_unlock(&l->lock);
    wf_ready_all(&claimed, 0);
    return due;
}

static void leave_shared(struct rwlock *l)
{
    uint64_t word = wf_load_relaxed(&l->word); /* relaxed: the CAS decides, or the lock */
    for (;;) {
        if (wf_unlikely(word == (READER | WAITING))) {
            if (hand_over(l, READER))
                return;
            word = wf_load_relaxed(&l->word);                        /* relaxed: as above */
        } else if (wf_cas_release(&l->word, &word, word - READER)) { /* ORDER(rwlock): pairs with enter_exclusive. */
            return;
        }
    }
}

static void leave_exclusive(struct rwlock *l)
{
    uint64_t word = WRITER;
    set_owner(l, NULL);
    /* ORDER(rwlock): pairs with enter_shared and enter_exclusive. */
    while (!wf_cas_release(&l->word, &word, 0)) {
        if (hand_over(l, WRITER))
            return;
        word = WRITER;
    }
}

/* The step `give up`. */
static WF_SLOW void give_up(struct rwlock *l, wf_coro *self)
{
    wf_list claimed = {0};
    uint64_t readers = 0;
    wf_object_lock(&l->lock);
    if (wf_list_is_linked(&self->wait_node))
        wf_list_remove(&self->wait_node);
    uint64_t word =
        wf_load_relaxed(&l->word); /* relaxed: the CAS decides; while readers wait no writer comes or goes */
    if (!(word & WRITER) && wf_list_is_empty(&l->writers))
        readers = claim_readers(l, &claimed);
    uint64_t flag = waiting(l);
    /* ORDER(rwlock): as enter_shared, on behalf of those that are let in. */
    while (!wf_cas_acquire(&l->word, &word, ((word & ~(uint64_t)WAITING) | flag) + readers * READER))
        ;
    wf_object_unlock(&l->lock);
    wf_ready_all(&claimed, 0);
}

/* Stand in line; the lock is held on entry, not on return. */
static int wait_turn(struct rwlock *l, wf_coro *self, wf_list *line, enum wf_wait_kind kind, int64_t deadline)
{
    wf_list_push_back(line, &self->wait_node);
    int result = wf_wait_locked(self, kind, l, deadline, &l->lock);
    if (wf_unlikely(result < 0) && wf_wait_was_ended(result))
        give_up(l, self);
    return result;
}

int weft_rwlock_init(weft_rwlock *rwlock)
{
    if (rwlock == NULL)
        return -EINVAL;
    *rwlock = (weft_rwlock)WEFT_RWLOCK_INIT;
    return 0;
}

int weft_rwlock_fini(weft_rwlock *rwlock)
{
    if (rwlock == NULL)
        return -EINVAL;
    struct rwlock *l = open_rwlock(rwlock);
    wf_object_lock(&l->lock);
    /* relaxed: held or waited for now, or the caller has seen to it that not */
    bool busy = wf_load_relaxed(&l->word) != 0 || waiting(l) != 0;
    wf_object_unlock(&l->lock);
    return busy ? -EBUSY : 0;
}

int weft_rwlock_rdlock(weft_rwlock *rwlock)
{
    return weft_rwlock_rdlock_until(rwlock, WEFT_NEVER);
}

int weft_rwlock_rdlock_until(weft_rwlock *rwlock, int64_t deadline)
{
    if (rwlock == NULL)
        return -EINVAL;
    wf_coro *self;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    struct rwlock *l = open_rwlock(rwlock);
    if (wf_likely(enter_shared(l)))
        return 0;
    if (is_writer(l, self))
        return -EDEADLK;
    wf_object_lock(&l->lock);
    if (read_or_announce(l)) {
        wf_object_unlock(&l->lock);
        return 0;
    }
    return wait_turn(l, self, &l->readers, WF_WAIT_RWLOCK_READ, deadline);
}

int weft_rwlock_tryrdlock(weft_rwlock *rwlock)
{
    if (rwlock == NULL)
        return -EINVAL;
    struct rwlock *l = open_rwlock(rwlock);
    if (enter_shared(l))
        return 0;
    return is_writer(l, wf_self()) ? -EDEADLK : -EBUSY;
}

int weft_rwlock_wrlock(weft_rwlock *rwlock)
{
    return weft_rwlock_wrlock_until(rwlock, WEFT_NEVER);
}

int weft_rwlock_wrlock_until(weft_rwlock *rwlock, int64_t deadline)
{
    if (rwlock == NULL)
        return -EINVAL;
    wf_coro *self;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    struct rwlock *l = open_rwlock(rwlock);
    if (wf_likely(enter_exclusive(l, self)))
        return 0;
    if (is_writer(l, self))
        return -EDEADLK;
    wf_object_lock(&l->lock);
    if (write_or_announce(l, self)) {
        wf_object_unlock(&l->lock);
        return 0;
    }
    return wait_turn(l, self, &l->writers, WF_WAIT_RWLOCK_WRITE, deadline);
}

int weft_rwlock_trywrlock(weft_rwlock *rwlock)
{
    if (rwlock == NULL)
        return -EINVAL;
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    struct rwlock *l = open_rwlock(rwlock);
    if (enter_exclusive(l, self))
        return 0;
    return is_writer(l, self) ? -EDEADLK : -EBUSY;
}

int weft_rwlock_unlock(weft_rwlock *rwlock)
{
    if (rwlock == NULL)
        return -EINVAL;
    struct rwlock *l = open_rwlock(rwlock);
    uint64_t word = wf_load_relaxed(&l->word); /* relaxed: if the caller holds it, neither bit below changes */
    if (wf_likely(!(word & WRITER) && word >= READER))
        leave_shared(l);
    else if (is_writer(l, wf_self_fast()))
        leave_exclusive(l);
    else
        return -EPERM;
    return 0;
}
