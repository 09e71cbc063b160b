/* core/context: what a switch carries over, what it keeps, and where a backtrace of a new context ends. */
#include <execinfo.h>
#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/context.h"
#include "core/fiber.h"
#include "core/stack.h"
#include "core/symbol.h"
#include "support/registers.h"

extern const char wf_context_start[]; /* core/switch_*.S: the outermost frame of every context */

enum { START_SIZE = 32, STACK_SIZE = 256 << 10, FRAMES = 64 };

/* One end of a switch: the main stack, or a context with a stack of its own. */
typedef struct side {
    void *sp;
    void *sanitizer[2];
    const void *base;
    size_t size;
    wf_stack *stack;
    void (*body)(struct side *self, void *value);
} side;

static side main_side;
static side other;

/* Where the tests record what they see on the other stack: cmocka must not jump away from there. */
static struct {
    void *arg;
    void *value;
    uintptr_t frame;
    int rounds;
    int wrong;
    int frames;
    void *frame_of[FRAMES];
    int rounding;
} seen;

/* The one that leaves must not be instrumented: see core/fiber.h. */
WF_SWITCHES_STACKS void *go(side *from, side *to, void *value)
{
    wf_fiber_leave(from->sanitizer, to->sanitizer, to->base, to->size, false);
    void *result = wf_context_switch(&from->sp, to->sp, value);
    wf_fiber_arrive(from->sanitizer);
    return result;
}

WF_SWITCHES_STACKS void go_with_registers(side *from, side *to, const uint64_t *before, uint64_t *after)
{
    wf_fiber_leave(from->sanitizer, to->sanitizer, to->base, to->size, false);
    wt_switch_registers(&from->sp, to->sp, before, after);
    wf_fiber_arrive(from->sanitizer);
}

static void *resume(void *value)
{
    return go(&main_side, &other, value);
}

static void *leave(void *value)
{
    return go(&other, &main_side, value);
}

static void enter(void *arg, void *value)
{
    side *self = arg;
    wf_fiber_arrive(self->sanitizer);
    seen.arg = arg;
    seen.frame = (uintptr_t)__builtin_frame_address(0);
    self->body(self, value);
    for (;;)
        leave(NULL);
}

/* A new context for `body`, which is first called by the first resume. */
static void start(void (*body)(side *self, void *value))
{
    memset(&seen, 0, sizeof(seen));
    other = (side){.stack = wf_stack_new(NULL, wf_stack_class(STACK_SIZE)), .body = body};
    assert_non_null(other.stack);
    other.base = other.stack->base;
    other.size = (size_t)(other.stack->top - other.stack->base);
    wf_fiber_bind(other.sanitizer, other.stack->base, other.stack->top);
    other.sp = wf_context_make(other.stack->top, enter, &other);
}

