/* sched/sem.c: every post is taken exactly once, whoever gives up at that moment; a waiter that took the last one may
 * free the semaphore at once.
 */
#include "model_suspend.h"

#include "sched/sem.c"

static weft_sem sem;
static int message; /* written before the post, read after the wait */
static int taken;
static int posted;

static struct sem *object(void)
{
    return open_sem(&sem);
}

static void setup(void)
{
    setup_coroutines(3);
    HIDE(wait_object);
    memset(&sem, 0, sizeof sem);
    message = taken = posted = 0;
}

static void wait_one(void)
{
    mc_check(weft_sem_wait(&sem) == 0);
    taken++;
}

static void wait_for_message(void)
{
    mc_check(weft_sem_wait(&sem) == 0);
    mc_check(wf_plain_read(&message) == 1);
    taken++;
}

static bool wait_with_deadline(void)
{
    int result = weft_sem_wait_until(&sem, PASSED);
    mc_check(result == 0 || result == -ETIMEDOUT || result == -ECANCELED);
    taken += result == 0;
    return result == 0;
}

static void try_one(void)
{
    taken += weft_sem_trywait(&sem) == 0;
}

static void wait_and_free(void)
{
    wait_for_message();
    mc_free(&sem, sizeof sem);
}

static void post(void)
{
    posted++;
    mc_check(weft_sem_post(&sem) == 0);
}

static void post_message(void)
{
    wf_plain_write(&message, 1);
    post();
}

static void wait_bounded_one(void)
{
    (void)wait_with_deadline();
}

/* Those that give back what they got: whoever is next comes to it, however the others fare. */
static void use_one(void)
{
    wait_one();
    post();
}

static void use_bounded(void)
{
    if (wait_with_deadline())
        post();
}

static void post_twice(void)
{
    post();
    post();
}

static void expire_first(void)
{
    expire(&coros[0]);
}

static void kill_first(void)
{
    kill_coroutine(&coros[0]);
}

static void balances(void)
{
    check_nobody_waits();
    mc_check(wf_list_is_empty(&object()->waiters));
    mc_check(posted == taken + weft_sem_value(&sem));
}

static void all_gone(void)
{
    check_nobody_waits();
    mc_check(posted == taken);
}

#define SCENARIO(name_, final_, ...) .name = name_, .setup = setup, .threads = {__VA_ARGS__}, .final = final_

static const struct mc_scenario scenarios[] = {
    {SCENARIO("message", balances, {"waiter", wait_for_message}, {"poster", post_message})},
    {SCENARIO("free", all_gone, {"waiter", wait_and_free}, {"poster", post_message})},
    {SCENARIO("two-waiters", balances, {"waiter0", wait_one}, {"waiter1", wait_one}, {"poster", post_twice})},
    {SCENARIO("two-posters", balances, {"waiter", wait_one}, {"poster0", post}, {"poster1", post})},
    {SCENARIO("times-out", balances, {"waiter", wait_bounded_one}, {"poster", post}, {"timer", expire_first})},
    {SCENARIO("times-out-before-another", balances, {"waiter0", use_bounded}, {"waiter1", use_one}, {"poster", post},
              {"timer", expire_first})},
    {SCENARIO("killed-before-another", balances, {"waiter0", use_bounded}, {"waiter1", use_one}, {"poster", post},
              {"killer", kill_first}),
     .deep = true},
    {SCENARIO("try", balances, {"waiter", wait_one}, {"try", try_one}, {"poster", post_twice})},
    {SCENARIO("two-and-two", balances, {"waiter0", wait_one}, {"waiter1", wait_one}, {"poster0", post},
              {"poster1", post}),
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "sem", scenarios, sizeof scenarios / sizeof *scenarios);
}
