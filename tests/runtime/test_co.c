/* Symmetric coroutines: switching, parents, ends, errors; families and their ends; blocking and forking members; misuse. */
#include "runtime.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "child.h"
#include "core/alloc.h"
#include "core/stack.h"

#define NUMBER(n) ((void *)(intptr_t)(n))

static int number(void *value)
{
    return (int)(intptr_t)value;
}

/* ---- values ---- */

/* Gives back each value, plus one, until it gets 0. */
static void *echo(void *arg)
{
    while (arg != NULL)
        arg = weft_co_switch(weft_co_parent(weft_co_self()), (char *)arg + 1);
    return NUMBER(-7);
}

static void *switch_back_and_forth(void *arg)
{
    weft_co *main_co = weft_co_self();
    (void)arg;
    CHECK_INT(weft_co_state(main_co), WEFT_CO_MAIN);
    CHECK(weft_co_parent(main_co) == NULL);
    weft_co *co = weft_co_new(echo, NULL);
    CHECK(weft_co_parent(co) == main_co);
    CHECK_INT(weft_co_state(co), WEFT_CO_NEW);
    for (int i = 1; i < 100; i++)
        CHECK_INT(number(weft_co_switch(co, NUMBER(i))), i + 1);
    CHECK_INT(weft_co_state(co), WEFT_CO_STARTED);
    CHECK_INT(number(weft_co_switch(co, NULL)), -7); /* it ends: its result comes to its parent */
    CHECK_INT(weft_co_error(), 0);
    CHECK_INT(weft_co_state(co), WEFT_CO_DEAD);
    CHECK_INT(number(weft_co_switch(co, NUMBER(5))), 5); /* to its nearest living ancestor: here */
    CHECK_INT(number(weft_co_switch(main_co, NUMBER(6))), 6);
    CHECK_INT(weft_co_free(co), 0);
    return NULL;
}

static void test_co_values_travel_with_switches(void **state)
{
    (void)state;
    wt_over_workers_and_thread(switch_back_and_forth, NULL);
}

/* ---- the tree ---- */

static void *return_argument(void *arg)
{
    CHECK_INT(weft_co_state(weft_co_self()), WEFT_CO_ACTIVE);
    return arg;
}

static void *climb(void *arg)
{
    weft_co *a = weft_co_new(return_argument, NULL), *b = weft_co_new(return_argument, a),
            *c = weft_co_new(return_argument, b);
    (void)arg;
    CHECK_INT(number(weft_co_switch(c, NUMBER(3))),
              3); /* through all three: each starts with the result of its child */
    CHECK_INT(weft_co_state(a), WEFT_CO_DEAD);
    CHECK_INT(weft_co_state(b), WEFT_CO_DEAD);
    CHECK_INT(weft_co_free(a), 0); /* in any order: children keep their parents */
    CHECK_INT(weft_co_free(b), 0);
    CHECK_INT(number(weft_co_switch(c, NUMBER(4))), 4);
    CHECK_INT(weft_co_free(c), 0);
    return NULL;
}

static void test_co_end_resumes_the_nearest_living_ancestor(void **state)
{
    (void)state;
    wt_over_workers_and_thread(climb, NULL);
}

static void *adopt(void *arg)
{
    weft_co *a = weft_co_new(echo, NULL), *b = weft_co_new(return_argument, NULL);
    (void)arg;
    CHECK_INT(weft_co_set_parent(b, b), -EINVAL);
    CHECK_INT(weft_co_set_parent(b, a), 0);
    CHECK(weft_co_parent(b) == a);
    CHECK_INT(weft_co_set_parent(a, b), -EINVAL);
    CHECK_INT(weft_co_set_parent(weft_co_self(), a), -EINVAL);
    CHECK_INT(weft_co_set_parent(b, NULL), -EINVAL);
    CHECK_INT(weft_co_set_parent(NULL, a), -EINVAL);
    CHECK(weft_co_parent(NULL) == NULL);
    CHECK_INT(number(weft_co_switch(a, NUMBER(10))), 11);
    CHECK_INT(number(weft_co_switch(b, NUMBER(20))), 21); /* b ends with 20, a echoes that */
    CHECK_INT(number(weft_co_switch(b, NULL)), -7);       /* and ends with NULL */
    CHECK_INT(weft_co_free(a), 0);
    CHECK_INT(weft_co_free(b), 0);
    return NULL;
}

