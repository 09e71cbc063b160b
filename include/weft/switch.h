/* weft: symmetric coroutines: each says itself who goes on next, and hands over a value.
 *
 *     static weft_co *a, *b;
 *     static void *first(void *arg) { puts("1"); weft_co_switch(b, NULL); puts("3"); return NULL; }
 *     static void *second(void *arg) { puts("2"); weft_co_switch(a, NULL); puts("never"); return NULL; }
 *     …
 *     a = weft_co_new(first, NULL), b = weft_co_new(second, NULL);
 *     weft_co_switch(a, NULL);             // 1, 2, 3; and then first has ended, and its parent goes on: here
 *
 * No scheduler has a part in it: the family (all that stem from one scheduled coroutine, or plain thread) is that
 * coroutine, and one of the family runs while the others stand in their weft_co_switch. The coroutine itself is a member,
 * the main one: the root of the tree of parents, and the one that runs at first. A blocking call in any of them suspends
 * the coroutine, the whole family with it. What is said of the bodies of generators (weft/generator.h) about weft_self,
 * locals, timeouts, kills and forked tasks holds for these too; a body of a generator may switch, and stands still then as
 * the member that resumed it does.
 *
 * A member ends when its fn returns. Its nearest living ancestor goes on with the value that it returned. Whoever switches
 * to one that has ended, switches to the nearest living ancestor of that. So nothing is lost, and the main one goes on in
 * the end.
 *
 * Errors travel like values: weft_co_throw resumes its target with an error in place of a value, which weft_co_error()
 * tells there. A member that ends without having asked for an error that was thrown into it, or with one that it has set,
 * ends with that error: it is thrown into the ancestor that goes on. Excepted is -ECANCELED, which asks to end: it is not
 * handed on, the ancestor goes on with the value (NULL for one that never ran).
 *
 * When the coroutine of a family ends (its fn has returned), so do those that are left: they are resumed with -ECANCELED
 * one by one, and run to their ends under a shield; those that have not begun never run. One that switches away instead of
 * ending is abandoned: its stack is taken from under it, and the log says so. Then all of them are dead, without a parent,
 * and anybody may free them. The same when a plain thread ends, other than by the end of the process.
 *
 * For all of it
 *   - From coroutines and plain threads; not from signal handlers. With or without a running runtime. None is a blocking
 *     call: they do what they do also for a killed coroutine and under any timeout.
 *   - A member is used by its family alone, until that has ended: others get -EXDEV.
 *   - -ENOMEM also when there is no memory for the family itself, which the first call makes.
 *   - Linux: nothing beyond what weft_start needs.
 */
#ifndef WEFT_SWITCH_H
#define WEFT_SWITCH_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_co weft_co;

/* Options of weft_co_new_opt. Zero-initialise it; zero means the default everywhere. The caller's, until the call returns. */
typedef struct weft_co_options {
    size_t stack_size; /* bytes of address space, rounded up to a power of two, at most 8 MiB; 0: as coroutines have */
    bool secret;       /* its stack is wiped with zeros when it ends */
} weft_co_options;

/* A member that will run fn(value), with the value first switched to it; it has no stack before. `parent` is of the
 * caller's family; NULL: the running member. The caller frees it with weft_co_free. NULL with weft_last_error(): -ENOMEM;
 * -EINVAL (fn is NULL; a stack over 8 MiB; no runtime is on, and the environment cannot be understood, as stderr says);
 * -EXDEV; -ESHUTDOWN (the family is ending). Never suspends. */
WEFT_API weft_co *weft_co_new(weft_fn *fn, weft_co *parent);
WEFT_API weft_co *weft_co_new_opt(const weft_co_options *options, weft_fn *fn, weft_co *parent);

/* Go on in co; the running member stands still until somebody switches to it, and the call returns the value that they
 * give. To itself: returns the value. NULL when it was ended by a throw, and when nothing was done: then weft_co_error() is
 * not 0, but -EINVAL (co is NULL), -EXDEV, -ENOMEM (no stack to begin with). */
WEFT_API void *weft_co_switch(weft_co *co, void *value);

/* The same, with an error (-errno) in place of the value. One that has not begun ends without running. Also -EINVAL for an
 * error that is not negative. */
WEFT_API void *weft_co_throw(weft_co *co, int error);

/* How the last weft_co_switch or weft_co_throw of the running member came to return: 0: somebody switched to it; the error
 * that was thrown into it; or why nothing was done. To ask is to have seen it. Never suspends. */
WEFT_API int weft_co_error(void);

/* The running member is to end with this error (-errno; 0: with none after all): it will be thrown into the ancestor that
 * goes on. 0; -EINVAL for a positive error, and in the main one; -ENOMEM. Never suspends. */
WEFT_API int weft_co_set_error(int error);

/* The running member; on the stack that no member was ever switched from, the main one. Borrowed. NULL: -ENOMEM. Never
 * suspends. */
WEFT_API weft_co *weft_co_self(void);

/* The parent, borrowed; NULL for NULL, for the main one, and where the family has ended. Never suspends. */
WEFT_API weft_co *weft_co_parent(weft_co *co);

/* Who goes on when co has ended. 0; -EINVAL: NULL, co is the main one, or the parents would form a circle; -EXDEV: the two
 * are not of the caller's family. Never suspends. */
WEFT_API int weft_co_set_parent(weft_co *co, weft_co *parent);

enum weft_co_state_value {
    WEFT_CO_NEW,     /* has not begun */
    WEFT_CO_STARTED, /* stands in a switch */
    WEFT_CO_ACTIVE,  /* runs */
    WEFT_CO_DEAD,    /* has ended */
    WEFT_CO_MAIN,    /* the coroutine or thread itself, running or not */
};

/* One of WEFT_CO_…; -EINVAL for NULL. Never suspends. */
WEFT_API int weft_co_state(weft_co *co);

/* Free a member; NULL is fine. One that stands in a switch is resumed with -ECANCELED first, and the caller goes on when it
 * has ended, whoever its parent is; an error that it ends with is dropped. 0; -EBUSY when it is running, or was switched
 * away from once more instead of ending (nothing is freed); -EINVAL: the main one, which is freed with its coroutine;
 * -EXDEV; -ENOMEM. */
WEFT_API int weft_co_free(weft_co *co);

/* Call hook(event, origin, target, arg) after each switch in this family, on the stack switched to, before anything else
 * runs there. WEFT_CO_SWITCH: with a value; WEFT_CO_THROW: with an error. The end of a member is a switch or a throw to its
 * ancestor. The hook must not switch itself. NULL: none. `arg` stays the caller's. 0, -ENOMEM. Never suspends. */
enum weft_co_event { WEFT_CO_SWITCH, WEFT_CO_THROW };
typedef void weft_co_trace(enum weft_co_event event, weft_co *origin, weft_co *target, void *arg);
WEFT_API int weft_co_set_trace(weft_co_trace *hook, void *arg);

#ifdef __cplusplus
}
#endif

#endif
