/* Spawning: options, handles, names, pins, and what is refused. */
#include <fenv.h>
#include <string.h>

#include "runtime.h"

enum { MANY = 20000 };

static _Atomic(int) count;

static void *count_one(void *arg)
{
    wf_fetch_add_relaxed(&count, 1); /* relaxed: read after the joins */
    return arg;
}

static void count_cleanup(void *arg)
{
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read after the end */
}

static void *spawn_many(void *arg)
{
    static weft_t *ts[MANY];
    int n = wt_scaled(MANY);
    (void)arg;
    wf_store_relaxed(&count, 0); /* relaxed: nobody else yet */
    for (intptr_t i = 0; i < n; i++)
        CHECK((ts[i] = weft_spawn(count_one, (void *)i)) != NULL);
    for (intptr_t i = 0; i < n; i++) {
        void *result = NULL;
        CHECK_INT(weft_join(ts[i], &result), 0);
        CHECK_INT((intptr_t)result, i);
    }
    CHECK_INT(wf_load_relaxed(&count), n); /* relaxed: joined */
    return NULL;
}

static void test_spawn_many_each_runs_once(void **state)
{
    (void)state;
    wt_over_workers(spawn_many, NULL);
}

static void *spawn_tree(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    void *left = NULL, *right = NULL;
    if (depth == 0)
        return (void *)1;
    weft_t *l = weft_spawn(spawn_tree, (void *)(depth - 1));
    weft_t *r = weft_spawn(spawn_tree, (void *)(depth - 1));
    CHECK_INT(weft_join(l, &left), 0);
    CHECK_INT(weft_join(r, &right), 0);
    return (void *)((intptr_t)left + (intptr_t)right);
}

static void *grow_tree(void *arg)
{
    (void)arg;
    CHECK_INT((intptr_t)spawn_tree((void *)8), 256);
    return NULL;
}

static void test_spawn_in_a_tree_adds_up(void **state)
{
    (void)state;
    wt_over_workers(grow_tree, NULL);
}

static void *go_many(void *arg)
{
    weft_group *group = arg;
    CHECK_INT(weft_group_done(group), 0);
    return NULL;
}

static void *detach_all(void *arg)
{
    weft_group group = WEFT_GROUP_INIT;
    (void)arg;
    CHECK_INT(weft_group_add(&group, 200), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(weft_go(go_many, &group), 0);
        weft_t *t = weft_spawn(go_many, &group);
        CHECK_INT(weft_detach(t), 0);
        CHECK_INT(weft_detach(t), -ESRCH);
    }
    CHECK_INT(weft_group_wait(&group), 0);
    return NULL;
}

static void test_spawn_detached_runs_and_leaves_nothing(void **state)
{
    (void)state;
    wt_over_workers(detach_all, NULL);
}

