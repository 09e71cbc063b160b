/* The backtrace of a fault.
 *
 * Unlike the suspended stacks of a dump, this one stands still while it is read, so the compiler's unwinder can be used: it knows
 * frames without frame pointers too, also of a function whose prologue has just hit the guard, and goes from the handler
 * through the frame of the signal to the code that faulted. libgcc finds its tables with _dl_find_object and then takes no lock
 * and no memory, which makes it fit for a handler, as long as the program registers no code of its own making (a JIT). Should it
 * trip over a broken stack, the process dies of the same signal, and its first line has been said by then.
 *
 * An overflow is mostly a recursion: thousands of frames, of which the innermost ones tell what recurs, and the outermost ones
 * how it began.
 */
#include "core/fault_frames.h"

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>
#include <unwind.h>

#include "core/symbol.h"
#include "core/text.h"
#include "core/write.h"

enum {
    INNER = 12,
    OUTER = 8,
    FRAMES_MAX = 1 << 20, /* of the smallest frames there are, on the largest stack */
    SYMBOL_TEXT = 128,
};

typedef struct frame {
    uintptr_t address;
    bool is_return; /* it lies behind a call */
} frame;

typedef struct walk {
    uintptr_t pc;
    uint64_t count; /* from the faulting one on */
    frame inner[INNER];
    frame outer[OUTER]; /* the last ones, by number modulo OUTER */
} walk;

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *arg)
{
    walk *w = arg;
    int is_exact = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &is_exact);
    if ((w->count == 0 && address != w->pc) || address == 0)
        return _URC_NO_REASON; /* still in the handler; or beyond the entry */
    frame seen = {.address = address, .is_return = !is_exact};
    if (w->count < INNER)
        w->inner[w->count] = seen;
    w->outer[w->count % OUTER] = seen;
    return ++w->count < FRAMES_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void say_frame(uint64_t number, const frame *seen)
{
    char symbol[SYMBOL_TEXT], line[SYMBOL_TEXT + 32];
    wf_symbol_format((const void *)seen->address, seen->is_return, symbol, sizeof symbol);
    wf_text out = wf_text_in(line, sizeof line);
    wf_text_put(&out, "    #");
    wf_text_put_decimal(&out, number);
    wf_text_put(&out, number < 10 ? "  " : " ");
    wf_text_put(&out, symbol);
    wf_text_put(&out, "\n");
    wf_write_all(STDERR_FILENO, out.start, (size_t)(out.at - out.start));
}

static void say_left_out(uint64_t count)
{
    char line[64];
    wf_text out = wf_text_in(line, sizeof line);
    wf_text_put(&out, "    and ");
    wf_text_put_decimal(&out, count);
    wf_text_put(&out, " more, then\n");
    wf_write_all(STDERR_FILENO, out.start, (size_t)(out.at - out.start));
}

void wf_fault_frames(const void *pc)
{
    walk w = {.pc = (uintptr_t)pc};
    _Unwind_Backtrace(note, &w);
    uint64_t inner = w.count < INNER ? w.count : INNER;
    uint64_t outer = w.count > INNER + OUTER ? w.count - OUTER : inner;
    for (uint64_t i = 0; i < inner; i++)
        say_frame(i, &w.inner[i]);
    if (outer > inner)
        say_left_out(outer - inner);
    for (uint64_t i = outer; i < w.count; i++)
        say_frame(i, &w.outer[i % OUTER]);
}
