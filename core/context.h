/* The context switch: what it costs to go from one stack to another.
 *
 * wf_context_switch saves the callee-saved integer registers on the stack it leaves, stores that stack pointer, takes the other
 * one and returns there, with `value` as its return value. It is an out-of-line function that ends in a plain `ret`, so that the
 * return-address predictor stays in step with the stack (a `pop; jmp` costs seven times as much from call depth 4). Floating-
 * point registers are caller-saved on x86-64; aarch64 also saves d8–d15. Control words (mxcsr, x87, FPCR) are not touched:
 * only coroutines that ask for an environment of their own pay for it (wf_fpenv_save).
 *
 * Layout of a saved context, lowest address first; wf_context_frame and the debugger rely on it:
 *     x86-64   r15 r14 r13 r12 rbx rbp return-address
 *     aarch64  x19…x28, x29 x30 (return address), d8…d15
 *
 * One file per architecture: core/switch_x86_64.S, core/switch_aarch64.S. Sanitizers are told of every switch by core/fiber.h.
 */
#ifndef WF_CORE_CONTEXT_H
#define WF_CORE_CONTEXT_H

#include <stdint.h>

/* Leave this stack for the context `to`. Returns when somebody switches to *save, with the value that they pass. */
void *wf_context_switch(void **save, void *to, void *value);

/* Leave this stack for a new one, whose highest usable address is `top` (16-byte aligned): call entry(arg, value) there; entry never
 * returns. When somebody switches to *save this returns (it has no value of its own: see wf_context_switch). */
void *wf_context_enter(void **save, void *top, void (*entry)(void *arg, void *value), void *arg, void *value);

/* Leave a stack for good, for the context `to`, which gets `value`. As the last thing that an entry does, from its own frame.
 *
 * These two are for what begins and ends all the time. Predictors pair each return with the call before it. A context that is
 * entered by a jump and left by a jump has no part in this: the switch back returns to the call that entered it, and the
 * returns after that to their own callers. Begun by a return and left by a call it costs five mispredictions (some 20 ns). */
void wf_context_leave(void *to, void *value);

/* The same, but the first thing there is fn(arg), and what that returns is the value that `to` gets. By then nothing stands on the
 * stack that was left, so fn may give it back. */
void wf_context_leave_through(void *to, void *(*fn)(void *arg), void *arg);

/* As wf_context_switch, for two places that take turns for long, each in a loop of its own; docs/decisions/033-generators.md says
 * why it is another. The contexts are the same, so it goes to one that was saved by a switch, and the other way round. The two
 * are one function; what the first returns is a pointer that stands for a number. */
int wf_context_hop_in(void **save, void *to, void *value);
void *wf_context_hop_out(void **save, void *to, void *value);

/* Prepare a stack whose highest usable address is `top` (16-byte aligned). The first switch to the returned context calls
 * entry(arg, value) on it; entry never returns. */
void *wf_context_make(void *top, void (*entry)(void *arg, void *value), void *arg);

/* Frame pointer and return address of a saved context, where a backtrace of it begins. */
typedef struct wf_context_frame {
    const void *frame;
    const void *return_address;
} wf_context_frame;

wf_context_frame wf_context_top_frame(const void *sp);

/* A return address as it was found on a stack, without its signature (aarch64 with pointer authentication). */
const void *wf_context_strip(const void *return_address);

/* Control words of floating point, with their sticky exception flags (those of SSE on x86-64): store those in force, put those
 * given in force. `words` has room for 8. */
void wf_fpenv_save(uint32_t *words);
void wf_fpenv_load(const uint32_t *words);

#endif
