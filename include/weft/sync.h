/* weft: mutex, lock for readers and writers, condition variable, semaphore, event, wait group, barrier, once. Callable from
 * coroutines and plain threads alike, which may contend for the same object. All objects are the caller's; all zero is a valid,
 * initialised object (of the plain kind; but for a barrier), _init never allocates.
 *
 * For all of them
 *   - "May suspend" means: the coroutine waits and its worker runs others; afterwards it may be on another thread. A
 *     plain thread sleeps in the kernel instead. What never suspends may be called by a killed coroutine, and under any
 *     deadline.
 *   - A call that may suspend returns -ECANCELED when its coroutine has been killed, also where it would not have to
 *     wait; -ETIMEDOUT when it has to wait and its deadline or an enclosing weft_timeout has passed; -EDEADLK when
 *     it waits in a deadlock (weft/base.h); -ENOMEM on a plain thread that waits for the first time and has no memory for
 *     that. With any of them nothing was taken.
 *   - -EINVAL for NULL.
 *   - fini: when it returned 0, and all calls of others have returned, the memory is free for other use; -EBUSY leaves
 *     the object as it is. An event, a wait group and a semaphore may even go, without fini, as soon as a wait for the
 *     last set, done or post returned 0: the one that woke the waiter does not touch them any more.
 *   - Not from signal handlers. With or without a running runtime. Linux: nothing beyond what weft_start needs; plain
 *     threads alone need futex(2) only.
 */
#ifndef WEFT_SYNC_H
#define WEFT_SYNC_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Mutual exclusion with an owner, the coroutine or plain thread that locked it. Those that wait are served in order; a
 * newcomer may overtake them, but a waiter that lost twice or waits for over 1 ms is the next owner. A coroutine may
 * hold it while suspended, and be on another thread when it unlocks. */
typedef struct weft_mutex {
    uint64_t opaque[6];
} weft_mutex;
/* clang-format off */
#define WEFT_MUTEX_INIT {{0}}
/* clang-format on */

WEFT_API int weft_mutex_init(weft_mutex *m);           /* 0, -EINVAL */
WEFT_API int weft_mutex_init_recursive(weft_mutex *m); /* the owner may lock it again */
WEFT_API int weft_mutex_fini(weft_mutex *m);           /* 0; -EBUSY while held or waited for, and then unchanged */
/* May suspend. 0; -EDEADLK also when the caller holds it (and it is not recursive); -EAGAIN when a recursive one is locked
 * 2^32 times; -ECANCELED; -ETIMEDOUT; -EINVAL for NULL. */
WEFT_API int weft_mutex_lock(weft_mutex *m);
WEFT_API int weft_mutex_lock_until(weft_mutex *m, int64_t deadline);
WEFT_API int weft_mutex_trylock(weft_mutex *m); /* 0, -EBUSY, -EDEADLK, -EAGAIN. Never suspends */
WEFT_API int weft_mutex_unlock(weft_mutex *m);  /* 0, -EPERM when the caller does not hold it. Never suspends */

/* Lock for many readers or one writer. Phases take turns: no reader enters while a writer waits, and a writer that unlocks
 * lets all readers in that wait; so neither kind is starved, and nobody who waits is overtaken. The writer is its owner (a
 * coroutine or plain thread); of readers it only knows how many there are. Hence a reader must not lock it again, to
 * read or to write: it would wait for itself as soon as a writer waits. A coroutine may hold it while suspended, and be on another
 * thread when it unlocks. */
typedef struct weft_rwlock {
    uint64_t opaque[8];
} weft_rwlock;
/* clang-format off */
#define WEFT_RWLOCK_INIT {{0}}
/* clang-format on */
WEFT_API int weft_rwlock_init(weft_rwlock *l); /* 0, -EINVAL */
WEFT_API int weft_rwlock_fini(weft_rwlock *l); /* 0; -EBUSY while held or waited for, and then unchanged */
/* May suspend. 0; -EDEADLK also when the caller is its writer; -ECANCELED; -ETIMEDOUT; -EINVAL for NULL. */
WEFT_API int weft_rwlock_rdlock(weft_rwlock *l);
WEFT_API int weft_rwlock_rdlock_until(weft_rwlock *l, int64_t deadline);
WEFT_API int weft_rwlock_wrlock(weft_rwlock *l);
WEFT_API int weft_rwlock_wrlock_until(weft_rwlock *l, int64_t deadline);
/* 0; -EBUSY when that would mean to wait; -EDEADLK when the caller is its writer. Never suspend. */
WEFT_API int weft_rwlock_tryrdlock(weft_rwlock *l);
WEFT_API int weft_rwlock_trywrlock(weft_rwlock *l);
/* Give back what the caller holds, to read or to write. 0; -EPERM when nobody holds it, or a writer that is not the
 * caller (a reader that is not the caller cannot be told from it). Never suspends. */
WEFT_API int weft_rwlock_unlock(weft_rwlock *l);

/* Condition variable. wait unlocks m (a recursive one entirely), suspends, and locks m as it was before it returns,
 * also on an error; the lock is then taken without regard to kill, timeouts and deadlocks. A wait that returns an error has used
 * up no signal. 0 (callers look at their condition again all the same), -EPERM (m not held), -ECANCELED, -ETIMEDOUT,
 * -EDEADLK. */
typedef struct weft_cond {
    uint64_t opaque[4];
} weft_cond;
/* clang-format off */
#define WEFT_COND_INIT {{0}}
/* clang-format on */
WEFT_API int weft_cond_init(weft_cond *c);
WEFT_API int weft_cond_fini(weft_cond *c); /* -EBUSY while somebody waits */
WEFT_API int weft_cond_wait(weft_cond *c, weft_mutex *m);
WEFT_API int weft_cond_wait_until(weft_cond *c, weft_mutex *m, int64_t deadline);
WEFT_API int weft_cond_signal(weft_cond *c);    /* wake one; 0. Never suspends */
WEFT_API int weft_cond_broadcast(weft_cond *c); /* wake all; 0. Never suspends */

