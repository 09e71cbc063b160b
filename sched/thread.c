/* Plain threads as waiters: a control block of their own, a futex in place of the switch.
 *
 * The block is made when a thread first has to wait (or starts a timeout) and given back when the thread ends. It is always
 * RUNNING or WAITING. Whoever claims it writes wake_value and then sets thread_awake; the thread looks at that word only, because
 * its state says READY a moment before wake_value is there.
 */
#include <errno.h>
#include <pthread.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/futex.h"
#include "sched/suspend.h"
#include "sched/worker.h"

static _Thread_local wf_coro *thread_self __attribute__((tls_model("initial-exec")));
static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

/* Blocks of threads are no coroutines: they have no handle, and no walk over all coroutines meets them. Like those they are never
 * unmapped and keep their ticket, so they are recycled here. */
static struct {
    wf_lock lock;
    wf_coro *free; /* by link */
} pool;

static wf_coro *take_block(void)
{
    wf_lock_take(&pool.lock);
    wf_coro *block = pool.free;
    if (block != NULL)
        pool.free = block->link;
    wf_unlock(&pool.lock);
    return block != NULL ? block : wf_alloc_aligned(WF_CACHE_LINE, sizeof(*block));
}

static void put_block(wf_coro *block)
{
    wf_free(block->extra);
    block->extra = NULL;
    wf_lock_take(&pool.lock);
    block->link = pool.free;
    pool.free = block;
    wf_unlock(&pool.lock);
}

static void forget(void *block)
{
    wf_coro *self = block;
    wf_local_run_destructors(self);
    thread_self = NULL;
    put_block(self);
}

static void make_key(void)
{
    pthread_key_create(&thread_key, forget);
}

__attribute__((noinline)) wf_coro *wf_thread_self(void)
{
    if (thread_self != NULL)
        return thread_self;
    pthread_once(&thread_once, make_key);
    wf_coro *self = take_block();
    if (self == NULL)
        return NULL;
    wf_coro_init(self, 0);
    self->flags = WF_CORO_THREAD;
    wf_state_dispatch(self);
    if (pthread_setspecific(thread_key, self) != 0) {
        put_block(self);
        return NULL;
    }
    thread_self = self;
    return self;
}

/* Sleep until somebody has claimed us and set thread_awake, or until the deadline, when the claim is our own. */
static void sleep_until_awake(wf_coro *self, int64_t deadline)
{
    /* ORDER(thread-awake): pairs with wf_thread_wake: wake_value and what came with it. */
    while (!wf_load_acquire(&self->thread_awake)) {
        wf_futex_wait(&self->thread_awake, 0, deadline);
        if (deadline == WEFT_NEVER || wf_clock_now() < deadline)
            continue;
        /* ORDER(state-wait): our own word; a claim by somebody else may be under way. */
        if (wf_state_expire(self, wf_load_acquire(&self->state))) {
            self->wake_value = -ETIMEDOUT;
            return;
        }
        deadline = WEFT_NEVER; /* claimed: the wake is on its way */
    }
}

void wf_thread_wait(wf_coro *self, unsigned bits, wf_held held)
{
    wf_store_relaxed(&self->thread_awake, 0); /* relaxed: published by the commit */
    wf_store_relaxed(&self->wait_since_ms, (uint32_t)(wf_clock_now() / WEFT_MILLISECOND)); /* relaxed: for weft_dump */
    enum wf_commit result = wf_state_commit_wait(self, bits);
    if (held != 0)
        wf_held_release(held);
    if (result == WF_COMMIT_PARKED) {
        /* relaxed: our own */
        int64_t deadline = bits & WF_STATE_TIMED ? wf_load_relaxed(&self->deadline) : WEFT_NEVER;
        sleep_until_awake(self, deadline);
    }
    wf_state_dispatch(self);
}

void wf_thread_wake(wf_coro *thread)
{
    /* ORDER(thread-awake): pairs with sleep_until_awake. After this store the thread may go on and end; its block stays mapped, so
     * the wake below finds at worst nobody. */
    wf_store_release(&thread->thread_awake, 1);
    wf_futex_wake(&thread->thread_awake, 1);
}

void wf_thread_fork_lock(void)
{
    wf_lock_take(&pool.lock);
}

void wf_thread_fork_unlock(void)
{
    wf_unlock(&pool.lock);
}
