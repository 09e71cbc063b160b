/* sched/mutex.c: one at a time, each sees what the ones before wrote; nobody waits for a mutex that is free, whoever
 * gives up at that moment; a waiter that was overtaken is handed the mutex in the end.
 */
#include "model_suspend.h"

#define WF_MUTEX_SPINS 1
#include "sched/mutex.c"

static weft_mutex mutex;
static int total;  /* mutex: */
static int inside; /* of the model: coroutines that hold it */
static int turns;

static struct mutex *object(void)
{
    return open_mutex(&mutex);
}

static void setup(void)
{
    setup_coroutines(3);
    HIDE(wait_object);
    memset(&mutex, 0, sizeof mutex);
    total = inside = turns = 0;
}

/* Coroutine 0 holds it already. */
static void setup_held(void)
{
    setup();
    object()->word = (uintptr_t)&coros[0];
    inside = 1;
}

/* And the others stand in the line, the first with a deadline. */
static void setup_line(void)
{
    setup_held();
    object()->word |= WAITERS;
    for (int i = 1; i <= 2; i++) {
        coros[i].state = wf_state_make(7, WF_PHASE_WAITING | WF_STATE_TIMED);
        wf_list_push_back(&object()->waiters, &coros[i].wait_node);
    }
    coros[1].deadline = PASSED;
}

/* And coroutine 1 has been woken as often as it takes. */
static void setup_passed_over(void)
{
    setup_held();
    object()->word |= WOKEN;
}

/* All who wait are starving once they have been passed over. */
static void setup_held_for_long(void)
{
    setup_held();
    clock_step = 2 * WEFT_MILLISECOND;
}

static void unlock(void)
{
    mc_check(inside == 1);
    wf_plain_write(&total, wf_plain_read(&total) + 1);
    turns++;
    inside--;
    mc_check(weft_mutex_unlock(&mutex) == 0);
}

static void lock(void)
{
    waits[mc_self()] = 0;
    mc_check(weft_mutex_lock(&mutex) == 0);
    mc_check(++inside == 1);
    mc_check(waits[mc_self()] <= PASSED_MAX + 1);
    mc_check(clock_step == 0 || waits[mc_self()] <= 2);
}

/* The woken one that was passed over often enough: whoever has it now is the last to overtake. */
static void once_at_last(void)
{
    struct attempt a = {.self = wf_self(), .deadline = WEFT_NEVER, .woken = true, .passed = PASSED_MAX};
    mc_check(lock_contended(object(), &a) == 0);
    mc_check(++inside == 1);
    mc_check(waits[mc_self()] <= 1);
    unlock();
}

static void once(void)
{
    lock();
    unlock();
}

static void unlock_once(void)
{
    unlock();
    once();
}

static void unlock_twice(void)
{
    unlock_once();
    once();
}

/* From the line, as lock_contended goes on. */
static void come_back(void)
{
    wf_coro *self = wf_self();
    mc_wait(&queued[mc_self()]);
    mc_check(--times_queued[mc_self()] == 0);
    wf_state_dispatch(self);
    if (self->wake_value == -ETIMEDOUT) {
        wf_wait_unlink(self, &object()->lock);
        return;
    }
    struct attempt a = {.self = self, .deadline = WEFT_NEVER, .woken = true, .passed = 1};
    if (self->wake_value == WAKE_RETRY)
        mc_check(lock_contended(object(), &a) == 0);
    mc_check(++inside == 1);
    unlock();
}

static void once_by_deadline(void)
{
    int result = weft_mutex_lock_until(&mutex, PASSED);
    mc_check(result == 0 || result == -ETIMEDOUT || result == -ECANCELED);
    if (result == 0) {
        mc_check(++inside == 1);
        unlock();
    }
}

static void try_once(void)
{
    int result = weft_mutex_trylock(&mutex);
    mc_check(result == 0 || result == -EBUSY);
    if (result == 0) {
        mc_check(++inside == 1);
        unlock();
    }
}

/* As a condition variable does it: whatever happens to the coroutine, it comes back with the mutex. */
static void once_firmly(void)
{
    wf_mutex_lock_again(&mutex, wf_self(), 0);
    mc_check(++inside == 1);
    unlock();
}

static void expire_second(void)
{
    expire(&coros[1]);
}

static void kill_second(void)
{
    kill_coroutine(&coros[1]);
}

static void is_free(void)
{
    check_nobody_waits();
    uintptr_t word = wf_load_relaxed(&object()->word);
    mc_check(owner_of(word) == NULL && !(word & WOKEN));
    mc_check(wf_list_is_empty(&object()->waiters));
    mc_check(total == turns);
    mc_check(weft_mutex_fini(&mutex) == 0);
}

#define SCENARIO(name_, setup_, ...) \
    .name = name_, .setup = setup_, .threads = {__VA_ARGS__}, .final = is_free, .bounded_spins = true

static const struct mc_scenario scenarios[] = {
    {SCENARIO("two", setup, {"a", once}, {"b", once})},
    {SCENARIO("two-twice", setup_held, {"a", unlock_once}, {"b", once})},
    {SCENARIO("overtaken", setup_held_for_long, {"a", unlock_once}, {"b", once})},
    {SCENARIO("handed-over", setup_passed_over, {"a", unlock_once}, {"b", once_at_last})},
    {SCENARIO("overtaken-twice", setup_held_for_long, {"a", unlock_twice}, {"b", once}), .deep = true},
    {SCENARIO("times-out", setup_held, {"a", unlock}, {"b", once_by_deadline}, {"timer", expire_second})},
    {SCENARIO("line", setup_line, {"a", unlock}, {"b", come_back}, {"c", come_back})},
    {SCENARIO("line-overtaken", setup_line, {"a", unlock_once}, {"b", come_back}, {"c", come_back})},
    {SCENARIO("line-times-out", setup_line, {"a", unlock}, {"b", come_back}, {"c", come_back},
              {"timer", expire_second})},
    {SCENARIO("firm", setup_held, {"a", unlock}, {"b", once_firmly}, {"killer", kill_second})},
    {SCENARIO("try", setup_held, {"a", unlock}, {"b", once}, {"c", try_once})},
    {SCENARIO("three", setup_held, {"a", unlock}, {"b", once}, {"c", once}), .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "mutex", scenarios, sizeof scenarios / sizeof *scenarios);
}
