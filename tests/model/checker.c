/* Exploring: which thread runs next, which choice is tried next, and when an execution is over.
 *
 * Model threads are coroutines of one OS thread. Each stops before every operation on shared memory, says what it is
 * about to do, and the next thread is picked. Every decision with more than one answer is a node on a stack: an
 * execution is replayed from the start with the decisions of the last one, but for the deepest that has answers left
 * (depth-first search without saved states).
 *
 * Sleep sets keep it from running two interleavings that differ only in the order of independent operations: once all
 * executions that begin with thread A have been tried, A sleeps in those that begin with B, until somebody does
 * something that A's next operation depends on. An execution in which all that could run are asleep is given up: it
 * was run before.
 */
#include "checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker_memory.h"
#include "checker_switch.h"

enum { STACK_BYTES = 64 * 1024, DECISIONS = 1 << 16, STEPS = 4000 };

/* What a thread does next. */
enum pending {
    START,
    READ,
    WRITE,
    FENCE,
    LIGHT_FENCE,
    HEAVY_FENCE,
    FUTEX_WAIT,
    FUTEX_WAKE,
    ASLEEP,
    SEMAPHORE,
    LOCK,
    PAUSED,
    FREE
};

struct pending_op {
    enum pending what;
    int location; /* -1: none */
    bool seq_cst; /* or a fence */
};

struct model_thread {
    void *sp;
    struct pending_op next;
    bool done;
    bool woken;              /* ASLEEP: the futex let it go */
    bool newest;             /* after a pause that nothing but time could end: reads the newest stores */
    bool was_newest;         /* it was so at the last pause, too, and nobody has written since: it spins in vain */
    unsigned long paused_at; /* number of writes of others then */
    unsigned long writes;
};

struct decision {
    uint16_t count;
    uint16_t index;
    uint8_t threads[MC_THREADS]; /* the candidates, when it is about who runs */
};

static char stacks[MC_THREADS][STACK_BYTES] __attribute__((aligned(64)));
static struct decision decisions[DECISIONS];
static int decisions_used;  /* this execution has come so far */
static int decisions_known; /* the rest of it is new */

static struct {
    const struct mc_scenario *scenario;
    struct model_thread threads[MC_THREADS];
    int thread_count;
    int current; /* MC_CONTROLLER: setup, final, or between executions */
    int last;
    unsigned asleep; /* the sleep set */
    unsigned long writes;
    unsigned long steps;
    const volatile char *freed; /* nobody may touch it any more */
    size_t freed_size;
    bool quiet[MC_LOCATIONS]; /* operations on it are no steps */
    bool starting;
    bool failed;
    bool pruned;
    bool tracing;
    char what[256];
    void *controller;
} run;

static struct mc_site *sites;
static unsigned long total_steps;

_Noreturn void mc_limit(const char *what)
{
    fprintf(stderr, "model checker: %s, in scenario \"%s\"\n", what, run.scenario->name);
    exit(2);
}

/* ---- decisions ---- */

/* The node of this point of the execution; new ones begin with the first answer. */
static struct decision *next_decision(int count)
{
    if (decisions_used == DECISIONS)
        mc_limit("more than DECISIONS decisions in one execution");
    struct decision *at = &decisions[decisions_used];
    if (decisions_used == decisions_known) {
        *at = (struct decision){.count = (uint16_t)count};
        decisions_known++;
    } else if (at->count != count) {
        mc_limit("the model is not deterministic: a replayed execution went another way");
    }
    decisions_used++;
    return at;
}

int mc_pick(int count)
{
    if (count == 1 || run.current == MC_CONTROLLER)
        return 0;
    return next_decision(count)->index;
}

/* Go on to the next untried answer of the deepest node that has one. False: there is none. */
static bool backtrack(void)
{
    decisions_known = decisions_used;
    while (decisions_known > 0) {
        struct decision *at = &decisions[decisions_known - 1];
        if (at->index + 1 < at->count) {
            at->index++;
            return true;
        }
        decisions_known--;
    }
    return false;
}

/* ---- who runs next ---- */

/* A futex call is a fence, too. */
static bool fences(const struct pending_op *op)
{
    return op->what == FENCE || op->what == FUTEX_WAIT || op->what == FUTEX_WAKE;
}

static bool is_asymmetric(const struct pending_op *op)
{
    return op->what == LIGHT_FENCE || op->what == HEAVY_FENCE;
}

/* Whether the order of two operations of different threads matters. seq_cst operations on two locations commute: what
 * they leave behind is kept per location; only a fence looks at all of them. */
