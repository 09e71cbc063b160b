/* sched/once.c: one run at a time, none after a success; all to whom do returns 0 see what the run did; a run that fails is
 * followed by another, whoever gives up at that moment.
 */
#include "model_suspend.h"

#include "sched/once.c"

static weft_once once;
static int made;   /* once: */
static int inside; /* of the model, as those below */
static int runs, successes, failures, fail_first;

static void setup(void)
{
    setup_coroutines(3);
    HIDE(wait_object);
    memset(&once, 0, sizeof once);
    made = inside = runs = successes = failures = fail_first = 0;
}

static void setup_failing(void)
{
    setup();
    fail_first = 1;
}

/* Coroutine 0 runs it already, and will fail. */
static void setup_run(void)
{
    setup_failing();
    open_once(&once)->word = (uintptr_t)&coros[0];
    runs = 1;
}

static void fail(void)
{
    failures++;
    wf_plain_write(&made, 1);
    end(open_once(&once), wf_self(), false);
}

static int make(void *arg)
{
    (void)arg;
    mc_check(++inside == 1 && successes == 0);
    wf_plain_write(&made, wf_plain_read(&made) + 1);
    bool fails = runs++ < fail_first;
    inside--;
    return fails ? -EIO : 0;
}

static bool do_by(int64_t deadline)
{
    int result = weft_once_do_until(&once, make, NULL, deadline);
    if (result == 0) {
        mc_check(wf_plain_read(&made) == runs && runs == fail_first + 1);
        successes++;
    }
    failures += result == -EIO;
    mc_check(result == 0 || result == -EIO ||
             (deadline != WEFT_NEVER && (result == -ETIMEDOUT || result == -ECANCELED)));
    return result == 0;
}

static void call(void)
{
    (void)do_by(WEFT_NEVER);
}

static void call_until_done(void)
{
    while (!do_by(WEFT_NEVER))
        ;
}

static void call_by_deadline(void)
{
    (void)do_by(PASSED);
}

static void expire_first(void)
{
    expire(&coros[0]);
}

static void kill_first(void)
{
    kill_coroutine(&coros[0]);
}

static void is_over(void)
{
    check_nobody_waits();
    mc_check(inside == 0 && failures <= fail_first);
    mc_check(wf_list_is_empty(&open_once(&once)->waiters));
    mc_check(owner_of(wf_load_relaxed(&open_once(&once)->word)) == 0);
}

static void has_succeeded(void)
{
    is_over();
    mc_check(runs == fail_first + 1 && failures == fail_first && successes >= 1);
    mc_check(wf_load_relaxed(&open_once(&once)->word) == DONE);
    mc_check(weft_once_fini(&once) == 0);
}

#define SCENARIO(name_, setup_, final_, ...) .name = name_, .setup = setup_, .threads = {__VA_ARGS__}, .final = final_

static const struct mc_scenario scenarios[] = {
    {SCENARIO("two", setup, has_succeeded, {"a", call}, {"b", call})},
    {SCENARIO("three", setup, has_succeeded, {"a", call}, {"b", call}, {"c", call}), .deep = true},
    {SCENARIO("two-fail", setup_failing, has_succeeded, {"a", call}, {"b", call})},
    {SCENARIO("again", setup_failing, has_succeeded, {"a", call_until_done}, {"b", call})},
    {SCENARIO("two-wait", setup_run, has_succeeded, {"a", fail}, {"b", call}, {"c", call})},
    {SCENARIO("times-out", setup, has_succeeded, {"a", call_by_deadline}, {"b", call}, {"timer", expire_first})},
    {SCENARIO("times-out-failing", setup_failing, is_over, {"a", call_by_deadline}, {"b", call},
              {"timer", expire_first})},
    {SCENARIO("killed-failing", setup_failing, is_over, {"a", call_by_deadline}, {"b", call}, {"killer", kill_first})},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "once", scenarios, sizeof scenarios / sizeof *scenarios);
}
