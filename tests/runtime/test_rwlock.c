/* weft_rwlock: readers together, writers alone, neither starved; kill and deadlines take nothing and leave nobody behind. */
#include "runtime.h"

enum { USERS = 10, ROUNDS = 600 };

struct shared {
    weft_rwlock lock;
    _Atomic(int) readers, writers, most;
    int64_t a, b; /* lock: equal */
    _Atomic(int) turn;
    int order[8];
    int result;
};

static void test_rwlock_null_is_refused(void **state)
{
    (void)state;
    assert_int_equal(weft_rwlock_init(NULL), -EINVAL);
    assert_int_equal(weft_rwlock_fini(NULL), -EINVAL);
    assert_int_equal(weft_rwlock_rdlock(NULL), -EINVAL);
    assert_int_equal(weft_rwlock_rdlock_until(NULL, 0), -EINVAL);
    assert_int_equal(weft_rwlock_tryrdlock(NULL), -EINVAL);
    assert_int_equal(weft_rwlock_wrlock(NULL), -EINVAL);
    assert_int_equal(weft_rwlock_wrlock_until(NULL, 0), -EINVAL);
    assert_int_equal(weft_rwlock_trywrlock(NULL), -EINVAL);
    assert_int_equal(weft_rwlock_unlock(NULL), -EINVAL);
}

/* What one alone can see of it. */
static void *use_alone(void *arg)
{
    weft_rwlock lock;
    (void)arg;
    CHECK_INT(weft_rwlock_init(&lock), 0);
    CHECK_INT(weft_rwlock_unlock(&lock), -EPERM);
    CHECK_INT(weft_rwlock_rdlock(&lock), 0);
    CHECK_INT(weft_rwlock_tryrdlock(&lock), 0);
    CHECK_INT(weft_rwlock_fini(&lock), -EBUSY);
    CHECK_INT(weft_rwlock_trywrlock(&lock), -EBUSY);
    CHECK_INT(weft_rwlock_wrlock_until(&lock, 0), -ETIMEDOUT);
    CHECK_INT(weft_rwlock_tryrdlock(&lock), 0); /* the writer that gave up holds nobody up */
    for (int i = 0; i < 3; i++)
        CHECK_INT(weft_rwlock_unlock(&lock), 0);
    CHECK_INT(weft_rwlock_unlock(&lock), -EPERM);
    CHECK_INT(weft_rwlock_wrlock(&lock), 0);
    CHECK_INT(weft_rwlock_wrlock(&lock), -EDEADLK);
    CHECK_INT(weft_rwlock_trywrlock(&lock), -EDEADLK);
    CHECK_INT(weft_rwlock_rdlock(&lock), -EDEADLK);
    CHECK_INT(weft_rwlock_tryrdlock(&lock), -EDEADLK);
    CHECK_INT(weft_rwlock_fini(&lock), -EBUSY);
    CHECK_INT(weft_rwlock_unlock(&lock), 0);
    CHECK_INT(weft_rwlock_trywrlock(&lock), 0);
    CHECK_INT(weft_rwlock_unlock(&lock), 0);
    CHECK_INT(weft_rwlock_fini(&lock), 0);
    return NULL;
}

static void test_rwlock_counts_readers_and_knows_its_writer(void **state)
{
    (void)state;
    wt_over_workers_and_thread(use_alone, NULL);
}