static bool depends(const struct pending_op *a, const struct pending_op *b)
{
    if ((fences(a) && b->seq_cst) || (fences(b) && a->seq_cst) || a->what == FREE || b->what == FREE)
        return true;
    if (a->what == HEAVY_FENCE || b->what == HEAVY_FENCE) /* with the two sorts of asymmetric fences only */
        return is_asymmetric(a) && is_asymmetric(b);
    if (a->location < 0 || a->location != b->location)
        return false;
    return a->what != READ || b->what != READ;
}

/* Since it paused. */
static bool others_have_written(const struct model_thread *thread)
{
    return run.writes - thread->writes > thread->paused_at;
}

static bool can_run(const struct model_thread *thread)
{
    if (thread->done)
        return false;
    switch (thread->next.what) {
    case SEMAPHORE:
        return mc_newest(thread->next.location) != 0;
    case LOCK:
        return mc_newest(thread->next.location) == 0;
    case ASLEEP:
        return thread->woken;
    case PAUSED:
        return thread->newest || (!run.scenario->patient_spins && others_have_written(thread));
    default:
        return true;
    }
}

static unsigned runnable(void)
{
    unsigned set = 0;
    for (int t = 0; t < run.thread_count; t++)
        if (can_run(&run.threads[t]))
            set |= 1U << t;
    return set;
}

/* Nobody can run, but some spin: whatever they wait for has been written, and becomes visible to them in finite time. */
static unsigned let_spinners_see(void)
{
    for (int t = 0; t < run.thread_count; t++) {
        struct model_thread *thread = &run.threads[t];
        bool in_vain = thread->was_newest && !others_have_written(thread);
        if (!thread->done && thread->next.what == PAUSED && !in_vain)
            thread->newest = true;
    }
    return runnable();
}

static bool all_done(void)
{
    for (int t = 0; t < run.thread_count; t++)
        if (!run.threads[t].done)
            return false;
    return true;
}

static void set_failure(const char *what)
{
    if (run.failed)
        return;
    run.failed = true;
    snprintf(run.what, sizeof run.what, "%s", what);
}

/* Candidates: the thread that ran last first, so that the first execution has few switches. */
static int list_candidates(unsigned set, uint8_t *into)
{
    int count = 0;
    if (run.last >= 0 && (set >> run.last & 1))
        into[count++] = (uint8_t)run.last;
    for (int t = 0; t < run.thread_count; t++)
        if (t != run.last && (set >> t & 1))
            into[count++] = (uint8_t)t;
    return count;
}

static int decide(unsigned set)
{
    uint8_t candidates[MC_THREADS];
    int count = list_candidates(set, candidates);
    if (count == 1)
        return candidates[0];
    struct decision *at = next_decision(count);
    memcpy(at->threads, candidates, (size_t)count);
    for (int i = 0; i < at->index; i++)
        run.asleep |= 1U << candidates[i];
    return candidates[at->index];
}

/* The thread to run now; MC_CONTROLLER when the execution is over. */
static int pick_thread(void)
{
    unsigned able = runnable();
    if (able == 0 && !all_done())
        able = let_spinners_see();
    if (able == 0) {
        if (!all_done() && !run.scenario->may_sleep)
            set_failure("deadlock: nobody can go on (a lost wake-up)");
        return MC_CONTROLLER;
    }
    if ((able & ~run.asleep) == 0) {
        run.pruned = true;
        return MC_CONTROLLER;
    }
    int picked = decide(able & ~run.asleep);
    for (int t = 0; t < run.thread_count; t++)
        if (depends(&run.threads[t].next, &run.threads[picked].next))
            run.asleep &= ~(1U << t);
    run.asleep &= ~(1U << picked);
    run.last = picked;
    return picked;
}

static void switch_to(int thread)
{
    int self = run.current;
    if (thread == self)
        return;
    void **from = self == MC_CONTROLLER ? &run.controller : &run.threads[self].sp;
    run.current = thread;
    mc_switch(from, thread == MC_CONTROLLER ? run.controller : run.threads[thread].sp);
}

/* Give this execution up. */
static void stop_here(const char *what)
{
    set_failure(what);
    if (run.current != MC_CONTROLLER) {
        switch_to(MC_CONTROLLER);
        abort();
    }
}

/* The running thread is about to do something: let all orders be tried. Returns when it is its turn. */
static void announce(enum pending what, int location, bool seq_cst)
{
    if (run.current == MC_CONTROLLER || (location >= 0 && run.quiet[location]))
        return;
    run.threads[run.current].next = (struct pending_op){what, location, seq_cst};
    switch_to(run.starting ? MC_CONTROLLER : pick_thread());
    if (++run.steps > STEPS)
        stop_here("it does not end: more than STEPS operations (a livelock?)");
}

