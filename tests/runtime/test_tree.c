/* Who spawned whom, tree locals, hooks, states, and sections without a switch. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "core/alloc.h"
#include "runtime.h"

enum { SAID = 4000, DEPTH = 6, CROWD = 20 };

static void *return_arg(void *arg)
{
    return arg;
}

static void *wait_for_event(void *arg)
{
    return (void *)(intptr_t)weft_event_wait(arg);
}

/* ---- parents ---- */

static void *my_parent(void *arg)
{
    (void)arg;
    return weft_parent(NULL);
}

static void *parents(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    void *result = NULL;
    (void)arg;
    CHECK_INT(weft_track_parents(true), 0);
    weft_t *t = weft_spawn(wait_for_event, &go);
    CHECK(weft_parent(t) == weft_self()); /* NULL for both on a plain thread */
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK(weft_parent(t) == NULL); /* stale */
    t = weft_spawn(my_parent, NULL);
    CHECK_INT(weft_join(t, &result), 0);
    CHECK(result == weft_self());
    CHECK_INT(weft_track_parents(false), 0);
    t = weft_spawn(my_parent, NULL);
    CHECK_INT(weft_join(t, &result), 0);
    CHECK(result == NULL);
    CHECK(weft_parent(NULL) == NULL || weft_self() != NULL);
    return NULL;
}

static void test_parent_is_who_spawned_it_where_that_is_noted(void **state)
{
    (void)state;
    wt_over_workers_and_thread(parents, NULL);
}

static void ignore_end(weft_t *t, void *arg)
{
    (void)t;
    (void)arg;
}

static void *dump_parents(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    char said[SAID] = "";
    int fds[2];
    (void)arg;
    CHECK_INT(weft_track_parents(true), 0);
    weft_t *t = weft_spawn(wait_for_event, &go);
    wt_until_waiting(t, WF_WAIT_EVENT);
    CHECK_INT(weft_link(t, ignore_end, NULL), 0);
    if (!CHECK_INT(pipe(fds), 0))
        return NULL;
    CHECK_INT(weft_dump(fds[1]), 0);
    close(fds[1]);
    for (size_t got = 0; got < SAID - 1;) {
        ssize_t n = read(fds[0], said + got, SAID - 1 - got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    close(fds[0]);
    CHECK(strstr(said, " by coroutine ") != NULL);
    CHECK(strstr(said, "waits for its start at the end of coroutine ") != NULL);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_track_parents(false), 0);
    return NULL;
}

static void test_parent_and_links_are_shown_by_a_dump(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2)
        wt_run(workers, dump_parents, NULL);
}

/* ---- tree locals ---- */

static _Atomic(int) destroyed;
static weft_key key;

static void destroy(void *value)
{
    (void)value;
    wf_fetch_add_relaxed(&destroyed, 1); /* relaxed: read after joins */
}

static int count_destroyed(void)
{
    return wf_load_relaxed(&destroyed); /* relaxed: joins ordered it */
}

static void *get(void *arg)
{
    (void)arg;
    CHECK(weft_key_get(key) == NULL); /* locals of the same key are other values */
    return weft_tree_get(key);
}

static void *inherit(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    void *result = NULL;
    CHECK_INT((intptr_t)weft_tree_get(key), depth + 1);
    if (depth == 0)
        return NULL;
    CHECK_INT(weft_tree_set(key, (void *)depth), 0); /* for its children, not for its parent */
    weft_t *child = weft_spawn(inherit, (void *)(depth - 1));
    CHECK_INT(weft_join(child, NULL), 0);
    CHECK_INT((intptr_t)weft_tree_get(key), depth);
    weft_spawn_options options = {.name = "leaf"};
    child = weft_spawn_opt(&options, get, NULL);
    CHECK_INT(weft_tree_set(key, NULL), 0);
    CHECK(weft_tree_get(key) == NULL);
    CHECK_INT(weft_join(child, &result), 0);
    CHECK_INT((intptr_t)result, depth); /* what there was at its spawn */
    return NULL;
}

