/* The cases that greenlet's tests try, as far as they mean something in C: trees of members, errors that find their way to
 * parents, members that are dropped, families of other threads, generators made of switches, tracing, and that nothing is
 * left. */
#include "runtime.h"

#define NUMBER(n) ((void *)(intptr_t)(n))

static int number(void *value)
{
    return (int)(intptr_t)value;
}

static weft_co *make(weft_fn *fn, weft_co *parent)
{
    weft_co *co = weft_co_new(fn, parent);
    CHECK(co != NULL);
    return co;
}

static void drop(weft_co *co)
{
    CHECK_INT(weft_co_free(co), 0);
}

/* To the parent. */
static void *up(void *value)
{
    return weft_co_switch(weft_co_parent(weft_co_self()), value);
}

/* What was noted, in order. */
struct notes {
    int count;
    int what[64];
};

static void note(struct notes *n, int what)
{
    if (CHECK(n->count < 64))
        n->what[n->count++] = what;
}

static void expect(const struct notes *n, int count, const int *what)
{
    CHECK_INT(n->count, count);
    for (int i = 0; i < count; i++)
        CHECK_INT(n->what[i], what[i]);
}

#define EXPECT(n, ...) expect(n, (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)), (const int[]){__VA_ARGS__})

/* ---- children ---- */

static void *note_one_then_two(void *arg)
{
    note(arg, 1);
    up(NULL);
    note(arg, 2);
    note(arg, 3);
    return NULL;
}

static void *two_children(void *arg)
{
    struct notes n = {0};
    weft_co *g = make(note_one_then_two, NULL), *h = make(note_one_then_two, NULL);
    (void)arg;
    weft_co_switch(g, &n);
    CHECK_INT(n.count, 1);
    weft_co_switch(h, &n);
    CHECK_INT(n.count, 2);
    weft_co_switch(h, NULL);
    CHECK_INT(n.count, 4);
    CHECK_INT(weft_co_state(h), WEFT_CO_DEAD);
    weft_co_switch(g, NULL);
    CHECK_INT(n.count, 6);
    CHECK_INT(weft_co_state(g), WEFT_CO_DEAD);
    drop(g);
    drop(h);
    return NULL;
}

static void test_co_cases_two_children(void **state)
{
    (void)state;
    wt_over_few_workers(two_children, NULL);
}

static void *note_b(void *arg)
{
    note(arg, 'b');
    up(NULL);
    return NULL;
}

static void *note_around_child(void *arg)
{
    note(arg, 'a');
    weft_co *child = make(note_b, NULL);
    weft_co_switch(child, arg);
    note(arg, 'c');
    drop(child);
    return NULL;
}

static void *recursive_children(void *arg)
{
    struct notes n = {0};
    weft_co *g = make(note_around_child, NULL);
    (void)arg;
    weft_co_switch(g, &n);
    EXPECT(&n, 'a', 'b', 'c');
    drop(g);
    return NULL;
}

static void test_co_cases_child_of_a_child(void **state)
{
    (void)state;
    wt_over_few_workers(recursive_children, NULL);
}

static void *wait_for_arguments(void *arg)
{
    (void)arg;
    for (int expected = 1; expected <= 3; expected++)
        CHECK_INT(number(up(NUMBER(-expected))), expected);
    return NUMBER(-4);
}

/* Both ways, in a parent that was given, too. */
static void *pass_arguments(void *arg)
{
    weft_co *g = make(wait_for_arguments, weft_co_self());
    (void)arg;
    CHECK_INT(number(weft_co_switch(g, NULL)), -1);
    for (int i = 1; i <= 3; i++)
        CHECK_INT(number(weft_co_switch(g, NUMBER(i))), -i - 1);
    drop(g);
    return NULL;
}

static void test_co_cases_arguments_go_both_ways(void **state)
{
    (void)state;
    wt_over_few_workers(pass_arguments, NULL);
}

/* ---- errors ---- */

static void *note_error(void *arg)
{
    up(NULL);
    int error = weft_co_error();
    note(arg, error);
    weft_co_set_error(error); /* and on with it */
    return NULL;
}

static void *fail_at_second_switch(void *arg)
{
    up(arg);
    weft_co_set_error(-EDOM);
    return NULL;
}

