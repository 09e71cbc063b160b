/* The queues of a worker and the order in which it looks at them: what runs next.
 *
 * A worker has a queue of its own with a LIFO slot before it (core/localq.h: the coroutine that was woken last runs next, while its
 * data is warm), a run queue behind it (core/runq.h: others may steal half of it), a list of pinned coroutines that only it may
 * run, and shares one overflow queue with all. It looks
 *
 *   every 61st dispatch   at the event source, the timers and the shared queue, so that none starves behind local work
 *   first                 at the LIFO slot, but not more than 3 times in a row, so that two coroutines that wake each other
 *                         do not starve the rest
 *   then                  at its pinned list and its own queue, by turns; the own queue is filled up from the run queue
 *   with none of these    from its own stack: at the event source, the timers, the shared queue, and the others' run queues
 *                         and forks (sched/forks.c)
 *
 * Own queue and run queue are one FIFO, of which the run queue is the older part. What is pushed goes to the own queue; when that
 * is full, the older half of it moves to the run queue. Before the newer part goes on, 64 of the run queue are brought back to
 * its front. So up to 256 coroutines go round without an atomic read-modify-write, one compare-and-swap brings the next 64, and
 * what was queued last is here, where a join finds it.
 *
 * Sharing. At each dispatch a worker looks whether anybody searches or sleeps. If so, it moves half of its own queue to the run
 * queue, and wakes a sleeper if nobody searches (a wake costs the waker 2–9 µs; what is popped again at once, as in ping-pong, is
 * not there to be shared any more and causes none). A push to the shared queue has no owner who is awake: it takes the full
 * protocol of sched/idle.h.
 *
 * A worker that does not dispatch shares nothing. One that is about to sleep and sees that another keeps something to itself looks
 * again after 50 µs, and robs it if it has not dispatched since (take_from_stuck). What it misses, the monitor finds.
 */
#include "sched/worker.h"

#include "core/clock.h"
#include "sched/forks.h"
#include "sched/ready.h"
#include "sched/state.h"
#include "sched/suspend.h"

enum {
    SHARED_BATCH = 32, /* most coroutines that one visit takes from the shared queue */
    SHARED_BUSY =
        16, /* ... and where much is queued already: with a batch of timers fewer than are dispatched until the next */
    BEGUN_LOOKS = 4,  /* each may be a cache miss */
    STUCK_NS = 50000, /* five times what robbing costs both */
    SUSPICIONS = 8,   /* the last look comes after 6 ms; then it is the monitor's turn */
};

/* ---- the shared queue ---- */

/* The lock is held. */
static void append_shared(wf_coro *coro)
{
    wf_shared *list = coro->stack != NULL ? &wf_rt.shared_begun : &wf_rt.shared_new;
    coro->link = NULL;
    if (list->tail == NULL)
        list->head = coro;
    else
        list->tail->link = coro;
    list->tail = coro;
}

static void put_shared(wf_coro *const *coros, uint32_t count)
{
    wf_lock_take(&wf_rt.shared_lock);
    for (uint32_t i = 0; i < count; i++)
        append_shared(coros[i]);
    /* relaxed: the lock orders the queue; readers of the count alone are fenced by sched/idle.h. */
    wf_store_relaxed(&wf_rt.shared_count, wf_load_relaxed(&wf_rt.shared_count) + count);
    wf_unlock(&wf_rt.shared_lock);
}

/* Take up to `most` from one list: the first is returned in *first if there is none yet, the others are queued here. Returns how
 * many. The lock is held. */
static uint64_t take_from(wf_worker *self, wf_shared *list, uint64_t most, wf_coro **first)
{
    uint64_t taken = 0;
    for (; taken < most && list->head != NULL; taken++) {
        wf_coro *coro = list->head;
        wf_coro *rest = coro->link; /* queued, it may be gone at once */
        WF_PREFETCH_TO_WRITE(wf_further_on(coro, rest));
        if (*first == NULL)
            *first = coro;
        else if (!wf_localq_push(&self->local, coro))
            break;
        list->head = rest;
        if (rest == NULL)
            list->tail = NULL;
    }
    return taken;
}