static void *inherit_all(void *arg)
{
    void *result = NULL;
    (void)arg;
    wf_store_relaxed(&destroyed, 0); /* relaxed: nobody else is there yet */
    CHECK_INT(weft_key_create(&key, destroy), 0);
    CHECK(weft_tree_get(key) == NULL);
    weft_t *t = weft_spawn(get, NULL);
    CHECK_INT(weft_join(t, &result), 0);
    CHECK(result == NULL);
    CHECK_INT(weft_tree_set(key, (void *)(DEPTH + 1)), 0);
    t = weft_spawn(inherit, (void *)DEPTH);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT((intptr_t)weft_tree_get(key), DEPTH + 1);
    CHECK_INT(count_destroyed(), DEPTH); /* each of theirs once */
    CHECK_INT(weft_tree_set(key, (void *)1), 0);
    CHECK_INT(count_destroyed(), DEPTH + 1);
    CHECK_INT(weft_tree_set(key, NULL), 0);
    CHECK_INT(weft_tree_set(key, NULL), 0);
    CHECK_INT(count_destroyed(), DEPTH + 2);
    CHECK_INT(weft_tree_set(key, (void *)1), 0);
    CHECK_INT(weft_key_delete(key), 0);
    CHECK(weft_tree_get(key) == NULL);
    CHECK_INT(weft_tree_set(key, (void *)1), -EINVAL);
    CHECK_INT(count_destroyed(), DEPTH + 2);
    return NULL;
}

static void test_tree_locals_are_inherited_by_what_is_spawned_later(void **state)
{
    (void)state;
    wt_over_workers_and_thread(inherit_all, NULL);
}

static void *hold_value(void *arg)
{
    CHECK_INT(weft_event_wait(arg), 0);
    CHECK_INT((intptr_t)weft_tree_get(key), 5);
    return NULL;
}

static void *set_and_leave(void *arg)
{
    weft_t **ts = arg;
    CHECK_INT(weft_tree_set(key, (void *)5), 0);
    for (int i = 0; i < CROWD; i++)
        ts[i] = weft_spawn(hold_value, ts[CROWD]);
    return NULL;
}

/* It outlives the one that has set it, and goes with the last that has it, be that one that never ran. */
static void *outlive(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    weft_t *ts[CROWD + 1];
    (void)arg;
    wf_store_relaxed(&destroyed, 0); /* relaxed: nobody else is there yet */
    CHECK_INT(weft_key_create(&key, destroy), 0);
    ts[CROWD] = (weft_t *)&go;
    weft_t *t = weft_spawn(set_and_leave, ts);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(count_destroyed(), 0);
    for (int i = 0; i < CROWD; i++)
        wt_until_waiting(ts[i], WF_WAIT_EVENT);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_joinall(ts, CROWD), 0);
    CHECK_INT(count_destroyed(), 1);
    CHECK_INT(weft_key_delete(key), 0);
    return NULL;
}

static void test_tree_local_goes_with_the_last_that_has_it(void **state)
{
    (void)state;
    wt_over_workers_and_thread(outlive, NULL);
}

static void *no_memory(void *arg)
{
    int error = 0;
    (void)arg;
    CHECK_INT(weft_key_create(&key, NULL), 0);
    for (uint64_t n = 0; n < 10 && (n == 0 || error != 0); n++) {
        wf_alloc_fail_after(n, true);
        error = weft_tree_set(key, (void *)3);
        wf_alloc_fail_after(UINT64_MAX, false);
        CHECK(error == 0 || error == -ENOMEM);
        CHECK_INT((intptr_t)weft_tree_get(key), error == 0 ? 3 : 0);
    }
    CHECK_INT(error, 0);
    wf_alloc_fail_after(0, true); /* with something to inherit a spawn allocates */
    CHECK(weft_spawn(return_arg, NULL) == NULL);
    int last = weft_last_error(), gone = weft_go(return_arg, NULL);
    wf_alloc_fail_after(UINT64_MAX, false);
    CHECK_INT(last, -ENOMEM);
    CHECK_INT(gone, -ENOMEM);
    CHECK_INT(weft_tree_set(key, NULL), 0);
    CHECK_INT(weft_key_delete(key), 0);
    return NULL;
}

static void test_tree_locals_without_memory_are_as_before(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2)
        wt_run(workers, no_memory, NULL);
}

/* ---- hooks ---- */

static _Atomic(int) spawned;
static _Atomic(weft_t *) latest;

static void note_spawn(weft_t *t)
{
    CHECK_INT(weft_ready(t), 0);
    wf_fetch_add_relaxed(&spawned, 1); /* relaxed: read by the one that spawns */
    wf_store_relaxed(&latest, t);      /* relaxed: as above */
}

static void kill_at_birth(weft_t *t)
{
    CHECK_INT(weft_kill(t), 0);
}

static void *must_not_run(void *arg)
{
    (void)arg;
    CHECK(!"it was killed before it could run");
    return NULL;
}

