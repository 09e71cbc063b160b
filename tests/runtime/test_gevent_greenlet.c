/* The cases of gevent's tests of greenlets, joinall and iwait, in terms of weft; each over 1, 2 and 4 workers. */
#include <stdio.h>
#include <string.h>

#include "runtime.h"

enum { LISTENERS = 10 };

static void *return_arg(void *arg)
{
    return arg;
}

static void *fail_with(void *arg)
{
    CHECK_INT(weft_set_error((int)(intptr_t)arg), 0);
    return NULL;
}

static void *wait_for_event(void *arg)
{
    CHECK_INT(weft_event_wait(arg), 0);
    return (void *)5;
}

static void *sleep_long(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)weft_sleep(WEFT_NEVER);
}

#define EXPECTED ((void *)(intptr_t)-EPROTO)

/* ---- links as results: what an AsyncResult, a queue and a channel hear ---- */

/* One that is set once, by a link. */
struct answer {
    weft_event event;
    void *value;
    int error;
};

static void set_answer(weft_t *t, void *arg)
{
    struct answer *a = arg;
    a->value = weft_value(t);
    a->error = weft_error(t);
    CHECK_INT(weft_event_set(&a->event), 0);
}

static void *link_to_answer(void *arg)
{
    (void)arg;
    weft_t *ts[] = {weft_spawn(return_arg, (void *)100), weft_spawn(fail_with, EXPECTED)};
    for (int i = 0; i < 4; i++) { /* the first before it has ended, maybe; the others after that */
        struct answer value = {.error = 1}, error = {.error = 1};
        CHECK_INT(weft_link(ts[0], set_answer, &value), 0);
        CHECK_INT(weft_link(ts[1], set_answer, &error), 0);
        CHECK_INT(weft_event_wait(&value.event), 0);
        CHECK_INT(weft_event_wait(&error.event), 0);
        CHECK_INT((intptr_t)value.value, 100);
        CHECK_INT(value.error, 0);
        CHECK_INT(error.error, -EPROTO);
    }
    CHECK_INT(weft_joinall(ts, 2), 0);
    return NULL;
}

WT_CASE(test_link_to_asyncresult, link_to_answer)

static void send_handle(weft_t *t, void *arg)
{
    CHECK_INT(weft_chan_send(arg, &t), 0);
}

static void *link_to_queue(void *arg)
{
    weft_t *t, *got = NULL;
    intptr_t sum = 0;
    (void)arg;
    weft_chan *queue = weft_chan_new(sizeof t, 4), *channel = weft_chan_new(sizeof t, 0);
    t = weft_spawn(return_arg, (void *)100);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(weft_link(t, send_handle, queue), 0);
        CHECK_INT(weft_chan_recv(queue, &got), 0);
        CHECK_INT((intptr_t)weft_value(got), 100);
    }
    weft_t *ts[] = {weft_spawn(return_arg, (void *)101), weft_spawn(return_arg, (void *)102),
                    weft_spawn(return_arg, (void *)103)};
    for (int i = 0; i < 3; i++)
        CHECK_INT(weft_link(ts[i], send_handle, channel), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(weft_chan_recv(channel, &got), 0);
        sum += (intptr_t)weft_value(got);
    }
    CHECK_INT(sum, 101 + 102 + 103);
    CHECK_INT(weft_joinall(ts, 3), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    weft_chan_free(queue);
    weft_chan_free(channel);
    return NULL;
}

WT_CASE(test_link_to_queue_and_channel, link_to_queue)

/* ---- unlinking ---- */

typedef int link_function(weft_t *, weft_link_fn *, void *);
static link_function *const link_functions[] = {weft_link, weft_link_value, weft_link_error};

static void *wait_whatever(void *arg)
{
    weft_event_wait(arg);
    return NULL;
}

static void *unlink_then_kill(void *arg)
{
    weft_event never = WEFT_EVENT_INIT;
    struct answer a = {.error = 1};
    (void)arg;
    for (int i = 0; i < 3; i++) {
        weft_t *t = weft_spawn(wait_whatever, &never);
        CHECK_INT(link_functions[i](t, set_answer, &a), 0);
        CHECK_INT(weft_unlink(t, set_answer, &a), 0);
        CHECK_INT(weft_kill_join(t, NULL, WEFT_NEVER), 0);
        CHECK_INT(weft_event_is_set(&a.event), 0);
    }
    return NULL;
}

WT_CASE(test_unlink_of_each_kind, unlink_then_kill)

/* ---- links of every kind, for every end ---- */