static void test_co_parents_can_be_changed_but_not_in_a_circle(void **state)
{
    (void)state;
    wt_over_workers_and_thread(adopt, NULL);
}

/* ---- errors ---- */

/* Hands each error that is thrown into it to its parent as a value; ends at -EIO with that error, at -EPIPE without having
 * asked. */
static void *catch_errors(void *arg)
{
    for (;;) {
        arg = weft_co_switch(weft_co_parent(weft_co_self()), arg);
        if (arg != NULL)
            return arg; /* an error would have come with NULL */
        arg = NUMBER(weft_co_error());
        if (number(arg) == -EIO) {
            CHECK_INT(weft_co_set_error(1), -EINVAL);
            CHECK_INT(weft_co_set_error(-EIO), 0);
            return NULL;
        }
    }
}

static void *ignore_errors(void *arg)
{
    weft_co_switch(weft_co_parent(weft_co_self()), NULL);
    return arg;
}

static void *throw_errors(void *arg)
{
    weft_co *co = weft_co_new(catch_errors, NULL);
    (void)arg;
    CHECK_INT(number(weft_co_switch(co, NUMBER(1))), 1);
    CHECK_INT(number(weft_co_throw(co, -EDOM)), -EDOM);
    CHECK_INT(weft_co_error(), 0);
    CHECK(weft_co_throw(co, -EIO) == NULL);
    CHECK_INT(weft_co_error(), -EIO); /* it came back with its end */
    CHECK_INT(weft_co_state(co), WEFT_CO_DEAD);
    CHECK(weft_co_throw(co, -EDOM) == NULL); /* to the nearest living ancestor */
    CHECK_INT(weft_co_error(), -EDOM);
    CHECK(weft_co_throw(co, -ECANCELED) == NULL);
    CHECK_INT(weft_co_error(), 0);
    CHECK(weft_co_throw(weft_co_self(), -ERANGE) == NULL);
    CHECK_INT(weft_co_error(), -ERANGE);
    CHECK_INT(weft_co_free(co), 0);

    co = weft_co_new(ignore_errors, NULL);
    CHECK(weft_co_switch(co, NUMBER(3)) == NULL);
    CHECK(weft_co_throw(co, -EDOM) == NULL);
    CHECK_INT(weft_co_error(), -EDOM); /* nobody had looked at it */
    CHECK_INT(weft_co_free(co), 0);
    co = weft_co_new(ignore_errors, NULL);
    CHECK(weft_co_switch(co, NUMBER(3)) == NULL);
    CHECK_INT(number(weft_co_throw(co, -ECANCELED)), 3); /* an end is no error */
    CHECK_INT(weft_co_error(), 0);
    CHECK_INT(weft_co_free(co), 0);
    return NULL;
}

static void test_co_errors_are_thrown_and_come_out_with_the_end(void **state)
{
    (void)state;
    wt_over_workers_and_thread(throw_errors, NULL);
}

static void *must_not_run(void *arg)
{
    CHECK(false);
    return arg;
}

static void *throw_at_unstarted(void *arg)
{
    weft_co *a = weft_co_new(must_not_run, NULL), *b = weft_co_new(must_not_run, a);
    (void)arg;
    CHECK(weft_co_throw(b, -EDOM) == NULL); /* ends both */
    CHECK_INT(weft_co_error(), -EDOM);
    CHECK_INT(weft_co_state(a), WEFT_CO_DEAD);
    CHECK_INT(weft_co_state(b), WEFT_CO_DEAD);
    CHECK_INT(weft_co_free(a), 0);
    CHECK_INT(weft_co_free(b), 0);
    a = weft_co_new(return_argument, NULL), b = weft_co_new(must_not_run, a);
    CHECK(weft_co_throw(b, -ECANCELED) == NULL); /* ends b alone; a runs with NULL */
    CHECK_INT(weft_co_error(), 0);
    CHECK_INT(weft_co_state(a), WEFT_CO_DEAD);
    CHECK_INT(weft_co_free(b), 0);
    CHECK_INT(weft_co_free(a), 0);
    return NULL;
}

