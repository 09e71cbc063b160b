/* Views, stores and races: the memory model. README.md gives the rules; each function names the one that it
 * implements. */
#include "checker_memory.h"

#include <string.h>

/* Times leave room for stores that are put between two others: 60 × 512 < 2^15, and 9 bisections of 512. */
enum { TIME_GAP = 512, CLOCKS = 8 };

/* 16-bit entries, so that the join is a handful of vector instructions; it is nearly all the checker does. */
typedef struct view {
    int16_t seen[MC_LOCATIONS];  /* per location: the oldest store that may still be read */
    int16_t wrote[MC_LOCATIONS]; /* per location: the newest store that happened before; a part of `seen` */
    int16_t clock[CLOCKS];       /* per thread: how much of it happened before */
} view;

typedef struct store {
    uint64_t value;
    int16_t time;
    bool followed;  /* by a read-modify-write that read it: nothing may come between them */
    view published; /* inherited by whoever acquires it */
} store;

typedef struct location {
    const volatile void *address;
    const char *name;
    size_t size;
    int count; /* of stores, in modification order; 0: not used yet in this execution */
    store stores[MC_STORES];
} location;

typedef struct thread_views {
    view now;
    view on_fence; /* what an acquire fence would add: published by the stores read relaxed */
    view at_fence; /* what a relaxed store publishes: the view at the last fence */

    /* Asymmetric fences, as `seen` above: */
    int16_t at_light[MC_LOCATIONS]; /* at its last light fence: what an interrupt finds done */
    int16_t demanded[MC_LOCATIONS]; /* by the heavy fences that have interrupted it: for its next light fence */
    int16_t at_heavy[MC_LOCATIONS]; /* when its own heavy fence began */
    unsigned to_interrupt;          /* threads that this heavy fence has not interrupted yet */
} thread_views;

typedef struct plain {
    const volatile void *address;
    int writer;
    int16_t written;
    int16_t read[CLOCKS];
} plain;

static location locations[MC_LOCATIONS];
static int location_count;
static plain plains[MC_PLAINS];
static int plain_count;
static thread_views threads[MC_THREADS + 1];

/* The seq_cst operations so far: the last such store to each location, and the views of the fences. */
static int16_t last_seq_cst[MC_LOCATIONS];
static view fences;

static void join_times(int16_t *restrict into, const int16_t *restrict from, int count)
{
    for (int i = 0; i < count; i++)
        into[i] = into[i] > from[i] ? into[i] : from[i];
}

static void join(view *restrict into, const view *restrict from)
{
    join_times(into->seen, from->seen, MC_LOCATIONS);
    join_times(into->wrote, from->wrote, MC_LOCATIONS);
    join_times(into->clock, from->clock, CLOCKS);
}

static bool acquires(enum mc_order order)
{
    return order == MC_ACQUIRE || order == MC_ACQ_REL || order == MC_SEQ_CST;
}

static bool releases(enum mc_order order)
{
    return order == MC_RELEASE || order == MC_ACQ_REL || order == MC_SEQ_CST;
}

void mc_memory_forget(void)
{
    location_count = 0;
}

void mc_memory_reset(void)
{
    for (int l = 0; l < location_count; l++)
        locations[l].count = 0;
    plain_count = 0;
    memset(threads, 0, sizeof threads);
    memset(last_seq_cst, 0, sizeof last_seq_cst);
    memset(&fences, 0, sizeof fences);
    for (int t = 0; t <= MC_THREADS; t++)
        threads[t].now.clock[t] = 1;
}

void mc_memory_start(int thread)
{
    mc_memory_tick(MC_CONTROLLER);
    join(&threads[thread].now, &threads[MC_CONTROLLER].now);
    threads[thread].on_fence = threads[thread].at_fence = threads[thread].now;
    memcpy(threads[thread].at_light, threads[thread].now.seen, sizeof threads[thread].at_light);
    mc_memory_tick(thread); /* what it does now is not yet published by a relaxed store */
    mc_memory_tick(MC_CONTROLLER);
}

void mc_memory_end(int thread)
{
    join(&threads[MC_CONTROLLER].now, &threads[thread].now);
}

void mc_memory_tick(int thread)
{
    threads[thread].now.clock[thread]++;
}

static uint64_t initial_value(const volatile void *address, size_t size)
{
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)address;
    case 2:
        return *(const volatile uint16_t *)address;
    case 4:
        return *(const volatile uint32_t *)address;
    case 8:
        return *(const volatile uint64_t *)address;
    default:
        mc_limit("an atomic object is not 1, 2, 4 or 8 bytes");
    }
}

