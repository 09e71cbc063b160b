/* weft: generators: functions that hand out values one by one, and go on behind each when the next is asked for.
 *
 *     static void *count(void *arg)
 *     {
 *         for (intptr_t i = 0; i < 3; i++) {
 *             weft_gen_yield((void *)i);
 *             if (weft_gen_error() != 0)   // it is to end, or something was thrown
 *                 return NULL;
 *         }
 *         return NULL;
 *     }
 *     …
 *     weft_gen *g = weft_gen_new(count, NULL);
 *     WEFT_GEN_FOREACH(value, g) printf("%td\n", (intptr_t)value);
 *     weft_gen_free(g);
 *
 * Nothing unwinds a body from outside. One that never asks weft_gen_error() cannot be ended before it ends by itself.
 *
 * The body runs on a stack of its own, and as part of whoever resumes it: of that coroutine, or plain thread. So
 *   - It may call anything, as deep as it likes, and yield from there. A blocking call in a body suspends the coroutine
 *     that resumed it (a plain thread sleeps), and what ends the blocking calls of that one, a kill or a timeout, ends
 *     those of the body.
 *   - weft_self, locals, cleanups, shields, timeouts, weft_pin, the floating-point environment are those of that coroutine.
 *     A body that sets one of them undoes it before it yields: the generator may be resumed by another coroutine next time,
 *     and what was set stays behind with the first.
 *   - A task that a body forks it also syncs. Before a body is entered and when it yields, tasks that nobody took become
 *     coroutines of their own, as when a coroutine suspends. A task does not yield for the body that forked it.
 *
 * For all of it
 *   - From coroutines and plain threads, with or without a running runtime; not from signal handlers. One generator is used
 *     by one at a time, who may be another coroutine or thread each time; who hands it over sees to it that the one is done
 *     before the other begins (a join, a channel, a lock). While a body blocks, others that ask are told -EDEADLK.
 *   - Whatever resumes a body may suspend, if the body does; but none of these is itself a blocking call: they do what they
 *     do also for a killed coroutine and under any timeout. The rest never suspends.
 *   - A generator that nobody resumes any more needs its weft_gen_free, also after weft_stop.
 *   - A child of fork(2) has copies of the generators that were suspended, and may go on with them.
 *   - Linux: nothing beyond what weft_start needs.
 */
#ifndef WEFT_GENERATOR_H
#define WEFT_GENERATOR_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_gen weft_gen;

/* Options of weft_gen_new_opt. Zero-initialise it; zero means the default everywhere. The caller's, until the call returns. */
typedef struct weft_gen_options {
    size_t stack_size; /* bytes of address space, rounded up to a power of two, at most 8 MiB; 0: as coroutines have */
    bool secret;       /* its stack is wiped with zeros when it ends */
} weft_gen_options;

/* What stands for "finished" among errors: see weft_gen_set_error. */
enum { WEFT_GEN_DONE = -61 /* -ENODATA */ };

/* A generator with the body fn(arg), which begins at the first next. It has no stack before. arg is whose the program says
 * it is. The caller frees it with weft_gen_free. NULL with weft_last_error(): -ENOMEM, -EINVAL (fn is NULL; a stack over 8
 * MiB; no runtime is on, and what the environment says of stacks cannot be understood, as stderr says). */
WEFT_API weft_gen *weft_gen_new(weft_fn *fn, void *arg);
WEFT_API weft_gen *weft_gen_new_opt(const weft_gen_options *options, weft_fn *fn, void *arg);

/* Run the body up to its next yield, and store the value of that in *out (which may be NULL). May suspend. Returns 1: there
 * is a value; 0: the body has returned (*out is as it was; weft_gen_result has what it returned), now or before. < 0: the
 * error that the body ended with, which is told once, later calls return 0; or, with nothing done: -EINVAL (NULL), -EDEADLK
 * (it is running already: it called itself, or blocks in another coroutine), -ENOMEM (no stack to begin with, or a plain
 * thread without memory for its control block; it can be tried again). */
WEFT_API int weft_gen_next(weft_gen *g, void **out);

/* As weft_gen_next; the weft_gen_yield in which the body stands returns `in`. Also -EINVAL for an `in` other than NULL
 * when the body has not begun: nobody is there to receive it. */
