/* The checker itself: small programs whose outcomes under C11 are known. Each says whether its weak outcome may be
 * seen; the checker must see it exactly then. Below them, programs that race, deadlock or spin.
 */
#include <stdio.h>
#include <string.h>

#include "core/fence.h"
#include "model_futex.h"

static _Atomic(uint32_t) x, y, z;
static int data;
static uint32_t r[4];
static mc_semaphore semaphore;

static void setup(void)
{
    x = y = z = 0;
    data = 0;
    memset(r, 0, sizeof r);
    semaphore = (mc_semaphore){0};
}

/* ---- store buffering: both read the old value ---- */

static void sb_relaxed_0(void)
{
    wf_store_relaxed(&x, 1);
    r[0] = wf_load_relaxed(&y);
}
static void sb_relaxed_1(void)
{
    wf_store_relaxed(&y, 1);
    r[1] = wf_load_relaxed(&x);
}
static void sb_acq_rel_0(void)
{
    wf_store_release(&x, 1);
    r[0] = wf_load_acquire(&y);
}
static void sb_acq_rel_1(void)
{
    wf_store_release(&y, 1);
    r[1] = wf_load_acquire(&x);
}
static void sb_seq_cst_0(void)
{
    wf_store_seq_cst(&x, 1);
    r[0] = wf_load_seq_cst(&y);
}
static void sb_seq_cst_1(void)
{
    wf_store_seq_cst(&y, 1);
    r[1] = wf_load_seq_cst(&x);
}
static void sb_fence_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_fence_seq_cst();
    r[0] = wf_load_relaxed(&y);
}
static void sb_fence_1(void)
{
    wf_store_relaxed(&y, 1);
    wf_fence_seq_cst();
    r[1] = wf_load_relaxed(&x);
}
static void sb_rmw_0(void)
{
    wf_exchange_seq_cst(&x, 1);
    r[0] = wf_load_seq_cst(&y);
}
static void sb_rmw_acq_rel_0(void)
{
    wf_exchange_acq_rel(&x, 1);
    r[0] = wf_load_acquire(&y);
}
static void sb_rmw_acq_rel_1(void)
{
    wf_exchange_acq_rel(&y, 1);
    r[1] = wf_load_acquire(&x);
}
static bool both_old(void)
{
    return r[0] == 0 && r[1] == 0;
}

/* ---- store buffering with asymmetric fences ---- */

static void sb_light_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_fence_light();
    r[0] = wf_load_relaxed(&y);
}
static void sb_light_1(void)
{
    wf_store_relaxed(&y, 1);
    wf_fence_light();
    r[1] = wf_load_relaxed(&x);
}
static void sb_heavy_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_fence_heavy();
    r[0] = wf_load_relaxed(&y);
}
static void sb_heavy_1(void)
{
    wf_store_relaxed(&y, 1);
    wf_fence_heavy();
    r[1] = wf_load_relaxed(&x);
}

/* A third thread's heavy fence orders each of two others against that thread, at different moments, but not against each other. */
static void between_heavy_z(void)
{
    wf_store_relaxed(&z, 1);
    wf_fence_heavy();
    r[3] = wf_load_relaxed(&y);
}
static void between_light_x(void)
{
    wf_store_relaxed(&x, 1);
    wf_fence_light();
    r[0] = wf_load_relaxed(&z);
}
static void between_light_y(void)
{
    wf_store_relaxed(&y, 1);
    wf_fence_light();
    r[2] = wf_load_relaxed(&x);
}
static void between_fence_z(void)
{
    wf_store_relaxed(&z, 1);
    wf_fence_seq_cst();
    r[3] = wf_load_relaxed(&y);
}
static void between_fence_x(void)
{
    wf_store_relaxed(&x, 1);
    wf_fence_seq_cst();
    r[0] = wf_load_relaxed(&z);
}
static void between_fence_y(void)
{
    wf_store_relaxed(&y, 1);
    wf_fence_seq_cst();
    r[2] = wf_load_relaxed(&x);
}
static bool none_seen(void)
{
    return r[0] == 0 && r[2] == 0 && r[3] == 0;
}

