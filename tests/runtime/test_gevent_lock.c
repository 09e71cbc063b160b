/* weft_sem, weft_mutex, weft_cond, weft_event and weft_barrier as gevent's locks, and those of Python's threading over gevent, are
 * expected to behave. A Lock of Python's, which anybody may release, is a semaphore of one; an RLock is a recursive
 * mutex.
 */
#include "waits.h"

enum { N = 5, DUELS = 2000 };

/* The four of them by one name each. */
enum kind { SEMAPHORE, BOUNDED, PLAIN, RECURSIVE, KINDS };

struct lock {
    enum kind kind;
    weft_sem sem;
    weft_mutex mutex;
};

static struct lock lock_of(enum kind kind)
{
    struct lock l = {.kind = kind};
    CHECK_INT(kind == BOUNDED ? weft_sem_init_bounded(&l.sem, 1, 1) : weft_sem_init(&l.sem, 1), 0);
    CHECK_INT(kind == RECURSIVE ? weft_mutex_init_recursive(&l.mutex) : weft_mutex_init(&l.mutex), 0);
    return l;
}

static bool is_sem(const struct lock *l)
{
    return l->kind <= BOUNDED;
}

static int acquire_until(void *lock, int64_t deadline)
{
    struct lock *l = lock;
    return is_sem(l) ? weft_sem_wait_until(&l->sem, deadline) : weft_mutex_lock_until(&l->mutex, deadline);
}

static int acquire(struct lock *l)
{
    return is_sem(l) ? weft_sem_wait(&l->sem) : weft_mutex_lock(&l->mutex);
}

static int try_acquire(struct lock *l)
{
    return is_sem(l) ? weft_sem_trywait(&l->sem) : weft_mutex_trylock(&l->mutex);
}

static int release(struct lock *l)
{
    return is_sem(l) ? weft_sem_post(&l->sem) : weft_mutex_unlock(&l->mutex);
}

static int destroy(struct lock *l)
{
    return is_sem(l) ? weft_sem_fini(&l->sem) : weft_mutex_fini(&l->mutex);
}

static enum wf_wait_kind wait_kind(const struct lock *l)
{
    return is_sem(l) ? WF_WAIT_SEM : WF_WAIT_MUTEX;
}

/* For each kind of lock. */
static void each_lock(void (*body)(struct lock *l))
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct lock l = lock_of((enum kind)kind);
        body(&l);
        CHECK_INT(destroy(&l), 0);
    }
}

/* ---- one holder at a time ---- */

static void *hold_once(void *arg)
{
    CHECK_INT(acquire(arg), 0);
    CHECK_INT(release(arg), 0);
    return NULL;
}

static void *fail_to_hold(void *arg)
{
    struct lock *l = arg;
    CHECK_INT(try_acquire(l), is_sem(l) ? -EAGAIN : -EBUSY);
    return NULL;
}

static void *wait_in_vain(void *arg)
{
    wt_check_wait(acquire_until, arg);
    return NULL;
}