static void test_co_thrown_at_before_it_begins_never_runs(void **state)
{
    (void)state;
    wt_over_workers_and_thread(throw_at_unstarted, NULL);
}

/* ---- other families ---- */

static void *use_foreign(void *arg)
{
    weft_co *foreign = arg;
    CHECK(weft_co_switch(foreign, NULL) == NULL);
    CHECK_INT(weft_co_error(), -EXDEV);
    CHECK_INT(weft_last_error(), -EXDEV);
    CHECK(weft_co_throw(foreign, -EIO) == NULL);
    CHECK_INT(weft_co_error(), -EXDEV);
    CHECK(weft_co_new(echo, foreign) == NULL);
    CHECK_INT(weft_last_error(), -EXDEV);
    CHECK_INT(weft_co_free(foreign), -EXDEV);
    weft_co *mine = weft_co_new(echo, NULL);
    CHECK_INT(weft_co_set_parent(mine, foreign), -EXDEV);
    CHECK_INT(weft_co_set_parent(foreign, mine), -EXDEV);
    CHECK_INT(weft_co_free(mine), 0);
    return NULL;
}

static void *keep_families_apart(void *arg)
{
    weft_co *co = weft_co_new(echo, NULL);
    (void)arg;
    CHECK_INT(number(weft_co_switch(co, NUMBER(1))), 2);
    wt_spawn_and_join(2, use_foreign, co);
    wt_on_thread(use_foreign, co);
    CHECK_INT(number(weft_co_switch(co, NULL)), -7);
    CHECK_INT(weft_co_free(co), 0);
    return NULL;
}

static void test_co_of_another_family_is_refused(void **state)
{
    (void)state;
    wt_over_workers(keep_families_apart, NULL);
}

/* ---- freeing, and the end of a family ---- */

/* Counts, in *arg, the errors that it sees, and switches away so many times before it ends. */
struct stubborn {
    int seen, refusals;
};

static void *refuse_to_end(void *arg)
{
    struct stubborn *s = arg;
    weft_co *parent = weft_co_parent(weft_co_self());
    do {
        weft_co_switch(parent, NULL);
        s->seen += weft_co_error() == -ECANCELED;
    } while (s->refusals-- > 0);
    return NULL;
}

static void *free_in_all_states(void *arg)
{
    struct stubborn s = {0};
    (void)arg;
    CHECK_INT(weft_co_free(NULL), 0);
    CHECK_INT(weft_co_free(weft_co_self()), -EINVAL);
    CHECK_INT(weft_co_free(weft_co_new(must_not_run, NULL)), 0);
    weft_co *co = weft_co_new(refuse_to_end, NULL);
    CHECK(weft_co_switch(co, &s) == NULL);
    CHECK_INT(weft_co_free(co), 0); /* runs to its end */
    CHECK_INT(s.seen, 1);
    s = (struct stubborn){.refusals = 1};
    co = weft_co_new(refuse_to_end, NULL);
    CHECK(weft_co_switch(co, &s) == NULL);
    CHECK_INT(weft_co_free(co), -EBUSY);
    CHECK_INT(weft_co_state(co), WEFT_CO_STARTED);
    CHECK_INT(weft_co_free(co), 0);
    CHECK_INT(s.seen, 2);
    return NULL;
}

static void test_co_freed_runs_to_its_end(void **state)
{
    (void)state;
    wt_over_workers_and_thread(free_in_all_states, NULL);
}

static void *free_parent_and_self(void *arg)
{
    weft_co *parent = arg;
    CHECK_INT(weft_co_free(weft_co_self()), -EBUSY);
    CHECK_INT(weft_co_free(parent), 0); /* it stands in the switch that began us */
    return NUMBER(2);
}

static void *begin_child(void *arg)
{
    weft_co *child = weft_co_new(free_parent_and_self, NULL);
    *(weft_co **)arg = child;
    weft_co_switch(child, weft_co_self());
    return NULL;
}

