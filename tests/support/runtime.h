/* Running test bodies as coroutines, and finding afterwards that nothing is left of them.
 *
 * cmocka fails by longjmp, which must not leave a coroutine. So a body records what is wrong with CHECK, and goes on;
 * wt_run and wt_over_workers, on the main stack, fail the test when anything was recorded:
 *
 *     static void *body(void *arg) { CHECK_INT(weft_sleep(0), 0); return NULL; }
 *     static void test_x_y_z(void **state) { (void)state; wt_over_workers(body, NULL); }
 *
 * Each run starts the runtime from the environment (so WEFT_IO=epoll runs a test program on epoll) with so many
 * workers, runs the body as a coroutine, stops the runtime, and then finds no coroutine, stack, operation or descriptor
 * more than before.
 */
#ifndef WT_RUNTIME_H
#define WT_RUNTIME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "sched/coro.h"
#include "weft.h"

/* ---- recording, from any coroutine or thread ---- */

/* Record a failure unless `condition` holds. Returns whether it does. */
#define CHECK(condition) wt_check(!!(condition), __FILE__, __LINE__, #condition)

/* Record a failure unless both are the same number. */
#define CHECK_INT(actual, expected) wt_check_int((actual), (expected), __FILE__, __LINE__, #actual)

bool wt_check(bool holds, const char *file, int line, const char *what);
bool wt_check_int(int64_t actual, int64_t expected, const char *file, int line, const char *what);

/* On the main stack: fail the test if anything was recorded since the last call. */
void wt_finish(void);

/* ---- running ---- */

/* Run body(arg) as a coroutine over so many workers; see above. wt_start and wt_stop are its two halves, for tests
 * whose body runs on the main stack: between them CHECK is what to use too. */
void wt_run(unsigned workers, weft_fn *body, void *arg);
void wt_start(unsigned workers);
void wt_stop(void);

/* The same over 1, 2, 4 and 8 workers in turn. */
void wt_over_workers(weft_fn *body, void *arg);

/* Over 1, 2 and 4. */
void wt_over_few_workers(weft_fn *body, void *arg);

/* A test that does no more than that. */
#define WT_CASE(name, body) \
    static void name(void **state) \
    { \
        (void)state; \
        wt_over_few_workers(body, NULL); \
    }

/* Over 1, 2, 4 and 8, and then once on a plain thread, beside one worker. */
void wt_over_workers_and_thread(weft_fn *body, void *arg);

/* How many workers the present run has. */
unsigned wt_workers(void);

/* So many times less work under a sanitizer, so that a test takes as long as without. */
int wt_scaled(int n);

/* ---- waiting for others, without guessing how long they take ---- */

/* Wait until t waits for something (`kind`: for that, WF_WAIT_NONE: for anything). Records a failure after 10 s. */
void wt_until_waiting(weft_t *t, enum wf_wait_kind kind);

/* The same for a coroutine or plain thread of which the control block is known (wf_self). */
void wt_until_block_waits(wf_coro *block, enum wf_wait_kind kind);

/* Wait until holds(arg); records a failure after 10 s. */
void wt_until(bool (*holds)(void *arg), void *arg);

/* ---- coroutines and plain threads by the dozen ---- */

/* Spawn n coroutines that run fn(arg), and join them. */
void wt_spawn_and_join(int n, weft_fn *fn, void *arg);

/* A plain thread that runs fn(arg). wt_thread_join waits for it; from a coroutine the worker goes on meanwhile. */
typedef struct wt_thread wt_thread;
wt_thread *wt_thread_start(weft_fn *fn, void *arg);
void wt_thread_join(wt_thread *thread);

/* Run fn(arg) on a plain thread and wait for it. */
void wt_on_thread(weft_fn *fn, void *arg);

/* The control block of the thread; waits until it has one (it gets it before fn runs). */
wf_coro *wt_thread_block(wt_thread *thread);

#endif