/* Take this worker's share of the shared queue: one to run, others into its own queue. Those that have begun before those that have
 * not; and few of either where much is queued already, or the own queue would be pushed out to where they come from. */
static wf_coro *take_shared(wf_worker *self)
{
    if (wf_load_relaxed(&wf_rt.shared_count) == 0) /* relaxed: a hint */
        return NULL;
    bool busy = wf_localq_count(&self->local) > WF_LOCALQ_SIZE / 4;
    wf_coro *first = NULL;
    wf_lock_take(&wf_rt.shared_lock);
    uint64_t count = wf_load_relaxed(&wf_rt.shared_count); /* relaxed: under the lock */
    uint64_t share = count / wf_rt.count + 1;
    uint64_t most = busy ? SHARED_BUSY : SHARED_BATCH;
    if (share > most)
        share = most;
    uint64_t taken = take_from(self, &wf_rt.shared_begun, share, &first);
    if (busy)
        share = taken + 1;
    taken += take_from(self, &wf_rt.shared_new, share - taken, &first);
    wf_store_relaxed(&wf_rt.shared_count, count - taken); /* relaxed: under the lock */
    wf_unlock(&wf_rt.shared_lock);
    return first;
}

/* ---- putting ---- */

/* Into the run queue; when that is full, half of it and this one go to the shared queue, so that others can help. */
static void put_behind(wf_worker *self, wf_coro *coro)
{
    wf_coro *old[WF_RUNQ_SIZE / 2 + 1];
    if (wf_runq_push(&self->runq, coro))
        return;
    uint32_t count = wf_runq_pop_many(&self->runq, (void **)old, WF_RUNQ_SIZE / 2);
    old[count++] = coro;
    put_shared(old, count);
    wf_queue_wake_one(self);
}

/* The older half of the own queue (what is more than one, at least) to where it can be stolen. */
static void expose(wf_worker *self)
{
    void *taken[WF_LOCALQ_SIZE];
    uint32_t n = 0;
    wf_localq_enter(&self->local);
    for (uint32_t half = (wf_localq_count(&self->local) + 1) / 2; n < half; n++)
        taken[n] = wf_localq_pop(&self->local);
    wf_localq_leave(&self->local);
    for (uint32_t i = 0; i < n; i++)
        put_behind(self, taken[i]);
}

void wf_queue_put_surplus(wf_worker *self, wf_coro *coro)
{
    expose(self);
    wf_localq_push(&self->local, coro);
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
        put_shared(&coro, 1);
        wf_queue_wake_one(NULL);
        wf_foreign_leave();
    } else if (next) {
        wf_ready_push_next(self, coro);
    } else {
        wf_ready_push(self, coro);
    }
}