static void *free_ancestor(void *arg)
{
    weft_co *child = NULL, *parent = weft_co_new(begin_child, NULL);
    (void)arg;
    CHECK_INT(number(weft_co_switch(parent, &child)), 2); /* past the parent that is gone */
    CHECK_INT(weft_co_free(child), 0);
    return NULL;
}

static void test_co_may_free_its_parent(void **state)
{
    (void)state;
    wt_over_workers_and_thread(free_ancestor, NULL);
}

struct family {
    weft_co *members[4];
    struct stubborn stubborn[4];
};

/* Ends with one member that has not begun, one that has ended, one that stands in a switch, one that will not end. */
static void *leave_family(void *arg)
{
    struct family *f = arg;
    f->members[0] = weft_co_new(must_not_run, NULL);
    f->members[1] = weft_co_new(return_argument, f->members[0]);
    CHECK_INT(weft_co_set_parent(f->members[1], weft_co_self()), 0);
    CHECK_INT(number(weft_co_switch(f->members[1], NUMBER(1))), 1);
    f->members[2] = weft_co_new(refuse_to_end, f->members[1]);
    weft_co_switch(f->members[2], &f->stubborn[2]);
    f->members[3] = weft_co_new(refuse_to_end, NULL);
    f->stubborn[3].refusals = 1;
    weft_co_switch(f->members[3], &f->stubborn[3]);
    return NULL;
}

static void check_family_has_ended(struct family *f)
{
    CHECK_INT(f->stubborn[2].seen, 1);
    CHECK_INT(f->stubborn[3].seen, 1);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(weft_co_state(f->members[i]), WEFT_CO_DEAD);
        CHECK(weft_co_parent(f->members[i]) == NULL);
        CHECK(weft_co_switch(f->members[i], NULL) == NULL);
        CHECK_INT(weft_co_error(), -EXDEV);
        CHECK_INT(weft_co_free(f->members[i]), 0);
    }
}

static void *outlive_families(void *arg)
{
    struct family f = {0};
    (void)arg;
    wt_spawn_and_join(1, leave_family, &f);
    check_family_has_ended(&f);
    f = (struct family){0};
    wt_on_thread(leave_family, &f);
    check_family_has_ended(&f);
    return NULL;
}

static void test_co_family_ends_with_its_coroutine(void **state)
{
    (void)state;
    wt_over_workers(outlive_families, NULL);
}

/* ---- blocking, killing, timing out ---- */

static void *sleep_in_member(void *arg)
{
    weft_event *event = arg;
    return NUMBER(weft_event_wait(event));
}

static void *block_in_member(void *arg)
{
    weft_co *co = weft_co_new(sleep_in_member, NULL);
    void *result = weft_co_switch(co, arg);
    CHECK_INT(weft_co_free(co), 0);
    return result;
}

static void *kill_and_wake(void *arg)
{
    weft_event event;
    void *result = NULL;
    (void)arg;
    CHECK_INT(weft_event_init(&event), 0);
    weft_t *t = weft_spawn(block_in_member, &event);
    wt_until_waiting(t, WF_WAIT_EVENT);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, &result), 0);
    CHECK_INT(number(result), -ECANCELED);
    t = weft_spawn(block_in_member, &event);
    wt_until_waiting(t, WF_WAIT_EVENT);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_join(t, &result), 0);
    CHECK_INT(number(result), 0);
    return NULL;
}

static void test_co_blocking_member_suspends_its_coroutine(void **state)
{
    (void)state;
    wt_over_workers(kill_and_wake, NULL);
}

static void *time_out_in_member(void *arg)
{
    weft_event event;
    weft_timeout t = {0};
    (void)arg;
    CHECK_INT(weft_event_init(&event), 0);
    CHECK_INT(weft_timeout_start(&t, WEFT_MILLISECOND), 0);
    CHECK_INT(number(block_in_member(&event)), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&t), 1);
    CHECK_INT(weft_timeout_stop(&t), 0);
    return NULL;
}

static void test_co_timeouts_bound_the_members(void **state)
{
    (void)state;
    wt_over_workers_and_thread(time_out_in_member, NULL);
}