struct listeners {
    weft_event event;
    _Atomic(int) left;
    _Atomic(int) wrong;
};

static void note_end(weft_t *t, void *arg)
{
    struct listeners *l = arg;
    (void)t;
    if (wf_fetch_sub_acq_rel(&l->left, 1) == 1)
        CHECK_INT(weft_event_set(&l->event), 0);
}

static void note_wrong_end(weft_t *t, void *arg)
{
    (void)t;
    wf_fetch_add_relaxed(&((struct listeners *)arg)->wrong, 1); /* relaxed: read after the join of all */
}

/* Ten that hear of this end, and two that do not; three times, of which the last ones find it ended. */
static void hear_of(weft_t *t, link_function *right, link_function *wrong)
{
    for (int round = 0; round < 3; round++) {
        struct listeners l = {.left = LISTENERS};
        for (int i = 0; i < LISTENERS; i++)
            CHECK_INT(right(t, note_end, &l), 0);
        CHECK_INT(wrong(t, note_wrong_end, &l), 0);
        if (round == 0)
            CHECK_INT(weft_joinall_some(&t, 1, 1, 0, NULL, WEFT_NEVER), 1);
        CHECK_INT(weft_event_wait(&l.event), 0);
        weft_t *last = weft_spawn(return_arg, NULL); /* behind the one that must not run, on one worker */
        CHECK_INT(weft_join(last, NULL), 0);
        CHECK_INT(wf_load_relaxed(&l.wrong), 0); /* relaxed: as far as one can see */
    }
    CHECK_INT(weft_join(t, NULL), 0);
}

static void *return_link(void *arg)
{
    (void)arg;
    hear_of(weft_spawn(return_arg, (void *)25), weft_link, weft_link_error);
    hear_of(weft_spawn(return_arg, (void *)25), weft_link_value, weft_link_error);
    return NULL;
}

WT_CASE(test_return_link_and_link_value, return_link)

static void *kill_link(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        weft_t *t = weft_spawn(sleep_long, NULL);
        if (i == 1)
            wt_until_waiting(t, WF_WAIT_SLEEP);
        CHECK_INT(weft_kill(t), 0);
        hear_of(t, i == 0 ? weft_link : weft_link_value, weft_link_error); /* killed counts as successful */
    }
    return NULL;
}

WT_CASE(test_return_link_of_a_killed_one, kill_link)

static void *raise_link(void *arg)
{
    (void)arg;
    hear_of(weft_spawn(fail_with, EXPECTED), weft_link, weft_link_value);
    hear_of(weft_spawn(fail_with, EXPECTED), weft_link_error, weft_link_value);
    return NULL;
}

WT_CASE(test_raise_link_and_link_exception, raise_link)

/* ---- ids, joinall ---- */

static void *minimal_id(void *arg)
{
    (void)arg;
    weft_t *t = weft_spawn(return_arg, NULL);
    CHECK(weft_id(t) > 0);
    CHECK(weft_id(NULL) > 0);
    CHECK(weft_id(t) != weft_id(NULL));
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

WT_CASE(test_minimal_id, minimal_id)

static void *wait_noerrors(void *arg)
{
    bool done[3];
    (void)arg;
    weft_t *ts[3];
    for (intptr_t i = 0; i < 3; i++)
        ts[i] = weft_spawn(return_arg, (void *)(i + 1));
    CHECK_INT(weft_joinall_some(ts, 3, SIZE_MAX, WEFT_JOIN_FIRST_ERROR, done, WEFT_NEVER), 3);
    for (intptr_t i = 0; i < 3; i++)
        CHECK_INT((intptr_t)weft_value(ts[i]), i + 1);
    for (int i = 0; i < 2; i++) {
        struct answer a = {.error = 1};
        CHECK_INT(weft_link(ts[0], set_answer, &a), 0);
        CHECK_INT(weft_event_wait(&a.event), 0);
        CHECK_INT((intptr_t)a.value, 1);
        CHECK_INT(weft_unlink(ts[0], set_answer, &a), -ENOENT);
    }
    CHECK_INT(weft_joinall(ts, 3), 0);
    return NULL;
}

WT_CASE(test_wait_noerrors, wait_noerrors)

static void *wait_error(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    (void)arg;
    weft_t *ts[] = {weft_spawn(wait_for_event, &go), weft_spawn(fail_with, EXPECTED)};
    CHECK_INT(weft_joinall_some(ts, 2, 2, WEFT_JOIN_FIRST_ERROR, NULL, WEFT_NEVER), -EPROTO);
    CHECK_INT(weft_joinall_some(ts + 1, 1, 1, WEFT_JOIN_FIRST_ERROR, NULL, WEFT_NEVER), -EPROTO);
    CHECK_INT(weft_ready(ts[0]), 0);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_joinall(ts, 2), 0);
    return NULL;
}

