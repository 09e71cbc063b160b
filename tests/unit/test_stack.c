/* core/stack: classes, guards, recycling, and that memory returns. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/stack.h"
#include "memory.h"

enum { KIB = 1024, MIB = 1024 * 1024, CLASS_64K = 2, CLASS_256K = 4 };

/* Run a body in a child, because it dies or because it needs a process without stacks. */
static int status_of_child(void (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        body();
        _exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

static int code_of_child(void (*body)(void))
{
    int status = status_of_child(body);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static wf_stack *pages_down(wf_stack *stack, size_t bytes)
{
    for (char *at = stack->top - 64; at > stack->top - bytes; at -= 4096)
        *at = 1;
    return stack;
}

/* ---- classes ---- */

static void test_stack_class_is_the_least_span_that_holds_the_size(void **state)
{
    (void)state;
    assert_int_equal(wf_stack_class(256 * KIB), CLASS_256K);
    assert_int_equal(wf_stack_class(256 * KIB + 1), CLASS_256K + 1);
    assert_int_equal(wf_stack_class(8 * MIB), WF_STACK_CLASSES - 1);
    assert_int_equal(wf_stack_class(8 * MIB + 1), -1);
    assert_int_equal(wf_stack_class(SIZE_MAX), -1);
    int least = wf_stack_class(0);
    assert_true(least >= 0);
    assert_true(wf_stack_usable(least) >= 4096);
    if (getpagesize() == 4096)
        assert_int_equal(least, 0);
}

static void test_stack_layout_is_guard_frames_descriptor(void **state)
{
    (void)state;
    for (int stack_class = wf_stack_class(0); stack_class < WF_STACK_CLASSES; stack_class++) {
        wf_stack *stack = wf_stack_new(NULL, stack_class);
        assert_non_null(stack);
        assert_int_equal(stack->size, (size_t)1 << (stack_class + WF_STACK_SHIFT_MIN));
        assert_int_equal(stack->stack_class, stack_class);
        assert_int_equal((uintptr_t)stack->top % 16, 0);
        assert_true(stack->top <= (char *)stack);
        assert_true((char *)(stack + 1) == stack->base + stack->size);
        size_t usable = (size_t)(stack->top - stack->base) - stack->guard_size;
        assert_true(usable >= wf_stack_usable(stack_class));
        assert_true(usable < wf_stack_usable(stack_class) + 4096);
        memset(stack->base + stack->guard_size, 0x5a, usable); /* all of it can be written */
        wf_stack_free(NULL, stack, false);
    }
    assert_int_equal(wf_stack_live(), 0);
}

/* A parked coroutine is to cost one page: 2.5 KiB of frames fit above the page boundary, whatever the colour. */
static void test_stack_every_colour_leaves_frames_in_the_first_page(void **state)
{
    (void)state;
    wf_stack *stacks[60];
    int colours = 0;
    for (int i = 0; i < 60; i++) {
        stacks[i] = wf_stack_new(NULL, CLASS_64K);
        assert_non_null(stacks[i]);
        assert_true((uintptr_t)stacks[i]->top % 4096 >= 2560);
        colours += i > 0 && (uintptr_t)stacks[i]->top % 4096 != (uintptr_t)stacks[i - 1]->top % 4096;
    }
    assert_int_equal(colours, 59);
    for (int i = 0; i < 60; i++)
        wf_stack_free(NULL, stacks[i], false);
}

/* ---- guards ---- */

static enum wf_stack_guard kind_in_child;

static void write_into_guard(void)
{
    if (wf_stack_init(kind_in_child) != 0)
        _exit(77);
    wf_stack *stack = wf_stack_new(NULL, CLASS_64K);
    volatile char *edge = stack->base + stack->guard_size;
    edge[0] = 1;
    edge[-1] = 1;
}

static void expect_guard(enum wf_stack_guard kind)
{
    kind_in_child = kind;
    int status = status_of_child(write_into_guard);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("this kernel lacks the guard: ");
        skip();
    }
    /* A sanitizer turns the signal into an exit of its own. */
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) != 0);
}