static void *refuse(void *arg)
{
    _Atomic(int) cleaned = 0;
    weft_spawn_options large = {.stack_size = (8 << 20) + 1, .cleanup = count_cleanup};
    weft_spawn_options early = {.start_after = -1};
    (void)arg;
    CHECK(weft_spawn(NULL, NULL) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    CHECK_INT(weft_go(NULL, NULL), -EINVAL);
    CHECK(weft_spawn_opt(&large, count_one, &cleaned) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    CHECK_INT(wf_load_relaxed(&cleaned), 1); /* relaxed: ran here */
    CHECK(weft_spawn_opt(&early, count_one, NULL) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    CHECK(weft_ref(NULL) == NULL);
    CHECK_INT(weft_last_error(), -ESRCH);
    CHECK(weft_value(NULL) == NULL);
    CHECK_INT(weft_ready(NULL), -ESRCH);
    CHECK_INT(weft_error(NULL), -ESRCH);
    CHECK_INT(weft_set_error(1), -EINVAL);
    CHECK_INT(weft_set_name(NULL), -EINVAL);
    CHECK_INT(weft_name(NULL, NULL, 10), -EINVAL);
    return NULL;
}

static void test_spawn_bad_arguments_are_refused(void **state)
{
    (void)state;
    wt_run(2, refuse, NULL);
}

static void *look_at_itself(void *arg)
{
    char name[40];
    weft_t *self = weft_self();
    CHECK(self != NULL);
    CHECK(weft_id(NULL) == weft_id(self));
    CHECK(weft_id(self) != 0);
    CHECK_INT(weft_name(NULL, name, sizeof name), (int)strlen(arg));
    CHECK(strcmp(name, arg) == 0);
    CHECK_INT(weft_set_name("another"), 0);
    CHECK_INT(weft_name(self, name, 4), 7);
    CHECK(strcmp(name, "ano") == 0);
    CHECK_INT(weft_name(self, NULL, 4), -EINVAL);
    CHECK_INT(weft_set_name(NULL), -EINVAL);
    return NULL;
}

static void *names_and_ids(void *arg)
{
    char long_name[] = "a name of thirty-one characters, and more";
    weft_spawn_options named = {.name = long_name};
    (void)arg;
    weft_t *t = weft_spawn_opt(&named, look_at_itself, "a name of thirty-one characters");
    uint64_t id = weft_id(t);
    memset(long_name, 'x', sizeof long_name - 1); /* it was copied */
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT((int64_t)weft_id(t), 0);
    CHECK_INT(weft_name(t, long_name, sizeof long_name), -ESRCH);
    weft_t *next = weft_spawn(look_at_itself, "");
    CHECK(weft_id(next) != id);
    CHECK_INT(weft_join(next, NULL), 0);
    return NULL;
}

static void test_spawn_names_are_kept_and_ids_never_recur(void **state)
{
    (void)state;
    wt_over_workers(names_and_ids, NULL);
}

static void *references(void *arg)
{
    (void)arg;
    weft_t *t = weft_spawn(count_one, (void *)5);
    CHECK(weft_ref(t) == t);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_ready(t), 1);
    CHECK_INT((intptr_t)weft_value(t), 5);
    CHECK_INT(weft_error(t), 0);
    CHECK_INT(weft_unref(t), 0);
    CHECK_INT(weft_unref(t), -ESRCH);
    CHECK_INT(weft_ready(t), -ESRCH);
    CHECK(weft_value(t) == NULL);
    CHECK_INT(weft_error(t), -ESRCH);
    CHECK(weft_ref(t) == NULL);
    CHECK(weft_ref(NULL) == NULL);
    CHECK_INT(weft_last_error(), -ESRCH);
    CHECK_INT(weft_detach(NULL), -ESRCH);
    return NULL;
}

static void test_spawn_handle_lives_as_long_as_its_references(void **state)
{
    (void)state;
    wt_over_workers(references, NULL);
}

/* 4,095 at a time. */
static void *many_references(void *arg)
{
    enum { MOST = 4095 };
    (void)arg;
    weft_t *t = weft_spawn(count_one, NULL);
    for (int i = 1; i < MOST; i++)
        CHECK(weft_ref(t) == t);
    CHECK(weft_ref(t) == NULL);
    CHECK_INT(weft_last_error(), -EAGAIN);
    CHECK_INT(weft_unref(t), 0);
    CHECK(weft_ref(t) == t);
    for (int i = 1; i < MOST; i++)
        CHECK_INT(weft_unref(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_spawn_references_are_bounded(void **state)
{
    (void)state;
    wt_run(2, many_references, NULL);
}

/* What does not wait, a killed coroutine may do too. What it spawns is not killed with it. */
static void *use_killed(void *arg)
{
    weft_spawn_options named = {.name = "child"};
    char name[8];
    int value = 0;
    void *result = NULL;
    weft_key key;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_set_name("killed"), 0);
    CHECK_INT(weft_name(NULL, name, sizeof name), 6);
    CHECK_INT(weft_set_error(-EIO), 0);
    CHECK_INT(weft_pin(), 0);
    CHECK_INT(weft_unpin(), 0);
    CHECK_INT(weft_key_create(&key, NULL), 0);
    CHECK_INT(weft_key_set(key, &value), 0);
    CHECK(weft_key_get(key) == &value);
    CHECK_INT(weft_key_delete(key), 0);
    weft_t *child = weft_spawn_opt(&named, count_one, &value);
    CHECK(child != NULL);
    CHECK(weft_ref(child) == child);
    CHECK_INT(weft_unref(child), 0);
    CHECK_INT(weft_join(child, NULL), -ECANCELED);
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_join(child, &result), 0); /* the handle was still ours */
    CHECK_INT(weft_shield_end(), 0);
    CHECK(result == &value);
    CHECK_INT(weft_go(count_one, NULL), 0);
    return arg;
}

static void *spawn_killed(void *arg)
{
    wt_spawn_and_join(1, use_killed, arg);
    return NULL;
}

static void test_spawn_by_a_killed_coroutine_works(void **state)
{
    (void)state;
    wt_over_workers(spawn_killed, NULL);
}

static void *fail_with(void *arg)
{
    CHECK_INT(weft_set_error(5), -EINVAL);
    CHECK_INT(weft_set_error((int)(intptr_t)arg), 0);
    return NULL;
}

static void *tell_error(void *arg)
{
    weft_event never = WEFT_EVENT_INIT;
    (void)arg;
    weft_t *t = weft_spawn(fail_with, (void *)(intptr_t)-EIO);
    CHECK_INT(weft_wait_any(&t, 1), 0);
    CHECK_INT(weft_error(t), -EIO);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_error(weft_self()), -EAGAIN);
    CHECK_INT(weft_ready(weft_self()), 0);
    CHECK_INT(weft_event_fini(&never), 0);
    return NULL;
}

static void test_spawn_error_is_told_once_it_has_ended(void **state)
{
    (void)state;
    wt_over_workers(tell_error, NULL);
}

static void *note_start(void *arg)
{
    *(int64_t *)arg = weft_now();
    return NULL;
}

static void *start_later(void *arg)
{
    int64_t started[3] = {0};
    weft_spawn_options later = {.start_after = 3 * WEFT_MILLISECOND};
    int64_t before = weft_now();
    (void)arg;
    weft_t *a = weft_spawn_opt(&later, note_start, &started[0]);
    weft_t *b = weft_spawn(note_start, &started[1]);
    weft_t *c = weft_spawn_opt(&later, note_start, &started[2]);
    CHECK_INT(weft_kill(c), 0);
    CHECK_INT(weft_join(c, NULL), 0);
    CHECK_INT(weft_join(b, NULL), 0);
    CHECK_INT(weft_join(a, NULL), 0);
    CHECK(started[0] >= before + later.start_after);
    CHECK(started[1] >= before);
    CHECK_INT(started[2], 0); /* killed before it began */
    return NULL;
}

static void test_spawn_start_after_waits_that_long(void **state)
{
    (void)state;
    wt_over_workers(start_later, NULL);
}

static void *clean_argument(void *arg)
{
    _Atomic(int) cleaned = 0;
    weft_spawn_options options = {.cleanup = count_cleanup};
    (void)arg;
    weft_t *t = weft_spawn_opt(&options, count_one, &cleaned);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(wf_load_relaxed(&cleaned), 1); /* relaxed, as below: joined */
    options.start_after = 10 * WEFT_SECOND;
    t = weft_spawn_opt(&options, count_one, &cleaned);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(wf_load_relaxed(&cleaned), 2);
    return NULL;
}

static void test_spawn_cleanup_of_the_argument_runs_once(void **state)
{
    (void)state;
    wt_over_workers(clean_argument, NULL);
}

static void *stay(void *arg)
{
    wf_coro *self = wf_coro_from_handle(weft_self());
    unsigned worker = wf_load_relaxed(&self->worker); /* relaxed, as below: our own */
    (void)arg;
    for (int i = 0; i < 200; i++) {
        weft_yield();
        if (i % 20 == 0)
            weft_sleep(20 * WEFT_MICROSECOND);
        CHECK_INT(wf_load_relaxed(&self->worker), worker);
    }
    return NULL;
}

static void *pin_and_unpin(void *arg)
{
    CHECK_INT(weft_unpin(), -EINVAL);
    for (int i = 0; i < 255; i++)
        CHECK_INT(weft_pin(), 0);
    CHECK_INT(weft_pin(), -EOVERFLOW);
    for (int i = 0; i < 255; i++)
        CHECK_INT(weft_unpin(), 0);
    CHECK_INT(weft_pin(), 0);
    CHECK_INT(weft_pin(), 0);
    stay(arg);
    CHECK_INT(weft_unpin(), 0);
    stay(arg);
    CHECK_INT(weft_unpin(), 0);
    CHECK_INT(weft_unpin(), -EINVAL);
    return NULL;
}

static void *pinned(void *arg)
{
    weft_spawn_options options = {.pinned = true};
    weft_t *ts[32];
    (void)arg;
    for (int i = 0; i < 32; i++)
        ts[i] = i % 2 == 0 ? weft_spawn_opt(&options, stay, NULL) : weft_spawn(pin_and_unpin, NULL);
    CHECK_INT(weft_joinall(ts, 32), 0);
    return NULL;
}

static void test_spawn_pinned_stays_on_its_worker(void **state)
{
    (void)state;
    wt_over_workers(pinned, NULL);
}

static void *use_stack(void *arg)
{
    size_t size = (size_t)arg;
    volatile char room[size - 28 * 1024]; /* guard, descriptor and the frames around are in it too */
    memset((void *)room, 'x', sizeof room);
    CHECK_INT(room[sizeof room / 2], 'x');
    return NULL;
}

static void *sizes(void *arg)
{
    (void)arg;
    for (size_t size = 64 * 1024; size <= 8 << 20; size *= 2) {
        weft_spawn_options options = {.stack_size = size, .secret = size % 3 == 0};
        weft_t *t = weft_spawn_opt(&options, use_stack, (void *)size);
        CHECK_INT(weft_join(t, NULL), 0);
    }
    return NULL;
}

static void test_spawn_stack_is_as_large_as_asked_for(void **state)
{
    (void)state;
    wt_run(1, sizes, NULL);
}

static void *round_up(void *arg)
{
    (void)arg;
    CHECK_INT(fegetround(), FE_TONEAREST);
    CHECK_INT(fesetround(FE_UPWARD), 0);
    for (int i = 0; i < 20; i++) {
        weft_yield();
        CHECK_INT(fegetround(), FE_UPWARD);
    }
    return NULL;
}

static void *round_to_nearest(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        CHECK_INT(fegetround(), FE_TONEAREST);
        weft_yield();
    }
    return NULL;
}

static void *fpenv(void *arg)
{
    weft_spawn_options options = {.fpenv = true};
    weft_t *ts[8];
    (void)arg;
    for (int i = 0; i < 8; i++)
        ts[i] = i % 2 == 0 ? weft_spawn_opt(&options, round_up, NULL) : weft_spawn(round_to_nearest, NULL);
    CHECK_INT(weft_joinall(ts, 8), 0);
    return NULL;
}

static void test_spawn_fpenv_keeps_its_rounding_to_itself(void **state)
{
    (void)state;
    wt_over_workers(fpenv, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spawn_many_each_runs_once),
        cmocka_unit_test(test_spawn_in_a_tree_adds_up),
        cmocka_unit_test(test_spawn_detached_runs_and_leaves_nothing),
        cmocka_unit_test(test_spawn_bad_arguments_are_refused),
        cmocka_unit_test(test_spawn_names_are_kept_and_ids_never_recur),
        cmocka_unit_test(test_spawn_handle_lives_as_long_as_its_references),
        cmocka_unit_test(test_spawn_references_are_bounded),
        cmocka_unit_test(test_spawn_by_a_killed_coroutine_works),
        cmocka_unit_test(test_spawn_error_is_told_once_it_has_ended),
        cmocka_unit_test(test_spawn_start_after_waits_that_long),
        cmocka_unit_test(test_spawn_cleanup_of_the_argument_runs_once),
        cmocka_unit_test(test_spawn_pinned_stays_on_its_worker),
        cmocka_unit_test(test_spawn_stack_is_as_large_as_asked_for),
        cmocka_unit_test(test_spawn_fpenv_keeps_its_rounding_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