void wf_queue_put_quiet(wf_worker *self, wf_coro *coro)
{
    if (!wf_localq_push(&self->local, coro) && !wf_runq_push(&self->runq, coro))
        put_shared(&coro, 1);
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

/* A tree of coroutines that join their children goes depth first and past all others (sched/ready.h). Past those that have not begun
 * for so long: each of them, given its turn, may begin a tree of its own, with some dozen stacks. Past those that have begun for a
 * turn: see take_begun. */
#define PAST_OTHERS_NS (10 * WEFT_MILLISECOND)

static void run_timers(wf_worker *self)
{
    int64_t now = wf_clock_now();
    if (now - self->others_at > PAST_OTHERS_NS) {
        self->others_at = now;
        self->lifo_runs = WF_READY_LIFO_RUNS;
    }
    wf_store_relaxed(&self->now_ms, (uint32_t)(now / WEFT_MILLISECOND)); /* relaxed: coarse clock */
    if (now >= wf_load_relaxed(&self->wheel_next)) /* relaxed: own wheel; inserts from here only */
        wf_timer_run(self, self, now);
}

/* One of the own queue that has begun before, if there is one among those that have waited longest. */
static wf_coro *take_begun(wf_worker *self)
{
    wf_coro *found = NULL;
    wf_localq_enter(&self->local);
    for (uint32_t i = 0; i < BEGUN_LOOKS && found == NULL; i++) {
        wf_coro *coro = wf_localq_at(&self->local, i);
        if (coro == NULL)
            break;
        if (coro->stack != NULL && wf_localq_take_old(&self->local, i))
            found = coro;
    }
    wf_localq_leave(&self->local);
    return found;
}

/* Every 61st dispatch: the event source, the timers, and one from the shared queue, or one that others have kept waiting. */
static wf_coro *take_turn(wf_worker *self)
{
    self->tick = 0;
    int events = wf_rt.driver->poll(self);
    if (events > 0) {
        wf_count(&self->polls, 1);
        wf_count(&self->events, (uint64_t)events);
    }
    run_timers(self);
    wf_coro *coro = take_shared(self);
    return coro != NULL ? coro : take_begun(self);
}

/* It is the run queue's turn: bring some of it, if there is room. */
static void refill(wf_worker *self)
{
    void *taken[WF_LOCALQ_SIZE / 4];
    uint32_t room = WF_LOCALQ_SIZE - wf_localq_count(&self->local);
    uint32_t count = wf_runq_pop_many(&self->runq, taken, room < WF_LOCALQ_SIZE / 4 ? room : WF_LOCALQ_SIZE / 4);
    wf_localq_enter(&self->local);
    wf_localq_unshift(&self->local, taken, count);
    wf_localq_leave(&self->local);
}

static inline wf_coro *take_local(wf_worker *self)
{
    wf_localq *q = &self->local;
    bool lifo =
        self->lifo_runs < WF_READY_LIFO_RUNS && wf_load_relaxed(&q->slot) != NULL; /* relaxed: looked at again */
    if (self->pinned_head != NULL && !lifo && ((self->tick & 1) || wf_localq_is_empty(q))) {
        self->lifo_runs = 0;
        return take_pinned(self);
    }
    if (!lifo && wf_ready_is_older_waiting(self))
        refill(self);
    if (wf_localq_is_empty(q))
        return NULL;
    wf_localq_enter(q);
    wf_coro *coro = lifo ? wf_localq_replace(q, NULL) : wf_localq_pop(q);
    self->lifo_runs = lifo ? self->lifo_runs + 1 : 0;
    if (coro == NULL)
        coro = wf_localq_replace(q, NULL);
    wf_localq_leave(q);
    return coro;
}

/* ---- sharing ---- */

/* Coroutines that this worker could run or give away. */
static inline uint64_t count_runnable(wf_worker *self)
{
    bool lifo = wf_load_relaxed(&self->local.slot) != NULL; /* relaxed: a hint */
    return lifo + wf_localq_count(&self->local) + wf_runq_count(&self->runq);
}

/* Somebody sleeps, and nobody searches. */
static inline bool is_help_asleep(uint32_t counts)
{
    return wf_idle_idle(counts) != 0 && wf_idle_searching(counts) == 0;
}

static void share_with(wf_worker *self, uint32_t counts)
{
    if (wf_runq_count(&self->runq) == 0 && wf_localq_count(&self->local) != 0)
        expose(self);
    if (is_help_asleep(counts) && wf_runq_count(&self->runq) != 0)
        wf_queue_wake_one(self);
}

/* Who searches or sleeps; 0: nobody, or there is nobody else. */
static inline uint32_t who_wants(void)
{
    return wf_load_relaxed(&wf_rt.idle.counts); /* relaxed: we look again at the next dispatch */
}

static inline void share(wf_worker *self)
{
    uint32_t counts = who_wants();
    if (__builtin_expect(counts != 0, 0))
        share_with(self, counts);
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
    put_shared(&coro, 1);
}

static inline wf_coro *next_of(wf_worker *self)
{
    wf_coro *coro = NULL;
    if (++self->tick >= WF_READY_TURN)
        coro = take_turn(self);
    if (has_arrivals(self))
        take_arrivals(self);
    if (coro == NULL)
        coro = take_local(self);
    if (coro == NULL)
        coro = take_shared(self);
    if (coro != NULL)
        share(self);
    return coro;
}

wf_coro *wf_queue_give_stack(wf_worker *self, wf_coro *coro)
{
    if (wf_coro_bind(self, coro))
        return coro;
    defer(coro);
    return NULL;
}

static inline wf_coro *with_stack(wf_worker *self, wf_coro *coro)
{
    return coro == NULL || coro->stack != NULL ? coro : wf_queue_give_stack(self, coro);
}

wf_coro *wf_queue_next(wf_worker *self)
{
    return with_stack(self, next_of(self));
}

wf_coro *wf_queue_next_for(wf_worker *self, const wf_coro *ended, wf_coro *taken)
{
    wf_coro *coro = taken != NULL ? taken : next_of(self);
    bool fits = coro != NULL && coro->stack_class == ended->stack_class && !(ended->flags & WF_CORO_SECRET);
    return fits && coro->stack == NULL ? coro : with_stack(self, coro);
}

wf_coro *wf_queue_next_locked(wf_worker *self, wf_coro *taken)
{
    if (taken == NULL) {
        uint32_t counts = who_wants();
        if (self->tick + 1 >= WF_READY_TURN || has_arrivals(self) ||
            (is_help_asleep(counts) && count_runnable(self) > 1))
            return NULL;
        self->tick++;
        taken = take_local(self);
        if (counts != 0 && taken != NULL)
            share_with(self, counts & ~WF_IDLE_MASK);
    }
    return with_stack(self, taken);
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
            wf_count(&self->looks, i + 1);
            wf_count_taken(self, i);
            return coro;
        }
    }
    wf_count(&self->looks, others);
    return wf_forks_steal(self);
}

