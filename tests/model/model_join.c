/* sched/join.c: the word of the joiners. Whoever waits for a coroutine that ends comes back and sees its result; one that
 * gives up in that moment is not woken once it has gone, nor is its node touched; of those that join in a circle at least
 * one is told.
 */
#define MODEL_WATCH_WAITS
#include "model_suspend.h"

#include "sched/join.c"

enum { RESULT = 42 };

/* What the public calls of sched/join.c need beside what is looked at here. */
void *wf_alloc(size_t size_bytes) { (void)size_bytes; return NULL; }
