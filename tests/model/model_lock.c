/* core/lock.h and core/lock.c: one at a time, each sees what the ones before wrote, and nobody sleeps for ever on a
 * lock that is free. The futex is the checker's.
 */
#include "model_futex.h"

#define WF_LOCK_SPINS 1
#include "core/lock.c"

static wf_lock lock;
static int total;  /* lock: */
static int inside; /* of the model: threads between take and unlock */

static void setup(void)
{
    lock = (wf_lock){0};
    total = 0;
    inside = 0;
}

static void section(void)
{
    mc_check(++inside == 1);
    wf_plain_write(&total, wf_plain_read(&total) + 1);
    inside--;
    wf_unlock(&lock);
}

static void once(void)
{
    wf_lock_take(&lock);
    section();
}

static void twice(void)
{
    once();
    once();
}

static void try_once(void)
{
    if (wf_lock_try(&lock))
        section();
}

static void two_came(void)
{
    mc_check(total == 2 && wf_load_relaxed(&lock.word) == 0);
}

static void three_came(void)
{
    mc_check(total == 3 && wf_load_relaxed(&lock.word) == 0);
}

static void four_came(void)
{
    mc_check(total == 4 && wf_load_relaxed(&lock.word) == 0);
}

static void some_came(void)
{
    mc_check(total >= 2 && total <= 3 && wf_load_relaxed(&lock.word) == 0);
}

static const struct mc_scenario scenarios[] = {
    {.name = "two", .setup = setup, .threads = {{"a", once}, {"b", once}}, .final = two_came, .bounded_spins = true},
    {.name = "two-twice",
     .setup = setup,
     .threads = {{"a", twice}, {"b", twice}},
     .final = four_came,
     .bounded_spins = true},
    {.name = "three",
     .setup = setup,
     .threads = {{"a", once}, {"b", once}, {"c", once}},
     .final = three_came,
     .bounded_spins = true},
    {.name = "try",
     .setup = setup,
     .threads = {{"a", twice}, {"b", try_once}},
     .final = some_came,
     .bounded_spins = true},
    {.name = "three-one-twice",
     .setup = setup,
     .threads = {{"a", twice}, {"b", once}, {"c", once}},
     .final = four_came,
     .bounded_spins = true,
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "lock", scenarios, sizeof scenarios / sizeof *scenarios);
}