WT_CASE(test_wait_error, wait_error)

static void *wait_and_fail(void *arg)
{
    CHECK_INT(weft_event_wait(arg), 0);
    return fail_with((void *)(intptr_t)-EIO);
}

static void *exception_order(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    (void)arg;
    weft_t *ts[] = {weft_spawn(wait_and_fail, &go), weft_spawn(fail_with, EXPECTED)};
    CHECK_INT(weft_joinall_some(ts, 2, 2, WEFT_JOIN_FIRST_ERROR, NULL, WEFT_NEVER), -EPROTO); /* the earliest */
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_joinall(ts, 2), 0);
    return NULL;
}

WT_CASE(test_joinall_exception_order, exception_order)

static void *count_raise_error(void *arg)
{
    (void)arg;
    weft_t *ts[] = {weft_spawn(sleep_long, NULL), weft_spawn(fail_with, EXPECTED)};
    CHECK_INT(weft_joinall_some(ts, 2, 1, 0, NULL, WEFT_NEVER), 1);
    CHECK_INT(weft_ready(ts[0]), 0);
    CHECK_INT(weft_ready(ts[1]), 1);
    CHECK_INT(weft_killall_join(ts, 2, WEFT_NEVER), 0);
    return NULL;
}

WT_CASE(test_joinall_count_without_raise_error, count_raise_error)

static void *joinall_twice(void *arg)
{
    (void)arg;
    weft_t *a = weft_spawn(return_arg, NULL), *b = weft_spawn(return_arg, NULL);
    weft_t *ts[] = {a, b, a};
    CHECK_INT(weft_joinall_some(ts, 3, 3, 0, NULL, WEFT_NEVER), 3);
    CHECK(weft_ref(a) == a); /* joinall gives back as often as one stands there */
    CHECK_INT(weft_joinall(ts, 3), 0);
    return NULL;
}

WT_CASE(test_joinall_with_one_twice, joinall_twice)

/* ---- listeners that fail ---- */

static _Atomic(int) failures;

static void count_failure(weft_t *t, int error)
{
    (void)t;
    CHECK_INT(error, -EPROTO);
    wf_fetch_add_relaxed(&failures, 1); /* relaxed: polled */
}

static void note_end_and_fail(weft_t *t, void *arg)
{
    note_end(t, arg);
    CHECK_INT(weft_set_error(-EPROTO), 0);
}

static bool three_failed(void *arg)
{
    (void)arg;
    return wf_load_relaxed(&failures) == 3; /* relaxed: polled */
}

/* One does not keep the others from being called, and all of them are told of. */
static void *listeners_error(void *arg)
{
    (void)arg;
    CHECK_INT(weft_set_error_handler(count_failure), 0);
    for (int way = 0; way < 2; way++) {
        struct listeners l = {.left = 3};
        wf_store_relaxed(&failures, 0); /* relaxed: nobody fails yet */
        weft_t *t = way == 0 ? weft_spawn(return_arg, NULL) : weft_spawn(fail_with, EXPECTED);
        for (int i = 0; i < 3; i++)
            CHECK_INT(weft_link(t, note_end_and_fail, &l), 0);
        CHECK_INT(weft_event_wait(&l.event), 0);
        wt_until(three_failed, NULL);
        CHECK_INT(weft_join(t, NULL), 0);
    }
    CHECK_INT(weft_set_error_handler(NULL), 0);
    return NULL;
}

WT_CASE(test_multiple_listeners_error, listeners_error)

/* ---- names ---- */

static void *names(void *arg)
{
    char name[32];
    weft_spawn_options options = {.name = "Foo"};
    weft_event go = WEFT_EVENT_INIT;
    (void)arg;
    weft_t *t = weft_spawn_opt(&options, wait_for_event, &go);
    CHECK_INT(weft_name(t, name, sizeof name), 3);
    CHECK_INT(strcmp(name, "Foo"), 0);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_joinall_some(&t, 1, 1, 0, NULL, WEFT_NEVER), 1);
    CHECK_INT(weft_name(t, name, sizeof name), 3); /* also when it has ended */
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

WT_CASE(test_str, names)

/* ---- waits with a timeout: join, get, joinall of none and of some ---- */