static void test_stack_madvise_guard_kills_the_writer(void **state)
{
    (void)state;
    expect_guard(WF_GUARD_MADVISE);
}

static void test_stack_mprotect_guard_kills_the_writer(void **state)
{
    (void)state;
    expect_guard(WF_GUARD_MPROTECT);
}

static void use_no_guard(void)
{
    if (wf_stack_init(WF_GUARD_NONE) != 0)
        _exit(1);
    wf_stack *stack = wf_stack_new(NULL, CLASS_64K);
    if (stack == NULL || stack->guard_size != 0 || wf_stack_guard_hit(stack->base, NULL, NULL))
        _exit(2);
    *stack->base = 1;
    if (wf_stack_guard_in_use() != WF_GUARD_NONE)
        _exit(3);
}

static void test_stack_guard_none_uses_the_whole_span(void **state)
{
    (void)state;
    assert_int_equal(code_of_child(use_no_guard), 0);
}

static void survive_recycling(void)
{
    if (wf_stack_init(kind_in_child) != 0)
        _exit(77);
    /* Twice through the pool; the second time the span has had its pages dropped. */
    for (int round = 0; round < 2; round++) {
        wf_stack *stack = pages_down(wf_stack_new(NULL, CLASS_64K), 8192);
        wf_stack_free(NULL, stack, false);
    }
    write_into_guard();
}

static void test_stack_guard_survives_recycling(void **state)
{
    (void)state;
    kind_in_child = WF_GUARD_AUTO;
    int status = status_of_child(survive_recycling);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) != 0);
}

static void test_stack_guard_hit_finds_the_span_of_an_address(void **state)
{
    (void)state;
    wf_stack *stack = wf_stack_new(NULL, CLASS_256K);
    char *base = NULL;
    size_t size = 0;
    assert_true(wf_stack_guard_hit(stack->base, &base, &size));
    assert_ptr_equal(base, stack->base);
    assert_int_equal(size, stack->size);
    assert_true(wf_stack_guard_hit(stack->base + stack->guard_size - 1, NULL, NULL));
    assert_false(wf_stack_guard_hit(stack->base + stack->guard_size, NULL, NULL));
    assert_false(wf_stack_guard_hit(stack->top, NULL, NULL));
    assert_false(wf_stack_guard_hit(&size, NULL, NULL));
    assert_false(wf_stack_guard_hit(NULL, NULL, NULL));
    wf_stack_free(NULL, stack, false);
}

/* mprotect runs out of mappings: stacks stop being had, none is handed out unguarded, and freeing makes room again. */
static void exhaust_mprotect(void)
{
    if (wf_stack_init(WF_GUARD_MPROTECT) != 0)
        _exit(77);
    enum { MOST = 200000 };
    wf_stack **stacks = calloc(MOST, sizeof *stacks);
    int made = 0;
    while (made < MOST && (stacks[made] = wf_stack_new(NULL, 0)) != NULL)
        made++;
    if (made == MOST)
        _exit(77); /* vm.max_map_count is huge here */
    if (made < 100)
        _exit(2);
    void *rest = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (rest == MAP_FAILED)
        _exit(3); /* the rest of the program must still find mappings */
    for (int i = 0; i < made; i++)
        wf_stack_free(NULL, stacks[i], false);
    for (int i = 0; i < made; i++)
        if ((stacks[i] = wf_stack_new(NULL, 0)) == NULL)
            _exit(4);
    for (int i = 0; i < made; i++)
        wf_stack_free(NULL, stacks[i], false);
    /* Another class may use the guards now: whole slabs were given back. */
    if (wf_stack_new(NULL, CLASS_256K) == NULL)
        _exit(5);
}

static void test_stack_mprotect_exhausted_fails_and_recovers(void **state)
{
    (void)state;
    int code = code_of_child(exhaust_mprotect);
    if (code == 77) {
        print_message("vm.max_map_count is not to be reached: ");
        skip();
    }
    assert_int_equal(code, 0);
}

