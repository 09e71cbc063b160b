/* The queues of a worker and the order in which it looks at them: what runs next.
 *
 * A worker has a LIFO slot (the coroutine that was woken last, while its data is warm), a run queue (FIFO, others may steal half
 * of it), a list of pinned coroutines that only it may run, and shares one overflow queue with all. It looks
 *
 *   every 61st dispatch   at the event source, the timers and the shared queue, so that none starves behind local work
 *   first                 at the LIFO slot, but not more than 3 times in a row, so that two coroutines that wake each other
 *                         do not starve the rest
 *   then                  at its pinned list and its run queue, by turns
 *   with none of these    from its own stack: at the event source, the timers, the shared queue, and the others' run queues
 *
 * Waking others. A push to the worker's own queue wakes nobody: the worker is awake and will get to it. At each dispatch that
 * leaves something in the run queue it looks whether others are idle and nobody searches, and then wakes one (a wake costs the
 * waker 2–9 µs, so a push that is popped again at once, as in ping-pong, must not cause one). A push to the shared queue has no
 * owner who is awake: it takes the full protocol of sched/idle.h.
 */
#include "sched/worker.h"

#include "core/clock.h"
#include "sched/state.h"
#include "sched/suspend.h"

enum {
    TURN = 61, /* prime, so that it does not fall into step with loops of the program; as Go and Tokio found good */
    LIFO_RUNS = 3,
    SHARED_BATCH = 32, /* most coroutines that one visit takes from the shared queue */
};

/* ---- the shared queue ---- */

static void put_shared(wf_coro *first, wf_coro *last, uint64_t count)
{
    last->link = NULL;
    wf_lock_take(&wf_rt.shared_lock);
    if (wf_rt.shared_tail == NULL)
        wf_rt.shared_head = first;
    else
        wf_rt.shared_tail->link = first;
    wf_rt.shared_tail = last;
    /* relaxed: the lock orders the queue; readers of the count alone are fenced by sched/idle.h. */
    wf_store_relaxed(&wf_rt.shared_count, wf_load_relaxed(&wf_rt.shared_count) + count);
    wf_unlock(&wf_rt.shared_lock);
}

/* Take this worker's share of the shared queue: one to run, others into its own run queue. */
static wf_coro *take_shared(wf_worker *self)
{
    if (wf_load_relaxed(&wf_rt.shared_count) == 0) /* relaxed: a hint */
        return NULL;
    wf_lock_take(&wf_rt.shared_lock);
    uint64_t count = wf_load_relaxed(&wf_rt.shared_count); /* relaxed: under the lock */
    uint64_t share = count / wf_rt.count + 1;
    if (share > SHARED_BATCH)
        share = SHARED_BATCH;
    wf_coro *first = NULL;
    uint64_t taken = 0;
    while (taken < share && wf_rt.shared_head != NULL) {
        wf_coro *coro = wf_rt.shared_head;
        wf_coro *rest = coro->link;
        if (first == NULL)
            first = coro;
        else if (!wf_runq_push(&self->runq, coro))
            break;
        wf_rt.shared_head = rest;
        taken++;
    }
    if (wf_rt.shared_head == NULL)
        wf_rt.shared_tail = NULL;
    wf_store_relaxed(&wf_rt.shared_count, count - taken); /* relaxed: under the lock */
    wf_unlock(&wf_rt.shared_lock);
    return first;
}

/* ---- putting ---- */

/* Own run queue; when it is full, half of it and this one go to the shared queue, so that others can help. */
static void put_local(wf_worker *self, wf_coro *coro)
{
    if (wf_runq_push(&self->runq, coro))
        return;
    wf_coro *first = NULL;
    wf_coro *last = NULL;
    uint64_t count = 0;
    while (count < WF_RUNQ_SIZE / 2) {
        wf_coro *old = wf_runq_pop(&self->runq);
        if (old == NULL)
            break;
        if (first == NULL)
            first = old;
        else
            last->link = old;
        last = old;
        count++;
    }
    if (first == NULL)
        first = coro;
    else
        last->link = coro;
    put_shared(first, coro, count + 1);
    wf_queue_wake_one(self);
}