static void check_race(const struct mc_site *site, const volatile void *address, bool write);

/* After announce: the address may be used now. A futex call on what is gone does no harm. */
static void check_address(const struct mc_site *site, const volatile void *address, int location, bool write)
{
    if (run.quiet[location])
        check_race(site, address, write);
    size_t offset = (size_t)((const volatile char *)address - run.freed);
    if (run.freed == NULL || offset >= run.freed_size)
        return;
    char text[200];
    snprintf(text, sizeof text, "touches what was freed: %s at %s:%d", site->operand, site->file, site->line);
    stop_here(text);
}

static void count_write(void)
{
    run.writes++;
    if (run.current == MC_CONTROLLER)
        return;
    run.threads[run.current].writes++;
    run.threads[run.current].newest = false; /* whoever writes spins no more */
}

/* ---- the trace ---- */

static const char *thread_name(void)
{
    return run.current == MC_CONTROLLER ? "(main)" : run.scenario->threads[run.current].name;
}

static void trace(const struct mc_site *site, const char *result, uint64_t value, const char *note)
{
    if (!run.tracing)
        return;
    char text[160];
    snprintf(text, sizeof text, "%s(%s)", site->operation, site->operand);
    printf("    %-10s %-44s ", thread_name(), text);
    if (result[0] != '\0')
        printf("%s %#llx", result, (unsigned long long)value);
    printf("%s\n", note);
    printf("    %-10s     %s:%d %s\n", "", site->file, site->line, site->function);
}

static const char *note_stale(bool stale)
{
    return stale ? "   (an older store)" : "";
}

/* ---- operations ---- */

static void know(struct mc_site *site)
{
    if (site->known)
        return;
    site->known = true;
    site->next = sites;
    sites = site;
}

struct mc_site *mc_sites(void)
{
    return sites;
}

static bool reads_newest(void)
{
    return run.current != MC_CONTROLLER && run.threads[run.current].newest;
}

uint64_t mc_load(struct mc_site *site, const volatile void *address, size_t size)
{
    know(site);
    int location = mc_locate(address, size, site->operand);
    announce(READ, location, site->order == MC_SEQ_CST);
    check_address(site, address, location, false);
    bool stale = false;
    uint64_t value = mc_memory_load(run.current, location, site->order, reads_newest(), &stale);
    trace(site, "is", value, note_stale(stale));
    mc_memory_tick(run.current);
    return value;
}

void mc_store(struct mc_site *site, volatile void *address, size_t size, uint64_t value)
{
    know(site);
    int location = mc_locate(address, size, site->operand);
    announce(WRITE, location, site->order == MC_SEQ_CST);
    check_address(site, address, location, true);
    mc_memory_store(run.current, location, value, site->order);
    count_write();
    trace(site, "=", value, "");
    mc_memory_tick(run.current);
}

uint64_t mc_rmw(struct mc_site *site, volatile void *address, size_t size, enum mc_rmw what, uint64_t value)
{
    know(site);
    int location = mc_locate(address, size, site->operand);
    announce(WRITE, location, site->order == MC_SEQ_CST);
    check_address(site, address, location, true);
    uint64_t old = mc_memory_rmw(run.current, location, what, value, site->order);
    count_write();
    trace(site, "was", old, "");
    mc_memory_tick(run.current);
    return old;
}

bool mc_cas(struct mc_site *site, volatile void *address, size_t size, void *expected, uint64_t desired)
{
    know(site);
    int location = mc_locate(address, size, site->operand);
    announce(WRITE, location, site->order == MC_SEQ_CST || site->failure == MC_SEQ_CST);
    check_address(site, address, location, true);
    uint64_t found = 0;
    memcpy(&found, expected, size); /* little-endian, as both architectures are */
    bool stale = false;
    bool won =
        mc_memory_cas(run.current, location, &found, desired, site->order, site->failure, reads_newest(), &stale);
    if (won)
        count_write();
    else
        memcpy(expected, &found, size);
    trace(site, won ? "won, now" : "lost, found", won ? desired : found, note_stale(stale));
    mc_memory_tick(run.current);
    return won;
}

void mc_fence(struct mc_site *site)
{
    know(site);
    if (site->dropped)
        return;
    announce(FENCE, -1, true);
    mc_memory_fence(run.current);
    trace(site, "", 0, "");
    mc_memory_tick(run.current);
}