static void *wait_times_out(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    weft_timeout outer;
    (void)arg;
    weft_t *t = weft_spawn(wait_for_event, &go);
    CHECK_INT(weft_join_until(t, NULL, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_joinall_until(&t, 1, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_joinall_some(&t, 1, 1, 0, NULL, weft_after(WEFT_MILLISECOND)), 0);
    CHECK_INT(weft_joinall_until(NULL, 0, 0), 0);
    CHECK_INT(weft_timeout_start(&outer, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_join(t, NULL), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&outer), 1);
    CHECK_INT(weft_timeout_stop(&outer), 0);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_join_until(t, NULL, weft_after(WEFT_SECOND * 1000)), 0);
    return NULL;
}

WT_CASE(test_join_get_and_joinall_wait_as_long_as_asked, wait_times_out)

/* ---- basics ---- */

static void *spawn_non_callable(void *arg)
{
    weft_spawn_options later = {.start_after = 1};
    (void)arg;
    CHECK(weft_spawn(NULL, NULL) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    CHECK_INT(weft_go(NULL, NULL), -EINVAL);
    CHECK(weft_spawn_opt(&later, NULL, NULL) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    return NULL;
}

WT_CASE(test_spawn_non_callable, spawn_non_callable)

static void *set_event(void *arg)
{
    CHECK_INT(weft_event_set(arg), 0);
    return NULL;
}

static void *spawn_raw(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    (void)arg;
    CHECK_INT(weft_go(set_event, &event), 0);
    CHECK_INT(weft_event_wait(&event), 0);
    return NULL;
}

WT_CASE(test_spawn_raw_passes_its_argument, spawn_raw)

/* From the spawn to the end, with a value or an error. */
static void exit_with(weft_fn *fn, int error, intptr_t value)
{
    weft_event go = WEFT_EVENT_INIT;
    struct answer a = {.error = 1};
    weft_t *t = weft_spawn(fn, &go);
    CHECK_INT(weft_link_raw(t, set_answer, &a), 0);
    CHECK_INT(weft_ready(t), 0);
    CHECK(weft_value(t) == NULL);
    CHECK_INT(weft_error(t), -EAGAIN);
    CHECK(weft_state(t) != WEFT_STATE_ENDED);
    wt_until_waiting(t, WF_WAIT_EVENT);
    CHECK_INT(weft_ready(t), 0);
    CHECK_INT(weft_event_is_set(&a.event), 0);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_event_wait(&a.event), 0);
    CHECK_INT(weft_ready(t), 1);
    CHECK_INT(weft_state(t), WEFT_STATE_ENDED);
    CHECK_INT((intptr_t)weft_value(t), value);
    CHECK_INT(weft_error(t), error);
    CHECK_INT(a.error, error);
    CHECK_INT(weft_join(t, NULL), 0);
}

static void *exits(void *arg)
{
    (void)arg;
    exit_with(wait_for_event, 0, 5);
    exit_with(wait_and_fail, -EIO, 0);
    return NULL;
}

WT_CASE(test_simple_and_error_exit, exits)

static weft_key tree_key;

static void *same_tree(void *arg)
{
    CHECK(weft_tree_get(tree_key) == arg);
    return weft_parent(NULL);
}

static void *tree_locals(void *arg)
{
    void *parent = NULL;
    (void)arg;
    CHECK_INT(weft_key_create(&tree_key, NULL), 0);
    CHECK_INT(weft_track_parents(true), 0);
    CHECK_INT(weft_tree_set(tree_key, &parent), 0);
    weft_t *t = weft_spawn(same_tree, &parent);
    CHECK_INT(weft_join(t, &parent), 0);
    CHECK(parent == weft_self());
    CHECK_INT(weft_tree_set(tree_key, NULL), 0);
    t = weft_spawn(same_tree, NULL);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_track_parents(false), 0);
    CHECK_INT(weft_key_delete(tree_key), 0);
    return NULL;
}

WT_CASE(test_tree_locals, tree_locals)

static _Atomic(int) called;

static void count_spawn(weft_t *t)
{
    CHECK(weft_id(t) != 0);
    wf_fetch_add_relaxed(&called, 1); /* relaxed: read by the one that spawns */
}

static void *spawn_callback(void *arg)
{
    weft_spawn_options later = {.start_after = WEFT_MICROSECOND};
    (void)arg;
    wf_store_relaxed(&called, 0); /* relaxed: nobody spawns yet */
    CHECK_INT(weft_set_spawn_hook(count_spawn), 0);
    CHECK_INT(weft_join(weft_spawn(return_arg, NULL), NULL), 0);
    CHECK_INT(wf_load_relaxed(&called), 1); /* relaxed: called here */
    CHECK_INT(weft_join(weft_spawn_opt(&later, return_arg, NULL), NULL), 0);
    CHECK_INT(wf_load_relaxed(&called), 2); /* relaxed: as above */
    CHECK_INT(weft_set_spawn_hook(NULL), 0);
    CHECK_INT(weft_join(weft_spawn(return_arg, NULL), NULL), 0);
    CHECK_INT(wf_load_relaxed(&called), 2); /* relaxed: as above */
    return NULL;
}

WT_CASE(test_add_spawn_callback, spawn_callback)

static void *not_dead_at_first(void *arg)
{
    (void)arg;
    CHECK_INT(weft_ready(weft_self()), 0);
    CHECK_INT(weft_state(weft_self()), WEFT_STATE_RUNNING);
    CHECK_INT(weft_error(weft_self()), -EAGAIN);
    return NULL;
}

static void *dead_during_switch(void *arg)
{
    (void)arg;
    CHECK_INT(weft_join(weft_spawn(not_dead_at_first, NULL), NULL), 0);
    return NULL;
}

WT_CASE(test_dead_is_false_for_the_one_that_starts, dead_during_switch)

/* ---- with spawn(…) as g: ---- */

static void *contexts(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    weft_scope scope;
    (void)arg;
    CHECK_INT(weft_scope_open(&scope), 0); /* simple: it has ended after the block */
    weft_t *t = weft_scope_spawn(&scope, wait_for_event, &go);
    CHECK_INT(weft_ready(t), 0);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_scope_close(&scope), 0);
    CHECK_INT(weft_scope_open(&scope), 0); /* it fails, and is waited for in the block */
    t = weft_scope_spawn(&scope, fail_with, EXPECTED);
    CHECK_INT(weft_joinall_some(&t, 1, 1, WEFT_JOIN_FIRST_ERROR, NULL, WEFT_NEVER), -EPROTO);
    CHECK_INT(weft_scope_close(&scope), -EPROTO);
    CHECK_INT(weft_scope_open(&scope), 0); /* the block fails: what it spawned is killed */
    t = weft_scope_spawn(&scope, sleep_long, NULL);
    CHECK(weft_ref(t) == t);
    CHECK_INT(weft_scope_cancel(&scope), 0);
    CHECK_INT(weft_scope_close(&scope), 0);
    CHECK_INT(weft_ready(t), 1);
    CHECK_INT(weft_unref(t), 0);
    return NULL;
}