/* Index of the location at an address. The first store is what the memory holds, and everybody has seen it. */
int mc_locate(const volatile void *address, size_t size, const char *name)
{
    int l = 0;
    while (l < location_count && locations[l].address != address)
        l++;
    location *at = &locations[l];
    if (l == location_count) {
        if (l == MC_LOCATIONS)
            mc_limit("more than MC_LOCATIONS atomic objects in a scenario");
        location_count++;
        *at = (location){.address = address, .size = size, .name = name};
    }
    if (at->count == 0) {
        at->count = 1;
        memset(&at->stores[0], 0, sizeof at->stores[0]);
        at->stores[0].value = initial_value(address, size);
    }
    if (at->size != size)
        mc_limit("one address is used as atomic objects of two sizes");
    return l;
}

const char *mc_location_name(int l)
{
    return locations[l].name;
}

uint64_t mc_newest(int l)
{
    return locations[l].stores[locations[l].count - 1].value;
}

/* Index of the oldest store that the thread may read, or put its own after. Coherence: not older than one it knows
 * of. seq_cst: nor than the last seq_cst store, nor than one that happened before a seq_cst fence. */
static int oldest_allowed(int thread, int l, enum mc_order order, bool newest)
{
    location *at = &locations[l];
    if (newest || thread == MC_CONTROLLER)
        return at->count - 1;
    int16_t since = threads[thread].now.seen[l];
    if (order == MC_SEQ_CST && last_seq_cst[l] > since)
        since = last_seq_cst[l];
    if (order == MC_SEQ_CST && fences.wrote[l] > since)
        since = fences.wrote[l];
    int i = at->count - 1;
    while (at->stores[i].time > since)
        i--;
    return i;
}

/* The thread reads a store. Acquire: what was published with it happened before. Relaxed: after a fence it will have. */
static void take(int thread, int l, const store *read, enum mc_order order)
{
    thread_views *views = &threads[thread];
    if (views->now.seen[l] < read->time)
        views->now.seen[l] = read->time;
    if (acquires(order))
        join(&views->now, &read->published);
    join(&views->on_fence, &read->published);
}

/* Put a new store right behind the one at index `after`; a read-modify-write that read that one continues its release
 * sequence. Returns nothing that survives the next call. */
static void put(int thread, int l, int after, uint64_t value, enum mc_order order, bool rmw)
{
    location *at = &locations[l];
    if (at->count == MC_STORES)
        mc_limit("more than MC_STORES stores to one object");
    int16_t time = (int16_t)(at->stores[after].time + TIME_GAP);
    if (after + 1 < at->count) {
        time = (int16_t)((at->stores[after].time + at->stores[after + 1].time) / 2);
        if (time == at->stores[after].time)
            mc_limit("too many stores between two others");
        memmove(&at->stores[after + 2], &at->stores[after + 1], (size_t)(at->count - after - 1) * sizeof(store));
    }
    at->count++;
    thread_views *views = &threads[thread];
    views->now.seen[l] = time;
    views->now.wrote[l] = time;
    store *fresh = &at->stores[after + 1];
    fresh->value = at->size == 8 ? value : value & ((UINT64_C(1) << 8 * at->size) - 1);
    fresh->time = time;
    fresh->followed = false;
    fresh->published = releases(order) ? views->now : views->at_fence;
    if (rmw) {
        at->stores[after].followed = true;
        join(&fresh->published, &at->stores[after].published);
    }
    if (order == MC_SEQ_CST)
        last_seq_cst[l] = time;
}

uint64_t mc_memory_load(int thread, int l, enum mc_order order, bool newest, bool *stale)
{
    int last = locations[l].count - 1;
    int back = mc_pick(last - oldest_allowed(thread, l, order, newest) + 1);
    const store *read = &locations[l].stores[last - back];
    take(thread, l, read, order);
    *stale = back > 0;
    return read->value;
}

/* Choose a store that the thread may still come right behind, newest first. */
static int pick_predecessor(int thread, int l, enum mc_order order)
{
    int options[MC_STORES], count = 0;
    int oldest = oldest_allowed(thread, l, order, false);
    for (int i = locations[l].count - 1; i >= oldest; i--)
        if (!locations[l].stores[i].followed)
            options[count++] = i;
    return options[mc_pick(count)];
}

void mc_memory_store(int thread, int l, uint64_t value, enum mc_order order)
{
    put(thread, l, pick_predecessor(thread, l, order), value, order, false);
}

static uint64_t compute(enum mc_rmw what, uint64_t old, uint64_t value)
{
    switch (what) {
    case MC_ADD:
        return old + value;
    case MC_SUB:
        return old - value;
    case MC_OR:
        return old | value;
    case MC_AND:
        return old & value;
    case MC_EXCHANGE:
    default:
        return value;
    }
}

uint64_t mc_memory_rmw(int thread, int l, enum mc_rmw what, uint64_t value, enum mc_order order)
{
    int at = pick_predecessor(thread, l, order);
    const store *read = &locations[l].stores[at];
    uint64_t old = read->value;
    take(thread, l, read, order);
    put(thread, l, at, compute(what, old, value), order, true);
    return old;
}