/* What a heavy fence has made visible to its thread, that thread can pass on. */
static void pass_on_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_fence_light();
    r[3] = wf_load_relaxed(&z);
}
static void pass_on_1(void)
{
    wf_store_relaxed(&z, 1);
    wf_fence_heavy();
    wf_store_release(&y, 1);
}
static bool missed_what_was_passed_on(void)
{
    return r[3] == 0 && r[0] == 1 && r[1] == 0;
}

/* ---- message passing: the flag, but not the message ---- */

static void mp_light_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_fence_light();
    wf_store_relaxed(&y, 1);
}
static void mp_light_1(void)
{
    r[0] = wf_load_relaxed(&y);
    wf_fence_light();
    r[1] = wf_load_relaxed(&x);
}
static void mp_heavy_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_fence_heavy();
    wf_store_relaxed(&y, 1);
}

static void mp_relaxed_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_store_relaxed(&y, 1);
}
static void mp_relaxed_1(void)
{
    r[0] = wf_load_relaxed(&y);
    r[1] = wf_load_relaxed(&x);
}
static void mp_release_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_store_release(&y, 1);
}
static void mp_acquire_1(void)
{
    r[0] = wf_load_acquire(&y);
    r[1] = wf_load_relaxed(&x);
}
static void mp_fence_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_fence_seq_cst();
    wf_store_relaxed(&y, 1);
}
static void mp_fence_1(void)
{
    r[0] = wf_load_relaxed(&y);
    wf_fence_seq_cst();
    r[1] = wf_load_relaxed(&x);
}
static void mp_cas_1(void)
{
    uint32_t one = 1;
    r[0] = wf_cas_acquire(&y, &one, 2);
    r[1] = wf_load_relaxed(&x);
}
static void mp_failed_cas_1(void)
{
    uint32_t seven = 7;
    wf_cas_acq_rel(&y, &seven, 8);
    r[0] = seven;
    r[1] = wf_load_relaxed(&x);
}
static void mp_failed_relaxed_cas_1(void)
{
    uint32_t seven = 7;
    wf_cas_release(&y, &seven, 8);
    r[0] = seven;
    r[1] = wf_load_relaxed(&x);
}
static bool flag_only(void)
{
    return r[0] == 1 && r[1] == 0;
}

/* ---- release sequences: a read-modify-write goes on with one, any plain store ends it ---- */

static void rs_store_then_own(void)
{
    wf_store_relaxed(&x, 1);
    wf_store_release(&y, 1);
    wf_store_relaxed(&y, 2);
}
static void rs_rmw(void)
{
    wf_fetch_add_relaxed(&y, 1);
}
static void rs_overwrite(void)
{
    if (wf_load_relaxed(&y) == 1)
        wf_store_relaxed(&y, 2);
}
static bool second_only(void)
{
    return r[0] == 2 && r[1] == 0;
}

/* ---- independent reads of independent writes: two readers disagree about the order ---- */

static void iriw_release_x(void)
{
    wf_store_release(&x, 1);
}
static void iriw_release_y(void)
{
    wf_store_release(&y, 1);
}
static void iriw_acquire_2(void)
{
    r[0] = wf_load_acquire(&x);
    r[1] = wf_load_acquire(&y);
}
static void iriw_acquire_3(void)
{
    r[2] = wf_load_acquire(&y);
    r[3] = wf_load_acquire(&x);
}
static void iriw_seq_cst_x(void)
{
    wf_store_seq_cst(&x, 1);
}
static void iriw_seq_cst_y(void)
{
    wf_store_seq_cst(&y, 1);
}
static void iriw_seq_cst_2(void)
{
    r[0] = wf_load_seq_cst(&x);
    r[1] = wf_load_seq_cst(&y);
}
static void iriw_seq_cst_3(void)
{
    r[2] = wf_load_seq_cst(&y);
    r[3] = wf_load_seq_cst(&x);
}
static void iriw_relaxed_x(void)
{
    wf_store_relaxed(&x, 1);
}
static void iriw_relaxed_y(void)
{
    wf_store_relaxed(&y, 1);
}
static void iriw_fence_2(void)
{
    r[0] = wf_load_relaxed(&x);
    wf_fence_seq_cst();
    r[1] = wf_load_relaxed(&y);
}
static void iriw_fence_3(void)
{
    r[2] = wf_load_relaxed(&y);
    wf_fence_seq_cst();
    r[3] = wf_load_relaxed(&x);
}
static bool disagree(void)
{
    return r[0] == 1 && r[1] == 0 && r[2] == 1 && r[3] == 0;
}