WT_CASE(test_context_manager, contexts)

/* ---- iwait ---- */

static void *iwait_partly(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    weft_iwait it;
    (void)arg;
    weft_t *ts[] = {weft_spawn(return_arg, NULL), weft_spawn(wait_for_event, &go)};
    CHECK_INT(weft_iwait_init(&it, ts, 2), 0);
    CHECK_INT(weft_iwait_next_until(&it, weft_after(WEFT_SECOND * 1000)), 0);
    CHECK_INT(weft_iwait_fini(&it), 0); /* nothing is left on the other one */
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_joinall(ts, 2), 0);
    return NULL;
}

WT_CASE(test_iwait_partial_and_nogarbage, iwait_partly)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_to_asyncresult),
        cmocka_unit_test(test_link_to_queue_and_channel),
        cmocka_unit_test(test_unlink_of_each_kind),
        cmocka_unit_test(test_return_link_and_link_value),
        cmocka_unit_test(test_return_link_of_a_killed_one),
        cmocka_unit_test(test_raise_link_and_link_exception),
        cmocka_unit_test(test_minimal_id),
        cmocka_unit_test(test_wait_noerrors),
        cmocka_unit_test(test_wait_error),
        cmocka_unit_test(test_joinall_exception_order),
        cmocka_unit_test(test_joinall_count_without_raise_error),
        cmocka_unit_test(test_joinall_with_one_twice),
        cmocka_unit_test(test_multiple_listeners_error),
        cmocka_unit_test(test_str),
        cmocka_unit_test(test_join_get_and_joinall_wait_as_long_as_asked),
        cmocka_unit_test(test_spawn_non_callable),
        cmocka_unit_test(test_spawn_raw_passes_its_argument),
        cmocka_unit_test(test_simple_and_error_exit),
        cmocka_unit_test(test_tree_locals),
        cmocka_unit_test(test_add_spawn_callback),
        cmocka_unit_test(test_dead_is_false_for_the_one_that_starts),
        cmocka_unit_test(test_context_manager),
        cmocka_unit_test(test_iwait_partial_and_nogarbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