static void put_next(wf_worker *self, wf_coro *coro)
{
    /* ORDER(lifo): pairs with take_lifo: release the coroutine, acquire the one that is displaced. */
    wf_coro *displaced = wf_exchange_acq_rel(&self->lifo, coro);
    if (displaced != NULL)
        put_local(self, displaced);
}

static void put_pinned(wf_worker *self, wf_coro *coro)
{
    coro->link = NULL;
    if (self->pinned_tail == NULL)
        self->pinned_head = coro;
    else
        self->pinned_tail->link = coro;
    self->pinned_tail = coro;
}

/* A pinned coroutine made runnable on another thread: to its own worker. */
static void put_remote(wf_worker *self, wf_worker *target, wf_coro *coro)
{
    wf_coro *head = wf_load_relaxed(&target->arrivals); /* relaxed: the CAS decides */
    do {
        coro->link = head;
        /* ORDER(arrivals): pairs with take_arrivals. */
    } while (!wf_cas_acq_rel(&target->arrivals, &head, coro));
    wf_worker_wake(target, self);
}

void wf_queue_put(wf_worker *self, wf_coro *coro, bool next)
{
    if (coro->flags & WF_CORO_THREAD) {
        wf_thread_wake(coro);
    } else if (coro->flags & WF_CORO_PINNED) {
        wf_worker *target = wf_rt.workers[wf_load_relaxed(&coro->worker)]; /* relaxed: fixed while pinned */
        if (target == self) {
            put_pinned(self, coro);
        } else {
            wf_foreign_enter();
            put_remote(self, target, coro);
            wf_foreign_leave();
        }
    } else if (self == NULL) {
        wf_foreign_enter();
        put_shared(coro, coro, 1);
        wf_queue_wake_one(NULL);
        wf_foreign_leave();
    } else if (next) {
        put_next(self, coro);
    } else {
        put_local(self, coro);
    }
}

void wf_queue_wake_one(wf_worker *self)
{
    if (wf_rt.count == 1 && self != NULL)
        return;
    int index = wf_idle_pick(&wf_rt.idle);
    if (index >= 0)
        wf_worker_wake(wf_rt.workers[index], self);
}

/* ---- taking ---- */

static wf_coro *take_lifo(wf_worker *worker)
{
    if (wf_load_relaxed(&worker->lifo) == NULL) /* relaxed: a hint */
        return NULL;
    /* ORDER(lifo): pairs with put_next. */
    return wf_exchange_acq_rel(&worker->lifo, NULL);
}

static wf_coro *take_pinned(wf_worker *self)
{
    wf_coro *coro = self->pinned_head;
    if (coro != NULL) {
        self->pinned_head = coro->link;
        if (self->pinned_head == NULL)
            self->pinned_tail = NULL;
    }
    return coro;
}

static bool has_arrivals(wf_worker *self)
{
    return wf_load_relaxed(&self->arrivals) != NULL || !wf_inbox_is_empty(&self->messages); /* relaxed: a hint */
}

/* What other threads sent to this worker: pinned coroutines, oldest first, and messages. */
static void take_arrivals(wf_worker *self)
{
    if (wf_load_relaxed(&self->arrivals) != NULL) { /* relaxed: a hint */
        /* ORDER(arrivals): pairs with put_remote. */
        wf_coro *newest = wf_exchange_acq_rel(&self->arrivals, NULL);
        wf_coro *oldest = NULL;
        while (newest != NULL) {
            wf_coro *rest = newest->link;
            newest->link = oldest;
            oldest = newest;
            newest = rest;
        }
        while (oldest != NULL) {
            wf_coro *rest = oldest->link;
            put_pinned(self, oldest);
            oldest = rest;
        }
    }
    wf_inbox_node *node = wf_inbox_take(&self->messages);
    while (node != NULL) {
        wf_message *message = wf_container_of(node, wf_message, node);
        node = node->next;
        message->run(self, message);
    }
}