/* ---- write to read causality: seen through a third thread ---- */

static void wrc_0(void)
{
    wf_store_relaxed(&x, 1);
}
static void wrc_release_1(void)
{
    r[2] = wf_load_relaxed(&x);
    wf_store_release(&y, r[2]);
}
static void wrc_relaxed_1(void)
{
    r[2] = wf_load_relaxed(&x);
    wf_store_relaxed(&y, r[2]);
}

/* ---- coherence ---- */

static void corr_0(void)
{
    wf_store_relaxed(&x, 1);
}
static void corr_1(void)
{
    r[0] = wf_load_relaxed(&x);
    r[1] = wf_load_relaxed(&x);
}
static void coww_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_store_relaxed(&x, 2);
}
static bool backwards(void)
{
    return r[0] > r[1];
}

/* ---- two writers each way round: the later store of each thread is overwritten by the earlier of the other ---- */

static void ww_relaxed_0(void)
{
    wf_store_relaxed(&x, 1);
    wf_store_relaxed(&y, 2);
}
static void ww_relaxed_1(void)
{
    wf_store_relaxed(&y, 1);
    wf_store_relaxed(&x, 2);
}
static void ww_seq_cst_0(void)
{
    wf_store_seq_cst(&x, 1);
    wf_store_seq_cst(&y, 2);
}
static void ww_seq_cst_1(void)
{
    wf_store_seq_cst(&y, 1);
    wf_store_seq_cst(&x, 2);
}
static void read_last(void)
{
    r[0] = wf_load_relaxed(&x);
    r[1] = wf_load_relaxed(&y);
}
static bool both_first(void)
{
    return r[0] == 1 && r[1] == 1;
}

/* ---- read-modify-writes are atomic, and may come before a store that was executed earlier ---- */

static void add_one(void)
{
    wf_fetch_add_relaxed(&x, 1);
}
static void add_after_0(void)
{
    wf_store_relaxed(&y, 1);
    wf_store_relaxed(&x, 5);
}
static void add_after_1(void)
{
    r[0] = wf_fetch_add_relaxed(&x, 1) == 0 ? wf_load_relaxed(&y) : 0;
}
static void win_0(void)
{
    uint32_t zero = 0;
    r[0] = wf_cas_relaxed(&x, &zero, 1);
}
static void win_1(void)
{
    uint32_t zero = 0;
    r[1] = wf_cas_relaxed(&x, &zero, 2);
}
static bool add_lost(void)
{
    return r[0] != 3;
}
static bool both_won(void)
{
    return r[0] == 1 && r[1] == 1;
}
static bool added_first(void)
{
    return r[0] == 1;
}

/* ---- seq_cst accesses against fences ---- */

static void mixed_seq_cst_store(void)
{
    wf_store_seq_cst(&x, 1);
    r[0] = wf_load_seq_cst(&y);
}
static void mixed_fence(void)
{
    wf_store_relaxed(&y, 1);
    wf_fence_seq_cst();
    r[1] = wf_load_relaxed(&x);
}
static void mixed_relaxed_load(void)
{
    wf_store_seq_cst(&x, 1);
    r[0] = wf_load_relaxed(&y);
}

/* ---- load buffering: each reads what the other writes later. C11 allows it relaxed, the checker leaves it out ---- */

static void lb_0(void)
{
    r[0] = wf_load_relaxed(&x);
    wf_store_relaxed(&y, 1);
}
static void lb_1(void)
{
    r[1] = wf_load_relaxed(&y);
    wf_store_relaxed(&x, 1);
}

/* ---- plain data ---- */