/* Two that take turns, suspending all the while, so that the coroutine moves from worker to worker. */
struct turns {
    weft_co *cos[2];
    int taken;
};

static void *take_turns(void *arg)
{
    struct turns *t = arg;
    weft_co *other = t->cos[weft_co_self() == t->cos[0]];
    while (t->taken < 200) {
        weft_yield();
        t->taken++;
        weft_co_switch(other, t);
    }
    return NULL;
}

static void *turn_about(void *arg)
{
    struct turns t = {.cos = {weft_co_new(take_turns, NULL), weft_co_new(take_turns, NULL)}};
    (void)arg;
    for (int i = 0; i < 2; i++) {
        weft_co_switch(t.cos[i], &t);
        CHECK_INT(weft_co_state(t.cos[i]), WEFT_CO_DEAD);
    }
    CHECK_INT(t.taken, 200);
    for (int i = 0; i < 2; i++)
        CHECK_INT(weft_co_free(t.cos[i]), 0);
    return NULL;
}

static void *many_families(void *arg)
{
    (void)arg;
    wt_spawn_and_join(16, turn_about, NULL);
    return NULL;
}

static void test_co_families_move_from_worker_to_worker(void **state)
{
    (void)state;
    wt_over_workers(many_families, NULL);
}

/* ---- forks ---- */

static void *add_one(void *arg)
{
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read after the syncs */
    return NULL;
}

static void *fork_and_switch(void *arg)
{
    weft_task tasks[3];
    for (int i = 0; i < 3; i++)
        CHECK_INT(weft_fork(&tasks[i], add_one, arg), 0);
    weft_co_switch(weft_co_parent(weft_co_self()), NULL);
    for (int i = 0; i < 3; i++)
        CHECK_INT(weft_sync(&tasks[i]), 0);
    return NULL;
}

static void *fork_in_members(void *arg)
{
    _Atomic(int) count = 0;
    weft_task task;
    weft_co *cos[3];
    (void)arg;
    CHECK_INT(weft_fork(&task, add_one, &count), 0);
    for (int i = 0; i < 3; i++) {
        cos[i] = weft_co_new(fork_and_switch, NULL);
        weft_co_switch(cos[i], &count);
    }
    CHECK_INT(weft_sync(&task), 0);
    for (int i = 0; i < 3; i++) {
        weft_co_switch(cos[i], NULL);
        CHECK_INT(weft_co_free(cos[i]), 0);
    }
    CHECK_INT(wf_load_relaxed(&count), 10); /* relaxed: synced */
    return NULL;
}

static void test_co_forks_outlive_switches(void **state)
{
    (void)state;
    wt_over_workers(fork_in_members, NULL);
}

/* ---- with generators ---- */

static void *switch_and_yield(void *arg)
{
    weft_co *main_co = arg;
    for (intptr_t i = 0; i < 3; i++) {
        void *value = weft_co_switch(main_co, NUMBER(10 + i)); /* the member stands in our body meanwhile */
        weft_gen_yield(value);
    }
    return NULL;
}

static void *drive_generator(void *arg)
{
    weft_gen *g = arg;
    intptr_t sum = 0;
    WEFT_GEN_FOREACH (value, g)
        sum += (intptr_t)value;
    return NUMBER(sum);
}

static void *yield_in_member(void *arg)
{
    (void)arg;
    CHECK(weft_gen_yield(NUMBER(1)) == NULL); /* a member is no part of the body that switched to it */
    CHECK_INT(weft_last_error(), -EPERM);
    CHECK_INT(weft_gen_error(), -EPERM);
    return NULL;
}

static void *mix(void *arg)
{
    weft_gen *g = weft_gen_new(switch_and_yield, weft_co_self());
    weft_co *co = weft_co_new(drive_generator, NULL), *other = weft_co_new(yield_in_member, NULL);
    (void)arg;
    CHECK_INT(number(weft_co_switch(co, g)), 10);
    CHECK_INT(weft_gen_next(g, NULL), -EDEADLK); /* it is executing, in a member that does not run */
    weft_co_switch(other, NULL);
    CHECK_INT(number(weft_co_switch(co, NUMBER(1))), 11);
    CHECK_INT(number(weft_co_switch(co, NUMBER(2))), 12);
    CHECK_INT(number(weft_co_switch(co, NUMBER(3))), 6);
    CHECK_INT(weft_co_state(co), WEFT_CO_DEAD);
    CHECK_INT(weft_co_free(co), 0);
    CHECK_INT(weft_co_free(other), 0);
    CHECK_INT(weft_gen_free(g), 0);
    return NULL;
}