static void exhaust_address_space(void)
{
    /* What is there and 96 MiB more: less than a slab of the largest class. */
    rlim_t most = (rlim_t)wt_status_kib("VmSize") * KIB + 96 * MIB;
    setrlimit(RLIMIT_AS, &(struct rlimit){.rlim_cur = most, .rlim_max = most});
    wf_stack *stack = wf_stack_new(NULL, WF_STACK_CLASSES - 1);
    if (stack == NULL)
        _exit(1);
    *(stack->top - 8) = 1;
    for (int i = 0; i < 100; i++)
        if (wf_stack_new(NULL, WF_STACK_CLASSES - 1) == NULL)
            _exit(0);
    _exit(2);
}

static void test_stack_short_address_space_gets_smaller_slabs_then_null(void **state)
{
    (void)state;
    if (!WT_MEMORY_TELLS) {
        print_message("a sanitizer needs the address space: ");
        skip();
    }
    assert_int_equal(code_of_child(exhaust_address_space), 0);
}

/* ---- recycling ---- */

static void test_stack_cache_is_lifo_and_keeps_pages(void **state)
{
    (void)state;
    wf_stack_cache cache = {0};
    wf_stack *first = wf_stack_new(&cache, CLASS_256K);
    wf_stack *second = wf_stack_new(&cache, CLASS_256K);
    assert_ptr_not_equal(first, second);
    first->top[-100] = 77;
    wf_stack_free(&cache, second, false);
    wf_stack_free(&cache, first, false);
    assert_int_equal(wf_stack_live(), 0);
    assert_ptr_equal(wf_stack_new(&cache, CLASS_256K), first);
    assert_int_equal(first->top[-100], 77);
    assert_ptr_equal(wf_stack_new(&cache, CLASS_256K), second);
    assert_int_equal(wf_stack_live(), 2);
    wf_stack_free(&cache, first, false);
    wf_stack_free(&cache, second, false);
    wf_stack_cache_flush(&cache);
    assert_null(cache.free[CLASS_256K]);
    assert_int_equal(cache.count[CLASS_256K], 0);
    assert_int_equal(wf_stack_live(), 0);
}

static void test_stack_from_the_pool_reads_as_zero(void **state)
{
    (void)state;
    wf_stack *stack = wf_stack_new(NULL, CLASS_64K);
    char *base = stack->base;
    memset(stack->base + stack->guard_size, 1, (size_t)(stack->top - stack->base) - stack->guard_size);
    wf_stack_free(NULL, stack, false);
    stack = wf_stack_new(NULL, CLASS_64K); /* lowest address first: the same one */
    assert_ptr_equal(stack->base, base);
    for (char *at = stack->base + stack->guard_size; at < stack->top; at++)
        assert_int_equal(*at, 0);
    wf_stack_free(NULL, stack, false);
}

static void test_stack_wipe_zeroes_what_was_used(void **state)
{
    (void)state;
    wf_stack_cache cache = {0};
    wf_stack *stack = wf_stack_new(&cache, CLASS_256K);
    memset(stack->top - 100000, 0x77, 100000);
    wf_stack_free(&cache, stack, true);
    assert_ptr_equal(wf_stack_new(&cache, CLASS_256K), stack);
    for (char *at = stack->base + stack->guard_size; at < stack->top; at++)
        assert_int_equal(*at, 0);
    wf_stack_free(&cache, stack, false);
    wf_stack_cache_flush(&cache);
}

static void test_stack_trim_drops_pages_below_and_keeps_those_above(void **state)
{
    (void)state;
    wf_stack *stack = wf_stack_new(NULL, CLASS_256K);
    memset(stack->top - 100000, 0x77, 100000);
    char *sp = stack->top - 20000;
    wf_stack_trim(stack, sp);
    for (char *at = sp - 128; at < stack->top; at++)
        assert_int_equal(*at, 0x77);
    assert_int_equal(stack->top[-100000], 0);
    wf_stack_trim(stack, stack->base + stack->guard_size); /* nothing below: nothing happens */
    assert_int_equal(stack->top[-1], 0x77);
    wf_stack_free(NULL, stack, false);
}