void mc_light_fence(struct mc_site *site)
{
    know(site);
    if (site->dropped)
        return;
    announce(LIGHT_FENCE, -1, false);
    mc_memory_light_fence(run.current);
    trace(site, "", 0, "");
    mc_memory_tick(run.current);
}

/* Not one step: the threads are interrupted one after the other, and run on in between. */
void mc_heavy_fence(struct mc_site *site)
{
    know(site);
    if (site->dropped)
        return;
    announce(HEAVY_FENCE, -1, false);
    mc_memory_heavy_begin(run.current);
    trace(site, "", 0, "begins");
    mc_memory_tick(run.current);
    announce(HEAVY_FENCE, -1, false);
    mc_memory_heavy_end(run.current);
    trace(site, "", 0, "ends");
    mc_memory_tick(run.current);
}

static void check_race(const struct mc_site *site, const volatile void *address, bool write)
{
    const char *race = mc_memory_plain(run.current, address, write);
    if (race == NULL)
        return;
    trace(site, "", 0, "<- data race");
    char text[200];
    snprintf(text, sizeof text, "%s, %s at %s:%d", race, site->operand, site->file, site->line);
    stop_here(text);
}

/* Not a point where others may run: a race is one in every order of the operations around it. */
void mc_plain(struct mc_site *site, const volatile void *address, bool write)
{
    if (++run.steps > STEPS)
        stop_here("it does not end: more than STEPS operations (a list that is a circle?)");
    check_race(site, address, write);
}

/* The spinner goes on when somebody has written something, or when nobody else can go on. */
void mc_pause(struct mc_site *site)
{
    if (run.scenario->bounded_spins || run.current == MC_CONTROLLER)
        return;
    struct model_thread *self = &run.threads[run.current];
    unsigned long writes_of_others = run.writes - self->writes;
    self->was_newest = self->newest && self->paused_at == writes_of_others;
    self->newest = false;
    self->paused_at = writes_of_others;
    announce(PAUSED, -1, false);
    trace(site, "over", 0, "");
}

/* The kernel compares under a lock that the waker takes too, with full barriers on both sides. So a waiter may well
 * read an old value of the word, but not one from before the write of somebody whose wake it has missed. */
bool mc_futex_wait(struct mc_site *site, volatile void *address, uint32_t expected)
{
    int location = mc_locate(address, sizeof(uint32_t), site->operand);
    announce(FUTEX_WAIT, location, true);
    mc_memory_fence(run.current);
    bool stale = false;
    uint64_t value = mc_memory_load(run.current, location, MC_RELAXED, reads_newest(), &stale);
    trace(site, value == expected ? "sleeps at" : "does not sleep at", value, note_stale(stale));
    mc_memory_tick(run.current);
    if (value != expected)
        return false;
    run.threads[run.current].woken = false;
    announce(ASLEEP, location, false);
    trace(site, "woken", 0, "");
    return true;
}

/* Index of one of the sleepers on a word; any of them may be the one that is woken. -1: nobody sleeps. */
static int pick_sleeper(int location)
{
    int sleepers[MC_THREADS], count = 0;
    for (int t = 0; t < run.thread_count; t++) {
        struct model_thread *thread = &run.threads[t];
        if (!thread->done && thread->next.what == ASLEEP && thread->next.location == location && !thread->woken)
            sleepers[count++] = t;
    }
    return count == 0 ? -1 : sleepers[mc_pick(count)];
}

void mc_futex_wake(struct mc_site *site, volatile void *address, int wanted)
{
    int location = mc_locate(address, sizeof(uint32_t), site->operand);
    announce(FUTEX_WAKE, location, true);
    mc_memory_fence(run.current);
    int woken = 0;
    for (int t = pick_sleeper(location); t >= 0 && woken < wanted; t = pick_sleeper(location)) {
        run.threads[t].woken = true;
        woken++;
    }
    trace(site, "woke", (uint64_t)woken, "");
    mc_memory_tick(run.current);
}

static struct mc_site post_site = {.operation = "mc_post", .operand = "", .file = __FILE__, .function = ""};
static struct mc_site wait_site = {.operation = "mc_wait", .operand = "", .file = __FILE__, .function = ""};

void mc_post(mc_semaphore *semaphore)
{
    int location = mc_locate(&semaphore->word, sizeof semaphore->word, "semaphore");
    announce(WRITE, location, false);
    mc_memory_rmw(run.current, location, MC_ADD, 1, MC_ACQ_REL);
    count_write();
    trace(&post_site, "semaphore", (uint64_t)location, "");
    mc_memory_tick(run.current);
}