static void test_co_and_generators_mix(void **state)
{
    (void)state;
    wt_over_workers_and_thread(mix, NULL);
}

/* ---- tracing ---- */

struct trace {
    int length;
    char text[64];
    weft_co *co;
};

static void note(enum weft_co_event event, weft_co *origin, weft_co *target, void *arg)
{
    struct trace *t = arg;
    CHECK(weft_co_self() == target);
    t->length +=
        snprintf(t->text + t->length, sizeof t->text - (size_t)t->length, "%c%c%c ",
                 event == WEFT_CO_SWITCH ? 's' : 't', origin == t->co ? 'c' : 'm', target == t->co ? 'c' : 'm');
}

static void *trace(void *arg)
{
    struct trace t = {0};
    (void)arg;
    t.co = weft_co_new(catch_errors, NULL);
    CHECK_INT(weft_co_set_trace(note, &t), 0);
    weft_co_switch(t.co, NULL);
    weft_co_throw(t.co, -EDOM);
    weft_co_throw(t.co, -EIO);
    CHECK_INT(weft_co_set_trace(NULL, NULL), 0);
    weft_co_switch(t.co, NULL);
    CHECK(strcmp(t.text, "smc scm tmc scm tmc tcm ") == 0);
    CHECK_INT(weft_co_free(t.co), 0);
    return NULL;
}

static void test_co_trace_sees_each_switch(void **state)
{
    (void)state;
    wt_over_workers_and_thread(trace, NULL);
}

/* ---- stacks, memory, misuse ---- */

