/* weft_dump: every coroutine, what it waits for, and where; and every plain thread that waits in weft.
 *
 * Nothing is stopped for it. A control block is copied and its state word compared before and after: the word has the number of
 * the wait (its ticket), so if it is the same, the coroutine has not moved meanwhile and the copy is coherent. The stack of one
 * that is suspended is walked along its frame pointers in the same way, and what was found counts only if it has still not
 * moved by then. All of it is read through core/peek.h: a block never goes away, but a stack may be freed and a name too.
 *
 * The text is gathered in one buffer behind a lock, and written whenever that is half full.
 */
#include "sched/dump.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/context.h"
#include "core/generator.h"
#include "core/peek.h"
#include "core/symbol.h"
#include "core/syscall.h"
#include "core/write.h"
#include "sched/state.h"
#include "sched/worker.h"

enum {
    FRAMES = 32,  /* deeper ones are left out */
    ATTEMPTS = 3, /* to copy a block between two changes of it */
    CACHED = 256, /* addresses whose names are kept during one dump: coroutines tend to be in the same places */
    SYMBOL_TEXT = 128,
};

static const char *const wait_names[] = {
    [WF_WAIT_NONE] = "something",
    [WF_WAIT_SLEEP] = "the end of a sleep",
    [WF_WAIT_JOIN] = "the end of coroutine",
    [WF_WAIT_JOIN_UNTIL] = "the end of coroutine",
    [WF_WAIT_ANY] = "the end of one of several coroutines",
    [WF_WAIT_MUTEX] = "mutex",
    [WF_WAIT_COND] = "condition",
    [WF_WAIT_SEM] = "semaphore",
    [WF_WAIT_EVENT] = "event",
    [WF_WAIT_GROUP] = "group",
    [WF_WAIT_CHAN_SEND] = "room in channel",
    [WF_WAIT_CHAN_RECV] = "an element of channel",
    [WF_WAIT_IO] = "I/O",
    [WF_WAIT_IO_CANCEL] = "the end of cancelled I/O",
    [WF_WAIT_OFFLOAD] = "an offload thread",
    [WF_WAIT_FORK] = "the end of forked task",
    [WF_WAIT_RWLOCK_READ] = "reading under rwlock",
    [WF_WAIT_RWLOCK_WRITE] = "writing under rwlock",
    [WF_WAIT_ONCE] = "the end of once",
    [WF_WAIT_BARRIER] = "barrier",
    [WF_WAIT_FUTURE] = "future",
    [WF_WAIT_QUEUE_PUT] = "room in queue",
    [WF_WAIT_QUEUE_GET] = "an item of queue",
    [WF_WAIT_QUEUE_JOIN] = "the tasks of queue",
    [WF_WAIT_POOL_ROOM] = "room in pool",
    [WF_WAIT_POOL_JOIN] = "the members of pool",
    [WF_WAIT_POOL_RESULT] = "a result of pool",
    [WF_WAIT_SELECT] = "the first of the cases at",
    [WF_WAIT_LINK] = "its start at the end of coroutine",
    [WF_WAIT_ITER] = "the next end among the coroutines of iterator",
    [WF_WAIT_SCOPE] = "the end of the children of scope",
};

static_assert(sizeof(wait_names) / sizeof(wait_names[0]) == WF_WAIT_KINDS, "each kind of wait has a name");

typedef struct name {
    const void *address;
    bool is_return;
    char text[SYMBOL_TEXT];
} name;

/* The one dump that is being made. */
static struct {
    wf_lock lock;
    /* lock: */
    int fd;
    int error;        /* the first one of a write; nothing is written after it */
    unsigned count;   /* coroutines */
    unsigned threads; /* plain ones that wait */
    size_t length;
    char text[16384];
    name names[CACHED];
    const char *stack_from; /* what was copied of the present stack, at once: most frames of most coroutines */
    size_t stack_size;
    _Alignas(16) char stack[2048];
} dump;

const char *wf_dump_wait_name(unsigned kind)
{
    return wait_names[kind < WF_WAIT_KINDS ? kind : WF_WAIT_NONE];
}

/* ---- text ---- */

static void flush(void)
{
    if (dump.error == 0)
        dump.error = wf_write_all(dump.fd, dump.text, dump.length);
    dump.length = 0;
}

/* At most half of the buffer at once. */
static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
    if (dump.length > sizeof(dump.text) / 2)
        flush();
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(dump.text + dump.length, sizeof(dump.text) - dump.length, format, arguments);
    va_end(arguments);
    dump.length += length > 0 ? (size_t)length : 0;
}