static void plain_release(void)
{
    wf_plain_write(&data, 1);
    wf_store_release(&x, 1);
}
static void plain_relaxed(void)
{
    wf_plain_write(&data, 1);
    wf_store_relaxed(&x, 1);
}
static void plain_late(void)
{
    wf_store_release(&x, 1);
    wf_plain_write(&data, 1);
}
static void plain_fence(void)
{
    wf_plain_write(&data, 1);
    wf_fence_seq_cst();
    wf_store_relaxed(&x, 1);
}
static void plain_acquire(void)
{
    if (wf_load_acquire(&x) == 1)
        mc_check(wf_plain_read(&data) == 1);
}
static void plain_fenced_read(void)
{
    if (wf_load_relaxed(&x) != 1)
        return;
    wf_fence_seq_cst();
    mc_check(wf_plain_read(&data) == 1);
}
static void plain_only_fences_0(void)
{
    wf_plain_write(&data, 1);
    wf_fence_seq_cst();
    wf_store_relaxed(&x, 1);
}
static void plain_only_fences_1(void)
{
    wf_fence_seq_cst();
    if (wf_load_relaxed(&x) == 1)
        wf_plain_write(&data, 2);
}
static void plain_read_then_release(void)
{
    (void)wf_plain_read(&data);
    wf_store_relaxed(&x, 1);
}
static void plain_write_after_acquire(void)
{
    if (wf_load_acquire(&x) == 1)
        wf_plain_write(&data, 2);
}

/* ---- waiting ---- */

static void wait_once(void)
{
    mc_wait(&semaphore);
}
static void post_once(void)
{
    mc_post(&semaphore);
}
static void futex_sleep(void)
{
    while (wf_load_acquire(&x) == 0)
        wf_futex_wait(&x, 0, INT64_MAX);
}
static void futex_store_and_wake(void)
{
    wf_store_release(&x, 1);
    wf_futex_wake(&x, 1);
}
static void futex_wake_first(void)
{
    wf_futex_wake(&x, 1);
    wf_store_release(&x, 1);
}
static void futex_no_wake(void)
{
    wf_store_release(&x, 1);
}
static void spin_until_set(void)
{
    while (wf_load_relaxed(&x) == 0)
        wf_spin_pause();
}
static void spin_for_nobody(void)
{
    while (wf_load_relaxed(&z) == 0)
        wf_spin_pause();
}
static void set_x(void)
{
    wf_store_relaxed(&x, 1);
}
static void choose_all(void)
{
    r[0] = (uint32_t)mc_choose(3);
}
static bool chose_last(void)
{
    return r[0] == 2;
}

struct litmus {
    const char *name;
    bool allowed;
    bool (*weak)(void);
    void (*threads[4])(void);
    void (*final)(void);
};

static void read_x(void)
{
    r[0] = wf_load_relaxed(&x);
}