static void *meddle(void *arg)
{
    weft_rwlock *lock = arg;
    CHECK_INT(weft_rwlock_unlock(lock), -EPERM);
    CHECK_INT(weft_rwlock_tryrdlock(lock), -EBUSY);
    CHECK_INT(weft_rwlock_trywrlock(lock), -EBUSY);
    CHECK_INT(weft_rwlock_rdlock_until(lock, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_rwlock_wrlock_until(lock, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    return NULL;
}

static void *be_meddled_with(void *arg)
{
    weft_rwlock lock = WEFT_RWLOCK_INIT;
    (void)arg;
    CHECK_INT(weft_rwlock_wrlock(&lock), 0);
    wt_spawn_and_join(3, meddle, &lock);
    wt_on_thread(meddle, &lock);
    CHECK_INT(weft_rwlock_unlock(&lock), 0);
    CHECK_INT(weft_rwlock_fini(&lock), 0);
    return NULL;
}

static void test_rwlock_is_unlocked_by_its_writer_alone(void **state)
{
    (void)state;
    wt_over_workers(be_meddled_with, NULL);
}

static void read_once(struct shared *s, bool suspend)
{
    CHECK_INT(weft_rwlock_rdlock(&s->lock), 0);
    /* relaxed, all: bounds only; the sums are read after the joins. */
    wf_fetch_add_relaxed(&s->readers, 1);
    CHECK_INT(wf_load_relaxed(&s->writers), 0);
    int64_t a = s->a;
    if (suspend)
        weft_yield();
    CHECK_INT(s->b, a);
    wf_fetch_sub_relaxed(&s->readers, 1);
    CHECK_INT(weft_rwlock_unlock(&s->lock), 0);
}

static void write_once(struct shared *s, bool suspend)
{
    CHECK_INT(weft_rwlock_wrlock(&s->lock), 0);
    CHECK_INT(wf_fetch_add_relaxed(&s->writers, 1), 0);
    CHECK_INT(wf_load_relaxed(&s->readers), 0);
    s->a++;
    if (suspend)
        weft_yield();
    s->b++;
    wf_fetch_sub_relaxed(&s->writers, 1);
    CHECK_INT(weft_rwlock_unlock(&s->lock), 0);
}

static void *read_and_write(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        if (i % 3 == 0)
            write_once(s, i % 6 == 0);
        else
            read_once(s, i % 4 == 0);
    }
    return NULL;
}

static void *exclude(void *arg)
{
    struct shared s = {0};
    (void)arg;
    wt_thread *thread = wt_thread_start(read_and_write, &s);
    wt_spawn_and_join(USERS, read_and_write, &s);
    wt_thread_join(thread);
    CHECK_INT(s.a, (USERS + 1) * ((wt_scaled(ROUNDS) + 2) / 3));
    CHECK_INT(s.b, s.a);
    CHECK_INT(weft_rwlock_fini(&s.lock), 0);
    return NULL;
}

static void test_rwlock_keeps_writers_alone(void **state)
{
    (void)state;
    wt_over_workers(exclude, NULL);
}

/* ---- whose turn it is ---- */

struct user {
    struct shared *shared;
    int index;
};

static void *read_in_turn(void *arg)
{
    struct user *u = arg;
    CHECK_INT(weft_rwlock_rdlock(&u->shared->lock), 0);
    u->shared->order[wf_fetch_add_acq_rel(&u->shared->turn, 1)] = u->index; /* ORDER(turn): see take_turns. */
    CHECK_INT(weft_rwlock_unlock(&u->shared->lock), 0);
    return NULL;
}

static void *write_in_turn(void *arg)
{
    struct user *u = arg;
    CHECK_INT(weft_rwlock_wrlock(&u->shared->lock), 0);
    u->shared->order[wf_fetch_add_acq_rel(&u->shared->turn, 1)] = u->index; /* ORDER(turn): see take_turns. */
    CHECK_INT(weft_rwlock_unlock(&u->shared->lock), 0);
    return NULL;
}

static weft_t *queue_up(struct user *u, struct shared *s, int index, bool writes)
{
    *u = (struct user){s, index};
    weft_t *t = weft_spawn(writes ? write_in_turn : read_in_turn, u);
    wt_until_waiting(t, writes ? WF_WAIT_RWLOCK_WRITE : WF_WAIT_RWLOCK_READ);
    return t;
}

/* A reader holds it; then come a writer, a reader, a writer, a reader. The writer that came first goes first, then all
 * readers, though one came after the second writer. */
static void *take_turns(void *arg)
{
    struct shared s = {0};
    struct user users[4];
    weft_t *ts[4];
    (void)arg;
    CHECK_INT(weft_rwlock_rdlock(&s.lock), 0);
    for (int i = 0; i < 4; i++)
        ts[i] = queue_up(&users[i], &s, i, i % 2 == 0);
    CHECK_INT(weft_rwlock_tryrdlock(&s.lock), -EBUSY); /* a writer waits */
    CHECK_INT(weft_rwlock_unlock(&s.lock), 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    CHECK_INT(wf_load_acquire(&s.turn), 4); /* ORDER(turn): pairs with read_in_turn. */
    CHECK_INT(s.order[0], 0);
    CHECK_INT(s.order[1] + s.order[2], 1 + 3);
    CHECK_INT(s.order[3], 2);
    CHECK_INT(weft_rwlock_fini(&s.lock), 0);
    return NULL;
}

static void test_rwlock_phases_take_turns(void **state)
{
    (void)state;
    wt_over_workers(take_turns, NULL);
}

/* ---- giving up ---- */

static void *write_and_tell(void *arg)
{
    struct shared *s = arg;
    s->result = weft_rwlock_wrlock(&s->lock);
    return NULL;
}

static void *write_under_timeout(void *arg)
{
    struct shared *s = arg;
    weft_timeout timeout = {0};
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    s->result = weft_rwlock_wrlock(&s->lock);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

/* The reader behind the writer waits for nobody any more. */
static void give_up_before_reader(bool by_kill)
{
    struct shared s = {0};
    struct user reader;
    CHECK_INT(weft_rwlock_rdlock(&s.lock), 0);
    weft_t *writer = weft_spawn(by_kill ? write_and_tell : write_under_timeout, &s);
    if (by_kill) {
        wt_until_waiting(writer, WF_WAIT_RWLOCK_WRITE);
        weft_t *t = queue_up(&reader, &s, 1, false);
        CHECK_INT(weft_kill(writer), 0);
        CHECK_INT(weft_join(t, NULL), 0);
    } else {
        weft_t *t = weft_spawn(read_in_turn, (reader = (struct user){&s, 1}, &reader));
        CHECK_INT(weft_join(t, NULL), 0);
    }
    CHECK_INT(weft_join(writer, NULL), 0);
    CHECK_INT(s.result, by_kill ? -ECANCELED : -ETIMEDOUT);
    CHECK_INT(weft_rwlock_unlock(&s.lock), 0);
    CHECK_INT(weft_rwlock_fini(&s.lock), 0);
}

static void *give_up(void *arg)
{
    (void)arg;
    give_up_before_reader(true);
    give_up_before_reader(false);
    return NULL;
}

static void test_rwlock_writer_that_gives_up_lets_readers_in(void **state)
{
    (void)state;
    wt_over_workers(give_up, NULL);
}

static void *use_killed(void *arg)
{
    weft_rwlock *lock = arg;
    CHECK_INT(weft_rwlock_rdlock(lock), 0);
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_rwlock_unlock(lock), 0);
    CHECK_INT(weft_rwlock_rdlock(lock), -ECANCELED);
    CHECK_INT(weft_rwlock_wrlock(lock), -ECANCELED);
    CHECK_INT(weft_rwlock_trywrlock(lock), 0);
    CHECK_INT(weft_rwlock_unlock(lock), 0);
    return NULL;
}

static void *lock_after_kill(void *arg)
{
    weft_rwlock lock = WEFT_RWLOCK_INIT;
    (void)arg;
    wt_spawn_and_join(2, use_killed, &lock);
    CHECK_INT(weft_rwlock_fini(&lock), 0);
    return NULL;
}

static void test_rwlock_killed_coroutine_may_try_and_unlock(void **state)
{
    (void)state;
    wt_over_workers(lock_after_kill, NULL);
}

/* Users that give up now and then, or are killed: whoever is let in excludes others, and in the end it is free. */
static void *use_or_give_up(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        bool writes = i % 3 == 0;
        int64_t deadline = weft_after((i % 5) * 5 * WEFT_MICROSECOND);
        int result =
            writes ? weft_rwlock_wrlock_until(&s->lock, deadline) : weft_rwlock_rdlock_until(&s->lock, deadline);
        if (result == -ECANCELED)
            break;
        if (result != 0) {
            CHECK_INT(result, -ETIMEDOUT);
            continue;
        }
        if (writes) {
            s->a++;
            weft_yield();
            s->b++;
        } else {
            CHECK_INT(s->a, s->b);
            if (i % 4 == 0)
                weft_yield();
        }
        CHECK_INT(weft_rwlock_unlock(&s->lock), 0);
    }
    return NULL;
}

static void *storm(void *arg)
{
    struct shared s = {0};
    weft_t *ts[USERS];
    (void)arg;
    for (int i = 0; i < USERS; i++)
        CHECK((ts[i] = weft_spawn(use_or_give_up, &s)) != NULL);
    wt_thread *thread = wt_thread_start(use_or_give_up, &s);
    wt_spawn_and_join(2, read_and_write, &s);
    for (int i = 0; i < USERS; i += 2)
        CHECK_INT(weft_kill(ts[i]), 0);
    for (int i = 0; i < USERS; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(thread);
    CHECK_INT(s.a, s.b);
    CHECK_INT(weft_rwlock_trywrlock(&s.lock), 0);
    CHECK_INT(weft_rwlock_unlock(&s.lock), 0);
    CHECK_INT(weft_rwlock_fini(&s.lock), 0);
    return NULL;
}

static void test_rwlock_kills_and_deadlines_leave_nobody_behind(void **state)
{
    (void)state;
    wt_over_workers(storm, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rwlock_null_is_refused),
        cmocka_unit_test(test_rwlock_counts_readers_and_knows_its_writer),
        cmocka_unit_test(test_rwlock_is_unlocked_by_its_writer_alone),
        cmocka_unit_test(test_rwlock_keeps_writers_alone),
        cmocka_unit_test(test_rwlock_phases_take_turns),
        cmocka_unit_test(test_rwlock_writer_that_gives_up_lets_readers_in),
        cmocka_unit_test(test_rwlock_killed_coroutine_may_try_and_unlock),
        cmocka_unit_test(test_rwlock_kills_and_deadlines_leave_nobody_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
