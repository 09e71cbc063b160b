/* weft: fork and sync: parallelism for divide and conquer, at the price of a function call.
 *
 *     weft_task task;
 *     weft_fork(&task, sort, &right);    // another worker may run sort(&right) from here on
 *     sort(&left);                       // the caller does its own half
 *     weft_sync(&task);                  // the other half is done: here and now, if nobody took it
 *
 * A task that nobody took is run by weft_sync as a plain call on the caller's own stack. One that was taken runs in a coroutine
 * of its own, on another worker, and weft_sync waits for it. Tasks are taken oldest first, so the largest parts of a recursion
 * go to others, and nearly all of the rest are plain calls. With one worker all of them are.
 *
 * For all of it
 *   - Every task that was forked is synced exactly once, by the coroutine (or plain thread) that forked it, and before the
 *     function that forked it returns. A coroutine, or a task, that ends with a task not synced ends the process, with a
 *     message that names it. The other end, in any order: sync the newest first, it is the fastest.
 *   - A task runs exactly once, also when its coroutine was killed: its blocking calls end with -ECANCELED then.
 *   - From coroutines and plain threads, not from signal handlers. On a plain thread a task is a plain call in weft_sync. So it
 *     is in a coroutine with a floating-point environment of its own (fpenv), since it could run in no other. A task may run
 *     on another thread, also if its coroutine is pinned; a coroutine of its own has the caller's stack size.
 *   - A coroutine that suspends turns those of its tasks that nobody took into coroutines of their own, so that they go on.
 *     The exception is a lack of memory for that: then they wait for their weft_sync.
 *   - Linux: nothing beyond what weft_start needs.
 *
 * weft_fork and weft_sync are inline, so that a task which is not taken costs about as much as a call through a pointer. From
 * a language that cannot inline C call weft_fork_slow and weft_sync_slow: they do the same. Define WEFT_FORK_OUT_OF_LINE to have
 * C do so too.
 */
#ifndef WEFT_FORK_H
#define WEFT_FORK_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A task: the caller's, mostly in its frame, from weft_fork until weft_sync has returned. It need not be initialised; all zero
 * it is one that was not forked. Its content is weft's. */
typedef struct weft_task {
    weft_fn *fn;
    void *arg;
    void *state; /* see sched/task.h */
    uintptr_t child;
    uint64_t ticket;
} weft_task;

/* Offer fn(arg) to other workers. Results travel through arg, which lives until weft_sync has returned. Never suspends. Where
 * very many tasks are waiting already (2048 in the calling coroutine) it runs fn(arg) right away, and then may suspend if fn
 * does. 0, -EINVAL (NULL). */
static inline int weft_fork(weft_task *task, weft_fn *fn, void *arg);

/* Wait until the task has ended: run it, if nobody took it. What its fn wrote is visible then. May suspend. Returns 0;
 * -EINVAL for a task that was not forked, or was synced before, or for NULL. While it waits for a task that was taken, a kill
 * of the caller, or an enclosing weft_timeout that expires, kills the coroutine that runs the task; the call waits until it
 * has ended all the same, and then returns -ECANCELED, -ETIMEDOUT or -EDEADLK. A task that is run as a plain call gets them by itself, in
 * its own blocking calls, and weft_sync returns 0. */
static inline int weft_sync(weft_task *task);

/* Run fn(from, to, arg) over parts of lo … hi - 1 that together are all of it, in parallel and in no special order; wait until
 * all have ended. No part is longer than `grain`; 0: chosen so that there are about eight for each worker. Nothing is done
 * when lo >= hi. From a plain thread it runs as a coroutine (weft_run), and so starts the runtime if need be. arg is the
 * caller's. May suspend. 0; -EINVAL (fn is NULL); -ECANCELED, -ETIMEDOUT (an enclosing weft_timeout; looked at before each
 * part): parts that had not begun were left out, those that had have ended; on a plain thread the errors of weft_run. */
WEFT_API int weft_parallel_for(size_t lo, size_t hi, size_t grain, void (*fn)(size_t from, size_t to, void *arg),
                               void *arg);