static void run_timers(wf_worker *self)
{
    int64_t now = wf_clock_now();
    wf_store_relaxed(&self->now_ms, (uint32_t)(now / WEFT_MILLISECOND)); /* relaxed: coarse clock */
    if (now >= wf_load_relaxed(&self->wheel_next)) /* relaxed: own wheel; inserts from here only */
        wf_timer_run(self, self, now);
}

/* Every 61st dispatch: the event source, the timers, and one from the shared queue. */
static wf_coro *take_turn(wf_worker *self)
{
    int events = wf_rt.driver->poll(self);
    if (events > 0) {
        wf_count(&self->polls, 1);
        wf_count(&self->events, (uint64_t)events);
    }
    run_timers(self);
    return take_shared(self);
}

static wf_coro *take_local(wf_worker *self)
{
    wf_coro *coro;
    if (self->lifo_runs < LIFO_RUNS) {
        coro = take_lifo(self);
        if (coro != NULL) {
            self->lifo_runs++;
            return coro;
        }
    }
    self->lifo_runs = 0;
    if (self->tick & 1) {
        coro = take_pinned(self);
        if (coro != NULL)
            return coro;
    }
    coro = wf_runq_pop(&self->runq);
    if (coro == NULL)
        coro = take_pinned(self);
    if (coro == NULL)
        coro = take_lifo(self);
    return coro;
}

/* Is there something to run for others, and somebody who sleeps? */
static inline bool could_share(wf_worker *self)
{
    if (wf_rt.count == 1)
        return false;
    /* relaxed: our own queue is not lost if this is missed; we look again at the next dispatch. */
    uint32_t counts = wf_load_relaxed(&wf_rt.idle.counts);
    return wf_idle_idle(counts) != 0 && wf_idle_searching(counts) == 0 && wf_runq_count(&self->runq) != 0;
}

static inline void share(wf_worker *self)
{
    if (could_share(self))
        wf_queue_wake_one(self);
}

#define NO_STACK \
    "no stack for a coroutine that is to start (out of memory, or of mappings for guards): it waits until others "

/* No stack is to be had for a coroutine that wants to start: it goes to the end of the shared queue, and gets one when others
 * have given theirs back. Said once a second; where nobody has one to give back, whatever the log level. */
static void defer(wf_coro *coro)
{
    static _Atomic(int64_t) said_at = INT64_MIN / 2;
    int64_t now = wf_clock_now();
    int64_t last = wf_load_relaxed(&said_at); /* relaxed: only spaces out messages */
    bool due = now - last >= WEFT_SECOND && wf_cas_relaxed(&said_at, &last, now); /* relaxed: as above */
    if (due && wf_stack_live() == 0)
        wf_complain(NO_STACK
                    "end, but none is running; raise vm.max_map_count or the memory limit, or lower WEFT_STACK_SIZE");
    else if (due)
        wf_log(WEFT_LOG_WARN, NO_STACK "end; raise vm.max_map_count or the memory limit, or spawn fewer at a time");
    put_shared(coro, coro, 1);
}

static wf_coro *next_of(wf_worker *self)
{
    self->tick++;
    wf_coro *coro = NULL;
    if (self->tick % TURN == 0)
        coro = take_turn(self);
    take_arrivals(self);
    if (coro == NULL)
        coro = take_local(self);
    if (coro != NULL)
        share(self);
    return coro;
}

static wf_coro *with_stack(wf_worker *self, wf_coro *coro)
{
    if (coro == NULL || coro->stack != NULL || wf_coro_bind(self, coro))
        return coro;
    defer(coro);
    return NULL;
}

wf_coro *wf_queue_next(wf_worker *self)
{
    return with_stack(self, next_of(self));
}