static void test_stack_live_counts_across_caches(void **state)
{
    (void)state;
    wf_stack_cache one = {0};
    wf_stack_cache other = {0};
    wf_stack *a = wf_stack_new(&one, CLASS_64K);
    wf_stack *b = wf_stack_new(NULL, CLASS_64K);
    assert_int_equal(wf_stack_live(), 2);
    wf_stack_free(&other, a, false);
    assert_int_equal(wf_stack_live(), 1);
    wf_stack_cache_flush(&one);
    assert_int_equal(wf_stack_live(), 1);
    wf_stack_free(&other, b, false);
    assert_int_equal(wf_stack_live(), 0);
    wf_stack_cache_flush(&other);
    assert_int_equal(wf_stack_live(), 0);
}

/* ---- threads ---- */

enum { THREADS = 4, SWAPS = 20000, SHELF = 200 };

static _Atomic(wf_stack *) shelf[SHELF];
static _Atomic(int) overwritten;

/* Take a stack, mark it as ours, and exchange it for one that another thread may have made. */
static void *swap_stacks(void *arg)
{
    wf_stack_cache cache = {0};
    unsigned random = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < SWAPS; i++) {
        wf_stack *stack = wf_stack_new(&cache, CLASS_64K);
        if (stack == NULL)
            break;
        memcpy(stack->top - 8, &stack, 8);
        /* ORDER(test-shelf): pairs with the ORDER(test-shelf) that this same line is in another thread, which sees the mark. */
        stack = wf_exchange_acq_rel(&shelf[rand_r(&random) % SHELF], stack);
        if (stack == NULL)
            continue;
        if (memcmp(stack->top - 8, &stack, 8) != 0)
            wf_fetch_add_relaxed(&overwritten, 1);
        memset(stack->top - 8, 0, 8);
        wf_stack_free(&cache, stack, false);
    }
    wf_stack_cache_flush(&cache);
    return NULL;
}

static void test_stack_threads_exchanging_stacks_never_share_one(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, swap_stacks, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    size_t left = 0;
    for (int i = 0; i < SHELF; i++)
        left += shelf[i] != NULL;
    assert_int_equal(wf_stack_live(), left);
    for (int i = 0; i < SHELF; i++)
        if (shelf[i] != NULL)
            wf_stack_free(NULL, shelf[i], false);
    assert_int_equal(wf_stack_live(), 0);
    assert_int_equal(overwritten, 0);
}

/* ---- how many a cache holds ---- */

enum { CROWD = 4000, WAVE = 200, LEAST = 64 };

static wf_stack *crowd[CROWD];

static void hold_crowd(wf_stack_cache *cache)
{
    for (int i = 0; i < CROWD; i++)
        crowd[i] = wf_stack_new(cache, CLASS_64K);
    assert_int_equal(wf_stack_live(), CROWD);
}

static void test_stack_cache_holds_a_wave_while_many_are_in_use(void **state)
{
    (void)state;
    wf_stack_cache cache = {0};
    hold_crowd(&cache);
    for (int i = 0; i < WAVE; i++)
        wf_stack_free(&cache, crowd[i], false);
    assert_int_equal(cache.count[CLASS_64K], WAVE);
    for (int i = WAVE; i < CROWD; i++)
        wf_stack_free(&cache, crowd[i], false);
    assert_in_range(cache.count[CLASS_64K], 1, 2 * LEAST);
    wf_stack_cache_flush(&cache);
}

