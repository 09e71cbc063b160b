/* weft: who spawned whom, and what is inherited; hearing of spawns and of failures; sections without a switch.
 *
 * For all of them
 *   - From coroutines and plain threads, unless their comment says otherwise; not from signal handlers. They never
 *     suspend, unless a destructor that they call does. Linux: nothing beyond what weft_start needs.
 *   - A program that uses none of the first three groups pays nothing for them: a spawn that meets one is a longer one.
 */
#ifndef WEFT_TREE_H
#define WEFT_TREE_H

#include "weft/base.h"
#include "weft/coroutine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Note from now on (or no longer) which coroutine spawned which; weft_dump shows it. It costs an allocation per spawn,
 * which may fail with -ENOMEM. 0. */
WEFT_API int weft_track_parents(bool on);

/* The coroutine that spawned t (NULL = the caller); NULL when that was a plain thread, or was not noted, or t is stale.
 * Borrowed, and it may have ended: then it is stale, but still a number that no other coroutine has. */
WEFT_API weft_t *weft_parent(weft_t *t);

/* Tree locals: as locals (weft_key_get, weft_key_set), with the same keys but values of their own, and inherited: a
 * coroutine begins with those that its spawner had at that moment. A set counts for the caller and for what it spawns
 * from then on, not for its parent, nor for what it has spawned before. A plain thread hands its own down as well. The
 * destructor of the key runs when the last coroutine that has the value ends, or sets another one; on that coroutine. A
 * task of weft_fork has those of the coroutine that runs it: none if it was stolen. get: the value; NULL also for what
 * is no key. set: NULL takes it away; 0, -EINVAL (not a key), -ENOMEM. */
WEFT_API void *weft_tree_get(weft_key key);
WEFT_API int weft_tree_set(weft_key key, void *value);

/* Call hook(t) for each coroutine that is spawned from now on, by whoever spawns it, before it can run; NULL: no more.
 * Not for links and tasks. t is borrowed; it may be named, killed and linked there. The hook must not block. 0. */
WEFT_API int weft_set_spawn_hook(void (*hook)(weft_t *t));

/* Call handler(t, error) for each coroutine that ends with an error (weft_set_error) while nobody has its handle; NULL:
 * log that instead, as a warning. Called on the coroutine itself, after its cleanups, under a shield; it may block and
 * spawn. t is borrowed. A child of a scope is not such a coroutine: its scope hears of the error. 0. */
WEFT_API int weft_set_error_handler(void (*handler)(weft_t *t, int error));

/* Between the two the calling coroutine must not switch: a call that would suspend it, its end included, ends the
 * process with a message that names the coroutine, its body, what it would wait for and where the section began. Nests.
 * Calls that need not wait are fine. It keeps nobody else from running, on other workers. 0; begin: -EPERM on a plain
 * thread, -EOVERFLOW (255 deep); end: -EINVAL without a begin. */
WEFT_API int weft_no_switch_begin(void);
WEFT_API int weft_no_switch_end(void);

#ifdef __cplusplus
}
#endif

#endif