wf_coro *wf_queue_next_for(wf_worker *self, const wf_coro *ended)
{
    wf_coro *coro = next_of(self);
    bool fits = coro != NULL && coro->stack_class == ended->stack_class && !(ended->flags & WF_CORO_SECRET);
    return fits && coro->stack == NULL ? coro : with_stack(self, coro);
}

wf_coro *wf_queue_next_quick(wf_worker *self)
{
    if ((self->tick + 1) % TURN == 0 || has_arrivals(self) || could_share(self))
        return NULL;
    self->tick++;
    return with_stack(self, take_local(self));
}

/* ---- searching, from the worker's own stack ---- */

static wf_coro *steal(wf_worker *self)
{
    unsigned others = wf_rt.count - 1;
    for (unsigned i = 0; i < others; i++) {
        wf_worker *victim = wf_rt.workers[self->victims[i]];
        uint64_t before = wf_runq_count(&self->runq);
        wf_coro *coro = wf_runq_steal(&victim->runq, &self->runq);
        if (coro != NULL) {
            wf_count(&self->steals, 1);
            wf_count(&self->stolen, 1 + wf_runq_count(&self->runq) - before);
            return coro;
        }
    }
    return NULL;
}

/* One look everywhere but at the others. */
static wf_coro *look(wf_worker *self)
{
    wf_coro *coro = take_turn(self);
    take_arrivals(self);
    if (coro == NULL)
        coro = take_local(self);
    return coro;
}

void wf_queue_found(wf_worker *self)
{
    if (!self->searching) {
        share(self);
        return;
    }
    self->searching = false;
    if (wf_idle_end_search(&wf_rt.idle) && wf_queue_has_work(self))
        wf_queue_wake_one(self);
}

/* Spinning pays when work comes within the time that a wake costs (some 10 µs). The budget doubles, up to the configured
 * maximum, each time that spinning found something, and halves each time that it did not: so an idle worker soon parks
 * almost at once. */
enum { SPIN_MIN_NS = 2000 };

static uint32_t spin_max(void)
{
    return wf_rt.count > 1 ? wf_rt.config.spin_us * 1000 : 0;
}

static wf_coro *spin(wf_worker *self)
{
    uint32_t most = spin_max();
    if (self->spin_ns > most)
        self->spin_ns = most;
    int64_t until = wf_clock_now() + self->spin_ns;
    do {
        wf_coro *coro = steal(self);
        if (coro == NULL)
            coro = look(self);
        if (coro != NULL) {
            self->spin_ns = self->spin_ns * 2 < most ? self->spin_ns * 2 : most;
            return coro;
        }
        for (int i = 0; i < 16; i++)
            wf_spin_pause();
    } while (wf_clock_now() < until);
    uint32_t least = most < SPIN_MIN_NS ? most : SPIN_MIN_NS;
    self->spin_ns = self->spin_ns / 2 > least ? self->spin_ns / 2 : least;
    return NULL;
}

wf_coro *wf_queue_search(wf_worker *self)
{
    wf_coro *coro = look(self);
    if (coro == NULL && wf_rt.count > 1) {
        if (!self->searching)
            self->searching = wf_idle_begin_search(&wf_rt.idle, wf_rt.count);
        if (self->searching)
            coro = spin(self);
    }
    bool found_one = coro != NULL;
    coro = with_stack(self, coro);
    if (found_one && coro == NULL)
        wf_rt.driver->wait(self,
                           wf_clock_now() + WEFT_MILLISECOND); /* stacks come back at the pace of other coroutines */
    return coro;
}

bool wf_queue_has_work(wf_worker *self)
{
    /* relaxed: the caller has fenced (sched/idle.h). */
    if (wf_load_relaxed(&wf_rt.shared_count) != 0 || self->pinned_head != NULL || wf_load_relaxed(&self->lifo) != NULL)
        return true;
    if (has_arrivals(self))
        return true;
    for (unsigned i = 0; i < wf_rt.count; i++)
        if (wf_runq_count(&wf_rt.workers[i]->runq) != 0)
            return true;
    return false;
}
