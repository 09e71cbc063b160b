/* Plain threads as waiters: a control block of their own, a futex in place of the switch.
 *
 * The block is made when a thread first has to wait (or starts a timeout) and given back when the thread ends. It is always
 * RUNNING or WAITING. Whoever claims it writes wake_value and then sets thread_awake; the thread looks at that word only, because
 * its state says READY a moment before wake_value is there.
 *
 * A thread whose select waits for descriptors, too, sleeps in ppoll instead of the futex. Who claims it writes to the eventfd among
 * those descriptors first, and then sets thread_awake as ever; the thread waits for that before it goes on, so
 * the eventfd is still there when it is written to. Without one (EMFILE) it wakes every 20 ms to look.
 *
 * A thread that waits for nothing but a descriptor sleeps in ppoll (io/plain.c) and stays RUNNING; what it waits for is noted all the same, so
 * that weft_dump can show it.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/futex.h"
#include "core/ppoll.h"
#include "core/syscall.h"
#include "sched/dump.h"
#include "sched/suspend.h"
#include "sched/worker.h"

static _Thread_local wf_coro *thread_self __attribute__((tls_model("initial-exec")));
static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

/* Blocks of threads are no coroutines: they have no handle, and no walk over all coroutines meets them. Like those they are never
 * unmapped and keep their ticket, so they are recycled here. */
typedef struct thread_block {
    _Alignas(WF_CACHE_LINE) wf_coro coro;
    struct thread_block *next;   /* among all; fixed once it can be reached */
    _Atomic(int32_t) tid;        /* 0: it belongs to no thread at present */
    _Atomic(const void *) frame; /* of the wait that is on */
    struct pollfd *fds;          /* NULL: it sleeps in the futex; else in ppoll on these. The last is the eventfd */
    nfds_t fds_count;
    wf_fault_stack fault_stack; /* from the first body on that runs on a stack of weft's */
} thread_block;

static struct {
    wf_lock lock;
    wf_coro *free;               /* by link */
    _Atomic(thread_block *) all; /* written under the lock; it only grows */
} pool;

static thread_block *block_of(wf_coro *self)
{
    return wf_container_of(self, thread_block, coro);
}

static wf_coro *new_block(void)
{
    thread_block *block = wf_alloc_aligned(WF_CACHE_LINE, sizeof(*block));
    if (block == NULL)
        return NULL;
    wf_lock_take(&pool.lock);
    block->next = wf_load_relaxed(&pool.all); /* relaxed: under the lock */
    /* ORDER(thread-blocks): pairs with wf_thread_each: the block and its `next`. */
    wf_store_release(&pool.all, block);
    wf_unlock(&pool.lock);
    return &block->coro;
}

static wf_coro *take_block(void)
{
    wf_lock_take(&pool.lock);
    wf_coro *block = pool.free;
    if (block != NULL)
        pool.free = block->link;
    wf_unlock(&pool.lock);
    return block != NULL ? block : new_block();
}

static void put_block(wf_coro *block)
{
    wf_store_relaxed(&block_of(block)->tid, 0); /* relaxed: for dumps */
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
    wf_family_end(self);
    wf_local_run_destructors(self);
    wf_tree_leave(self);
    wf_family_end(self);
    wf_fault_thread_leave(&block_of(self)->fault_stack);
    thread_self = NULL;
    put_block(self);
}

wf_coro *wf_thread_self_if_any(int32_t *tid)
{
    wf_coro *self = thread_self;
    *tid = self != NULL ? wf_load_relaxed(&block_of(self)->tid) : 0; /* relaxed: the thread's own */
    return self;
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
    wf_store_relaxed(&block_of(self)->tid, gettid()); /* relaxed: for dumps */
    wf_state_dispatch(self);
    if (pthread_setspecific(thread_key, self) != 0) {
        put_block(self);
        return NULL;
    }
    thread_self = self;
    return self;
}