static const char *symbol_of(const void *address, bool is_return)
{
    uintptr_t hash = (uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    name *known = &dump.names[hash % CACHED];
    if (known->address != address || known->is_return != is_return) {
        known->address = address;
        known->is_return = is_return;
        wf_symbol_format(address, is_return, known->text, sizeof(known->text));
    }
    return known->text;
}

static uint64_t id_of(const wf_coro *coro)
{
    return (uint64_t)(uintptr_t)wf_coro_handle(coro);
}

/* ---- looking at one coroutine ---- */

typedef struct picture {
    wf_coro block;  /* a copy */
    uint64_t state; /* that it had before and after the copy */
    uint64_t id;
    char name[sizeof(((wf_coro_extra *)NULL)->name)];
    weft_t *parent; /* NULL: not known */
    int frames;
    const void *frame[FRAMES]; /* return addresses, innermost first */
} picture;

static bool has_moved(wf_coro *coro, uint64_t state)
{
    wf_fence_seq_cst(); /* ORDER(dump): the copies before the state; pairs with the load in take_block. */
    return wf_load_relaxed(&coro->state) != state; /* relaxed: the fence orders it */
}

/* Copy the block. False: it was changing all the time. */
static bool take_block(wf_coro *coro, picture *p)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        /* ORDER(state-wait): pairs with wf_state_commit_wait: what it wrote before it waited is there. ORDER(dump) */
        p->state = wf_load_acquire(&coro->state);
        p->id = id_of(coro);
        if (wf_peek(coro, &p->block, sizeof(p->block)) != 0)
            memcpy((void *)&p->block, (const void *)coro,
                   sizeof(p->block)); /* peeking is forbidden here; blocks stay mapped */
        if (!has_moved(coro, p->state))
            return true;
    }
    return false;
}

static void make_printable(char *string)
{
    for (char *c = string; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == '"')
            *c = '?';
    }
}

static void take_extra(picture *p)
{
    p->name[0] = '\0';
    p->parent = NULL;
    if (p->block.extra == NULL || wf_peek(p->block.extra->name, p->name, sizeof(p->name)) != 0)
        return;
    p->name[sizeof(p->name) - 1] = '\0';
    make_printable(p->name);
    if (wf_peek(&p->block.extra->parent, &p->parent, sizeof(p->parent)) != 0)
        p->parent = NULL;
}

/* Read some words of the present stack, from what was copied of it if possible. */
static bool read_stack(const char *at, void *to, size_t size)
{
    size_t offset = (size_t)(at - dump.stack_from); /* below: huge */
    if (offset >= dump.stack_size || dump.stack_size - offset < size)
        return wf_peek(at, to, size) == 0;
    memcpy(to, dump.stack + offset, size);
    return true;
}

/* The frame that begins at `frame`: its caller's frame and its return address. */
static bool take_frame(const char *low, const char *high, const void **frame, const void **address)
{
    const void *record[2]; /* the same on x86-64 and aarch64 */
    const char *at = *frame;
    if (at < low || at > high - sizeof(record) || (uintptr_t)at % sizeof(void *) != 0 ||
        !read_stack(at, record, sizeof(record)))
        return false;
    if ((const char *)record[0] <= at) /* frames lie one above the other; 0 is the outermost one */
        record[0] = NULL;
    *frame = record[0];
    *address = wf_context_strip(record[1]);
    return *address != NULL;
}

/* Copy the part of a stack that is most likely needed; the rest is read word by word. */
static bool copy_stack(const char *from, size_t size)
{
    dump.stack_from = from;
    dump.stack_size = size < sizeof(dump.stack) ? size : sizeof(dump.stack);
    memset(dump.stack + dump.stack_size, 0, sizeof(dump.stack) - dump.stack_size);
    if (wf_peek(from, dump.stack, dump.stack_size) == 0)
        return true;
    dump.stack_size = 0;
    return false;
}

/* Walk the frames on a stack, from where registers are saved. */
static void take_frames_on(picture *p, const wf_stack *stack, const char *sp)
{
    const char *low = stack->base + stack->guard_size, *high = stack->base + stack->size;
    if (sp < low || sp >= high || (uintptr_t)sp % sizeof(void *) != 0)
        return;
    if (!copy_stack(sp, (size_t)(high - sp)))
        return;
    wf_context_frame top = wf_context_top_frame(dump.stack);
    const void *frame = top.frame, *address = top.return_address;
    do {
        p->frame[p->frames++] = address;
    } while (p->frames < FRAMES && take_frame(low, high, &frame, &address));
}

