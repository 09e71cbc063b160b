/* core/strand and core/generator: bodies on stacks of their own, without a scheduler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/generator.h"

enum { DEPTH = 8, STACK_SIZE = 64 << 10 };

typedef struct body {
    wf_generator core;
    wf_stack **here; /* where who runs it keeps which stack it is on */
    struct body *inner;
    int steps;
} body;

static void *after(void *arg)
{
    body *b = arg;
    wf_strand_unbind(&b->core.strand, NULL);
    wf_strand_set(&b->core.strand, WF_GEN_DONE);
    return (void *)(intptr_t)-1;
}

static void *yield(body *b, intptr_t value)
{
    wf_strand_set(&b->core.strand, WF_GEN_SUSPENDED);
    return wf_generator_suspend(&b->core, b->here, (void *)value);
}

static int start(body *b, wf_stack **here);

/* Hands out what it is sent plus one, so many times; with an inner one, what that hands out. */
static void *run(void *arg)
{
    body *b = arg;
    intptr_t value = 0;
    for (int i = 0; i < b->steps; i++) {
        if (b->inner != NULL) {
            value = i == 0 ? start(b->inner, b->here) : wf_generator_resume(&b->inner->core, b->here, (void *)value);
        }
        value = (intptr_t)yield(b, value + 1);
    }
    return NULL;
}

WF_NOT_INSTRUMENTED static void enter(void *arg, void *value)
{
    body *b = arg;
    (void)value;
    wf_generator_entered(&b->core);
    b->core.strand.fn(b);
    wf_generator_leave(&b->core, b->here, after);
}

static int start(body *b, wf_stack **here)
{
    b->here = here;
    return wf_generator_start(&b->core, here, enter, NULL);
}

static void make(body *b, int steps, body *inner)
{
    memset(b, 0, sizeof(*b));
    b->core.strand.fn = run;
    b->core.strand.stack_class = (uint8_t)wf_stack_class(STACK_SIZE);
    b->steps = steps;
    b->inner = inner;
    assert_true(wf_strand_bind(&b->core.strand, NULL));
}

static void test_strand_stack_names_it_while_it_is_bound(void **state)
{
    (void)state;
    wf_strand strand = {.stack_class = (uint8_t)wf_stack_class(STACK_SIZE), .secret = true};
    assert_true(wf_strand_bind(&strand, NULL));
    assert_ptr_equal(strand.stack->strand, &strand);
    assert_int_equal(wf_stack_live(), 1);
    wf_strand_unbind(&strand, NULL);
    assert_null(strand.stack);
    assert_int_equal(wf_stack_live(), 0);
}

static void test_generator_core_passes_values_and_keeps_track_of_the_stack(void **state)
{
    (void)state;
    wf_stack *here = NULL;
    body b;
    make(&b, 1000, NULL);
    assert_int_equal(start(&b, &here), 1);
    for (intptr_t i = 1; i < 1000; i++) {
        assert_null(here);
        assert_int_equal(wf_generator_resume(&b.core, &here, (void *)i), i + 1);
    }
    assert_int_equal(wf_stack_live(), 1);
    assert_int_equal(wf_generator_resume(&b.core, &here, NULL), -1);
    assert_null(here);
    assert_int_equal(wf_strand_state(&b.core.strand), WF_GEN_DONE);
    assert_int_equal(wf_stack_live(), 0); /* given back from the stack of who resumed it */
}

static void test_generator_core_bodies_resume_bodies(void **state)
{
    (void)state;
    wf_stack *here = NULL;
    body bodies[DEPTH];
    for (int i = 0; i < DEPTH; i++)
        make(&bodies[i], 3, i > 0 ? &bodies[i - 1] : NULL);
    body *outer = &bodies[DEPTH - 1];
    assert_int_equal(start(outer, &here), DEPTH);
    assert_int_equal(wf_generator_resume(&outer->core, &here, (void *)10), 10 + DEPTH);
    assert_int_equal(wf_generator_resume(&outer->core, &here, (void *)20), 20 + DEPTH);
    assert_int_equal(wf_generator_resume(&outer->core, &here, NULL), -1);
    assert_null(here);
    for (int i = DEPTH - 2; i >= 0; i--) /* they stand in their last yields still */
        assert_int_equal(wf_generator_resume(&bodies[i].core, &here, NULL), -1);
    assert_int_equal(wf_stack_live(), 0);
}

/* Who resumes it may be another one each time. */
static void test_generator_core_may_be_resumed_by_another(void **state)
{
    (void)state;
    wf_stack *one = NULL, *other = NULL;
    body b;
    make(&b, 2, NULL);
    assert_int_equal(start(&b, &one), 1);
    b.here = &other;
    assert_int_equal(wf_generator_resume(&b.core, &other, (void *)1), 2);
    assert_null(one);
    assert_null(other);
    assert_int_equal(wf_generator_resume(&b.core, &other, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strand_stack_names_it_while_it_is_bound),
        cmocka_unit_test(test_generator_core_passes_values_and_keeps_track_of_the_stack),
        cmocka_unit_test(test_generator_core_bodies_resume_bodies),
        cmocka_unit_test(test_generator_core_may_be_resumed_by_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