static void *count_stacks(void *arg)
{
    weft_co_options large = {.stack_size = 1 << 20, .secret = true}, huge = {.stack_size = 9 << 20};
    size_t before = wf_stack_live();
    weft_co *co = weft_co_new_opt(&large, echo, NULL);
    (void)arg;
    CHECK_INT((int64_t)wf_stack_live(), (int64_t)before);
    CHECK_INT(number(weft_co_switch(co, NUMBER(1))), 2);
    CHECK_INT((int64_t)wf_stack_live(), (int64_t)before + 1);
    CHECK_INT(number(weft_co_switch(co, NULL)), -7);
    CHECK_INT((int64_t)wf_stack_live(), (int64_t)before);
    CHECK_INT(weft_co_free(co), 0);
    CHECK(weft_co_new_opt(&huge, echo, NULL) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    return NULL;
}

static void test_co_has_a_stack_from_its_first_switch_to_its_end(void **state)
{
    (void)state;
    wt_run(1, count_stacks, NULL);
}

static void *misuse(void *arg)
{
    (void)arg;
    CHECK_INT(weft_co_error(), 0);
    CHECK(weft_co_new(NULL, NULL) == NULL);
    CHECK_INT(weft_last_error(), -EINVAL);
    CHECK(weft_co_switch(NULL, NULL) == NULL);
    CHECK_INT(weft_co_error(), -EINVAL);
    CHECK(weft_co_throw(NULL, -EIO) == NULL);
    CHECK_INT(weft_co_error(), -EINVAL);
    CHECK(weft_co_throw(weft_co_self(), 0) == NULL);
    CHECK_INT(weft_co_error(), -EINVAL);
    CHECK_INT(weft_co_set_error(-EIO), -EINVAL); /* the main one does not end here */
    CHECK_INT(weft_co_state(NULL), -EINVAL);
    return NULL;
}

static void test_co_misuse_is_refused(void **state)
{
    (void)state;
    wt_over_workers_and_thread(misuse, NULL);
}

static void *run_short_of_memory(void *arg)
{
    (void)arg;
    wf_alloc_fail_after(0, true);
    CHECK(weft_co_self() == NULL);
    CHECK_INT(weft_last_error(), -ENOMEM);
    CHECK(weft_co_new(echo, NULL) == NULL);
    CHECK_INT(weft_last_error(), -ENOMEM);
    CHECK_INT(weft_co_set_trace(note, NULL), -ENOMEM);
    CHECK_INT(weft_co_set_error(0), -ENOMEM);
    wf_alloc_fail_after(2, true); /* the cold part of the block, and the family, but no member */
    CHECK(weft_co_new(echo, NULL) == NULL);
    CHECK_INT(weft_last_error(), -ENOMEM);
    wf_alloc_fail_after(UINT64_MAX, false);
    CHECK(weft_co_self() != NULL);
    return NULL;
}

static void test_co_without_memory_is_null(void **state)
{
    (void)state;
    wt_run(1, run_short_of_memory, NULL);
}

static int recurse(int depth)
{
    volatile char room[512];
    room[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + room[0];
}

static void *overflow(void *arg)
{
    (void)arg;
    return NUMBER(recurse(0));
}

static void *switch_to_overflow(void *arg)
{
    return weft_co_switch(weft_co_new(overflow, NULL), arg);
}

static int overflow_in_coroutine(void)
{
    return weft_run(switch_to_overflow, NULL, NULL);
}

static void test_co_overflow_is_named(void **state)
{
    char said[8192];
    (void)state;
    int status = wt_in_child(overflow_in_coroutine, said, sizeof said);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(said, "stack overflow in coroutine"));
    assert_non_null(strstr(said, "in a symmetric coroutine, "));
}

static void *leave_fork(void *arg)
{
    static weft_task task;
    static _Atomic(int) count;
    (void)arg;
    weft_fork(&task, add_one, &count);
    return NULL;
}

static void *switch_to_leaver(void *arg)
{
    return weft_co_switch(weft_co_new(leave_fork, NULL), arg);
}

static int leave_fork_behind(void)
{
    return weft_run(switch_to_leaver, NULL, NULL);
}

static void test_co_that_ends_with_a_fork_unsynced_is_named(void **state)
{
    char said[4096];
    (void)state;
    int status = wt_in_child(leave_fork_behind, said, sizeof said);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "a symmetric coroutine ended without weft_sync of 1 task(s)"));
}

/* Neither a runtime nor a plain thread that blocks is needed. */
static void test_co_needs_no_runtime(void **state)
{
    (void)state;
    switch_back_and_forth(NULL);
    throw_errors(NULL);
    mix(NULL);
    CHECK_INT((int64_t)wf_stack_live(), 0);
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_co_overflow_is_named),
        cmocka_unit_test(test_co_that_ends_with_a_fork_unsynced_is_named),
        cmocka_unit_test(test_co_values_travel_with_switches),
        cmocka_unit_test(test_co_end_resumes_the_nearest_living_ancestor),
        cmocka_unit_test(test_co_parents_can_be_changed_but_not_in_a_circle),
        cmocka_unit_test(test_co_errors_are_thrown_and_come_out_with_the_end),
        cmocka_unit_test(test_co_thrown_at_before_it_begins_never_runs),
        cmocka_unit_test(test_co_of_another_family_is_refused),
        cmocka_unit_test(test_co_freed_runs_to_its_end),
        cmocka_unit_test(test_co_may_free_its_parent),
        cmocka_unit_test(test_co_family_ends_with_its_coroutine),
        cmocka_unit_test(test_co_blocking_member_suspends_its_coroutine),
        cmocka_unit_test(test_co_timeouts_bound_the_members),
        cmocka_unit_test(test_co_families_move_from_worker_to_worker),
        cmocka_unit_test(test_co_forks_outlive_switches),
        cmocka_unit_test(test_co_and_generators_mix),
        cmocka_unit_test(test_co_trace_sees_each_switch),
        cmocka_unit_test(test_co_has_a_stack_from_its_first_switch_to_its_end),
        cmocka_unit_test(test_co_misuse_is_refused),
        cmocka_unit_test(test_co_without_memory_is_null),
        cmocka_unit_test(test_co_needs_no_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
