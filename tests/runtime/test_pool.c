/* weft_pool: never more members than its size, all found by join and kill, begun or not; apply, map and the iterators; callers that
 * are killed leave nobody behind. */
#include "core/alloc.h"
#include "runtime.h"

enum { SIZE = 3, MANY = 40, ROUNDS = 200 };

struct shared {
    weft_pool *pool;
    weft_event gate;
    _Atomic(int) inside, most, done, ended, canceled;
    int result;
    weft_t *handle;
};

static void *echo(void *arg)
{
    return arg;
}

static void *square(void *arg)
{
    intptr_t x = (intptr_t)arg;
    if (x % 3 == 0)
        weft_yield();
    return (void *)(x * x);
}

/* Fails for odd arguments, with -argument. */
static void *fail_odd(void *arg)
{
    intptr_t x = (intptr_t)arg;
    if (x % 2 != 0)
        CHECK_INT(weft_set_error((int)-x), 0);
    return arg;
}

static int no_source(void *state, void **arg)
{
    (void)state;
    (void)arg;
    return 0;
}

static void test_pool_null_is_refused(void **state)
{
    void *result;
    (void)state;
    weft_pool *pool = weft_pool_new(1);
    assert_non_null(pool);
    assert_int_equal(weft_pool_free(NULL), 0);
    assert_null(weft_pool_spawn(NULL, echo, NULL));
    assert_int_equal(weft_last_error(), -EINVAL);
    assert_null(weft_pool_spawn_until(pool, NULL, NULL, 0));
    assert_null(weft_pool_try_spawn(NULL, echo, NULL));
    assert_int_equal(weft_pool_go(NULL, echo, NULL), -EINVAL);
    assert_int_equal(weft_pool_go(pool, NULL, NULL), -EINVAL);
    assert_int_equal(weft_pool_go_until(NULL, echo, NULL, 0), -EINVAL);
    assert_int_equal(weft_pool_try_go(NULL, echo, NULL), -EINVAL);
    assert_int_equal(weft_pool_len(NULL), 0);
    assert_int_equal(weft_pool_free_count(NULL), -EINVAL);
    assert_int_equal(weft_pool_wait_available(NULL), -EINVAL);
    assert_int_equal(weft_pool_wait_available_until(NULL, 0), -EINVAL);
    assert_int_equal(weft_pool_join(NULL), -EINVAL);
    assert_int_equal(weft_pool_join_until(NULL, 0), -EINVAL);
    assert_int_equal(weft_pool_kill(NULL), -EINVAL);
    assert_int_equal(weft_pool_kill_until(NULL, 0), -EINVAL);
    assert_int_equal(weft_pool_error(NULL), -EINVAL);
    assert_int_equal(weft_pool_apply(NULL, echo, NULL, &result), -EINVAL);
    assert_int_equal(weft_pool_apply_until(pool, NULL, NULL, &result, 0), -EINVAL);
    assert_int_equal(weft_pool_map(pool, echo, NULL, 1, &result), -EINVAL);
    assert_int_equal(weft_pool_map_until(NULL, echo, NULL, 0, NULL, 0), -EINVAL);
    assert_null(weft_pool_imap(NULL, echo, no_source, NULL, 0));
    assert_int_equal(weft_last_error(), -EINVAL);
    assert_null(weft_pool_imap(pool, NULL, no_source, NULL, 0));
    assert_null(weft_pool_imap_unordered(pool, echo, NULL, NULL, 0));
    assert_int_equal(weft_pool_iter_next(NULL, &result), -EINVAL);
    assert_int_equal(weft_pool_iter_next_until(NULL, &result, 0), -EINVAL);
    weft_pool_iter_free(NULL);
    assert_int_equal(weft_pool_free(pool), 0);
}

/* ---- spawning ---- */

