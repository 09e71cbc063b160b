/* weft: channels: typed by element size, buffered or rendezvous, many senders and receivers, FIFO.
 *
 * Any number of coroutines and plain threads may send and receive. Elements come out in the order in which they were
 * sent; those that wait are served in the order in which they came. "May suspend" means: the coroutine waits and its
 * worker runs others; afterwards it may be on another thread. A killed coroutine's send and recv return -ECANCELED,
 * also where they would not have to wait; its try_ forms and close work. -EDEADLK: it waits in a deadlock (weft/base.h);
 * nothing was sent or taken. -ENOMEM: a plain thread that waits for the
 * first time and has no memory for that. Not from signal handlers. With or without a running runtime; Linux: nothing
 * beyond what weft_start needs.
 */
#ifndef WEFT_CHANNEL_H
#define WEFT_CHANNEL_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_chan weft_chan;

/* A channel for elements of elem_size bytes (1 … 64 KiB) with room for `capacity` of them; 0: each send waits for its
 * receive. NULL with weft_last_error(): -ENOMEM; -EINVAL for another size, or when the product overflows. The caller
 * frees it with weft_chan_free when nobody uses it any more. Never suspends. */
WEFT_API weft_chan *weft_chan_new(size_t elem_size, size_t capacity);

/* Free it, with the elements left in it; NULL is fine. Close it first if others may still come. 0, -EBUSY when somebody
 * waits on it (nothing is freed then). Never suspends. */
WEFT_API int weft_chan_free(weft_chan *ch);

/* Send the element at `value`: copied before the call returns. May suspend. 0; -EPIPE when the channel is closed, or
 * gets closed while waiting; -ECANCELED, -ETIMEDOUT, -EDEADLK (nothing was sent); -EINVAL. */
WEFT_API int weft_chan_send(weft_chan *ch, const void *value);
WEFT_API int weft_chan_send_until(weft_chan *ch, const void *value, int64_t deadline);
WEFT_API int weft_chan_try_send(weft_chan *ch, const void *value); /* -EAGAIN instead of waiting */

/* Receive the oldest element into `value` (NULL: drop it). May suspend. 0; -EPIPE when the channel is closed and empty;
 * -ECANCELED, -ETIMEDOUT, -EDEADLK (nothing was taken); -EINVAL. */
WEFT_API int weft_chan_recv(weft_chan *ch, void *value);
WEFT_API int weft_chan_recv_until(weft_chan *ch, void *value, int64_t deadline);
WEFT_API int weft_chan_try_recv(weft_chan *ch, void *value); /* -EAGAIN instead of waiting */

/* Close: senders get -EPIPE, those that wait included (their elements are not sent); receivers drain what is buffered
 * and then get -EPIPE. 0, -EPIPE when it is closed already. Never suspends. */
WEFT_API int weft_chan_close(weft_chan *ch);

/* How many elements are in its buffer at this moment, and for how many there is room; 0 for NULL. Never suspend. */
WEFT_API size_t weft_chan_len(weft_chan *ch);
WEFT_API size_t weft_chan_capacity(weft_chan *ch);

#ifdef __cplusplus
}
#endif

#endif
