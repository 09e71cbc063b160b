/* core/fence: a store-load pair of which one side is nearly free. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fence.h"

enum { ROUNDS = 5000, REMEMBERED = 1 << 14 };

/* Light side, turn k:   often := k;   light fence;  saw[k] := seldom
 * heavy side, round n:  seldom := n;  heavy fence;  look at often: k. Turn k + 1 stored after that look, so it saw n. */
static struct {
    _Alignas(WF_CACHE_LINE) _Atomic(uint32_t) often;
    _Alignas(WF_CACHE_LINE) _Atomic(uint32_t) seldom;
    _Alignas(WF_CACHE_LINE) _Atomic(uint32_t) turned; /* saw[] is written up to this turn */
    _Alignas(WF_CACHE_LINE) _Atomic(uint32_t) looked; /* saw[] is not needed up to this turn */
    _Atomic(bool) finished;
} shared;

static uint32_t saw[REMEMBERED]; /* of turn k: saw[k % REMEMBERED] */

static void test_fence_works_before_it_is_asked_for_and_after(void **state)
{
    (void)state;
    wf_fence_light();
    wf_fence_heavy();
    wf_fence_init();
    wf_fence_init();
    wf_fence_light();
    wf_fence_heavy();
}

static void *turn_round(void *arg)
{
    (void)arg;
    /* relaxed: a flag */
    for (uint32_t turn = 1; !wf_load_relaxed(&shared.finished); turn++) {
        /* ORDER(test-looked): pairs with the heavy side. */
        while (turn - wf_load_acquire(&shared.looked) >= REMEMBERED && !wf_load_relaxed(&shared.finished))
            wf_spin_pause();
        wf_store_relaxed(&shared.often, turn); /* relaxed: the fence is what is tested */
        wf_fence_light();
        saw[turn % REMEMBERED] = wf_load_relaxed(&shared.seldom); /* relaxed: as above */
        wf_store_release(&shared.turned, turn);                   /* ORDER(test-turned): pairs with the heavy side. */
    }
    return NULL;
}

static void test_fence_light_and_heavy_let_one_side_see_the_other(void **state)
{
    (void)state;
    pthread_t thread;
    wf_fence_init();
    assert_int_equal(pthread_create(&thread, NULL, turn_round, NULL), 0);
    uint32_t missed = 0;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        wf_store_relaxed(&shared.seldom, round); /* relaxed: the fence is what is tested */
        wf_fence_heavy();
        uint32_t turn = wf_load_relaxed(&shared.often) + 1; /* relaxed: as above */
        wf_store_release(&shared.looked, turn - 1);         /* ORDER(test-looked): pairs with turn_round. */
        /* ORDER(test-turned): pairs with turn_round. */
        while ((int32_t)(wf_load_acquire(&shared.turned) - turn) < 0)
            wf_spin_pause();
        missed += saw[turn % REMEMBERED] < round;
    }
    wf_store_relaxed(&shared.finished, true); /* relaxed: a flag */
    pthread_join(thread, NULL);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fence_works_before_it_is_asked_for_and_after),
        cmocka_unit_test(test_fence_light_and_heavy_let_one_side_see_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