void wf_thread_catch_overflows(wf_coro *self)
{
    stack_t present;
    wf_fault_stack *stack = &block_of(self)->fault_stack;
    if (stack->mapping != NULL || wf_worker_self() != NULL)
        return;
    wf_fault_install(wf_dump_fault);
    if (wf_syscall3(SYS_sigaltstack, NULL, &present, 0) == 0 && (present.ss_flags & SS_DISABLE))
        wf_fault_thread_enter(stack); /* without one, an overflow goes unnamed */
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

/* As sleep_until_awake. Whatever ends the ppoll, the wait is over; where nobody else has ended it, it is for who waits to look. */
static void sleep_in_poll(wf_coro *self, int64_t deadline)
{
    const thread_block *block = block_of(self);
    int64_t slice = block->fds[block->fds_count - 1].fd < 0 ? WF_PPOLL_SLICE_NS : WEFT_NEVER;
    long ready = -EINTR;
    while (ready == -EINTR)
        ready = wf_ppoll_until(block->fds, block->fds_count, deadline, slice);
    /* ORDER(state-wait): our own word; a claim by somebody else may be under way. */
    if (wf_state_claim(self))
        self->wake_value = ready == 0 && deadline != WEFT_NEVER && deadline <= wf_clock_now() ? -ETIMEDOUT : 0;
    else
        sleep_until_awake(self, WEFT_NEVER);
}

void wf_thread_sleeps_in(wf_coro *self, struct pollfd *fds, nfds_t count)
{
    block_of(self)->fds = fds;
    block_of(self)->fds_count = count;
}

/* Until it is claimed. */
static void sleep_parked(wf_coro *self, int64_t deadline)
{
    if (block_of(self)->fds != NULL) {
        sleep_in_poll(self, deadline);
        return;
    }
    if (deadline == WEFT_NEVER)
        wf_deadlock_thread_waits();
    sleep_until_awake(self, deadline);
}

void wf_thread_wait(wf_coro *self, unsigned bits, wf_held held)
{
    wf_store_relaxed(&block_of(self)->frame, __builtin_frame_address(0)); /* relaxed: for dumps, which check it */
    wf_store_relaxed(&self->thread_awake, 0);                             /* relaxed: published by the commit */
    wf_store_relaxed(&self->wait_since_ms, (uint32_t)(wf_clock_now() / WEFT_MILLISECOND)); /* relaxed: for weft_dump */
    /* relaxed: our own */
    int64_t deadline = bits & WF_STATE_TIMED ? wf_load_relaxed(&self->deadline) : WEFT_NEVER;
    if (block_of(self)->fds != NULL)
        bits |= WF_STATE_TIMED; /* a descriptor may end it: it does not wait for good (wf_still_add) */
    enum wf_commit result = wf_state_commit_wait(self, bits);
    if (held != 0)
        wf_held_release(held);
    if (result == WF_COMMIT_PARKED)
        sleep_parked(self, deadline);
    wf_state_dispatch(self);
}

void wf_thread_wake(wf_coro *thread)
{
    const thread_block *block = block_of(thread);
    uint64_t one = 1;
    if (wf_unlikely(block->fds != NULL)) /* without an eventfd it says EBADF */
        wf_syscall3(SYS_write, block->fds[block->fds_count - 1].fd, &one, sizeof one);
    /* ORDER(thread-awake): pairs with sleep_until_awake. After this store the thread may go on and end; its block stays mapped, so
     * the wake below finds at worst nobody. */
    wf_store_release(&thread->thread_awake, 1);
    wf_futex_wake(&thread->thread_awake, 1);
}

void wf_thread_waits_elsewhere(wf_coro *self, enum wf_wait_kind kind, void *object, const void *frame)
{
    /* relaxed, all of it: for dumps, which look twice whether the ticket is still the same. */
    wf_store_relaxed(&self->wait_kind, WF_WAIT_NONE);
    wf_state_dispatch(self);
    wf_store_relaxed(&block_of(self)->frame, frame);
    wf_store_relaxed(&self->wait_object, object);
    wf_store_relaxed(&self->wait_since_ms, (uint32_t)(wf_clock_now() / WEFT_MILLISECOND));
    wf_store_relaxed(&self->wait_kind, (uint8_t)kind);
}

void wf_thread_each(void (*visit)(wf_coro *thread, int32_t tid, const void *frame, void *arg), void *arg)
{
    /* ORDER(thread-blocks): pairs with new_block. */
    for (thread_block *block = wf_load_acquire(&pool.all); block != NULL; block = block->next) {
        int32_t tid = wf_load_relaxed(&block->tid); /* relaxed: the visitor finds out what has changed */
        if (tid != 0)
            visit(&block->coro, tid, wf_load_relaxed(&block->frame), arg); /* relaxed: as above */
    }
}

wf_coro *wf_thread_of(int32_t tid)
{
    /* ORDER(thread-blocks): pairs with new_block. */
    for (thread_block *block = wf_load_acquire(&pool.all); block != NULL; block = block->next)
        if (wf_load_relaxed(&block->tid) == tid) /* relaxed: as above */
            return &block->coro;
    return NULL;
}

/* In the child of a fork: of all threads only the calling one is there, under another number. */
void wf_thread_forget_others(void)
{
    for (thread_block *block = wf_load_relaxed(&pool.all); block != NULL; block = block->next)
        wf_store_relaxed(&block->tid, &block->coro == thread_self ? gettid() : 0); /* relaxed: there is one thread */
}

void wf_thread_fork_lock(void)
{
    wf_lock_take(&pool.lock);
}

void wf_thread_fork_unlock(void)
{
    wf_unlock(&pool.lock);
}
