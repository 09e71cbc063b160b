/* Who overflowed its stack: called by the handler of core/fault.h, so nothing here locks, allocates or trusts what it reads. */
#include "core/peek.h"
#include "core/stack.h"
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

void wf_dump_fault(const void *fault_address, char *buffer, size_t size)
{
    if (size == 0)
        return;
    wf_text out = wf_text_in(buffer, size);
    wf_coro *coro = owner_of(fault_address);
    if (coro == NULL) {
        wf_text_put(&out, "unknown to weft");
        return;
    }
    char id[WF_CORO_ID_TEXT], entry[128];
    wf_text_put(&out, wf_coro_format_id((uint64_t)(uintptr_t)wf_coro_handle(coro), id));
    if (wf_coro_name(coro)[0] != '\0') {
        wf_text_put(&out, " \"");
        wf_text_put(&out, wf_coro_name(coro));
        wf_text_put(&out, "\"");
    }
    wf_symbol_format((const void *)(uintptr_t)coro->fn, false, entry, sizeof(entry));
    wf_text_put(&out, ", entry ");
    wf_text_put(&out, entry);
}
