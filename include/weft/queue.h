/* weft: queues of tasks: first in first out, last in first out, or by priority; bounded or not; with a count of what was
 * taken and not yet done, so that one can wait until all is.
 *
 * Any number of coroutines and plain threads may put and get. Items are copied in and out. Who waits is served in the order in
 * which it came: a put hands its item to the getter that has waited longest, a get from a full queue lets the item of the
 * first putter in. Where neither counting, peeking nor an order but the first is wanted, weft_chan does the same for less.
 *
 *   - "May suspend" means: the coroutine waits and its worker runs others; afterwards it may be on another thread. A plain
 *     thread sleeps in the kernel instead. What never suspends may be called by a killed coroutine, and under any deadline.
 *   - A call that may suspend returns -ECANCELED when its coroutine has been killed, also where it would not have to wait;
 *     -ETIMEDOUT when it has to wait and its deadline or an enclosing weft_timeout has passed; -EDEADLK when it waits in a
 *     deadlock (weft/base.h); -ENOMEM on a plain thread that waits for the first time and has no memory for that. With any of them nothing was put or taken.
 *   - -EINVAL for NULL.
 *   - Not from signal handlers. With or without a running runtime. Linux: nothing beyond what weft_start needs.
 */
#ifndef WEFT_QUEUE_H
#define WEFT_QUEUE_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_queue weft_queue;

typedef enum weft_queue_kind {
    WEFT_QUEUE_FIFO,
    WEFT_QUEUE_LIFO,
    WEFT_QUEUE_PRIORITY, /* the lowest first; of equals the one that was put first */
} weft_queue_kind;

/* A queue for items of elem_size bytes (1 … 64 KiB), at most maxsize of them (room for these is allocated at once); 0: as
 * many as there is memory for. NULL with weft_last_error(): -ENOMEM; -EINVAL for another size or kind, or when the product
 * overflows. The caller frees it when nobody uses it any more. Never suspends. */
WEFT_API weft_queue *weft_queue_new(weft_queue_kind kind, size_t elem_size, size_t maxsize);

/* Free it, with the items left in it; NULL is fine. 0, -EBUSY when somebody waits on it (nothing is freed then): shut it
 * down first. Never suspends. */
WEFT_API int weft_queue_free(weft_queue *q);

/* Put the item at `value`; waits while the queue is full. May suspend. The item counts as unfinished until its task_done.
 * 0; -EPIPE when it is shut down, or gets so while waiting; -ENOMEM when an unbounded queue cannot grow; -ECANCELED,
 * -ETIMEDOUT, -EINVAL. try_put never suspends: -EAGAIN instead of waiting. */
WEFT_API int weft_queue_put(weft_queue *q, const void *value);
WEFT_API int weft_queue_put_until(weft_queue *q, const void *value, int64_t deadline);
WEFT_API int weft_queue_try_put(weft_queue *q, const void *value);

/* The same with a priority, 0 in the calls above. -EINVAL for another kind of queue. */
WEFT_API int weft_queue_put_priority(weft_queue *q, const void *value, int64_t priority);
WEFT_API int weft_queue_put_priority_until(weft_queue *q, const void *value, int64_t priority, int64_t deadline);
WEFT_API int weft_queue_try_put_priority(weft_queue *q, const void *value, int64_t priority);

/* Take the next item, into `value` (NULL: drop it); waits while there is none. May suspend. 0; -EPIPE when it is shut down and
 * empty, or gets so while waiting; -ECANCELED, -ETIMEDOUT, -EINVAL. try_get never suspends: -EAGAIN instead of
 * waiting. */
WEFT_API int weft_queue_get(weft_queue *q, void *value);
WEFT_API int weft_queue_get_until(weft_queue *q, void *value, int64_t deadline);
WEFT_API int weft_queue_try_get(weft_queue *q, void *value);

/* The same, but the item stays in the queue. */
WEFT_API int weft_queue_peek(weft_queue *q, void *value);
WEFT_API int weft_queue_peek_until(weft_queue *q, void *value, int64_t deadline);
WEFT_API int weft_queue_try_peek(weft_queue *q, void *value);

/* How many items are in it at this moment, and how many were put and are not finished; 0 for NULL. Is it empty, is it
 * full (an unbounded one never is): 1 or 0. Never suspend. */
WEFT_API size_t weft_queue_len(weft_queue *q);
WEFT_API size_t weft_queue_unfinished(weft_queue *q);
WEFT_API int weft_queue_empty(weft_queue *q);
WEFT_API int weft_queue_full(weft_queue *q);

/* One item that was taken is finished; the last one wakes those in join. 0; -EINVAL when none is unfinished. Never suspends. */
WEFT_API int weft_queue_task_done(weft_queue *q);

/* Wait until no item is unfinished. May suspend. 0, -ECANCELED, -ETIMEDOUT, -EINVAL. */
WEFT_API int weft_queue_join(weft_queue *q);
WEFT_API int weft_queue_join_until(weft_queue *q, int64_t deadline);

/* From now on puts are refused, those that wait included (their items are not put); getters drain what is there and then get
 * -EPIPE. immediate: what is there is dropped, and counts as finished. A second time it does what was not done by the
 * first. 0. Never suspends. */
WEFT_API int weft_queue_shutdown(weft_queue *q, bool immediate);

#ifdef __cplusplus
}
#endif

#endif