static void *errors_go_to_parents(void *arg)
{
    struct notes n = {0};
    weft_co *g1 = make(note_error, NULL), *g2 = make(fail_at_second_switch, NULL);
    (void)arg;
    weft_co_switch(g1, &n);
    weft_co_switch(g2, NULL);
    CHECK_INT(weft_co_set_parent(g2, g1), 0);
    CHECK(weft_co_switch(g2, NULL) == NULL); /* g2 fails, then g1 does, which notes it, then it is ours */
    CHECK_INT(weft_co_error(), -EDOM);
    EXPECT(&n, -EDOM);
    CHECK_INT(number(weft_co_switch(g2, NULL)), 0); /* both are dead */
    CHECK_INT(number(weft_co_switch(g2, NUMBER(25))), 25);
    CHECK_INT(n.count, 1);
    drop(g1);
    drop(g2);
    return NULL;
}

static void test_co_cases_errors_go_to_parents(void **state)
{
    (void)state;
    wt_over_few_workers(errors_go_to_parents, NULL);
}

static void *send_error(void *arg)
{
    struct notes n = {0};
    weft_co *g = make(note_error, NULL);
    (void)arg;
    weft_co_switch(g, &n);
    CHECK(weft_co_throw(g, -ENOKEY) == NULL);
    CHECK_INT(weft_co_error(), -ENOKEY);
    EXPECT(&n, -ENOKEY);
    drop(g);
    return NULL;
}

static void test_co_cases_error_is_sent_and_comes_back(void **state)
{
    (void)state;
    wt_over_few_workers(send_error, NULL);
}

static void *catch_domain(void *arg)
{
    (void)arg;
    up(NUMBER('o'));
    if (weft_co_error() == -EDOM) {
        up(NUMBER('k'));
        return NULL;
    }
    return NUMBER('f');
}

static void *do_not_catch(void *arg)
{
    (void)arg;
    up(NUMBER('o'));
    return NUMBER('e');
}

static void *throw_and_kill(void *arg)
{
    (void)arg;
    weft_co *g = make(catch_domain, NULL);
    CHECK_INT(number(weft_co_switch(g, NULL)), 'o');
    CHECK_INT(number(weft_co_throw(g, -EDOM)), 'k');
    drop(g);
    g = make(do_not_catch, NULL);
    CHECK_INT(number(weft_co_switch(g, NULL)), 'o');
    CHECK_INT(number(weft_co_throw(g, -ECANCELED)), 'e'); /* the exit is returned from, not thrown on */
    CHECK_INT(weft_co_error(), 0);
    CHECK_INT(weft_co_state(g), WEFT_CO_DEAD);
    weft_co_throw(g, -ECANCELED); /* eaten by the dead one */
    CHECK_INT(weft_co_error(), 0);
    drop(g);
    g = make(do_not_catch, NULL);
    CHECK(weft_co_throw(g, -ERANGE) == NULL); /* not lost though it never ran */
    CHECK_INT(weft_co_error(), -ERANGE);
    drop(g);
    return NULL;
}

static void test_co_cases_throw_and_kill(void **state)
{
    (void)state;
    wt_over_few_workers(throw_and_kill, NULL);
}

static weft_co *main_co(void)
{
    weft_co *co = weft_co_self();
    while (weft_co_parent(co) != NULL)
        co = weft_co_parent(co);
    return co;
}

static void *ready_to_catch(void *arg)
{
    (void)arg;
    weft_co_switch(main_co(), NUMBER('r'));
    return NUMBER(weft_co_error() == -ERANGE ? 'c' : 'n');
}

static void *greet_main(void *arg)
{
    (void)arg;
    weft_co_switch(main_co(), NUMBER('2'));
    return NULL;
}

static void *throw_to_original_parent(void *arg)
{
    (void)arg;
    for (int variant = 0; variant < 3; variant++) {
        weft_co *g1 = make(ready_to_catch, NULL), *g2 = make(greet_main, g1);
        if (variant >= 1)
            CHECK_INT(number(weft_co_switch(g1, NULL)), 'r');
        if (variant == 2)
            CHECK_INT(number(weft_co_switch(g2, NULL)), '2');
        /* Neither had begun: through both. Else g1 catches it, whether g2 had begun or not. */
        CHECK_INT(number(weft_co_throw(g2, -ERANGE)), variant == 0 ? 0 : 'c');
        CHECK_INT(weft_co_error(), variant == 0 ? -ERANGE : 0);
        CHECK_INT(weft_co_state(g1), WEFT_CO_DEAD);
        CHECK_INT(weft_co_state(g2), WEFT_CO_DEAD);
        drop(g1);
        drop(g2);
    }
    return NULL;
}

