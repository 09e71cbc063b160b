/* Who overflowed its stack: called by the handler of core/fault.h, so nothing here locks, allocates or trusts what it reads. */
#include "core/peek.h"
#include "core/stack.h"
#include "core/strand.h"
#include "core/symbol.h"
#include "core/text.h"
#include "sched/dump.h"
#include "sched/worker.h"

typedef struct search {
    const char *address;
    wf_coro *owner;
} search;

static bool lies_on_stack_of(const wf_coro *coro, const char *address)
{
    wf_stack stack;
    if (coro == NULL || coro->stack == NULL || wf_peek(coro->stack, &stack, sizeof(stack)) != 0)
        return false;
    return address >= stack.base && address < stack.base + stack.size;
}

static void compare(wf_coro *coro, void *arg)
{
    search *s = arg;
    if (s->owner == NULL && lies_on_stack_of(coro, s->address))
        s->owner = coro;
}

/* A plain thread that runs a body on a stack of weft's. */
static wf_coro *thread_owner(const void *address, int32_t *tid)
{
    wf_coro *thread = wf_worker_self() == NULL ? wf_thread_self_if_any(tid) : NULL;
    return lies_on_stack_of(thread, address) ? thread : NULL;
}

/* Mostly the running one; one that is just being left or entered otherwise. */
static wf_coro *owner_of(const void *address)
{
    wf_worker *worker = wf_worker_self();
    if (worker != NULL && lies_on_stack_of(worker->current, address))
        return worker->current;
    search s = {.address = address, .owner = NULL};
    wf_coro_each(compare, &s);
    return s.owner;
}

const char *wf_coro_format_id(uint64_t id, char buffer[static WF_CORO_ID_TEXT])
{
    enum { OFFSET_BITS = 28 }; /* of a handle: see sched/coro.h */
    wf_text out = wf_text_in(buffer, WF_CORO_ID_TEXT);
    wf_text_put_decimal(&out, id & ((UINT64_C(1) << OFFSET_BITS) - 1));
    wf_text_put(&out, ".");
    wf_text_put_decimal(&out, id >> OFFSET_BITS);
    return buffer;
}

static void put_symbol(wf_text *out, const char *what, const void *address)
{
    char symbol[128];
    wf_symbol_format(address, false, symbol, sizeof(symbol));
    wf_text_put(out, what);
    wf_text_put(out, symbol);
}

/* What runs on its stack, if it is another body than its own. */
static void put_strand(wf_text *out, const wf_coro *coro)
{
    wf_stack stack;
    wf_strand strand;
    if (wf_peek(coro->stack, &stack, sizeof(stack)) != 0 || stack.strand == NULL ||
        wf_peek(stack.strand, &strand, sizeof(strand)) != 0)
        return;
    bool is_generator = wf_strand_state(&strand) < WF_CO_MAIN;
    put_symbol(out, is_generator ? ", in the body of a generator, " : ", in a symmetric coroutine, ",
               (const void *)(uintptr_t)strand.fn);
}

static void put_coroutine(wf_text *out, const wf_coro *coro)
{
    char id[WF_CORO_ID_TEXT];
    wf_text_put(out, wf_coro_format_id((uint64_t)(uintptr_t)wf_coro_handle(coro), id));
    if (wf_coro_name(coro)[0] != '\0') {
        wf_text_put(out, " \"");
        wf_text_put(out, wf_coro_name(coro));
        wf_text_put(out, "\"");
    }
    put_symbol(out, ", entry ", (const void *)(uintptr_t)coro->fn);
}

static void put_thread(wf_text *out, int32_t tid)
{
    wf_text_put(out, "(none: plain thread ");
    wf_text_put_decimal(out, (uint64_t)tid);
    wf_text_put(out, ")");
}

void wf_dump_fault(const void *fault_address, char *buffer, size_t size)
{
    if (size == 0)
        return;
    wf_text out = wf_text_in(buffer, size);
    int32_t tid = 0;
    wf_coro *thread = thread_owner(fault_address, &tid);
    wf_coro *coro = thread == NULL ? owner_of(fault_address) : thread;
    if (coro == NULL) {
        wf_text_put(&out, "unknown to weft");
        return;
    }
    if (thread != NULL)
        put_thread(&out, tid);
    else
        put_coroutine(&out, coro);
    put_strand(&out, coro);
}