static int set_up(void **state)
{
    (void)state;
    pthread_attr_t attr;
    void *base;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return -1;
    pthread_attr_getstack(&attr, &base, &main_side.size);
    pthread_attr_destroy(&attr);
    main_side.base = base;
    wf_fiber_thread(main_side.sanitizer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wf_fiber_unbind(other.sanitizer);
    wf_stack_free(NULL, other.stack, false);
    return 0;
}

/* ---- values and arguments ---- */

static void record_value(side *self, void *value)
{
    (void)self;
    seen.value = value;
}

static void test_context_first_switch_passes_argument_and_value(void **state)
{
    (void)state;
    start(record_value);
    int what;
    assert_null(resume(&what));
    assert_ptr_equal(seen.arg, &other);
    assert_ptr_equal(seen.value, &what);
}

static void count_up(side *self, void *value)
{
    (void)self;
    for (;;)
        value = leave((void *)((uintptr_t)value + 1));
}

static void test_context_switch_passes_values_both_ways(void **state)
{
    (void)state;
    start(count_up);
    for (uintptr_t i = 0; i < 10000; i += 2)
        assert_int_equal((uintptr_t)resume((void *)i), i + 1);
}

static void test_context_make_lies_at_the_top_of_the_stack(void **state)
{
    (void)state;
    start(record_value);
    assert_true((char *)other.sp < other.stack->top);
    assert_true((char *)other.sp >= other.stack->top - 256);
    assert_int_equal((uintptr_t)other.sp % 8, 0);
}

static void test_context_entry_finds_an_aligned_stack(void **state)
{
    (void)state;
    start(record_value);
    resume(NULL);
    assert_int_equal(seen.frame % 16, 0); /* frames begin on 16 bytes if the stack was aligned at the call */
    assert_true(seen.frame < (uintptr_t)other.stack->top);
    assert_true(seen.frame > (uintptr_t)other.stack->base);
}

/* ---- entering and leaving by a jump ---- */

WF_SWITCHES_STACKS void *go_into(side *from, side *to, void (*entry)(void *arg, void *value), void *value)
{
    wf_fiber_leave(from->sanitizer, to->sanitizer, to->base, to->size, false);
    void *result = wf_context_enter(&from->sp, to->stack->top, entry, to, value);
    wf_fiber_arrive(from->sanitizer);
    return result;
}

WF_SWITCHES_STACKS void go_for_good(side *from, side *to, void *value)
{
    wf_fiber_leave(from->sanitizer, to->sanitizer, to->base, to->size, true);
    wf_context_leave(to->sp, value);
}

/* Gives way once, then ends. */
WF_NOT_INSTRUMENTED static void enter_once(void *arg, void *value)
{
    side *self = arg;
    wf_fiber_arrive(self->sanitizer);
    seen.arg = arg;
    seen.frame = (uintptr_t)__builtin_frame_address(0);
    value = leave((void *)((uintptr_t)value + 1));
    go_for_good(self, &main_side, (void *)((uintptr_t)value + 1));
}

static void test_context_entered_and_left_again_and_again_passes_values(void **state)
{
    (void)state;
    start(record_value);
    for (uintptr_t i = 0; i < 3000; i += 3) {
        assert_int_equal((uintptr_t)go_into(&main_side, &other, enter_once, (void *)i), i + 1);
        assert_ptr_equal(seen.arg, &other);
        assert_int_equal(seen.frame % 16, 0);
        assert_int_equal((uintptr_t)resume((void *)(i + 1)), i + 2);
        wf_fiber_unbind(other.sanitizer);
        wf_fiber_bind(other.sanitizer, other.stack->base, other.stack->top);
    }
}

/* On the stack that is gone on with, while nothing stands on the other. */
static void *look_around(void *arg)
{
    side *left = arg;
    seen.frame = (uintptr_t)__builtin_frame_address(0);
    seen.rounds++;
    memset(left->stack->base + left->stack->guard_size, 0x5a, 4096);
    return (void *)(uintptr_t)seen.rounds;
}

WF_SWITCHES_STACKS void go_through(side *from, side *to)
{
    wf_fiber_leave(from->sanitizer, to->sanitizer, to->base, to->size, true);
    wf_context_leave_through(to->sp, look_around, from);
}

WF_NOT_INSTRUMENTED static void enter_to_leave(void *arg, void *value)
{
    side *self = arg;
    (void)value;
    wf_fiber_arrive(self->sanitizer);
    leave(NULL);
    go_through(self, &main_side);
}

static void test_context_leaving_through_a_function_runs_it_on_the_other_stack(void **state)
{
    (void)state;
    start(record_value);
    for (uintptr_t i = 1; i <= 1000; i++) {
        assert_null(go_into(&main_side, &other, enter_to_leave, NULL));
        assert_int_equal((uintptr_t)resume(NULL), i);
        assert_int_equal(seen.frame % 16, 0);
        assert_true(seen.frame < (uintptr_t)other.stack->base || seen.frame > (uintptr_t)other.stack->top);
        wf_fiber_unbind(other.sanitizer);
        wf_fiber_bind(other.sanitizer, other.stack->base, other.stack->top);
    }
}

/* ---- hopping ---- */

WF_SWITCHES_STACKS int hop_in(void *value)
{
    wf_fiber_leave(main_side.sanitizer, other.sanitizer, other.base, other.size, false);
    int result = wf_context_hop_in(&main_side.sp, other.sp, value);
    wf_fiber_arrive(main_side.sanitizer);
    return result;
}

WF_SWITCHES_STACKS void *hop_out(void *value)
{
    wf_fiber_leave(other.sanitizer, main_side.sanitizer, main_side.base, main_side.size, false);
    void *result = wf_context_hop_out(&other.sp, main_side.sp, value);
    wf_fiber_arrive(other.sanitizer);
    return result;
}

/* Hops and switches are of one kind: each goes to what the other left. */
static void hop_and_switch(side *self, void *value)
{
    (void)self;
    for (;;) {
        value = hop_out((char *)value + 1);
        value = leave((char *)value + 1);
    }
}

static void test_context_hops_and_switches_mix(void **state)
{
    (void)state;
    start(hop_and_switch);
    for (uintptr_t i = 0; i < 4000; i += 4) {
        assert_int_equal(hop_in((void *)i), (int)i + 1);
        assert_int_equal((uintptr_t)resume((void *)(i + 1)), i + 2);
        assert_int_equal((uintptr_t)resume((void *)(i + 2)), i + 3);
        assert_int_equal(hop_in((void *)(i + 3)), (int)i + 4);
    }
}

/* ---- registers ---- */

static void fill(uint64_t *registers, uint64_t seed)
{
    for (int i = 0; i < WT_REGISTERS; i++)
        registers[i] = seed + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
}

static void keep_registers(side *self, void *value)
{
    (void)value;
    uint64_t before[WT_REGISTERS], after[WT_REGISTERS];
    for (uint64_t round = 1;; round++) {
        fill(before, ~round);
        memset(after, 0, sizeof(after));
        go_with_registers(self, &main_side, before, after);
        seen.wrong += memcmp(before, after, sizeof(before)) != 0;
        seen.rounds++;
    }
}

static void test_context_switch_keeps_callee_saved_registers(void **state)
{
    (void)state;
    start(keep_registers);
    uint64_t before[WT_REGISTERS], after[WT_REGISTERS];
    for (uint64_t round = 1; round <= 100; round++) {
        fill(before, round);
        memset(after, 0, sizeof(after));
        go_with_registers(&main_side, &other, before, after);
        assert_memory_equal(before, after, sizeof(before));
    }
    assert_int_equal(seen.rounds, 99);
    assert_int_equal(seen.wrong, 0);
}

/* ---- call depth ---- */

enum { DEPTH = 300 };

/* Leaves at every level, on the way down and on the way up. */
__attribute__((noinline)) static uint64_t descend(int depth, uint64_t salt)
{
    volatile uint64_t mine = salt * 31 + (uint64_t)depth;
    leave(NULL);
    uint64_t below = depth == 0 ? 0 : descend(depth - 1, mine);
    leave(NULL);
    return below + mine;
}

static uint64_t expected_sum(int depth, uint64_t salt)
{
    uint64_t sum = 0;
    for (; depth >= 0; depth--) {
        salt = salt * 31 + (uint64_t)depth;
        sum += salt;
    }
    return sum;
}

static void descend_deep(side *self, void *value)
{
    (void)self, (void)value;
    uint64_t sum = descend(DEPTH, 1);
    leave(&sum);
}

static void test_context_deep_call_stack_returns_through_every_level(void **state)
{
    (void)state;
    start(descend_deep);
    for (int i = 0; i < 2 * (DEPTH + 1); i++)
        assert_null(resume(NULL));
    uint64_t *sum = resume(NULL);
    assert_non_null(sum);
    assert_true(*sum == expected_sum(DEPTH, 1));
}

/* ---- threads ---- */

static void *resume_on_thread(void *result)
{
    wf_fiber_thread(main_side.sanitizer);
    *(void **)result = resume((void *)40);
    return NULL;
}

static void test_context_left_on_one_thread_goes_on_on_another(void **state)
{
    (void)state;
    start(count_up);
    assert_int_equal((uintptr_t)resume((void *)20), 21);
    pthread_t thread;
    void *result = NULL;
    side ours = main_side;
    assert_int_equal(pthread_create(&thread, NULL, resume_on_thread, &result), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    main_side = ours;
    assert_int_equal((uintptr_t)result, 41);
    assert_int_equal((uintptr_t)resume((void *)60), 61);
}

/* ---- floating point ---- */

static void look_at_rounding(side *self, void *value)
{
    (void)self, (void)value;
    seen.rounding = fegetround();
    fesetround(FE_DOWNWARD);
}

static void test_context_switch_leaves_control_words_alone(void **state)
{
    (void)state;
    start(look_at_rounding);
    fesetround(FE_UPWARD);
    resume(NULL);
    int after = fegetround();
    fesetround(FE_TONEAREST);
    assert_int_equal(seen.rounding, FE_UPWARD);
    assert_int_equal(after, FE_DOWNWARD);
}

static void test_context_fpenv_load_brings_back_what_was_saved(void **state)
{
    (void)state;
    uint32_t usual[8], upward[8];
    wf_fpenv_save(usual);
    fesetround(FE_UPWARD);
    wf_fpenv_save(upward);
    volatile double one = 1, three = 3;
    double third_up = one / three;
    wf_fpenv_load(usual);
    int rounding = fegetround();
    double third = one / three;
    wf_fpenv_load(upward);
    int again = fegetround();
    wf_fpenv_load(usual);
    assert_int_equal(rounding, FE_TONEAREST);
    assert_int_equal(again, FE_UPWARD);
    assert_true(third < third_up);
}

static void test_context_fpenv_has_the_exception_flags(void **state)
{
    (void)state;
    uint32_t clear[8], raised[8];
    volatile double zero = 0, one = 1;
    feclearexcept(FE_ALL_EXCEPT);
    wf_fpenv_save(clear);
    volatile double infinite = one / zero;
    (void)infinite;
    wf_fpenv_save(raised);
    wf_fpenv_load(clear);
    int none = fetestexcept(FE_DIVBYZERO);
    wf_fpenv_load(raised);
    int some = fetestexcept(FE_DIVBYZERO);
    feclearexcept(FE_ALL_EXCEPT);
    assert_int_equal(none, 0);
    assert_int_equal(some, FE_DIVBYZERO);
}

/* ---- backtraces ---- */

static int is_in_start(const void *address)
{
    const char *at = address;
    return at > wf_context_start && at <= wf_context_start + START_SIZE;
}

static void take_backtrace(side *self, void *value)
{
    (void)self, (void)value;
    seen.frames = backtrace(seen.frame_of, FRAMES);
}

static void test_context_backtrace_ends_at_the_start(void **state)
{
    (void)state;
    backtrace(seen.frame_of, 1); /* the first call loads a library */
    start(take_backtrace);
    resume(NULL);
    assert_in_range(seen.frames, 2, 8);
    assert_true(is_in_start(seen.frame_of[seen.frames - 1]));
}

__attribute__((noinline)) static void wait_inner(void)
{
    leave(NULL);
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

__attribute__((noinline)) static void wait_outer(void)
{
    wait_inner();
    __asm__ volatile("" ::: "memory");
}

static void wait_deep(side *self, void *value)
{
    (void)self, (void)value;
    wait_outer();
}

/* As weft_dump does it. Returns how many return addresses it found. */
static int walk_frames(const void *sp, const void *addresses[FRAMES])
{
    wf_context_frame top = wf_context_top_frame(sp);
    const char *low = sp, *high = other.stack->top;
    int count = 0;
    addresses[count++] = top.return_address;
    for (const void *const *record = top.frame; record != NULL && count < FRAMES; record = record[0]) {
        if ((const char *)record < low || (const char *)(record + 2) > high)
            return -1;
        low = (const char *)(record + 2);
        addresses[count++] = wf_context_strip(record[1]);
    }
    return count;
}

static int finds(const char *name, const void *const *addresses, int count)
{
    for (int i = 0; i < count; i++) {
        char text[128];
        wf_symbol_format(addresses[i], true, text, sizeof(text));
        if (strncmp(text, name, strlen(name)) == 0)
            return i;
    }
    return -1;
}

static void test_context_frames_of_a_suspended_one_lead_to_the_start(void **state)
{
    (void)state;
    start(wait_deep);
    resume(NULL);
    const void *addresses[FRAMES];
    int count = walk_frames(other.sp, addresses);
    assert_in_range(count, 4, 12); /* wait_inner, wait_outer, enter, the start, and what was not inlined */
    assert_true(is_in_start(addresses[count - 1]));
    int inner = finds("wait_inner", addresses, count), outer = finds("wait_outer", addresses, count);
    assert_true(inner >= 0);
    assert_int_equal(outer, inner + 1);
}

static void test_context_frame_of_a_new_one_is_the_start(void **state)
{
    (void)state;
    start(record_value);
    wf_context_frame top = wf_context_top_frame(other.sp);
    assert_null(top.frame);
    assert_ptr_equal(top.return_address, wf_context_start);
}

#define CONTEXT_TEST(f) cmocka_unit_test_setup_teardown(f, NULL, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTEXT_TEST(test_context_first_switch_passes_argument_and_value),
        CONTEXT_TEST(test_context_switch_passes_values_both_ways),
        CONTEXT_TEST(test_context_make_lies_at_the_top_of_the_stack),
        CONTEXT_TEST(test_context_entry_finds_an_aligned_stack),
        CONTEXT_TEST(test_context_switch_keeps_callee_saved_registers),
        CONTEXT_TEST(test_context_deep_call_stack_returns_through_every_level),
        CONTEXT_TEST(test_context_left_on_one_thread_goes_on_on_another),
        CONTEXT_TEST(test_context_switch_leaves_control_words_alone),
        CONTEXT_TEST(test_context_entered_and_left_again_and_again_passes_values),
        CONTEXT_TEST(test_context_leaving_through_a_function_runs_it_on_the_other_stack),
        CONTEXT_TEST(test_context_hops_and_switches_mix),
        cmocka_unit_test(test_context_fpenv_load_brings_back_what_was_saved),
        cmocka_unit_test(test_context_fpenv_has_the_exception_flags),
        CONTEXT_TEST(test_context_backtrace_ends_at_the_start),
        CONTEXT_TEST(test_context_frames_of_a_suspended_one_lead_to_the_start),
        CONTEXT_TEST(test_context_frame_of_a_new_one_is_the_start),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