static void test_stack_shed_gives_back_what_fewer_in_use_do_not_justify(void **state)
{
    (void)state;
    wf_stack_cache cache = {0};
    hold_crowd(NULL);
    for (int i = 0; i < WAVE; i++)
        wf_stack_free(&cache, crowd[i], false);
    assert_int_equal(cache.count[CLASS_64K], WAVE);
    assert_false(wf_stack_cache_shed(&cache));
    for (int i = WAVE; i < CROWD; i++)
        wf_stack_free(NULL, crowd[i], false);
    int rounds = 0;
    while (wf_stack_cache_shed(&cache))
        rounds++;
    assert_in_range(rounds, 2, WAVE);
    assert_int_equal(cache.count[CLASS_64K], LEAST);
    wf_stack_cache_flush(&cache);
    assert_int_equal(wf_stack_live(), 0);
}

/* ---- many ---- */

enum { MANY = 100000 };

static int hold_many_and_free_them(wf_stack_cache *cache, wf_stack **stacks)
{
    for (int i = 0; i < MANY; i++) {
        stacks[i] = wf_stack_new(cache, CLASS_64K);
        if (stacks[i] == NULL)
            return i;
        stacks[i]->top[-8] = 1;
    }
    /* In an order that is neither that of the addresses nor its reverse. */
    for (int i = 0; i < MANY; i++)
        wf_stack_free(cache, stacks[(int)((int64_t)i * 7919 % MANY)], false);
    return MANY;
}

static void test_stack_hundred_thousand_are_guarded_and_memory_returns(void **state)
{
    (void)state;
    if (wf_stack_guard_in_use() != WF_GUARD_MADVISE) {
        print_message("so many need guards by madvise: ");
        skip();
    }
    wf_stack **stacks = calloc(MANY, sizeof *stacks);
    memset(stacks, 1, MANY * sizeof *stacks); /* present before the first measurement */
    wf_stack_cache cache = {0};
    int64_t resident = wt_status_kib("VmRSS");
    int64_t tables = wt_status_kib("VmPTE");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(hold_many_and_free_them(&cache, stacks), MANY);
        assert_int_equal(wf_stack_live(), 0);
    }
    wf_stack_cache_flush(&cache);
    if (WT_MEMORY_TELLS) {
        /* One page for each slab's header stays, and one warm slab's tables. */
        assert_true(wt_status_kib("VmRSS") - resident < 4 * KIB);
        assert_true(wt_status_kib("VmPTE") - tables < 2 * KIB);
    }
    free(stacks);
}

int main(void)
{
    wf_stack_init(WF_GUARD_AUTO);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stack_class_is_the_least_span_that_holds_the_size),
        cmocka_unit_test(test_stack_layout_is_guard_frames_descriptor),
        cmocka_unit_test(test_stack_every_colour_leaves_frames_in_the_first_page),
        cmocka_unit_test(test_stack_madvise_guard_kills_the_writer),
        cmocka_unit_test(test_stack_mprotect_guard_kills_the_writer),
        cmocka_unit_test(test_stack_guard_none_uses_the_whole_span),
        cmocka_unit_test(test_stack_guard_survives_recycling),
        cmocka_unit_test(test_stack_guard_hit_finds_the_span_of_an_address),
        cmocka_unit_test(test_stack_mprotect_exhausted_fails_and_recovers),
        cmocka_unit_test(test_stack_short_address_space_gets_smaller_slabs_then_null),
        cmocka_unit_test(test_stack_cache_is_lifo_and_keeps_pages),
        cmocka_unit_test(test_stack_from_the_pool_reads_as_zero),
        cmocka_unit_test(test_stack_wipe_zeroes_what_was_used),
        cmocka_unit_test(test_stack_trim_drops_pages_below_and_keeps_those_above),
        cmocka_unit_test(test_stack_live_counts_across_caches),
        cmocka_unit_test(test_stack_cache_holds_a_wave_while_many_are_in_use),
        cmocka_unit_test(test_stack_shed_gives_back_what_fewer_in_use_do_not_justify),
        cmocka_unit_test(test_stack_threads_exchanging_stacks_never_share_one),
        cmocka_unit_test(test_stack_hundred_thousand_are_guarded_and_memory_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