static void *hooked(void *arg)
{
    weft_spawn_options options = {.name = "hooked"};
    weft_scope scope;
    (void)arg;
    wf_store_relaxed(&spawned, 0); /* relaxed: nobody spawns yet */
    CHECK_INT(weft_set_spawn_hook(note_spawn), 0);
    weft_t *t = weft_spawn(return_arg, NULL);
    CHECK(wf_load_relaxed(&latest) == t); /* relaxed: called by this thread */
    CHECK_INT(weft_join(t, NULL), 0);
    t = weft_spawn_opt(&options, return_arg, NULL);
    CHECK(wf_load_relaxed(&latest) == t); /* relaxed: as above */
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_go(return_arg, NULL), 0);
    CHECK_INT(weft_scope_open(&scope), 0);
    CHECK_INT(weft_scope_go(&scope, return_arg, NULL), 0);
    CHECK_INT(weft_scope_close(&scope), 0);
    CHECK_INT(wf_load_relaxed(&spawned), 4); /* relaxed: as above */
    CHECK_INT(weft_set_spawn_hook(kill_at_birth), 0);
    t = weft_spawn(must_not_run, NULL);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_set_spawn_hook(NULL), 0);
    CHECK_INT(weft_join(weft_spawn(return_arg, NULL), NULL), 0);
    CHECK_INT(wf_load_relaxed(&spawned), 4); /* relaxed: as above */
    return NULL;
}

static void test_spawn_hook_is_called_before_it_can_run(void **state)
{
    (void)state;
    wt_over_workers_and_thread(hooked, NULL);
}

static _Atomic(int) handled;
static weft_event was_handled;

static void handle(weft_t *t, int error)
{
    CHECK_INT(error, -EIO);
    CHECK(t == weft_self());
    CHECK_INT(weft_sleep(WEFT_MICROSECOND), 0); /* it may block */
    wf_fetch_add_relaxed(&handled, 1);          /* relaxed: the event publishes it */
    CHECK_INT(weft_event_set(&was_handled), 0);
}

static void *fail_with_eio(void *arg)
{
    CHECK_INT(weft_set_error(-EIO), 0);
    return arg;
}

static void *failing(void *arg)
{
    weft_scope scope;
    (void)arg;
    wf_store_relaxed(&handled, 0); /* relaxed: nobody fails yet */
    CHECK_INT(weft_event_init(&was_handled), 0);
    CHECK_INT(weft_set_error_handler(handle), 0);
    weft_t *t = weft_spawn(fail_with_eio, NULL); /* somebody hears of these */
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_scope_open(&scope), 0);
    CHECK_INT(weft_scope_go(&scope, fail_with_eio, NULL), 0);
    CHECK_INT(weft_scope_close(&scope), -EIO);
    CHECK_INT(wf_load_relaxed(&handled), 0); /* relaxed: joined */
    CHECK_INT(weft_go(fail_with_eio, NULL), 0);
    CHECK_INT(weft_event_wait(&was_handled), 0);
    CHECK_INT(wf_load_relaxed(&handled), 1); /* relaxed: the event ordered it */
    CHECK_INT(weft_set_error_handler(NULL), 0);
    return NULL;
}

static void test_error_handler_hears_of_those_that_nobody_can_join(void **state)
{
    (void)state;
    wt_over_workers_and_thread(failing, NULL);
}

static _Atomic(int) warnings;

static void count_warnings(enum weft_log_level level, const char *line)
{
    if (level == WEFT_LOG_WARN && strstr(line, "ended with error -5") != NULL)
        wf_fetch_add_relaxed(&warnings, 1); /* relaxed: polled */
}

static bool is_warned(void *arg)
{
    (void)arg;
    return wf_load_relaxed(&warnings) > 0; /* relaxed: polled */
}

static void *fail_unheard(void *arg)
{
    (void)arg;
    wf_store_relaxed(&warnings, 0); /* relaxed: nobody logs yet */
    CHECK_INT(weft_set_log(count_warnings), 0);
    CHECK_INT(weft_go(fail_with_eio, NULL), 0);
    wt_until(is_warned, NULL);
    CHECK_INT(weft_set_log(NULL), 0);
    return NULL;
}

static void test_error_that_nobody_hears_of_is_logged(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2)
        wt_run(workers, fail_unheard, NULL);
}

/* ---- states ---- */

static void *my_state(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)weft_state(weft_self());
}

static void *states(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    void *result = NULL;
    weft_spawn_options later = {.start_after = WEFT_SECOND * 1000};
    (void)arg;
    weft_t *t = weft_spawn(wait_for_event, &go);
    if (wt_workers() == 1 && weft_self() != NULL)
        CHECK_INT(weft_state(t), WEFT_STATE_NEW);
    wt_until_waiting(t, WF_WAIT_EVENT);
    CHECK_INT(weft_state(t), WEFT_STATE_WAITING);
    CHECK_INT(weft_event_set(&go), 0);
    if (wt_workers() == 1 && weft_self() != NULL)
        CHECK_INT(weft_state(t), WEFT_STATE_READY);
    CHECK_INT(weft_joinall_some(&t, 1, 1, 0, NULL, WEFT_NEVER), 1);
    CHECK_INT(weft_state(t), WEFT_STATE_ENDED);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_state(t), -ESRCH);
    CHECK_INT(weft_state(NULL), -ESRCH);
    t = weft_spawn(my_state, NULL);
    CHECK_INT(weft_join(t, &result), 0);
    CHECK_INT((intptr_t)result, WEFT_STATE_RUNNING);
    t = weft_spawn_opt(&later, return_arg, NULL);
    CHECK_INT(weft_state(t), WEFT_STATE_WAITING);
    CHECK_INT(weft_kill_join(t, NULL, WEFT_NEVER), 0);
    return NULL;
}

