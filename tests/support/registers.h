/* A switch that looks at the callee-saved registers, per architecture. */
#ifndef WT_REGISTERS_H
#define WT_REGISTERS_H

#include <stdint.h>

#if defined(__x86_64__)
enum { WT_REGISTERS = 6 }; /* rbx rbp r12–r15 */
#elif defined(__aarch64__)
enum { WT_REGISTERS = 19 }; /* x19–x29 d8–d15 */
#endif

/* wf_context_switch(save, to, NULL) with the callee-saved registers loaded from `before`; what they hold when it returns goes to
 * `after`. Returns what the switch returned. */
void *wt_switch_registers(void **save, void *to, const uint64_t *before, uint64_t *after);

#endif