static const struct litmus litmus[] = {
    {"SB relaxed", true, both_old, {sb_relaxed_0, sb_relaxed_1}, NULL},
    {"SB release, acquire", true, both_old, {sb_acq_rel_0, sb_acq_rel_1}, NULL},
    {"SB seq_cst", false, both_old, {sb_seq_cst_0, sb_seq_cst_1}, NULL},
    {"SB seq_cst, one read-modify-write", false, both_old, {sb_rmw_0, sb_seq_cst_1}, NULL},
    {"SB acq_rel read-modify-writes", true, both_old, {sb_rmw_acq_rel_0, sb_rmw_acq_rel_1}, NULL},
    {"SB fences", false, both_old, {sb_fence_0, sb_fence_1}, NULL},
    {"SB one fence", true, both_old, {sb_fence_0, sb_relaxed_1}, NULL},
    {"SB fence against seq_cst accesses", false, both_old, {mixed_seq_cst_store, mixed_fence}, NULL},
    {"SB fence against seq_cst store, relaxed load", true, both_old, {mixed_relaxed_load, mixed_fence}, NULL},
    {"SB light against heavy", false, both_old, {sb_light_0, sb_heavy_1}, NULL},
    {"SB heavy against light", false, both_old, {sb_heavy_0, sb_light_1}, NULL},
    {"SB heavy fences", false, both_old, {sb_heavy_0, sb_heavy_1}, NULL},
    {"SB light fences", true, both_old, {sb_light_0, sb_light_1}, NULL},
    {"SB light fence against an ordinary one", true, both_old, {sb_light_0, sb_fence_1}, NULL},
    {"SB heavy fence against an ordinary one (left out)", true, both_old, {sb_heavy_0, sb_fence_1}, NULL},
    {"SB heavy fence against none", true, both_old, {sb_heavy_0, sb_relaxed_1}, NULL},
    {"light, heavy, light", true, none_seen, {between_light_x, between_heavy_z, between_light_y}, NULL},
    {"fences in their place", false, none_seen, {between_fence_x, between_fence_z, between_fence_y}, NULL},
    {"light, heavy, passed on", false, missed_what_was_passed_on, {pass_on_0, pass_on_1, mp_acquire_1}, NULL},
    {"MP light fences", true, flag_only, {mp_light_0, mp_light_1}, NULL},
    {"MP light fence, acquire", true, flag_only, {mp_light_0, mp_acquire_1}, NULL},
    {"MP heavy fence, acquire", false, flag_only, {mp_heavy_0, mp_acquire_1}, NULL},
    {"MP heavy fence, light fence", false, flag_only, {mp_heavy_0, mp_light_1}, NULL},
    {"MP heavy fence, relaxed", true, flag_only, {mp_heavy_0, mp_relaxed_1}, NULL},
    {"MP relaxed", true, flag_only, {mp_relaxed_0, mp_relaxed_1}, NULL},
    {"MP release, acquire", false, flag_only, {mp_release_0, mp_acquire_1}, NULL},
    {"MP release, relaxed", true, flag_only, {mp_release_0, mp_relaxed_1}, NULL},
    {"MP relaxed, acquire", true, flag_only, {mp_relaxed_0, mp_acquire_1}, NULL},
    {"MP fences", false, flag_only, {mp_fence_0, mp_fence_1}, NULL},
    {"MP fence, acquire", false, flag_only, {mp_fence_0, mp_acquire_1}, NULL},
    {"MP release, fence", false, flag_only, {mp_release_0, mp_fence_1}, NULL},
    {"MP release, CAS acquire", false, flag_only, {mp_release_0, mp_cas_1}, NULL},
    {"MP release, failed CAS acquire", false, flag_only, {mp_release_0, mp_failed_cas_1}, NULL},
    {"MP release, failed CAS relaxed", true, flag_only, {mp_release_0, mp_failed_relaxed_cas_1}, NULL},
    {"release sequence, read-modify-write", false, second_only, {mp_release_0, rs_rmw, mp_acquire_1}, NULL},
    {"release sequence, overwritten", true, second_only, {mp_release_0, rs_overwrite, mp_acquire_1}, NULL},
    {"release sequence, own store", true, second_only, {rs_store_then_own, mp_acquire_1}, NULL},
    {"IRIW release, acquire", true, disagree, {iriw_release_x, iriw_release_y, iriw_acquire_2, iriw_acquire_3}, NULL},
    {"IRIW seq_cst", false, disagree, {iriw_seq_cst_x, iriw_seq_cst_y, iriw_seq_cst_2, iriw_seq_cst_3}, NULL},
    {"IRIW fences", false, disagree, {iriw_relaxed_x, iriw_relaxed_y, iriw_fence_2, iriw_fence_3}, NULL},
    {"IRIW seq_cst loads of released stores",
     true,
     disagree,
     {iriw_release_x, iriw_release_y, iriw_seq_cst_2, iriw_seq_cst_3},
     NULL},
    {"WRC release, acquire", false, flag_only, {wrc_0, wrc_release_1, mp_acquire_1}, NULL},
    {"WRC relaxed", true, flag_only, {wrc_0, wrc_relaxed_1, mp_acquire_1}, NULL},
    {"CoRR", false, backwards, {corr_0, corr_1}, NULL},
    {"CoRR of two stores", false, backwards, {coww_0, corr_1}, NULL},
    {"2+2W relaxed", true, both_first, {ww_relaxed_0, ww_relaxed_1}, read_last},
    {"2+2W seq_cst", false, both_first, {ww_seq_cst_0, ww_seq_cst_1}, read_last},
    {"adding, three threads", false, add_lost, {add_one, add_one, add_one}, read_x},
    {"CAS, two winners", false, both_won, {win_0, win_1}, NULL},
    {"added before a store that was seen to be over", true, added_first, {add_after_0, add_after_1}, NULL},
    {"LB (left out)", false, flag_only, {lb_0, lb_1}, NULL},
    {"choosing", true, chose_last, {choose_all}, NULL},
};