static void test_state_says_where_it_is(void **state)
{
    (void)state;
    wt_over_workers_and_thread(states, NULL);
}

/* ---- sections without a switch ---- */

static void *no_switch(void *arg)
{
    weft_sem sem;
    weft_task task;
    (void)arg;
    if (weft_self() == NULL) {
        CHECK_INT(weft_no_switch_begin(), -EPERM);
        CHECK_INT(weft_no_switch_end(), -EINVAL);
        return NULL;
    }
    CHECK_INT(weft_no_switch_end(), -EINVAL);
    CHECK_INT(weft_sem_init(&sem, 1), 0);
    CHECK_INT(weft_no_switch_begin(), 0);
    CHECK_INT(weft_no_switch_begin(), 0);
    CHECK_INT(weft_sem_wait(&sem), 0); /* it need not wait */
    weft_t *t = weft_spawn(return_arg, NULL);
    CHECK_INT(weft_fork(&task, return_arg, NULL), 0);
    CHECK_INT(weft_no_switch_end(), 0);
    CHECK_INT(weft_no_switch_end(), 0);
    CHECK_INT(weft_sync(&task), 0);
    CHECK_INT(weft_no_switch_end(), -EINVAL);
    CHECK_INT(weft_join(t, NULL), 0);
    for (int i = 0; i < 255; i++)
        CHECK_INT(weft_no_switch_begin(), 0);
    CHECK_INT(weft_no_switch_begin(), -EOVERFLOW);
    for (int i = 0; i < 255; i++)
        CHECK_INT(weft_no_switch_end(), 0);
    CHECK_INT(weft_sleep(WEFT_MICROSECOND), 0);
    return NULL;
}

static void test_no_switch_lets_calls_through_that_do_not_wait(void **state)
{
    (void)state;
    wt_over_workers_and_thread(no_switch, NULL);
}

static void *section_sleeps(void *arg)
{
    (void)arg;
    weft_set_name("hasty");
    weft_no_switch_begin();
    return (void *)(intptr_t)weft_sleep(WEFT_SECOND);
}

static void *section_yields(void *arg)
{
    weft_t *other = weft_spawn(return_arg, arg);
    weft_no_switch_begin();
    weft_yield();
    return other;
}

static void *section_ends(void *arg)
{
    weft_no_switch_begin();
    return arg;
}

static int sleep_inside(void)
{
    return weft_run(section_sleeps, NULL, NULL);
}

static int yield_inside(void)
{
    return weft_run(section_yields, NULL, NULL);
}

static int end_inside(void)
{
    return weft_run(section_ends, NULL, NULL);
}

static void dies_and_says(int (*fn)(void), const char *first, const char *second)
{
    static char said[SAID];
    int status = wt_in_child(fn, said, sizeof said);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(said, first));
    assert_non_null(strstr(said, second));
}

static void test_no_switch_ends_the_process_with_a_message(void **state)
{
    (void)state;
    dies_and_says(sleep_inside, "hasty", "sleep");
    dies_and_says(yield_inside, "section_yields", "weft_yield");
    dies_and_says(end_inside, "section_ends", "weft_no_switch_end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_switch_ends_the_process_with_a_message),
        cmocka_unit_test(test_parent_is_who_spawned_it_where_that_is_noted),
        cmocka_unit_test(test_parent_and_links_are_shown_by_a_dump),
        cmocka_unit_test(test_tree_locals_are_inherited_by_what_is_spawned_later),
        cmocka_unit_test(test_tree_local_goes_with_the_last_that_has_it),
        cmocka_unit_test(test_tree_locals_without_memory_are_as_before),
        cmocka_unit_test(test_spawn_hook_is_called_before_it_can_run),
        cmocka_unit_test(test_error_handler_hears_of_those_that_nobody_can_join),
        cmocka_unit_test(test_error_that_nobody_hears_of_is_logged),
        cmocka_unit_test(test_state_says_where_it_is),
        cmocka_unit_test(test_no_switch_lets_calls_through_that_do_not_wait),
        cmocka_unit_test(test_no_switch_ends_the_process_with_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