static void test_co_cases_throw_goes_to_the_original_parent(void **state)
{
    (void)state;
    wt_over_few_workers(throw_to_original_parent, NULL);
}

/* ---- parents ---- */

static void *note_24(void *arg)
{
    return NUMBER(number(arg) + 24);
}

static void *return_42(void *arg)
{
    (void)arg;
    return NUMBER(42);
}

static void *unstarted_parents(void *arg)
{
    (void)arg;
    weft_co *parent = make(note_24, NULL), *child = make(return_42, parent);
    CHECK_INT(number(weft_co_switch(child, NULL)), 66); /* the parent begins with what the child returned */
    drop(parent);
    drop(child);
    parent = make(note_24, NULL), child = make(return_42, NULL);
    CHECK_INT(number(weft_co_switch(child, NULL)), 42);
    CHECK_INT(weft_co_set_parent(child, parent), 0); /* of a dead one */
    CHECK_INT(number(weft_co_switch(child, NUMBER(1))), 25);
    CHECK_INT(weft_co_state(parent), WEFT_CO_DEAD);
    drop(parent);
    drop(child);
    return NULL;
}

static void test_co_cases_unstarted_parent_begins_when_the_child_ends(void **state)
{
    (void)state;
    wt_over_few_workers(unstarted_parents, NULL);
}