static void use_and_contend(struct lock *l)
{
    weft_t *ts[N];
    CHECK_INT(acquire(l), 0);
    CHECK_INT(release(l), 0);
    CHECK_INT(try_acquire(l), 0);
    wt_spawn_and_join(1, fail_to_hold, l);
    wt_on_thread(fail_to_hold, l);
    wt_spawn_and_join(1, wait_in_vain, l);
    wt_on_thread(wait_in_vain, l);
    for (int i = 0; i < N; i++) {
        ts[i] = weft_spawn(hold_once, l);
        wt_until_waiting(ts[i], wait_kind(l));
    }
    CHECK_INT(release(l), 0);
    for (int i = 0; i < N; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    for (int i = 0; i < 3 * N; i++) /* threads that weft has never seen leave nothing behind */
        wt_on_thread(hold_once, l);
    CHECK_INT(try_acquire(l), 0);
    CHECK_INT(release(l), 0);
}

static void *use_all(void *arg)
{
    (void)arg;
    each_lock(use_and_contend);
    return NULL;
}

static void test_lock_acquire_release_try_and_contend(void **state)
{
    (void)state;
    wt_over_few_workers(use_all, NULL);
}

/* ---- across threads ---- */

struct crossing {
    struct lock *lock;
    weft_event running;
    int64_t wait_ns; /* WEFT_NEVER: for ever */
    int result;
};

static void *acquire_on_thread(void *arg)
{
    struct crossing *c = arg;
    CHECK_INT(weft_event_set(&c->running), 0);
    c->result = acquire_until(c->lock, weft_after(c->wait_ns));
    if (c->result == 0)
        CHECK_INT(release(c->lock), 0);
    return NULL;
}

static void cross(struct lock *l, int64_t wait_ns, bool released)
{
    struct crossing c = {.lock = l, .wait_ns = wait_ns};
    CHECK_INT(acquire(l), 0);
    wt_thread *thread = wt_thread_start(acquire_on_thread, &c);
    CHECK_INT(weft_event_wait(&c.running), 0);
    if (released)
        CHECK_INT(release(l), 0);
    wt_thread_join(thread);
    CHECK_INT(c.result, released ? 0 : -ETIMEDOUT);
    if (!released)
        CHECK_INT(release(l), 0); /* nobody waits any more */
    CHECK_INT(try_acquire(l), 0);
    CHECK_INT(release(l), 0);
}

static void cross_all_ways(struct lock *l)
{
    cross(l, WEFT_NEVER, true);
    cross(l, 60 * WEFT_SECOND, true);
    cross(l, WEFT_MILLISECOND, false);
}

/* A coroutine is handed the lock, and while it has it a thread comes and gives up. */
static void *hold_while_thread_gives_up(void *arg)
{
    struct crossing c = {.lock = arg, .wait_ns = WEFT_MILLISECOND};
    CHECK_INT(acquire(arg), 0);
    wt_thread *thread = wt_thread_start(acquire_on_thread, &c);
    wt_thread_join(thread);
    CHECK_INT(c.result, -ETIMEDOUT);
    CHECK_INT(release(arg), 0);
    return NULL;
}

static void give_up_on_thread(struct lock *l)
{
    CHECK_INT(acquire(l), 0);
    weft_t *t = weft_spawn(hold_while_thread_gives_up, l);
    wt_until_waiting(t, wait_kind(l));
    CHECK_INT(release(l), 0);
    CHECK_INT(weft_join(t, NULL), 0);
}

struct duel {
    struct lock *lock;
    bool timed, sleeps;
    _Atomic(int) turns;
    int inside; /* lock: */
};

static void *fight(void *arg)
{
    struct duel *d = arg;
    for (int i = 0; i < wt_scaled(DUELS); i++) {
        CHECK_INT(acquire_until(d->lock, d->timed ? weft_after(60 * WEFT_SECOND) : WEFT_NEVER), 0);
        CHECK_INT(d->inside++, 0);
        d->inside--;
        CHECK_INT(release(d->lock), 0);
        wf_fetch_add_relaxed(&d->turns, 1); /* relaxed: read after the joins */
        if (d->sleeps && i % 100 == 0)
            CHECK_INT(weft_sleep(10 * WEFT_MICROSECOND), 0);
    }
    return NULL;
}

static void duel(struct lock *l)
{
    for (int way = 0; way < 3; way++) {
        struct duel d = {.lock = l, .timed = way == 1, .sleeps = way == 2};
        wt_thread *a = wt_thread_start(fight, &d), *b = wt_thread_start(fight, &d);
        wt_thread_join(a);
        wt_thread_join(b);
        CHECK_INT(wf_load_relaxed(&d.turns), 2 * wt_scaled(DUELS)); /* relaxed: joined */
    }
}

static void *cross_threads(void *arg)
{
    (void)arg;
    each_lock(cross_all_ways);
    each_lock(give_up_on_thread);
    each_lock(duel);
    return NULL;
}

static void test_lock_crosses_threads(void **state)
{
    (void)state;
    wt_over_few_workers(cross_threads, NULL);
}

/* ---- fair ---- */

struct fair {
    weft_sem sem;
    _Atomic(bool) quit;
};

static void *acquire_then_quit(void *arg)
{
    struct fair *f = arg;
    CHECK_INT(weft_sem_wait(&f->sem), 0);
    wf_store_relaxed(&f->quit, true); /* relaxed: the semaphore orders it for whoever is let go on */
    CHECK_INT(weft_sem_post(&f->sem), 0);
    return NULL;
}

/* Again and again, until the other one has had its turn. */
static void *keep_going(void *arg)
{
    struct fair *f = arg;
    while (!wf_load_relaxed(&f->quit)) { /* relaxed: sooner or later */
        CHECK_INT(weft_sem_wait(&f->sem), 0);
        CHECK_INT(weft_yield(), 0);
        CHECK_INT(weft_sem_post(&f->sem), 0);
    }
    return NULL;
}

static void *be_fair(void *arg)
{
    struct fair f = {0};
    (void)arg;
    CHECK_INT(weft_sem_init(&f.sem, 1), 0);
    weft_t *ts[] = {weft_spawn(keep_going, &f), weft_spawn(keep_going, &f), weft_spawn(acquire_then_quit, &f)};
    CHECK_INT(weft_joinall(ts, 3), 0);
    CHECK_INT(weft_sem_fini(&f.sem), 0);
    return NULL;
}

static void test_semaphore_is_fair(void **state)
{
    (void)state;
    wt_over_few_workers(be_fair, NULL);
}

/* ---- counting ---- */

static void *wait_sem(void *arg)
{
    CHECK_INT(weft_sem_wait(arg), 0);
    return NULL;
}

static void *count(void *arg)
{
    weft_sem sem;
    weft_t *ts[N];
    (void)arg;
    CHECK_INT(weft_sem_init_bounded(&sem, 2, 1), -EINVAL);
    CHECK_INT(weft_sem_init(&sem, 1), 0);
    CHECK_INT(weft_sem_wait(&sem), 0); /* the usual value is one */
    CHECK_INT(weft_sem_trywait(&sem), -EAGAIN);
    CHECK_INT(weft_sem_post(&sem), 0);
    CHECK_INT(weft_sem_post(&sem), 0); /* beyond where it began */
    CHECK_INT(weft_sem_wait(&sem), 0);
    CHECK_INT(weft_sem_wait(&sem), 0);
    CHECK_INT(weft_sem_trywait(&sem), -EAGAIN);
    for (int i = 0; i < N; i++) {
        ts[i] = weft_spawn(wait_sem, &sem);
        wt_until_waiting(ts[i], WF_WAIT_SEM);
    }
    for (int i = 0; i < N; i++) {
        CHECK_INT(weft_sem_post(&sem), 0);
        CHECK_INT(weft_join(ts[i], NULL), 0);
        if (i + 1 < N)
            CHECK_INT(weft_ready(ts[i + 1]), 0); /* as many as were posted go on */
    }
    CHECK_INT(weft_sem_trywait(&sem), -EAGAIN);
    CHECK_INT(weft_sem_init_bounded(&sem, 1, 1), 0);
    CHECK_INT(weft_sem_post(&sem), -EOVERFLOW);
    CHECK_INT(weft_sem_wait(&sem), 0);
    CHECK_INT(weft_sem_post(&sem), 0);
    CHECK_INT(weft_sem_post(&sem), -EOVERFLOW);
    CHECK_INT(weft_sem_fini(&sem), 0);
    return NULL;
}

static void test_semaphore_counts(void **state)
{
    (void)state;
    wt_over_few_workers(count, NULL);
}

/* ---- who may release ---- */

static void *post_sem(void *arg)
{
    CHECK_INT(weft_sem_post(arg), 0);
    return NULL;
}

struct twice {
    weft_sem sem;
    _Atomic(int) phase;
};

static void *acquire_twice(void *arg)
{
    struct twice *t = arg;
    for (int i = 1; i <= 2; i++) {
        CHECK_INT(weft_sem_wait(&t->sem), 0);
        wf_store_release(&t->phase, i); /* ORDER(phase): pairs with release_by_others. */
    }
    return NULL;
}

static void *release_by_others(void *arg)
{
    struct twice t = {0};
    (void)arg;
    CHECK_INT(weft_sem_init(&t.sem, 1), 0);
    weft_t *other = weft_spawn(acquire_twice, &t); /* a Lock taken twice waits until somebody else lets it go */
    wt_until_waiting(other, WF_WAIT_SEM);
    CHECK_INT(wf_load_acquire(&t.phase), 1); /* ORDER(phase): pairs with acquire_twice. */
    CHECK_INT(weft_sem_post(&t.sem), 0);
    CHECK_INT(weft_join(other, NULL), 0);
    wt_spawn_and_join(1, post_sem, &t.sem);
    CHECK_INT(weft_sem_wait(&t.sem), 0);
    wt_on_thread(post_sem, &t.sem);
    CHECK_INT(weft_sem_wait(&t.sem), 0);
    CHECK_INT(weft_sem_fini(&t.sem), 0);
    return NULL;
}

static void *fail_to_release(void *arg)
{
    CHECK_INT(weft_mutex_unlock(arg), -EPERM);
    return NULL;
}

static void *own(void *arg)
{
    weft_mutex m;
    (void)arg;
    CHECK_INT(weft_mutex_init_recursive(&m), 0);
    CHECK_INT(weft_mutex_unlock(&m), -EPERM);
    for (int round = 0; round < 2; round++) {
        CHECK_INT(weft_mutex_lock(&m), 0);
        CHECK_INT(weft_mutex_lock(&m), 0);
        wt_spawn_and_join(1, fail_to_release, &m);
        wt_on_thread(fail_to_release, &m);
        CHECK_INT(weft_mutex_unlock(&m), 0);
        CHECK_INT(weft_mutex_lock(&m), 0);
        CHECK_INT(weft_mutex_unlock(&m), 0);
        CHECK_INT(weft_mutex_unlock(&m), 0);
        CHECK_INT(weft_mutex_unlock(&m), -EPERM);
    }
    CHECK_INT(weft_mutex_init(&m), 0);
    CHECK_INT(weft_mutex_lock(&m), 0);
    CHECK_INT(weft_mutex_lock(&m), -EDEADLK); /* what would wait for ever is told so */
    CHECK_INT(weft_mutex_unlock(&m), 0);
    CHECK_INT(weft_mutex_fini(&m), 0);
    return NULL;
}

static void test_lock_is_anybodys_and_rlock_its_owners(void **state)
{
    (void)state;
    wt_over_few_workers(release_by_others, NULL);
    wt_over_few_workers(own, NULL);
}

/* ---- conditions ---- */

struct condition {
    weft_mutex mutex;
    weft_cond cond;
    int woken; /* mutex: */
    int64_t deadline;
};

static void *wait_condition(void *arg)
{
    struct condition *c = arg;
    CHECK_INT(weft_mutex_lock(&c->mutex), 0);
    int result = weft_cond_wait_until(&c->cond, &c->mutex, c->deadline);
    CHECK_INT(result, c->deadline == WEFT_NEVER ? 0 : -ETIMEDOUT);
    c->woken++;
    CHECK_INT(weft_mutex_unlock(&c->mutex), 0);
    return NULL;
}

static int woken(struct condition *c)
{
    CHECK_INT(weft_mutex_lock(&c->mutex), 0);
    int n = c->woken;
    CHECK_INT(weft_mutex_unlock(&c->mutex), 0);
    return n;
}

static void *notify(void *arg)
{
    struct condition c = {.deadline = WEFT_NEVER};
    weft_t *ts[N];
    (void)arg;
    CHECK_INT(weft_mutex_init_recursive(&c.mutex), 0);
    CHECK_INT(weft_cond_wait(&c.cond, &c.mutex), -EPERM);
    CHECK_INT(weft_cond_signal(&c.cond), 0); /* of nobody: it is not kept */
    for (int i = 0; i < N; i++) {
        ts[i] = weft_spawn(wait_condition, &c);
        wt_until_waiting(ts[i], WF_WAIT_COND);
    }
    for (int i = 0; i < 2; i++) { /* one after the other, in order */
        CHECK_INT(weft_cond_signal(&c.cond), 0);
        CHECK_INT(weft_join(ts[i], NULL), 0);
        CHECK_INT(woken(&c), i + 1);
    }
    CHECK_INT(weft_cond_broadcast(&c.cond), 0);
    for (int i = 2; i < N; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    CHECK_INT(woken(&c), N);
    c.deadline = weft_after(WEFT_MILLISECOND);
    wt_spawn_and_join(N, wait_condition, &c);
    CHECK(weft_now() >= c.deadline);
    CHECK_INT(weft_cond_fini(&c.cond), 0);
    return NULL;
}

static void test_condition_notifies_as_many_as_it_says(void **state)
{
    (void)state;
    wt_over_few_workers(notify, NULL);
}

/* ---- events ---- */

static void *wait_twice(void *arg)
{
    for (int i = 0; i < 2; i++) {
        CHECK_INT(weft_event_wait(arg), 0);
        CHECK_INT(weft_event_is_set(arg), 1);
    }
    return NULL;
}

static void *wait_shortly(void *arg)
{
    CHECK_INT(weft_event_wait_until(arg, 0), -ETIMEDOUT);
    CHECK_INT(weft_event_wait_until(arg, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_event_is_set(arg), 0);
    return NULL;
}

static void notify_all(weft_event *event)
{
    weft_t *ts[N];
    for (int i = 0; i < N; i++) {
        ts[i] = weft_spawn(wait_twice, event);
        wt_until_waiting(ts[i], WF_WAIT_EVENT);
    }
    CHECK_INT(weft_event_set(event), 0);
    for (int i = 0; i < N; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
}

static void *use_event(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    (void)arg;
    for (int i = 0; i < 2; i++) { /* set twice is set, cleared twice is cleared */
        CHECK_INT(weft_event_set(&event), 0);
        CHECK_INT(weft_event_is_set(&event), 1);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_INT(weft_event_clear(&event), 0);
        CHECK_INT(weft_event_is_set(&event), 0);
    }
    wt_spawn_and_join(N, wait_shortly, &event);
    notify_all(&event);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_event_clear(&event), 0);
    notify_all(&event);
    wt_spawn_and_join(N, wait_twice, &event); /* set: nobody waits */
    CHECK_INT(weft_event_fini(&event), 0);
    return NULL;
}

static void test_event_notifies_all(void **state)
{
    (void)state;
    wt_over_few_workers(use_event, NULL);
}

/* ---- barriers ---- */

struct passes {
    weft_barrier barrier;
    int rounds;
    _Atomic(int) before, after, serials;
};

static void *pass(void *arg)
{
    struct passes *p = arg;
    for (int i = 0; i < p->rounds; i++) {
        wf_fetch_add_relaxed(&p->before, 1); /* relaxed, all: the barrier orders them, which is what is tested */
        CHECK_INT(wf_load_relaxed(&p->after), i * N);
        int result = weft_barrier_wait(&p->barrier);
        wf_fetch_add_relaxed(&p->serials, result);
        CHECK_INT(wf_load_relaxed(&p->before), (i + 1) * N);
        wf_fetch_add_relaxed(&p->after, 1);
        CHECK(weft_barrier_wait(&p->barrier) >= 0);
    }
    return NULL;
}

static void *be_late(void *arg)
{
    CHECK_INT(weft_barrier_wait_until(arg, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    return NULL;
}

static void *pass_barriers(void *arg)
{
    weft_barrier one;
    (void)arg;
    for (int rounds = 1; rounds <= 10; rounds += 9) {
        struct passes p = {.rounds = rounds};
        CHECK_INT(weft_barrier_init(&p.barrier, N), 0);
        wt_spawn_and_join(N, pass, &p);
        CHECK_INT(wf_load_relaxed(&p.serials), rounds); /* relaxed: joined */
        wt_spawn_and_join(N - 1, be_late, &p.barrier);  /* one never comes */
        CHECK_INT(weft_barrier_fini(&p.barrier), 0);
    }
    CHECK_INT(weft_barrier_init(&one, 1), 0);
    CHECK_INT(weft_barrier_wait(&one), 1);
    CHECK_INT(weft_barrier_wait(&one), 1);
    return NULL;
}

static void test_barrier_is_passed_in_lockstep(void **state)
{
    (void)state;
    wt_over_few_workers(pass_barriers, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock_acquire_release_try_and_contend),
        cmocka_unit_test(test_lock_crosses_threads),
        cmocka_unit_test(test_semaphore_is_fair),
        cmocka_unit_test(test_semaphore_counts),
        cmocka_unit_test(test_lock_is_anybodys_and_rlock_its_owners),
        cmocka_unit_test(test_condition_notifies_as_many_as_it_says),
        cmocka_unit_test(test_event_notifies_all),
        cmocka_unit_test(test_barrier_is_passed_in_lockstep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