/* Counting semaphore. limit 0 = unbounded (2^32 - 1); a post beyond the limit is -EOVERFLOW. A post with somebody
 * waiting goes to the one that has waited longest; nobody overtakes. */
typedef struct weft_sem {
    uint64_t opaque[6];
} weft_sem;
WEFT_API int weft_sem_init(weft_sem *s, unsigned count);
WEFT_API int weft_sem_init_bounded(weft_sem *s, unsigned count, unsigned limit); /* -EINVAL when count > limit */
WEFT_API int weft_sem_fini(weft_sem *s);                                         /* -EBUSY while somebody waits */
WEFT_API int weft_sem_wait(weft_sem *s); /* may suspend; 0, -ECANCELED, -ETIMEDOUT, -EDEADLK */
WEFT_API int weft_sem_wait_until(weft_sem *s, int64_t deadline);
WEFT_API int weft_sem_trywait(weft_sem *s); /* 0, -EAGAIN. Never suspends */
WEFT_API int weft_sem_post(weft_sem *s);    /* 0, -EOVERFLOW. Never suspends */
WEFT_API int weft_sem_value(weft_sem *s);   /* how many could be taken at this moment, at most INT_MAX */

/* Event: a flag that coroutines wait for. set wakes all that wait at that moment, in the order in which they came, also
 * if it is cleared before they run. */
typedef struct weft_event {
    uint64_t opaque[4];
} weft_event;
/* clang-format off */
#define WEFT_EVENT_INIT {{0}}
/* clang-format on */
WEFT_API int weft_event_init(weft_event *e);   /* cleared */
WEFT_API int weft_event_fini(weft_event *e);   /* -EBUSY while somebody waits */
WEFT_API int weft_event_set(weft_event *e);    /* wakes all; 0. Never suspends */
WEFT_API int weft_event_clear(weft_event *e);  /* 0. Never suspends */
WEFT_API int weft_event_is_set(weft_event *e); /* 0, 1 */
WEFT_API int weft_event_wait(weft_event *e);   /* may suspend; 0, -ECANCELED, -ETIMEDOUT, -EDEADLK */
WEFT_API int weft_event_wait_until(weft_event *e, int64_t deadline);

/* Wait group: wait until as many done as add. add before what is to be waited for is started. Once the count is 0 all
 * that wait are woken, also if it grows again before they run. add and done never suspend. */
typedef struct weft_group {
    uint64_t opaque[4];
} weft_group;
/* clang-format off */
#define WEFT_GROUP_INIT {{0}}
/* clang-format on */
WEFT_API int weft_group_init(weft_group *g);
WEFT_API int weft_group_fini(weft_group *g); /* -EBUSY while somebody waits */
WEFT_API int weft_group_add(weft_group *g,
                            int n);          /* n may be negative; 0, -EINVAL (below zero), -EOVERFLOW: unchanged */
WEFT_API int weft_group_done(weft_group *g); /* add(-1) */
WEFT_API int weft_group_wait(weft_group *g); /* may suspend; 0 once the count is 0, -ECANCELED, -ETIMEDOUT, -EDEADLK */
WEFT_API int weft_group_wait_until(weft_group *g, int64_t deadline);

/* Barrier: `count` wait for each other, round after round. wait returns 1 to the last that came, 0 to the others. One that
 * is killed or times out has not arrived, and the round goes on without it: somebody else has to come. If the round
 * is completed in that same moment, it returns 0 all the same. wait: -EINVAL for an object that was not initialised,
 * too. */
typedef struct weft_barrier {
    uint64_t opaque[5];
} weft_barrier;
WEFT_API int weft_barrier_init(weft_barrier *b, unsigned count); /* 0, -EINVAL for a count of 0 */
WEFT_API int weft_barrier_fini(weft_barrier *b);                 /* -EBUSY while somebody waits */
WEFT_API int weft_barrier_wait(weft_barrier *b); /* may suspend; 0, 1, -ECANCELED, -ETIMEDOUT, -EDEADLK */
WEFT_API int weft_barrier_wait_until(weft_barrier *b, int64_t deadline);

/* Once: run fn(arg) to its success one time, whoever comes first. fn returns 0 for success; -errno for failure, which is the
 * result of the call that ran it, and then the next caller, one that waits included, runs its own fn. What fn did is
 * seen by all to whom do returns 0. fn may block; do it returns to its end, also when its coroutine was killed
 * meanwhile (its blocking calls then return -ECANCELED, and it may well fail with that). The deadline bounds waiting for others,
 * not fn. */
typedef int weft_once_fn(void *arg);
typedef struct weft_once {
    uint64_t opaque[5];
} weft_once;
/* clang-format off */
#define WEFT_ONCE_INIT {{0}}
/* clang-format on */
WEFT_API int weft_once_init(weft_once *once); /* 0, -EINVAL */
WEFT_API int weft_once_fini(weft_once *once); /* -EBUSY while fn runs, or somebody waits for it */
/* May suspend, if it is not done. 0 when it is done, and then for a killed coroutine too; -errno: that of the fn that
 * this call ran; -EDEADLK also when called from within fn; -ECANCELED, -ETIMEDOUT (nothing was run); -EINVAL. */
WEFT_API int weft_once_do(weft_once *once, weft_once_fn *fn, void *arg);
WEFT_API int weft_once_do_until(weft_once *once, weft_once_fn *fn, void *arg, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