static const struct litmus *current;
static bool seen;

static void look(void)
{
    if (current->final != NULL)
        current->final();
    seen = seen || current->weak();
}

static bool lb_seen(void)
{
    return r[0] == 1 && r[1] == 1;
}

static bool run_litmus(const struct litmus *test)
{
    static struct litmus copy;
    struct mc_scenario scenario = {.name = test->name, .setup = setup, .final = look};
    for (int t = 0; t < 4 && test->threads[t] != NULL; t++)
        scenario.threads[t] = (struct mc_thread){"thread", test->threads[t]};
    copy = *test;
    if (test->threads[0] == lb_0)
        copy.weak = lb_seen;
    current = &copy;
    seen = false;
    struct mc_result result = mc_explore(&scenario, 0);
    bool good = !result.violated && seen == test->allowed;
    printf("litmus/%s: %lu executions, weak outcome %s: %s\n", test->name, result.executions,
           seen ? "seen" : "not seen", good ? "ok" : "FAILED");
    return good;
}

#define THREADS(...) .setup = setup, .threads = {__VA_ARGS__}

static const struct mc_scenario scenarios[] = {
    {.name = "plain, release and acquire", THREADS({"write", plain_release}, {"read", plain_acquire})},
    {.name = "plain, relaxed", THREADS({"write", plain_relaxed}, {"read", plain_acquire}), .must_fail = true},
    {.name = "plain, after the release", THREADS({"write", plain_late}, {"read", plain_acquire}), .must_fail = true},
    {.name = "plain, fences", THREADS({"write", plain_fence}, {"read", plain_fenced_read})},
    {.name = "plain, a fence before the load",
     THREADS({"write", plain_only_fences_0}, {"read", plain_only_fences_1}),
     .must_fail = true},
    {.name = "plain, read before a relaxed store",
     THREADS({"read", plain_read_then_release}, {"write", plain_write_after_acquire}),
     .must_fail = true},
    {.name = "semaphore, posted", THREADS({"wait", wait_once}, {"post", post_once})},
    {.name = "semaphore, one post for two",
     THREADS({"wait", wait_once}, {"wait2", wait_once}, {"post", post_once}),
     .must_fail = true},
    {.name = "futex, store and wake", THREADS({"sleep", futex_sleep}, {"wake", futex_store_and_wake})},
    {.name = "futex, wake and store", THREADS({"sleep", futex_sleep}, {"wake", futex_wake_first}), .must_fail = true},
    {.name = "futex, no wake", THREADS({"sleep", futex_sleep}, {"wake", futex_no_wake}), .must_fail = true},
    {.name = "futex, one wake for two",
     THREADS({"sleep", futex_sleep}, {"sleep2", futex_sleep}, {"wake", futex_store_and_wake}),
     .must_fail = true},
    {.name = "spinning", THREADS({"spin", spin_until_set}, {"spin2", spin_until_set}, {"set", set_x})},
    {.name = "spinning for nobody", THREADS({"spin", spin_for_nobody}, {"set", set_x}), .must_fail = true},
};

int main(int argc, char **argv)
{
    int failed = 0;
    for (size_t i = 0; argc == 1 && i < sizeof litmus / sizeof *litmus; i++)
        failed += !run_litmus(&litmus[i]);
    failed += mc_main(argc, argv, "litmus", scenarios, sizeof scenarios / sizeof *scenarios);
    return failed == 0 ? 0 : 1;
}
