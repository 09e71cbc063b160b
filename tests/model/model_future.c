/* sched/future.c: one setter wins; who waits is woken exactly once and sees the value, whoever gives up at that moment;
 * callbacks are called once or taken off; whoever has found it set may free it.
 */
#include "model_suspend.h"

#include "core/alloc.h"

static int called;

/* Callbacks are called in place: what is looked at is that each is. */
int weft_go(weft_fn *fn, void *arg)
{
    fn(arg);
    return 0;
}

/* One link is all that a scenario makes. */
static char memory[64] __attribute__((aligned(64)));

void *wf_alloc(size_t size)
{
    mc_check(size <= sizeof memory);
    return memory;
}

void wf_free(void *block)
{
    (void)block;
}

#include "sched/future.c"

static weft_future future;
static int thing;
static int wins, gots;
static bool unlinked;

static void setup(void)
{
    setup_coroutines(3);
    HIDE(wait_object);
    memset(&future, 0, sizeof future);
    wins = gots = called = 0;
    unlinked = false;
}

static void got(int result, void *value)
{
    mc_check(result == 0 && value == &thing);
    gots++;
}

static void get(void)
{
    void *value = NULL;
    int result = weft_future_get(&future, &value);
    got(result, value);
}

static void get_and_free(void)
{
    get();
    mc_free(&future, sizeof future);
}

static void poll_and_free(void)
{
    if (weft_future_ready(&future) == 1)
        mc_free(&future, sizeof future);
}

static void get_by_deadline(void)
{
    void *value = NULL;
    int result = weft_future_get_until(&future, &value, PASSED);
    if (result == -ETIMEDOUT || result == -ECANCELED)
        mc_check(value == NULL);
    else
        got(result, value);
}

static void set_value(void)
{
    int result = weft_future_set(&future, &thing);
    mc_check(result == 0 || result == -EALREADY);
    wins += result == 0;
}

static void look(void)
{
    int error = weft_future_error(&future);
    mc_check(error == -EAGAIN || error == 0);
    if (error == 0)
        mc_check(weft_future_value(&future) == &thing);
}

static void *call(void *arg)
{
    mc_check(arg == &thing);
    called++;
    return NULL;
}

static void link_one(void)
{
    mc_check(weft_future_link(&future, call, &thing) == 0);
}

static void link_and_unlink(void)
{
    link_one();
    int result = weft_future_unlink(&future, call, &thing);
    mc_check(result == 0 || result == -ENOENT);
    unlinked = result == 0;
}

static void expire_first(void)
{
    expire(&coros[0]);
}

static void kill_first(void)
{
    kill_coroutine(&coros[0]);
}

static void is_done(void)
{
    check_nobody_waits();
    mc_check(wins == 1);
    mc_check(wf_load_relaxed(&open_future(&future)->word) == SET);
    mc_check(wf_list_is_empty(&open_future(&future)->waiters));
    mc_check(weft_future_fini(&future) == 0);
}

static void is_called_once(void)
{
    is_done();
    mc_check(called == !unlinked);
}

static void all_gone(void)
{
    check_nobody_waits();
    mc_check(wins == 1);
}

#define SCENARIO(name_, final_, ...) .name = name_, .setup = setup, .threads = {__VA_ARGS__}, .final = final_

static const struct mc_scenario scenarios[] = {
    {SCENARIO("one", is_done, {"getter", get}, {"setter", set_value})},
    {SCENARIO("free", all_gone, {"getter", get_and_free}, {"setter", set_value})},
    {SCENARIO("poll-and-free", all_gone, {"poller", poll_and_free}, {"setter", set_value})},
    {SCENARIO("two-getters", is_done, {"getter0", get}, {"getter1", get}, {"setter", set_value})},
    {SCENARIO("two-setters", is_done, {"getter", get}, {"setter0", set_value}, {"setter1", set_value})},
    {SCENARIO("look", is_done, {"looker", look}, {"setter0", set_value}, {"setter1", set_value})},
    {SCENARIO("times-out", is_done, {"getter", get_by_deadline}, {"setter", set_value}, {"timer", expire_first})},
    {SCENARIO("killed", is_done, {"getter", get_by_deadline}, {"setter", set_value}, {"killer", kill_first})},
    {SCENARIO("times-out-before-another", is_done, {"getter0", get_by_deadline}, {"getter1", get},
              {"setter", set_value}, {"timer", expire_first}),
     .deep = true},
    {SCENARIO("link", is_called_once, {"linker", link_one}, {"setter", set_value})},
    {SCENARIO("unlink", is_called_once, {"linker", link_and_unlink}, {"setter", set_value})},
    {SCENARIO("link-and-get", is_called_once, {"linker", link_one}, {"getter", get}, {"setter", set_value})},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "future", scenarios, sizeof scenarios / sizeof *scenarios);
}