/* Strong: where the expected value is read it succeeds, and it can only where no other read-modify-write did. */
bool mc_memory_cas(int thread, int l, uint64_t *expected, uint64_t desired, enum mc_order order, enum mc_order failure,
                   bool newest, bool *stale)
{
    location *at = &locations[l];
    int options[MC_STORES], count = 0;
    int oldest_won = oldest_allowed(thread, l, order, newest);
    int oldest_lost = oldest_allowed(thread, l, failure, newest);
    int oldest = oldest_won < oldest_lost ? oldest_won : oldest_lost;
    for (int i = at->count - 1; i >= oldest; i--) {
        bool wins = at->stores[i].value == *expected;
        if (wins ? i >= oldest_won && !at->stores[i].followed : i >= oldest_lost)
            options[count++] = i;
    }
    int i = options[mc_pick(count)];
    const store *read = &at->stores[i];
    *stale = i < at->count - 1;
    if (read->value == *expected) {
        take(thread, l, read, order);
        put(thread, l, i, desired, order, true);
        return true;
    }
    take(thread, l, read, failure);
    *expected = read->value;
    return false;
}

/* seq_cst fence. It sees what the fences and the seq_cst stores before it have seen, but that alone makes nothing
 * happen before it: only `seen` is joined. */
void mc_memory_fence(int thread)
{
    thread_views *views = &threads[thread];
    join(&views->now, &views->on_fence);
    join_times(views->now.seen, fences.seen, MC_LOCATIONS);
    join_times(views->now.seen, last_seq_cst, MC_LOCATIONS);
    join_times(fences.seen, views->now.seen, MC_LOCATIONS);
    join_times(fences.wrote, views->now.wrote, MC_LOCATIONS);
    views->at_fence = views->now;
}

/* ---- asymmetric fences: a light one is only a mark in its thread's program; what orders is the interrupt that a heavy one
 * sends to every thread, and that hits at some moment while it lasts ---- */

/* It hits between two light fences. What was done before the first of them is seen by whoever sent it; what that one saw when
 * its heavy fence began is seen after the second. What lies between, the compiler may have moved. */
static void interrupt(int heavy, int thread)
{
    thread_views *by = &threads[heavy], *hit = &threads[thread];
    join_times(by->now.seen, hit->at_light, MC_LOCATIONS);
    join_times(hit->demanded, by->at_heavy, MC_LOCATIONS);
    by->to_interrupt &= ~(1U << thread);
}

void mc_memory_light_fence(int thread)
{
    for (int heavy = 0; heavy < MC_THREADS; heavy++)
        if ((threads[heavy].to_interrupt >> thread & 1) && mc_pick(2) == 1)
            interrupt(heavy, thread);
    thread_views *views = &threads[thread];
    join_times(views->now.seen, views->demanded, MC_LOCATIONS);
    memcpy(views->at_light, views->now.seen, sizeof views->at_light);
}

/* To its own thread either end of a heavy fence is an ordinary one; to others it is a light one, besides what it sends. */
static void heavy_edge(int thread)
{
    thread_views *views = &threads[thread];
    join(&views->now, &views->on_fence);
    mc_memory_light_fence(thread);
    views->at_fence = views->now;
}

void mc_memory_heavy_begin(int thread)
{
    heavy_edge(thread);
    memcpy(threads[thread].at_heavy, threads[thread].now.seen, sizeof threads[thread].at_heavy);
    threads[thread].to_interrupt = ((1U << MC_THREADS) - 1) & ~(1U << thread);
}

void mc_memory_heavy_end(int thread)
{
    for (int other = 0; other < MC_THREADS; other++)
        if (threads[thread].to_interrupt >> other & 1)
            interrupt(thread, other);
    heavy_edge(thread);
}

static plain *find_plain(const volatile void *address)
{
    for (int i = 0; i < plain_count; i++)
        if (plains[i].address == address)
            return &plains[i];
    if (plain_count == MC_PLAINS)
        mc_limit("more than MC_PLAINS plain objects in a scenario");
    plains[plain_count] = (plain){.address = address};
    return &plains[plain_count++];
}

const char *mc_memory_plain(int thread, const volatile void *address, bool write)
{
    plain *at = find_plain(address);
    const int16_t *clock = threads[thread].now.clock;
    if (at->written > clock[at->writer])
        return write ? "data race: two plain writes" : "data race: plain read against plain write";
    at->read[thread] = write ? at->read[thread] : clock[thread];
    if (!write)
        return NULL;
    for (int t = 0; t <= MC_THREADS; t++)
        if (t != thread && at->read[t] > clock[t])
            return "data race: plain write against plain read";
    at->writer = thread;
    at->written = clock[thread];
    return NULL;
}