/* What a stuck worker keeps for itself. The suspect is one that was seen to keep something; it is stuck when it has not
 * dispatched for STUCK_NS. Called when there is nothing else. */
static wf_coro *take_from_stuck(wf_worker *self)
{
    void *taken[WF_LOCALQ_SIZE / 2];
    wf_worker *suspect = self->suspect;
    /* relaxed, both: it may have dispatched in this very moment, and then it is robbed without need. */
    if (suspect == NULL || wf_load_relaxed(&suspect->dispatches) != self->suspect_dispatches)
        return NULL;
    bool empty = wf_localq_is_empty(&suspect->local); /* somebody else has been there: another may be worth a look */
    if (!empty && wf_clock_now() < self->suspect_until)
        return NULL;
    self->suspect = NULL;
    if (empty)
        return NULL;
    uint32_t count = wf_localq_rob(&suspect->local, taken);
    for (uint32_t i = 1; i < count; i++)
        wf_localq_push(&self->local, taken[i]);
    if (count == 0)
        return NULL;
    wf_count(&self->steals, 1);
    wf_count(&self->robberies, 1);
    wf_count(&self->stolen, count);
    wf_count_taken(self, self->suspect_at);
    return taken[0];
}

int64_t wf_queue_suspect(wf_worker *self)
{
    /* The present one has dispatched again, so it shares: look at it, or another, a few times more, ever later. */
    bool same = self->suspect != NULL &&
                wf_load_relaxed(&self->suspect->dispatches) == self->suspect_dispatches; /* relaxed: a guess */
    if (same)
        return self->suspect_until;
    self->suspect = NULL;
    for (unsigned i = 0; i + 1 < wf_rt.count && self->suspicions < SUSPICIONS; i++) {
        wf_worker *victim = wf_rt.workers[self->victims[i]];
        if (wf_localq_is_empty(&victim->local))
            continue;
        self->suspect = victim;
        self->suspect_at = i;
        self->suspect_dispatches = wf_load_relaxed(&victim->dispatches); /* relaxed: as above */
        self->suspect_until = wf_clock_now() + (STUCK_NS << self->suspicions++);
        return self->suspect_until;
    }
    return WEFT_NEVER;
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
    self->suspicions = 0;
    self->suspect = NULL;
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
    wf_count(&self->searches, 1);
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
    wf_count(&self->searches_failed, 1);
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
        if (coro == NULL)
            coro = take_from_stuck(self);
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
    if (wf_load_relaxed(&wf_rt.shared_count) != 0 || self->pinned_head != NULL || !wf_localq_is_empty(&self->local))
        return true;
    if (has_arrivals(self))
        return true;
    for (unsigned i = 0; i < wf_rt.count; i++)
        if (wf_runq_count(&wf_rt.workers[i]->runq) != 0)
            return true;
    return wf_forks_wanted(self);
}