/* It is in the body of a generator: where it is resumed from. False: it is on its own stack. */
static bool take_caller(const wf_stack *stack, wf_stack *callers, const void **sp)
{
    wf_generator g;
    if (stack->strand == NULL || wf_peek(stack->strand, &g.strand, sizeof(g.strand)) != 0)
        return false;
    uint32_t state = wf_strand_state(&g.strand);
    if (state != WF_GEN_RUNNING && state != WF_GEN_CLOSING)
        return false;
    if (wf_peek(stack->strand, &g, sizeof(g)) != 0 || g.outer == NULL)
        return false;
    *sp = g.outer_sp;
    return wf_peek(g.outer, callers, sizeof(*callers)) == 0;
}

/* Walk the frames of a suspended one. */
static void take_frames(picture *p)
{
    wf_stack stack;
    const void *sp = p->block.sp;
    int before = -1;
    if (p->block.stack == NULL || wf_peek(p->block.stack, &stack, sizeof(stack)) != 0)
        return;
    do {
        before = p->frames;
        take_frames_on(p, &stack, sp);
    } while (p->frames > before && p->frames < FRAMES && take_caller(&stack, &stack, &sp));
}

/* Walk the frames of a plain thread that waits. Nobody knows where its stack ends, and the program above weft may keep no frame
 * pointers: the walk ends where a frame is not above the one before, or returns to what is no code. */
static void take_thread_frames(picture *p, const void *frame)
{
    enum { REACH = 8 << 20 };
    const char *low = frame;
    const void *address;
    copy_stack(low, sizeof(dump.stack));
    while (p->frames < FRAMES && take_frame(low, low + REACH, &frame, &address) && wf_symbol_is_code(address))
        p->frame[p->frames++] = address;
}

/* ---- printing one ---- */

static void say_object(unsigned kind, const void *object)
{
    char id[WF_CORO_ID_TEXT];
    intptr_t number = (intptr_t)object;
    /* A join may have marked it: see join.c. */
    const char *block = (const char *)object - (uintptr_t)object % WF_CACHE_LINE;
    if ((kind == WF_WAIT_JOIN || kind == WF_WAIT_JOIN_UNTIL || kind == WF_WAIT_LINK) && object != NULL)
        say(" %s", wf_coro_format_id(id_of((const wf_coro *)(const void *)block), id));
    else if ((kind == WF_WAIT_IO || kind == WF_WAIT_IO_CANCEL) && number >= 0 && number <= INT_MAX)
        say(" on descriptor %d", (int)number); /* see wf_op_run */
    else if (object != NULL && number > 0)
        say(" %p", object);
}

static void say_wait(const picture *p)
{
    unsigned kind = wf_load_relaxed(&p->block.wait_kind);  /* relaxed: our copy */
    void *object = wf_load_relaxed(&p->block.wait_object); /* relaxed: our copy */
    say("waits for %s", wf_dump_wait_name(kind));
    say_object(kind, object);
    /* The clock of the worker is a coarse one, which may lag behind, and counts in 32 bits. relaxed: our copy. */
    int32_t since = (int32_t)((uint32_t)(wf_clock_now() / WEFT_MILLISECOND) - wf_load_relaxed(&p->block.wait_since_ms));
    say(" since %d ms", since > 0 ? since : 0);
}

static void say_state(const picture *p, bool moved)
{
    switch (moved ? WF_PHASE_RUNNING : wf_state_phase(p->state)) {
    case WF_PHASE_NEW:
        say("has not started");
        break;
    case WF_PHASE_READY:
        say("is runnable");
        break;
    case WF_PHASE_RUNNING:
        say("is running");
        break;
    case WF_PHASE_WAITING:
        say_wait(p);
        break;
    default:
        say("has ended");
    }
}

static void say_frames(const picture *p)
{
    for (int i = 0; i < p->frames; i++)
        say("    #%-2d %s\n", i, symbol_of(p->frame[i], true));
}

