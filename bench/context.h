/* The cheapest switch between two stacks that obeys the calling convention: what the limit programs are made of.
 *
 * It is written apart from the library's own, so that the limit does not move when the library does. It saves the
 * callee-saved registers and the stack pointer and ends in a plain return; it knows no sanitizer, no debugger and no
 * commit step.
 */
#ifndef BENCH_CONTEXT_H
#define BENCH_CONTEXT_H

#include <stdint.h>

/* Save the running context's stack pointer in *save, continue the one whose stack pointer is `to`, and hand it `value`:
 * its own bench_context_switch returns it; a new context's entry function gets it as its argument. */
uintptr_t bench_context_switch(void **save, void *to, uintptr_t value);

/* Lay out a new context below `top` (16-byte aligned) that begins in `entry`, which must never return. */
void *bench_context_make(void *top, void (*entry)(uintptr_t value));

enum { BENCH_STACK_SIZE = 64 * 1024 };

/* The top of a new stack of BENCH_STACK_SIZE bytes; exits on want of memory. Never freed: programs are short. */
void *bench_stack_new(void);

/* A call that runs on a context of its own. */
typedef struct bench_call {
    void *(*fn)(void *arg);
    void *arg;
    void *result;
    void *caller_sp;
} bench_call;

/* Entry function of such a context; `value` is its bench_call. */
void bench_call_enter(uintptr_t value);

/* fn(arg) on a new context below stack_top, which nobody else uses meanwhile: what spawning and joining is at least. */
static inline void *bench_call_on(void *stack_top, void *(*fn)(void *arg), void *arg)
{
    bench_call call = {.fn = fn, .arg = arg};

    bench_context_switch(&call.caller_sp, bench_context_make(stack_top, bench_call_enter), (uintptr_t)&call);
    return call.result;
}

#endif