static void take_one(int location)
{
    mc_memory_rmw(run.current, location, MC_SUB, 1, MC_ACQ_REL);
    count_write();
    mc_memory_tick(run.current);
}

void mc_wait(mc_semaphore *semaphore)
{
    int location = mc_locate(&semaphore->word, sizeof semaphore->word, "semaphore");
    announce(SEMAPHORE, location, false);
    take_one(location);
    trace(&wait_site, "semaphore", (uint64_t)location, "");
}

bool mc_try_wait(mc_semaphore *semaphore)
{
    int location = mc_locate(&semaphore->word, sizeof semaphore->word, "semaphore");
    announce(WRITE, location, false);
    if (mc_newest(location) == 0)
        return false;
    take_one(location);
    trace(&wait_site, "semaphore", (uint64_t)location, "");
    return true;
}

static struct mc_site lock_site = {.operation = "mc_lock", .operand = "", .file = __FILE__, .function = ""};
static struct mc_site unlock_site = {.operation = "mc_unlock", .operand = "", .file = __FILE__, .function = ""};

void mc_lock(volatile uint32_t *word)
{
    int location = mc_locate(word, sizeof *word, "lock");
    announce(LOCK, location, false);
    check_address(&lock_site, word, location, true);
    mc_memory_rmw(run.current, location, MC_EXCHANGE, 1, MC_ACQUIRE);
    trace(&lock_site, "lock", (uint64_t)location, "");
    mc_memory_tick(run.current);
}

void mc_unlock(volatile uint32_t *word)
{
    int location = mc_locate(word, sizeof *word, "lock");
    announce(WRITE, location, false);
    check_address(&unlock_site, word, location, true);
    mc_memory_rmw(run.current, location, MC_EXCHANGE, 0, MC_RELEASE);
    count_write();
    trace(&unlock_site, "lock", (uint64_t)location, "");
    mc_memory_tick(run.current);
}

void mc_free(const volatile void *address, size_t size)
{
    announce(FREE, -1, false);
    run.freed = address;
    run.freed_size = size;
}

void mc_quiet(const volatile void *address, size_t size)
{
    run.quiet[mc_locate(address, size, "quiet")] = true;
}

int mc_choose(int count)
{
    return mc_pick(count);
}

int mc_self(void)
{
    return run.current;
}

void mc_fail(const char *file, int line, const char *what)
{
    char text[256];
    snprintf(text, sizeof text, "%s:%d: check failed: %s", file, line, what);
    stop_here(text);
}

/* ---- executions ---- */

static void thread_entry(void)
{
    run.scenario->threads[run.current].run();
    run.threads[run.current].done = true;
    switch_to(run.starting ? MC_CONTROLLER : pick_thread());
    abort();
}

/* Every thread runs up to its first operation, which no other can notice. */
static void start_threads(void)
{
    run.starting = true;
    for (int t = 0; t < MC_THREADS && run.scenario->threads[t].name != NULL; t++) {
        mc_memory_start(t);
        run.threads[t].next = (struct pending_op){START, -1, false};
        run.threads[t].sp = prepare_stack(stacks[t] + STACK_BYTES, thread_entry);
        run.thread_count = t + 1;
        switch_to(t);
    }
    run.starting = false;
}

static void execute(const struct mc_scenario *scenario, bool tracing)
{
    memset(&run, 0, sizeof run);
    run.scenario = scenario;
    run.current = MC_CONTROLLER;
    run.last = -1;
    decisions_used = 0;
    mc_memory_reset();
    scenario->setup();
    run.tracing = tracing;
    start_threads();
    if (!run.failed) {
        int first = pick_thread();
        if (first != MC_CONTROLLER)
            switch_to(first);
    }
    total_steps += run.steps;
    if (run.failed || run.pruned)
        return;
    for (int t = 0; t < run.thread_count; t++)
        mc_memory_end(t);
    if (scenario->final != NULL)
        scenario->final();
}

struct mc_result mc_explore(const struct mc_scenario *scenario, unsigned long limit)
{
    struct mc_result result = {0};
    decisions_known = 0;
    total_steps = 0;
    mc_memory_forget();
    do {
        execute(scenario, false);
        if (run.pruned)
            result.pruned++;
        else
            result.executions++;
        if (run.failed) {
            result.violated = true;
            snprintf(result.what, sizeof result.what, "%s", run.what);
            break;
        }
    } while (backtrack() && (limit == 0 || result.executions < limit));
    result.steps = total_steps;
    return result;
}

void mc_print_trace(const struct mc_scenario *scenario)
{
    decisions_known = decisions_used;
    execute(scenario, true);
    printf("    => %s\n", run.what);
}
