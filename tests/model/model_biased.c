/* core/biased.h and core/biased.c: one at a time, each sees what the ones before did, and nobody waits for ever; with a favourite
 * that is revoked while it enters, is inside or leaves, and with one that becomes it at that moment. The lock underneath has a
 * model of its own.
 *
 * Once in a row is enough to become the favourite; after a revocation it takes twice as many.
 */
#define WF_BIAS_AFTER 1
#define WF_BIASED_SPINS 1

#include "model_simple_lock.h"

#include "core/biased.c"

#include <string.h>

enum { FIRST = 1, SECOND = 2, THIRD = 3 };

static wf_biased lock;
static int total;        /* lock: */
static int inside;       /* of the model: threads between take and leave */
static int turns;        /* of the model: sections */
static int as_favourite; /* of the model: sections of those that came in as the favourite */

static void setup(void)
{
    memset(&lock, 0, sizeof lock);
    total = inside = turns = as_favourite = 0;
}

/* The first has taken it before. */
static void setup_granted(void)
{
    setup();
    lock.favourite = FIRST;
    lock.last = FIRST;
}

static void section(uint16_t me)
{
    wf_biased_take(&lock, me);
    mc_check(++inside == 1);
    turns++;
    as_favourite += lock.by_favourite;
    wf_plain_write(&total, wf_plain_read(&total) + 1);
    inside--;
    wf_biased_leave(&lock);
}

static void first_once(void)
{
    section(FIRST);
}

static void first_twice(void)
{
    section(FIRST);
    section(FIRST);
}

static void first_three_times(void)
{
    first_twice();
    section(FIRST);
}

static void second_once(void)
{
    section(SECOND);
}

static void second_twice(void)
{
    section(SECOND);
    section(SECOND);
}

static void second_three_times(void)
{
    second_twice();
    section(SECOND);
}

static void third_once(void)
{
    section(THIRD);
}

static void plain_thread_once(void)
{
    section(WF_BIAS_PLAIN_THREAD);
}

static void plain_thread_twice(void)
{
    section(WF_BIAS_PLAIN_THREAD);
    section(WF_BIAS_PLAIN_THREAD);
}

static void all_came(void)
{
    mc_check(total == turns && inside == 0);
    mc_check(wf_load_relaxed(&lock.inside) == 0);
    mc_check(wf_load_relaxed(&lock.favourite) != WF_BIAS_PLAIN_THREAD);
}

/* The first time makes it the favourite; the second and third go that way. */
static void came_as_favourite(void)
{
    all_came();
    mc_check(as_favourite == 2 && wf_load_relaxed(&lock.favourite) == FIRST);
}

/* One that comes but once does not become it after a revocation. */
static void nobody_is_favourite(void)
{
    all_came();
    mc_check(wf_load_relaxed(&lock.favourite) != FIRST && wf_load_relaxed(&lock.favourite) != SECOND);
    mc_check(lock.level == 1);
}

#define SCENARIO(name_, setup_, final_, ...) \
    .name = name_, .setup = setup_, .threads = {__VA_ARGS__}, .final = final_, .patient_spins = true

static const struct mc_scenario scenarios[] = {
    {SCENARIO("alone", setup, came_as_favourite, {"first", first_three_times})},
    {SCENARIO("revoked", setup_granted, nobody_is_favourite, {"first", first_once}, {"second", second_once})},
    {SCENARIO("revoked-between", setup_granted, all_came, {"first", first_twice}, {"second", second_once})},
    {SCENARIO("granted-to-the-other", setup_granted, all_came, {"first", first_once}, {"second", second_three_times})},
    {SCENARIO("granted-meanwhile", setup, all_came, {"first", first_twice}, {"second", second_twice})},
    {SCENARIO("late-against-its-successor", setup_granted, all_came, {"first", first_once},
              {"second", second_three_times}, {"third", third_once})},
    {SCENARIO("two-others", setup_granted, all_came, {"first", first_once}, {"second", second_once},
              {"third", third_once})},
    {SCENARIO("plain-thread", setup_granted, all_came, {"first", first_twice}, {"thread", plain_thread_twice})},
    {SCENARIO("granted-and-revoked-again", setup, all_came, {"first", first_three_times},
              {"second", second_three_times})},
    {SCENARIO("two-others-twice", setup_granted, all_came, {"first", first_twice}, {"second", second_twice},
              {"third", third_once})},
    {SCENARIO("three-three-times", setup_granted, all_came, {"first", first_three_times},
              {"second", second_three_times}, {"third", third_once}),
     .deep = true},
    {SCENARIO("four", setup_granted, all_came, {"first", first_twice}, {"second", second_twice}, {"third", third_once},
              {"thread", plain_thread_once}),
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "biased", scenarios, sizeof scenarios / sizeof *scenarios);
}