WEFT_API int weft_gen_send(weft_gen *g, void *in, void **out);

/* As weft_gen_next; the weft_gen_yield in which the body stands returns NULL, and weft_gen_error() there returns `error`.
 * The body may go on. If it ends without having asked, throw returns `error`. One that has not begun, or has ended, cannot
 * see it: it ends, or stays ended, and throw returns `error`. Also -EINVAL, with nothing done, for an error that is not
 * negative. */
WEFT_API int weft_gen_throw(weft_gen *g, int error, void **out);

/* End it: as a throw of -ECANCELED, but the body has to return. One that has not begun never runs. May suspend. 0 also when it
 * had ended before; the error with which the body failed instead, if it did; -EBUSY when it yields nevertheless: the value is
 * dropped, and it stands there as after any yield; -EDEADLK when it runs; -EINVAL (NULL). */
WEFT_API int weft_gen_close(weft_gen *g);

/* What the body returned, in *result (may be NULL): NULL when it never ran. 0; -EAGAIN before it has ended; the error with
 * which it ended, if it did; -EINVAL (NULL). */
WEFT_API int weft_gen_result(weft_gen *g, void **result);

/* Close it if it is suspended, and free it; NULL is fine. The body so runs to its end. May suspend if it does. 0 (also when
 * the body failed); -EBUSY when it yields nevertheless, or is running, -ENOMEM (a plain thread without memory for its
 * control block): nothing is freed. */
WEFT_API int weft_gen_free(weft_gen *g);

/* ---- inside a body ---- */

/* Hand `value` to who asked for it, and wait for the next time. Returns what was sent; NULL for a next and for a throw, of
 * which weft_gen_error tells. Whoever resumes may be another coroutine, on another thread. Where no body runs (or the body
 * runs another symmetric coroutine, which would have to yield for it) it returns NULL at once, with weft_last_error()
 * -EPERM. */
WEFT_API void *weft_gen_yield(void *value);

/* What the last weft_gen_yield was given: 0, or the error that was thrown; -ECANCELED: the generator is to end. To ask is
 * to have seen it: what a body does about it is its own affair then. -EPERM outside of a body. Never suspends. */
WEFT_API int weft_gen_error(void);

/* The body is to end with this error (-errno; 0: with none after all), which the call that sees its end returns.
 * WEFT_GEN_DONE, which would look like a regular end, becomes -EPROTO; so it does when it was thrown, and the body did not
 * ask. 0; -EINVAL for a positive error; -EPERM outside of a body. Never suspends. */
WEFT_API int weft_gen_set_error(int error);

/* Go through `sub` as if its body stood here: its values are yielded; what is sent and thrown goes to it; and when this
 * generator is closed, it is. Then *result (may be NULL) is what its body returned. sub stays the caller's, who frees it.
 * May suspend. 0; the error with which sub ended; -ECANCELED when this generator is to end, and sub has done so; -EBUSY
 * when sub refused to; or those of weft_gen_next; -EPERM outside of a body. An error other than the last is as if it had
 * been thrown here: weft_gen_error() tells it, and a body that goes on to its end without asking ends with it. */
WEFT_API int weft_gen_from(weft_gen *sub, void **result);

/* ---- loops ---- */

/* WEFT_GEN_FOREACH(var, generator) statement: run the statement with `void *var` set to each value in turn. When the loop
 * is left, be it by its end, by break, goto or return, the generator is closed; it is not freed. (A body that yields all
 * the same stands there still.) An error of the body ends the loop, weft_gen_result tells which. `generator` is evaluated
 * once. */
#define WEFT_GEN_FOREACH(var, generator) \
    for (weft_gen_loop weft_gen_of_##var __attribute__((cleanup(weft_gen_loop_end))) = {(generator), true}; \
         weft_gen_of_##var.on; weft_gen_of_##var.on = false) \
        for (void *var = NULL; weft_gen_next(weft_gen_of_##var.gen, &var) == 1;)

typedef struct weft_gen_loop {
    weft_gen *gen;
    bool on;
} weft_gen_loop;

static inline void weft_gen_loop_end(weft_gen_loop *loop)
{
    weft_gen_close(loop->gen);
}

#ifdef __cplusplus
}
#endif

#endif