/* What weft_fork and weft_sync are when they are not inlined; they may be called in their place. */
WEFT_API int weft_fork_slow(weft_task *task, weft_fn *fn, void *arg);
WEFT_API int weft_sync_slow(weft_task *task);

/* ---- nothing below is for callers ---- */

/* The beginning of a worker's deque of tasks: core/split_deque.h. */
struct weft_fork_queue {
    void **bottom;       /* the first free slot */
    uintptr_t stack_low; /* below it little is left of the coroutine's stack */
    char owners[48];
    void **limit; /* weft_fork may use slots below it; NULL: somebody wants something */
};

/* The calling thread's: that of its worker; on a plain thread one that is always full. */
WEFT_API extern __thread struct weft_fork_queue *weft_forks __attribute__((tls_model("initial-exec")));

#if defined(__x86_64__) && defined(__LP64__)
/* In assembly, because a compiler may keep the address of a thread-local variable over a call, in which the caller may have
 * moved to another thread. */
static inline struct weft_fork_queue *weft_forks_here(void)
{
    struct weft_fork_queue *forks;
    __asm__ volatile("movq weft_forks@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(forks));
    return forks;
}

static inline uintptr_t weft_forks_stack(void)
{
    uintptr_t stack;
    __asm__ volatile("movq %%rsp, %0" : "=r"(stack));
    return stack;
}
#elif defined(__aarch64__) && defined(__LP64__)
static inline struct weft_fork_queue *weft_forks_here(void)
{
    struct weft_fork_queue *forks;
    uintptr_t offset;
    __asm__ volatile("mrs %0, tpidr_el0\n\t"
                     "adrp %1, :gottprel:weft_forks\n\t"
                     "ldr %1, [%1, #:gottprel_lo12:weft_forks]\n\t"
                     "ldr %0, [%0, %1]"
                     : "=&r"(forks), "=&r"(offset));
    return forks;
}

static inline uintptr_t weft_forks_stack(void)
{
    uintptr_t stack;
    __asm__ volatile("mov %0, sp" : "=r"(stack));
    return stack;
}
#elif !defined(WEFT_FORK_OUT_OF_LINE)
#define WEFT_FORK_OUT_OF_LINE
#endif

#ifdef WEFT_FORK_OUT_OF_LINE

static inline int weft_fork(weft_task *task, weft_fn *fn, void *arg)
{
    return weft_fork_slow(task, fn, arg);
}

static inline int weft_sync(weft_task *task)
{
    return weft_sync_slow(task);
}

#else

/* wf_split_push of core/split_deque.h. */
static inline int weft_fork(weft_task *task, weft_fn *fn, void *arg)
{
    struct weft_fork_queue *forks = weft_forks_here();
    void **slot = forks->bottom;
    if (__builtin_expect(task == NULL || fn == NULL || slot >= __atomic_load_n(&forks->limit, __ATOMIC_RELAXED) ||
                             weft_forks_stack() < forks->stack_low,
                         0))
        return weft_fork_slow(task, fn, arg);
    task->fn = fn;
    task->arg = arg;
    task->state = slot;
    __atomic_store_n(slot, task, __ATOMIC_RELAXED); /* relaxed: published when it is exposed */
    forks->bottom = slot + 1;
    return 0;
}

/* wf_split_pop of core/split_deque.h. A task that is private has its slot for its state. */
static inline int weft_sync(weft_task *task)
{
    struct weft_fork_queue *forks = weft_forks_here();
    void **slot = forks->bottom - 1;
    if (__builtin_expect(task == NULL || __atomic_load_n(&task->state, __ATOMIC_RELAXED) != slot ||
                             __atomic_load_n(&forks->limit, __ATOMIC_RELAXED) == NULL,
                         0))
        return weft_sync_slow(task);
    forks->bottom = slot;
    task->state = NULL;
    task->fn(task->arg);
    return 0;
}

#endif

#ifdef __cplusplus
}
#endif

#endif