static void *circles(void *arg)
{
    weft_co *self = weft_co_self(), *g[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        g[i] = make(return_42, NULL);
    CHECK_INT(weft_co_set_parent(g[0], g[0]), -EINVAL);
    CHECK_INT(weft_co_set_parent(self, self), -EINVAL);
    CHECK_INT(weft_co_set_parent(g[0], g[1]), 0);
    CHECK_INT(weft_co_set_parent(g[1], g[2]), 0);
    CHECK_INT(weft_co_set_parent(g[2], g[0]), -EINVAL);
    CHECK_INT(weft_co_set_parent(g[2], NULL), -EINVAL);
    CHECK(weft_co_parent(g[2]) == self); /* as it was */
    CHECK(weft_co_parent(self) == NULL);
    for (int i = 0; i < 3; i++)
        drop(g[i]);
    return NULL;
}

static void test_co_cases_circles_of_parents(void **state)
{
    (void)state;
    wt_over_few_workers(circles, NULL);
}

static void *states(void *arg)
{
    weft_co *self = weft_co_self(), *g = make(do_not_catch, NULL);
    (void)arg;
    CHECK_INT(weft_co_state(self), WEFT_CO_MAIN);
    CHECK_INT(weft_co_state(g), WEFT_CO_NEW);
    weft_co_switch(g, NULL);
    CHECK_INT(weft_co_state(g), WEFT_CO_STARTED);
    weft_co_switch(g, NULL);
    CHECK_INT(weft_co_state(g), WEFT_CO_DEAD);
    drop(g);
    return NULL;
}

static void test_co_cases_states(void **state)
{
    (void)state;
    wt_over_few_workers(states, NULL);
}

/* ---- dropping ---- */

static void *exit_with_error(void *arg)
{
    (void)arg;
    up(NULL);
    weft_co_set_error(weft_co_error() == -ECANCELED ? -EDOM : 0);
    return NULL;
}

static void *drop_started(void *arg)
{
    struct notes n = {0};
    weft_co *g1 = make(note_error, NULL), *g2 = make(note_error, NULL);
    (void)arg;
    weft_co_switch(g1, &n);
    weft_co_switch(g2, &n);
    CHECK_INT(n.count, 0);
    drop(g1);
    EXPECT(&n, -ECANCELED);
    drop(g2);
    EXPECT(&n, -ECANCELED, -ECANCELED);
    g1 = make(exit_with_error, NULL);
    weft_co_switch(g1, NULL);
    drop(g1); /* its error is dropped with it */
    CHECK_INT(weft_co_error(), 0);
    return NULL;
}

static void test_co_cases_dropped_ones_are_told_to_exit(void **state)
{
    (void)state;
    wt_over_few_workers(drop_started, NULL);
}

/* Whatever its parent is, one that is dropped comes back to who drops it; and it may switch to that parent instead. */
static void *switch_to_parent_at_exit(void *arg)
{
    weft_co_switch(main_co(), NULL);
    note(arg, weft_co_error());
    up(NULL);
    note(arg, 2);
    return NULL;
}

static void *hub(void *arg)
{
    (void)arg;
    return NULL;
}

static void *drop_with_another_parent(void *arg)
{
    struct notes n = {0};
    weft_co *h = make(hub, NULL), *g = make(switch_to_parent_at_exit, h);
    (void)arg;
    weft_co_switch(g, &n);
    CHECK_INT(weft_co_free(g), -EBUSY); /* it went to the hub, which ended: here */
    CHECK(weft_co_parent(g) == h);
    EXPECT(&n, -ECANCELED);
    CHECK_INT(weft_co_state(h), WEFT_CO_DEAD);
    drop(g);
    EXPECT(&n, -ECANCELED, 2);
    drop(h);
    return NULL;
}

static void test_co_cases_dropped_one_may_go_to_its_parent(void **state)
{
    (void)state;
    wt_over_few_workers(drop_with_another_parent, NULL);
}

/* ---- other coroutines and threads ---- */

static void *family_of_its_own(void *arg)
{
    struct notes n = {0};
    (void)arg;
    for (int i = 0; i < 20; i++) {
        weft_co *g = make(note_one_then_two, NULL);
        n.count = 0;
        weft_co_switch(g, &n);
        weft_yield();
        weft_co_switch(g, NULL);
        EXPECT(&n, 1, 2, 3);
        drop(g);
    }
    return NULL;
}

static void *families(void *arg)
{
    wt_thread *threads[4];
    (void)arg;
    for (int i = 0; i < 4; i++)
        threads[i] = wt_thread_start(family_of_its_own, NULL);
    wt_spawn_and_join(8, family_of_its_own, NULL);
    for (int i = 0; i < 4; i++)
        wt_thread_join(threads[i]);
    return NULL;
}

static void test_co_cases_many_families_at_once(void **state)
{
    (void)state;
    wt_over_few_workers(families, NULL);
}

/* Made in another family, which is alive, or has ended. */
struct elsewhere {
    weft_co *member;
    weft_event made, seen;
    struct notes notes;
};

static void *make_and_wait(void *arg)
{
    struct elsewhere *e = arg;
    e->member = make(note_error, NULL);
    weft_co_switch(e->member, &e->notes);
    CHECK_INT(weft_event_set(&e->made), 0);
    CHECK_INT(weft_event_wait(&e->seen), 0);
    return NULL;
}

static void use_foreign(weft_co *foreign)
{
    weft_co *own = make(return_42, NULL);
    CHECK(weft_co_switch(foreign, NULL) == NULL);
    CHECK_INT(weft_co_error(), -EXDEV);
    CHECK(weft_co_throw(foreign, -EDOM) == NULL);
    CHECK_INT(weft_co_error(), -EXDEV);
    CHECK_INT(weft_co_set_parent(own, foreign), -EXDEV);
    CHECK(weft_co_new(return_42, foreign) == NULL);
    CHECK_INT(number(weft_co_switch(own, NULL)), 42);
    drop(own);
}

static void meet_elsewhere(bool thread)
{
    struct elsewhere e = {0};
    CHECK_INT(weft_event_init(&e.made), 0);
    CHECK_INT(weft_event_init(&e.seen), 0);
    wt_thread *on_thread = thread ? wt_thread_start(make_and_wait, &e) : NULL;
    weft_t *t = thread ? NULL : weft_spawn(make_and_wait, &e);
    CHECK_INT(weft_event_wait(&e.made), 0);
    use_foreign(e.member);
    CHECK_INT(weft_event_set(&e.seen), 0);
    if (thread)
        wt_thread_join(on_thread);
    else
        CHECK_INT(weft_join(t, NULL), 0);
    EXPECT(&e.notes, -ECANCELED); /* it was told to exit when its family ended */
    use_foreign(e.member);
    CHECK_INT(weft_co_state(e.member), WEFT_CO_DEAD);
    drop(e.member);
}

static void *foreign_members(void *arg)
{
    (void)arg;
    meet_elsewhere(false);
    meet_elsewhere(true);
    return NULL;
}

static void test_co_cases_members_of_other_families_alive_and_ended(void **state)
{
    (void)state;
    wt_over_few_workers(foreign_members, NULL);
}

/* ---- generators made of switches ---- */

typedef struct genlet {
    weft_co *co;
    void (*fn)(struct genlet *self, int n);
    int n;
} genlet;

static void *run_genlet(void *arg)
{
    genlet *g = arg;
    g->fn(g, g->n);
    return NULL;
}

/* To whoever asked last. */
static void hand_out(int value)
{
    up(NUMBER(value));
}

static void genlet_open(genlet *g, void (*fn)(genlet *, int), int n)
{
    *g = (genlet){make(run_genlet, NULL), fn, n};
}

static bool genlet_next(genlet *g, int *value)
{
    CHECK_INT(weft_co_set_parent(g->co, weft_co_self()), 0);
    *value = number(weft_co_switch(g->co, g));
    return weft_co_state(g->co) != WEFT_CO_DEAD;
}

static void count_up(genlet *self, int n)
{
    (void)self;
    for (int i = 0; i < n; i++)
        hand_out(i);
}

static void nest(int value)
{
    hand_out(value);
}

static void count_nested(genlet *self, int n)
{
    (void)self;
    for (int i = 0; i < n; i++)
        nest(i);
}

/* Runs through one of its kind. */
static void recurse(genlet *self, int n)
{
    genlet below;
    int value;
    (void)self;
    if (n == 0)
        return;
    genlet_open(&below, recurse, n - 1);
    while (genlet_next(&below, &value))
        hand_out(value);
    drop(below.co);
    hand_out(n);
}

static void run_through(void (*fn)(genlet *, int), int n, struct notes *notes)
{
    genlet g;
    int value;
    genlet_open(&g, fn, n);
    while (genlet_next(&g, &value))
        note(notes, value);
    drop(g.co);
}

static void *genlets(void *arg)
{
    struct notes n = {0};
    (void)arg;
    for (int i = 0; i < 3; i++)
        run_through(i == 1 ? count_nested : count_up, 5, &n);
    EXPECT(&n, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4);
    n.count = 0;
    run_through(recurse, 5, &n);
    EXPECT(&n, 1, 2, 3, 4, 5);
    return NULL;
}

static void test_co_cases_generators_made_of_switches(void **state)
{
    (void)state;
    wt_over_few_workers(genlets, NULL);
}

/* All permutations of the bits of a set, as decimal numbers: a genlet for each that is left out. */
static void permute(genlet *self, int set)
{
    (void)self;
    if ((set & (set - 1)) == 0) {
        hand_out(__builtin_ctz((unsigned)set) + 1);
        return;
    }
    for (int bit = 0; bit < 4; bit++) {
        genlet rest;
        int value;
        if (!(set & 1 << bit))
            continue;
        genlet_open(&rest, permute, set & ~(1 << bit));
        while (genlet_next(&rest, &value)) {
            int first = bit + 1;
            for (int tail = value; tail > 0; tail /= 10)
                first *= 10;
            hand_out(first + value);
        }
        drop(rest.co);
    }
}

static void *permutations(void *arg)
{
    struct notes n = {0};
    (void)arg;
    run_through(permute, 7, &n);
    EXPECT(&n, 123, 132, 213, 231, 312, 321);
    n.count = 0;
    run_through(permute, 15, &n);
    CHECK_INT(n.count, 24);
    CHECK_INT(n.what[0], 1234);
    CHECK_INT(n.what[23], 4321);
    return NULL;
}

static void test_co_cases_permutations(void **state)
{
    (void)state;
    wt_over_few_workers(permutations, NULL);
}

/* ---- tracing ---- */

static weft_co *traced;

static void record(enum weft_co_event event, weft_co *origin, weft_co *target, void *arg)
{
    note(arg, (event == WEFT_CO_THROW ? 100 : 0) + (origin == traced ? 10 : 0) + (target == traced ? 1 : 0));
}

static void *fail_at_once(void *arg)
{
    (void)arg;
    weft_co_set_error(-EDOM);
    return NULL;
}

static void *trace(void *arg)
{
    struct notes n = {0};
    (void)arg;
    traced = make(hub, NULL);
    CHECK_INT(weft_co_set_trace(record, &n), 0);
    CHECK_INT(weft_co_set_trace(record, &n), 0); /* twice is fine */
    weft_co_switch(traced, NULL);
    weft_co *ended = traced;
    traced = make(fail_at_once, NULL);
    weft_co_switch(traced, NULL);
    CHECK_INT(weft_co_error(), -EDOM);
    CHECK_INT(weft_co_set_trace(NULL, NULL), 0);
    EXPECT(&n, 1, 10, 1, 110);
    drop(ended);
    drop(traced);
    return NULL;
}

static void test_co_cases_tracing_of_ends_and_errors(void **state)
{
    (void)state;
    wt_over_few_workers(trace, NULL);
}

/* Begun in one member and ended in its sibling, to which it switches directly. */
static void *start_tracing(void *arg)
{
    up(NULL);
    CHECK_INT(weft_co_set_trace(record, arg), 0);
    weft_co_switch(traced, weft_co_self());
    return NUMBER(42);
}

static void *stop_tracing(void *arg)
{
    (void)arg;
    weft_co *sibling = up(NULL);
    CHECK_INT(weft_co_set_trace(NULL, NULL), 0);
    weft_co_switch(sibling, NULL);
    return NULL;
}

static void *trace_siblings(void *arg)
{
    struct notes n = {0};
    weft_co *g1 = make(start_tracing, NULL), *g2 = make(stop_tracing, NULL);
    (void)arg;
    weft_co_switch(g1, &n);
    weft_co_switch(g2, NULL);
    traced = g2;
    CHECK_INT(number(weft_co_switch(g1, NULL)), 42);
    EXPECT(&n, 1);
    drop(g1);
    drop(g2);
    return NULL;
}

static void test_co_cases_tracing_between_siblings(void **state)
{
    (void)state;
    wt_over_few_workers(trace_siblings, NULL);
}

/* ---- leaks ---- */

static void *leave_behind(void *arg)
{
    weft_co **kept = arg;
    for (int i = 0; i < 4; i++) {
        kept[i] = make(do_not_catch, NULL);
        if (i % 2 == 0)
            weft_co_switch(kept[i], NULL);
    }
    return NULL;
}

static void *leave_many_behind(void *arg)
{
    weft_co *kept[2][4];
    (void)arg;
    for (int round = 0; round < 25; round++) {
        wt_on_thread(leave_behind, kept[0]);
        wt_spawn_and_join(1, leave_behind, kept[1]);
        for (int i = 0; i < 8; i++)
            drop(kept[i / 4][i % 4]);
    }
    return NULL;
}

/* wt_run finds no stack left; a sanitizer finds no memory. */
static void test_co_cases_unfinished_families_leave_nothing(void **state)
{
    (void)state;
    wt_over_few_workers(leave_many_behind, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_co_cases_two_children),
        cmocka_unit_test(test_co_cases_child_of_a_child),
        cmocka_unit_test(test_co_cases_arguments_go_both_ways),
        cmocka_unit_test(test_co_cases_errors_go_to_parents),
        cmocka_unit_test(test_co_cases_error_is_sent_and_comes_back),
        cmocka_unit_test(test_co_cases_throw_and_kill),
        cmocka_unit_test(test_co_cases_throw_goes_to_the_original_parent),
        cmocka_unit_test(test_co_cases_unstarted_parent_begins_when_the_child_ends),
        cmocka_unit_test(test_co_cases_circles_of_parents),
        cmocka_unit_test(test_co_cases_states),
        cmocka_unit_test(test_co_cases_dropped_ones_are_told_to_exit),
        cmocka_unit_test(test_co_cases_dropped_one_may_go_to_its_parent),
        cmocka_unit_test(test_co_cases_many_families_at_once),
        cmocka_unit_test(test_co_cases_members_of_other_families_alive_and_ended),
        cmocka_unit_test(test_co_cases_generators_made_of_switches),
        cmocka_unit_test(test_co_cases_permutations),
        cmocka_unit_test(test_co_cases_tracing_of_ends_and_errors),
        cmocka_unit_test(test_co_cases_tracing_between_siblings),
        cmocka_unit_test(test_co_cases_unfinished_families_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