static void say_coroutine(const picture *p, bool moved)
{
    char id[WF_CORO_ID_TEXT];
    const wf_coro *block = &p->block;
    say("coroutine %s", wf_coro_format_id(p->id, id));
    if (p->name[0] != '\0')
        say(" \"%s\"", p->name);
    say(" ");
    say_state(p, moved);
    if (wf_load_relaxed(&block->killed)) /* relaxed: our copy */
        say(", killed");
    if (block->flags & WF_CORO_PINNED)
        say(", pinned to worker %u", wf_load_relaxed(&block->worker)); /* relaxed: our copy */
    say("\n");
    if (block->fn != NULL)
        say("    runs %s", symbol_of((const void *)(uintptr_t)block->fn, false));
    if (block->spawn_site != NULL)
        say(", spawned at %s", symbol_of(block->spawn_site, true));
    if (p->parent != NULL)
        say(" by coroutine %s", wf_coro_format_id((uint64_t)(uintptr_t)p->parent, id));
    say("\n");
}

static void show(wf_coro *coro, void *arg)
{
    (void)arg;
    picture p;
    bool moved = !take_block(coro, &p);
    unsigned phase = wf_state_phase(p.state);
    if (dump.error != 0 || phase == WF_PHASE_FREE)
        return;
    take_extra(&p);
    p.frames = 0;
    if (!moved && (phase == WF_PHASE_WAITING || phase == WF_PHASE_READY))
        take_frames(&p);
    moved = moved || has_moved(coro, p.state);
    say_coroutine(&p, moved);
    if (!moved)
        say_frames(&p);
    dump.count++;
}

static void show_waiting(wf_coro *coro, void *arg)
{
    const unsigned *most = arg;
    /* relaxed: a hint, looked at again. */
    if (wf_state_phase(wf_load_relaxed(&coro->state)) == WF_PHASE_WAITING && dump.count < *most)
        show(coro, NULL);
}

/* The name that the thread has in the kernel. */
static void take_thread_name(picture *p, int32_t tid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
    long fd = wf_syscall4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    long n = fd < 0 ? 0 : wf_syscall3(SYS_read, fd, p->name, sizeof(p->name) - 1);
    if (fd >= 0)
        wf_syscall3(SYS_close, fd, 0, 0);
    p->name[n > 0 ? n : 0] = '\0';
    p->name[strcspn(p->name, "\n")] = '\0';
    make_printable(p->name);
}

/* A plain thread, if it waits at this moment: in a futex, and then it is WAITING, or in ppoll. */
static void show_thread(wf_coro *thread, int32_t tid, const void *frame, void *arg)
{
    (void)arg;
    picture p = {.frames = 0};
    if (dump.error != 0 || !take_block(thread, &p))
        return;
    bool waits = wf_state_phase(p.state) == WF_PHASE_WAITING ||
                 wf_load_relaxed(&p.block.wait_kind) != WF_WAIT_NONE; /* relaxed: our copy */
    if (!waits)
        return;
    take_thread_name(&p, tid);
    take_thread_frames(&p, frame);
    if (has_moved(thread, p.state))
        return;
    say("thread %d \"%s\" ", tid, p.name);
    say_wait(&p);
    say("\n");
    say_frames(&p);
    dump.threads++;
}

/* Called with nothing, returns with the lock and errno saved. */
static int begin(int fd)
{
    int saved = errno; /* libc may set it; nothing here suspends */
    wf_lock_take(&dump.lock);
    dump.fd = fd;
    dump.error = 0;
    dump.count = 0;
    dump.threads = 0;
    return saved;
}

static int end(int saved)
{
    flush();
    int error = dump.error;
    wf_unlock(&dump.lock);
    errno = saved;
    return error;
}

int weft_dump(int fd)
{
    /* ORDER(phase): pairs with weft_start: the configuration and the choices were made before the runtime was on. */
    if (wf_load_acquire(&wf_rt.phase) < WF_RUNTIME_ON)
        return -ESRCH;
    int saved = begin(fd);
    say("weft: %u workers, event source %s\n", wf_rt.count, wf_rt.driver->name);
    wf_coro_each(show, NULL);
    wf_thread_each(show_thread, NULL);
    say("weft: %u coroutines and %u waiting threads in all\n", dump.count, dump.threads);
    return end(saved);
}

void wf_dump_waiting(int fd, unsigned most)
{
    int saved = begin(fd);
    wf_coro_each(show_waiting, &most);
    wf_thread_each(show_thread, NULL);
    end(saved);
}

void wf_dump_fork_lock(void)
{
    wf_lock_take(&dump.lock);
}

void wf_dump_fork_unlock(void)
{
    wf_unlock(&dump.lock);
}