static void *count_inside(void *arg)
{
    struct shared *s = arg;
    int inside = wf_fetch_add_relaxed(&s->inside, 1) + 1; /* relaxed, all: read after the joins */
    int most = wf_load_relaxed(&s->most);
    while (inside > most && !wf_cas_relaxed(&s->most, &most, inside))
        ;
    weft_yield();
    wf_fetch_add_relaxed(&s->done, 1);
    wf_fetch_sub_relaxed(&s->inside, 1);
    return arg;
}

static void *spawn_some(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        if (i % 2 == 0) {
            CHECK_INT(weft_pool_go(s->pool, count_inside, s), 0);
            continue;
        }
        void *result = NULL;
        weft_t *t = weft_pool_spawn(s->pool, count_inside, s);
        if (CHECK(t != NULL))
            CHECK_INT(weft_join(t, &result), 0);
        CHECK(result == s);
    }
    return NULL;
}

static void *spawn_many(void *arg)
{
    struct shared s = {.pool = weft_pool_new(SIZE)};
    (void)arg;
    CHECK_INT(weft_pool_free_count(s.pool), SIZE);
    wt_thread *thread = wt_thread_start(spawn_some, &s);
    wt_spawn_and_join(5, spawn_some, &s);
    wt_thread_join(thread);
    CHECK_INT(weft_pool_join(s.pool), 0);
    CHECK_INT(wf_load_relaxed(&s.done), 6 * wt_scaled(ROUNDS)); /* relaxed: joined, as the other */
    CHECK(wf_load_relaxed(&s.most) <= SIZE);
    CHECK_INT((int64_t)weft_pool_len(s.pool), 0);
    CHECK_INT(weft_pool_free_count(s.pool), SIZE);
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_has_never_more_members_than_its_size(void **state)
{
    (void)state;
    wt_over_workers(spawn_many, NULL);
}

static void *stay(void *arg)
{
    struct shared *s = arg;
    int result = weft_event_wait(&s->gate);
    wf_fetch_add_relaxed(&s->ended, 1); /* relaxed, both: read after the joins */
    wf_fetch_add_relaxed(&s->canceled, result == -ECANCELED);
    return arg;
}

static void *spawn_one(void *arg)
{
    struct shared *s = arg;
    s->handle = weft_pool_spawn(s->pool, stay, s);
    s->result = s->handle != NULL ? 0 : weft_last_error();
    return NULL;
}

static void *available(void *arg)
{
    struct shared *s = arg;
    return (void *)(intptr_t)weft_pool_wait_available(s->pool);
}

static int joined(weft_t *t)
{
    void *result = NULL;
    CHECK_INT(weft_join(t, &result), 0);
    return (int)(intptr_t)result;
}

static void *fill(void *arg)
{
    struct shared s = {.pool = weft_pool_new(1)};
    struct shared waiting = {.pool = s.pool, .result = 1};
    (void)arg;
    CHECK_INT(weft_pool_wait_available(s.pool), 1);
    weft_t *first = weft_pool_try_spawn(s.pool, stay, &s);
    CHECK(first != NULL);
    CHECK_INT((int64_t)weft_pool_len(s.pool), 1);
    CHECK_INT(weft_pool_free_count(s.pool), 0);
    CHECK(weft_pool_try_spawn(s.pool, stay, &s) == NULL);
    CHECK_INT(weft_last_error(), -EAGAIN);
    CHECK_INT(weft_pool_try_go(s.pool, stay, &s), -EAGAIN);
    CHECK_INT(weft_pool_go_until(s.pool, stay, &s, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK(weft_pool_spawn_until(s.pool, stay, &s, 0) == NULL);
    CHECK_INT(weft_last_error(), -ETIMEDOUT);
    CHECK_INT(weft_pool_wait_available_until(s.pool, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_pool_join_until(s.pool, 0), -ETIMEDOUT);
    CHECK_INT(weft_pool_free(s.pool), -EBUSY);
    weft_t *spawner = weft_spawn(spawn_one, &waiting);
    wt_until_waiting(spawner, WF_WAIT_POOL_ROOM);
    CHECK_INT(weft_event_set(&s.gate), 0);
    CHECK_INT(weft_join(first, NULL), 0);
    CHECK_INT(weft_join(spawner, NULL), 0);
    CHECK_INT(waiting.result, 0);
    weft_t *onlooker = weft_spawn(available, &s);
    wt_until_waiting(onlooker, WF_WAIT_POOL_ROOM);
    CHECK_INT(weft_event_set(&waiting.gate), 0);
    CHECK_INT(joined(onlooker), 1);
    CHECK_INT(weft_join(waiting.handle, NULL), 0);
    CHECK_INT(weft_pool_join(s.pool), 0);
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_that_is_full_lets_spawners_wait(void **state)
{
    (void)state;
    wt_over_workers_and_thread(fill, NULL);
}

static void *spawn_under_timeout(void *arg)
{
    weft_timeout timeout = {0};
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    spawn_one(arg);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

static void *use_killed(void *arg)
{
    struct shared *s = arg;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_pool_go(s->pool, stay, s), -ECANCELED);
    CHECK_INT(weft_pool_join(s->pool), -ECANCELED);
    CHECK_INT(weft_pool_wait_available(s->pool), -ECANCELED);
    CHECK_INT(weft_pool_apply(s->pool, echo, s, NULL), -ECANCELED);
    CHECK_INT(weft_pool_try_go(s->pool, stay, s), -EAGAIN);
    return NULL;
}

static void *join_pool(void *arg)
{
    return (void *)(intptr_t)weft_pool_join(((struct shared *)arg)->pool);
}

static void *give_up(void *arg)
{
    struct shared s = {.pool = weft_pool_new(1)};
    (void)arg;
    CHECK_INT(weft_pool_go(s.pool, stay, &s), 0);
    weft_t *t = weft_spawn(spawn_one, &s);
    wt_until_waiting(t, WF_WAIT_POOL_ROOM);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(s.result, -ECANCELED);
    wt_spawn_and_join(1, spawn_under_timeout, &s);
    CHECK_INT(s.result, -ETIMEDOUT);
    wt_spawn_and_join(1, use_killed, &s);
    t = weft_spawn(join_pool, &s);
    wt_until_waiting(t, WF_WAIT_POOL_JOIN);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(joined(t), -ECANCELED);
    CHECK_INT((int64_t)weft_pool_len(s.pool), 1); /* whoever joined has gone, the member has not */
    CHECK_INT(weft_event_set(&s.gate), 0);
    CHECK_INT(weft_pool_join(s.pool), 0);
    CHECK_INT(wf_load_relaxed(&s.ended), 1); /* relaxed: joined */
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_callers_that_give_up_change_nothing(void **state)
{
    (void)state;
    wt_over_workers(give_up, NULL);
}

/* ---- killing ---- */

static void *never_run(void *arg)
{
    (void)arg;
    CHECK(!"a body that was killed before it began");
    return NULL;
}

/* On one worker nothing begins before the caller suspends. */
static void *kill_unstarted(void *arg)
{
    struct shared s = {.pool = weft_pool_new(0)};
    (void)arg;
    weft_t *t = weft_pool_spawn(s.pool, never_run, &s);
    for (int i = 0; i < 5; i++)
        CHECK_INT(weft_pool_go(s.pool, never_run, &s), 0);
    CHECK_INT((int64_t)weft_pool_len(s.pool), 6);
    CHECK_INT(weft_pool_free_count(s.pool), INT32_MAX);
    CHECK_INT(weft_pool_kill(s.pool), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_pool_error(s.pool), 0);
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_kill_finds_members_that_have_not_begun(void **state)
{
    (void)state;
    wt_run(1, kill_unstarted, NULL);
}

static void *kill_pool(void *arg)
{
    return (void *)(intptr_t)weft_pool_kill(((struct shared *)arg)->pool);
}

/* The pool is full, and one more waits for room: what comes in while it is killed is killed too. */
static void *kill_all(void *arg)
{
    struct shared s = {.pool = weft_pool_new(SIZE)};
    (void)arg;
    for (int i = 0; i < SIZE; i++)
        CHECK_INT(weft_pool_go(s.pool, stay, &s), 0);
    weft_t *spawner = weft_spawn(spawn_one, &s);
    wt_until_waiting(spawner, WF_WAIT_POOL_ROOM);
    weft_t *killer = weft_spawn(kill_pool, &s);
    CHECK_INT(joined(killer), 0);
    CHECK_INT(weft_join(spawner, NULL), 0);
    CHECK_INT(s.result, 0);
    CHECK_INT(weft_pool_kill(s.pool), 0); /* the spawner may have been as slow as that */
    CHECK_INT(weft_join(s.handle, NULL), 0);
    CHECK_INT(wf_load_relaxed(&s.canceled), wf_load_relaxed(&s.ended)); /* relaxed: joined */
    CHECK_INT((int64_t)weft_pool_len(s.pool), 0);
    CHECK_INT(weft_pool_kill_until(s.pool, 0), 0);
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_kill_waits_for_all(void **state)
{
    (void)state;
    wt_over_workers(kill_all, NULL);
}

static void *stay_shielded(void *arg)
{
    CHECK_INT(weft_shield_begin(), 0);
    stay(arg);
    CHECK_INT(weft_shield_end(), 0);
    return NULL;
}

static bool is_inside(void *arg)
{
    return weft_event_fini(&((struct shared *)arg)->gate) == -EBUSY;
}

static void *kill_slowly(void *arg)
{
    struct shared s = {.pool = weft_pool_new(SIZE)};
    (void)arg;
    CHECK_INT(weft_pool_go(s.pool, stay_shielded, &s), 0);
    wt_until(is_inside, &s);
    CHECK_INT(weft_pool_kill_until(s.pool, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT((int64_t)weft_pool_len(s.pool), 1);
    CHECK_INT(weft_event_set(&s.gate), 0);
    CHECK_INT(weft_pool_join(s.pool), 0);
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_kill_may_be_left_waiting(void **state)
{
    (void)state;
    wt_over_workers_and_thread(kill_slowly, NULL);
}

static void *meet_oneself(void *arg)
{
    struct shared *s = arg;
    void *result = NULL;
    CHECK_INT(weft_pool_join(s->pool), -EDEADLK);
    CHECK_INT(weft_pool_apply(s->pool, square, (void *)5, &result), 0); /* in place */
    CHECK_INT((intptr_t)result, 25);
    CHECK_INT(weft_pool_apply(s->pool, fail_odd, (void *)5, &result), -5);
    CHECK_INT(weft_pool_kill(s->pool), -ECANCELED);
    CHECK_INT(weft_checkpoint(), -ECANCELED);
    return NULL;
}

static void *be_a_member(void *arg)
{
    struct shared s = {.pool = weft_pool_new(1)};
    (void)arg;
    CHECK_INT(weft_pool_go(s.pool, meet_oneself, &s), 0);
    CHECK_INT(weft_pool_join(s.pool), 0);
    CHECK_INT(weft_pool_error(s.pool), 0); /* that of what ran in place was the call's */
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_member_that_uses_its_pool(void **state)
{
    (void)state;
    wt_over_workers(be_a_member, NULL);
}

/* Spawns, kills, deadlines and joins at once: all that were spawned end, and none is lost. */
static void *spawn_and_be_killed(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        int result = weft_pool_go_until(s->pool, stay, s, weft_after((i % 4) * 5 * WEFT_MICROSECOND));
        if (result == -ECANCELED)
            break;
        if (result == 0)
            wf_fetch_add_relaxed(&s->done, 1); /* relaxed: read after the joins */
        else
            CHECK_INT(result, -ETIMEDOUT);
        if (i % 16 == 0)
            CHECK_INT(weft_pool_kill_until(s->pool, 0) != -EINVAL, 1);
    }
    return NULL;
}

static void *storm(void *arg)
{
    struct shared s = {.pool = weft_pool_new(SIZE)};
    weft_t *ts[6];
    (void)arg;
    for (int i = 0; i < 6; i++)
        CHECK((ts[i] = weft_spawn(spawn_and_be_killed, &s)) != NULL);
    wt_thread *thread = wt_thread_start(spawn_and_be_killed, &s);
    weft_yield();
    CHECK_INT(weft_kill(ts[0]), 0);
    for (int i = 0; i < 6; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(thread);
    CHECK_INT(weft_pool_kill(s.pool), 0);
    CHECK(wf_load_relaxed(&s.ended) <= wf_load_relaxed(&s.done)); /* relaxed: joined; some never began */
    CHECK_INT((int64_t)weft_pool_len(s.pool), 0);
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_kills_and_deadlines_lose_no_member(void **state)
{
    (void)state;
    wt_over_workers(storm, NULL);
}

/* ---- errors, apply, map ---- */

static void *keep_errors(void *arg)
{
    void *result = NULL;
    (void)arg;
    weft_pool *pool = weft_pool_new(1);
    for (intptr_t i = 2; i < 8; i++)
        CHECK_INT(weft_pool_go(pool, fail_odd, (void *)i), 0);
    CHECK_INT(weft_pool_join(pool), 0);
    CHECK_INT(weft_pool_error(pool), -3);
    CHECK_INT(weft_pool_error(pool), 0);
    CHECK_INT(weft_pool_apply(pool, square, (void *)4, &result), 0);
    CHECK_INT((intptr_t)result, 16);
    CHECK_INT(weft_pool_apply(pool, fail_odd, (void *)7, NULL), -7);
    CHECK_INT(weft_pool_apply_until(pool, square, (void *)3, &result, weft_after(WEFT_SECOND * 60)), 0);
    CHECK_INT((intptr_t)result, 9);
    CHECK_INT(weft_pool_join(pool), 0);
    CHECK_INT(weft_pool_free(pool), 0);
    return NULL;
}

static void test_pool_errors_are_told(void **state)
{
    (void)state;
    wt_over_workers_and_thread(keep_errors, NULL);
}

static void map_over(size_t size)
{
    void *args[MANY], *results[MANY];
    weft_pool *pool = weft_pool_new(size);
    for (intptr_t i = 0; i < MANY; i++)
        args[i] = (void *)i;
    CHECK_INT(weft_pool_map(pool, square, args, MANY, results), 0);
    for (intptr_t i = 0; i < MANY; i++)
        CHECK_INT((intptr_t)results[i], i * i);
    CHECK_INT(weft_pool_map(pool, fail_odd, args + 2, MANY - 2, results), -3);
    for (intptr_t i = 2; i < MANY; i++)
        CHECK_INT((intptr_t)results[i - 2], i);
    CHECK_INT(weft_pool_map(pool, square, args, MANY, NULL), 0);
    CHECK_INT(weft_pool_map(pool, square, NULL, 0, NULL), 0);
    CHECK_INT(weft_pool_map_until(pool, square, args, 1, results, weft_after(60 * WEFT_SECOND)), 0);
    CHECK_INT(weft_pool_kill(pool), 0);
    CHECK_INT(weft_pool_free(pool), 0);
}

static void *map_all(void *arg)
{
    (void)arg;
    map_over(1);
    map_over(SIZE);
    map_over(0);
    return NULL;
}

static void test_pool_map_keeps_the_order(void **state)
{
    (void)state;
    wt_over_workers_and_thread(map_all, NULL);
}

static void *map_and_be_killed(void *arg)
{
    struct shared *s = arg;
    void *args[MANY], *results[MANY] = {NULL};
    for (int i = 0; i < MANY; i++)
        args[i] = s;
    int result = weft_pool_map(s->pool, stay, args, MANY, results);
    for (int i = 0; i < MANY; i++)
        CHECK(results[i] == NULL);
    return (void *)(intptr_t)result;
}

static void *apply_and_be_killed(void *arg)
{
    struct shared *s = arg;
    return (void *)(intptr_t)weft_pool_apply(s->pool, stay, s, NULL);
}

static void *leave_a_map(void *arg)
{
    struct shared s = {.pool = weft_pool_new(SIZE)};
    (void)arg;
    weft_t *t = weft_spawn(map_and_be_killed, &s);
    wt_until_waiting(t, WF_WAIT_POOL_ROOM);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(joined(t), -ECANCELED);
    CHECK_INT((int64_t)weft_pool_len(s.pool), SIZE);
    CHECK_INT(weft_pool_kill(s.pool), 0);
    t = weft_spawn(apply_and_be_killed, &s);
    wt_until_waiting(t, WF_WAIT_POOL_RESULT);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(joined(t), -ECANCELED);
    CHECK_INT(weft_pool_apply_until(s.pool, stay, &s, NULL, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_pool_apply_until(s.pool, stay, &s, NULL, 0), -ETIMEDOUT);
    CHECK_INT(weft_event_set(&s.gate), 0);
    CHECK_INT(weft_pool_join(s.pool), 0);
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_map_whose_caller_is_killed_is_left_to_the_pool(void **state)
{
    (void)state;
    wt_over_workers(leave_a_map, NULL);
}

/* A member that is killed before it has begun fails its call with that. */
static void *apply_and_lose(void *arg)
{
    struct shared *s = arg;
    return (void *)(intptr_t)weft_pool_apply(s->pool, never_run, s, NULL);
}

static void *kill_before_it_begins(void *arg)
{
    struct shared s = {.pool = weft_pool_new(1)};
    (void)arg;
    CHECK_INT(weft_pool_go(s.pool, stay, &s), 0);
    weft_t *t = weft_spawn(apply_and_lose, &s);
    wt_until_waiting(t, WF_WAIT_POOL_ROOM);
    CHECK_INT(weft_pool_kill(s.pool), 0); /* the first ends, and the other is spawned meanwhile */
    CHECK_INT(joined(t), -ECANCELED);
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_apply_of_what_never_ran_is_canceled(void **state)
{
    (void)state;
    wt_run(1, kill_before_it_begins, NULL);
}

/* ---- iterators ---- */

struct numbers {
    intptr_t next, end;
    int error; /* at the end */
};

static int next_number(void *state, void **arg)
{
    struct numbers *n = state;
    if (n->next == n->end)
        return n->error;
    *arg = (void *)n->next++;
    return 1;
}

static void iterate_in_order(size_t size, size_t maxsize)
{
    struct numbers numbers = {0, MANY, -EIO};
    weft_pool *pool = weft_pool_new(size);
    weft_pool_iter *it = weft_pool_imap(pool, square, next_number, &numbers, maxsize);
    void *value = NULL;
    for (intptr_t i = 0; i < MANY; i++) {
        CHECK_INT(weft_pool_iter_next(it, &value), 1);
        CHECK_INT((intptr_t)value, i * i);
        if (maxsize != 0) /* the source is not asked for more than may be out */
            CHECK(numbers.next <= i + (intptr_t)maxsize);
    }
    CHECK_INT(weft_pool_iter_next(it, &value), -EIO);
    CHECK_INT(weft_pool_iter_next(it, &value), 0);
    weft_pool_iter_free(it);
    CHECK_INT(weft_pool_join(pool), 0);
    CHECK_INT(weft_pool_free(pool), 0);
}

static void iterate_unordered(size_t size, size_t maxsize)
{
    struct numbers numbers = {0, MANY, 0};
    bool seen[MANY] = {false};
    weft_pool *pool = weft_pool_new(size);
    weft_pool_iter *it = weft_pool_imap_unordered(pool, fail_odd, next_number, &numbers, maxsize);
    int result, failed = 0;
    void *value = NULL;
    while ((result = weft_pool_iter_next_until(it, &value, weft_after(60 * WEFT_SECOND))) != 0) {
        intptr_t i = result == 1 ? (intptr_t)value : -result;
        if (CHECK(i >= 0 && i < MANY && !seen[i]))
            seen[i] = true;
        failed += result < 0;
    }
    CHECK_INT(failed, MANY / 2);
    for (int i = 0; i < MANY; i++)
        CHECK(seen[i]);
    weft_pool_iter_free(it);
    CHECK_INT(weft_pool_join(pool), 0);
    CHECK_INT(weft_pool_free(pool), 0);
}

static void *iterate_all(void *arg)
{
    static const size_t sizes[] = {1, SIZE, 0}, maxsizes[] = {0, 1, 5};
    (void)arg;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            iterate_in_order(sizes[i], maxsizes[k]);
            iterate_unordered(sizes[i], maxsizes[k]);
        }
    return NULL;
}

static void test_pool_iterators_return_all(void **state)
{
    (void)state;
    wt_over_workers_and_thread(iterate_all, NULL);
}

static int next_gate(void *state, void **arg)
{
    *arg = state;
    return 1; /* without end */
}

static void *next_of_endless(void *arg)
{
    return (void *)(intptr_t)weft_pool_iter_next(arg, NULL);
}

static void *leave_iterator(void *arg)
{
    struct shared s = {.pool = weft_pool_new(SIZE)};
    struct numbers numbers = {0, MANY, 0};
    (void)arg;
    weft_pool_iter *it = weft_pool_imap_unordered(s.pool, stay, next_gate, &s, 0);
    CHECK_INT(weft_pool_iter_next_until(it, NULL, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    weft_t *t = weft_spawn(next_of_endless, it);
    wt_until_waiting(t, WF_WAIT_POOL_RESULT);
    CHECK_INT((int64_t)weft_pool_len(s.pool), SIZE);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(joined(t), -ECANCELED);
    weft_pool_iter *other = weft_pool_imap(s.pool, square, next_number, &numbers, 0);
    CHECK_INT(weft_pool_iter_next_until(other, NULL, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT); /* no room */
    CHECK_INT(numbers.next, 1);
    weft_pool_iter_free(it);
    CHECK_INT(weft_pool_kill(s.pool), 0);
    void *value = NULL;
    for (intptr_t i = 0; i < 5; i++) {
        CHECK_INT(weft_pool_iter_next(other, &value), 1);
        CHECK_INT((intptr_t)value, i * i); /* what was asked for when there was no room is not lost */
    }
    weft_pool_iter_free(other); /* with results that nobody has taken */
    CHECK_INT(weft_pool_join(s.pool), 0);
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_iterator_that_is_left_loses_nobody(void **state)
{
    (void)state;
    wt_over_workers(leave_iterator, NULL);
}

static void *iterate_inside(void *arg)
{
    struct shared *s = arg;
    struct numbers numbers = {0, 5, -EIO};
    void *value = NULL, *args[] = {(void *)2, (void *)3}, *results[2];
    weft_pool_iter *it = weft_pool_imap(s->pool, fail_odd, next_number, &numbers, 0);
    for (intptr_t i = 0; i < 5; i++)
        CHECK_INT(weft_pool_iter_next(it, &value), i % 2 == 0 ? 1 : (int)-i);
    CHECK_INT(weft_pool_iter_next(it, &value), -EIO);
    CHECK_INT(weft_pool_iter_next(it, &value), 0);
    weft_pool_iter_free(it);
    CHECK_INT(weft_pool_map(s->pool, fail_odd, args, 2, results), -3);
    CHECK(results[0] == args[0] && results[1] == args[1]);
    return NULL;
}

static void *iterate_as_member(void *arg)
{
    struct shared s = {.pool = weft_pool_new(1)};
    (void)arg;
    CHECK_INT(weft_pool_go(s.pool, iterate_inside, &s), 0);
    CHECK_INT(weft_pool_join(s.pool), 0);
    CHECK_INT(weft_pool_error(s.pool), 0);
    CHECK_INT(weft_pool_free(s.pool), 0);
    return NULL;
}

static void test_pool_member_maps_in_place(void **state)
{
    (void)state;
    wt_over_workers(iterate_as_member, NULL);
}

/* ---- memory ---- */

/* Each allocation of a call failing in turn, until it needs no more than that. */
static void *run_short(void *arg)
{
    weft_pool *pool = weft_pool_new(1);
    struct numbers numbers = {1, MANY, 0};
    int result = -ENOMEM;
    void *value;
    (void)arg;
    wf_alloc_fail_after(0, true);
    CHECK(weft_pool_new(1) == NULL);
    CHECK_INT(weft_last_error(), -ENOMEM);
    wf_alloc_fail_after(UINT64_MAX, false);
    for (uint64_t n = 0; result == -ENOMEM && n < 20; n++) {
        wf_alloc_fail_after(n, true);
        result = weft_pool_apply(pool, square, (void *)3, &value);
        wf_alloc_fail_after(UINT64_MAX, false);
        CHECK_INT((int64_t)weft_pool_len(pool), 0);
        CHECK(result == -ENOMEM || result == 0);
        CHECK(n > 0 || result == -ENOMEM);
    }
    CHECK_INT(result, 0);
    CHECK_INT((intptr_t)value, 9);
    weft_pool_iter *it = NULL;
    for (uint64_t n = 0; it == NULL && n < 20; n++) {
        wf_alloc_fail_after(n, true);
        it = weft_pool_imap(pool, square, next_number, &numbers, 0);
        wf_alloc_fail_after(UINT64_MAX, false);
    }
    wf_alloc_fail_after(0, true);
    CHECK_INT(weft_pool_iter_next(it, &value), -ENOMEM);
    wf_alloc_fail_after(UINT64_MAX, false);
    CHECK_INT(weft_pool_iter_next(it, &value), 1);
    CHECK_INT((intptr_t)value, 1);
    weft_pool_iter_free(it);
    CHECK_INT(weft_pool_join(pool), 0);
    CHECK_INT(weft_pool_free(pool), 0);
    return NULL;
}

static void test_pool_without_memory_says_so(void **state)
{
    (void)state;
    wt_run(1, run_short, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_null_is_refused),
        cmocka_unit_test(test_pool_has_never_more_members_than_its_size),
        cmocka_unit_test(test_pool_that_is_full_lets_spawners_wait),
        cmocka_unit_test(test_pool_callers_that_give_up_change_nothing),
        cmocka_unit_test(test_pool_kill_finds_members_that_have_not_begun),
        cmocka_unit_test(test_pool_kill_waits_for_all),
        cmocka_unit_test(test_pool_kill_may_be_left_waiting),
        cmocka_unit_test(test_pool_member_that_uses_its_pool),
        cmocka_unit_test(test_pool_kills_and_deadlines_lose_no_member),
        cmocka_unit_test(test_pool_errors_are_told),
        cmocka_unit_test(test_pool_map_keeps_the_order),
        cmocka_unit_test(test_pool_map_whose_caller_is_killed_is_left_to_the_pool),
        cmocka_unit_test(test_pool_apply_of_what_never_ran_is_canceled),
        cmocka_unit_test(test_pool_iterators_return_all),
        cmocka_unit_test(test_pool_iterator_that_is_left_loses_nobody),
        cmocka_unit_test(test_pool_member_maps_in_place),
        cmocka_unit_test(test_pool_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
