/* Context switch of aarch64 (AAPCS64). See core/context.h.
 *
 * The return address is signed with the stack pointer, as the compilers do it (paciasp/autiasp are no-ops on older processors):
 * it is signed against the caller's sp and authenticated against the same sp after the switch back. The keys are the process's,
 * so a context may go on in another thread.
 *
 * Of the vector registers a callee saves the low halves of v8–v15 only, also where SVE is there. SME's streaming mode and ZA
 * state belong to the thread: code that has them on must not suspend. No claim to GCS is made: a guarded control stack would
 * have to be switched too. */
#include "core/context_aarch64.h"

/* Go on in the context at sp, whose return address is undefined for unwinders here, with the value in x1. */
        .macro  go_on
        ldp     x19, x20, [sp, #WF_CONTEXT_X19]
        ldp     x21, x22, [sp, #WF_CONTEXT_X21]
        ldp     x23, x24, [sp, #WF_CONTEXT_X23]
        ldp     x25, x26, [sp, #WF_CONTEXT_X25]
        ldp     x27, x28, [sp, #WF_CONTEXT_X27]
        ldp     x29, x30, [sp, #WF_CONTEXT_X29]
        ldp     d8, d9, [sp, #WF_CONTEXT_D8]
        ldp     d10, d11, [sp, #WF_CONTEXT_D10]
        ldp     d12, d13, [sp, #WF_CONTEXT_D12]
        ldp     d14, d15, [sp, #WF_CONTEXT_D14]
        add     sp, sp, #WF_CONTEXT_SIZE
        hint    #29                     /* autiasp */
        mov     x0, x1
        ret
        .endm

        .text

/* Two registers to the stack and back, and where the unwinder finds the caller's. */
        .macro  save first, second, offset
        stp     \first, \second, [sp, #\offset]
        .cfi_rel_offset \first, \offset
        .cfi_rel_offset \second, \offset + 8
        .endm

        .macro  load first, second, offset
        ldp     \first, \second, [sp, #\offset]
        .cfi_restore \first
        .cfi_restore \second
        .endm

/* void *wf_context_switch(void **save, void *to, void *value) */
        .globl  wf_context_switch
        .hidden wf_context_switch
        .type   wf_context_switch, %function
        .globl  wf_context_hop_in       /* the same: a branch would want a landing pad behind every call */
        .hidden wf_context_hop_in
        .type   wf_context_hop_in, %function
        .globl  wf_context_hop_out
        .hidden wf_context_hop_out
        .type   wf_context_hop_out, %function
        .p2align 5
wf_context_hop_in:
wf_context_hop_out:
wf_context_switch:
        .cfi_startproc
        hint    #25                     /* paciasp; also a landing pad for BTI */
        .cfi_window_save                /* DW_CFA_AARCH64_negate_ra_state */
        sub     sp, sp, #WF_CONTEXT_SIZE
        .cfi_adjust_cfa_offset WF_CONTEXT_SIZE
        save    x19, x20, WF_CONTEXT_X19
        save    x21, x22, WF_CONTEXT_X21
        save    x23, x24, WF_CONTEXT_X23
        save    x25, x26, WF_CONTEXT_X25
        save    x27, x28, WF_CONTEXT_X27
        save    x29, x30, WF_CONTEXT_X29
        save    d8, d9, WF_CONTEXT_D8
        save    d10, d11, WF_CONTEXT_D10
        save    d12, d13, WF_CONTEXT_D12
        save    d14, d15, WF_CONTEXT_D14
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1                  /* both stacks have the same layout here, so the CFI stays right */
        load    x19, x20, WF_CONTEXT_X19
        load    x21, x22, WF_CONTEXT_X21
        load    x23, x24, WF_CONTEXT_X23
        load    x25, x26, WF_CONTEXT_X25
        load    x27, x28, WF_CONTEXT_X27
        load    x29, x30, WF_CONTEXT_X29
        load    d8, d9, WF_CONTEXT_D8
        load    d10, d11, WF_CONTEXT_D10
        load    d12, d13, WF_CONTEXT_D12
        load    d14, d15, WF_CONTEXT_D14
        add     sp, sp, #WF_CONTEXT_SIZE
        .cfi_adjust_cfa_offset -WF_CONTEXT_SIZE
        hint    #29                     /* autiasp */
        .cfi_window_save
        mov     x0, x2
        ret
        .cfi_endproc
        .size   wf_context_switch, . - wf_context_switch
        .size   wf_context_hop_in, . - wf_context_hop_in
        .size   wf_context_hop_out, . - wf_context_hop_out

/* void wf_context_enter(void **save, void *top, entry, void *arg, void *value) */
        .globl  wf_context_enter
        .hidden wf_context_enter
        .type   wf_context_enter, %function
        .p2align 5
wf_context_enter:
        .cfi_startproc
        hint    #25                     /* paciasp; also a landing pad for BTI */
        .cfi_window_save
        sub     sp, sp, #WF_CONTEXT_SIZE
        .cfi_adjust_cfa_offset WF_CONTEXT_SIZE
        save    x19, x20, WF_CONTEXT_X19
        save    x21, x22, WF_CONTEXT_X21
        save    x23, x24, WF_CONTEXT_X23
        save    x25, x26, WF_CONTEXT_X25
        save    x27, x28, WF_CONTEXT_X27
        save    x29, x30, WF_CONTEXT_X29
        save    d8, d9, WF_CONTEXT_D8
        save    d10, d11, WF_CONTEXT_D10
        save    d12, d13, WF_CONTEXT_D12
        save    d14, d15, WF_CONTEXT_D14
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        .cfi_undefined x30
        mov     x16, x2                 /* x16: from there a branch may land on a function's first instruction */
        mov     x0, x3
        mov     x1, x4
        mov     x29, xzr                /* unwinders stop here */
        mov     x30, xzr
        br      x16                     /* no link: the return address that our call left in the predictor stays on top */
        .cfi_endproc
        .size   wf_context_enter, . - wf_context_enter

/* void wf_context_leave(void *to, void *value): the second half of a switch. What the caller leaves behind is not saved. */
        .globl  wf_context_leave
        .hidden wf_context_leave
        .type   wf_context_leave, %function
        .p2align 5
wf_context_leave:
        .cfi_startproc
        hint    #34                     /* bti c */
        .cfi_undefined x30
        mov     sp, x0
        go_on
        .cfi_endproc
        .size   wf_context_leave, . - wf_context_leave

/* void wf_context_leave_through(void *to, fn, void *arg): fn(arg) runs on the stack `to`, below the saved context. */
        .globl  wf_context_leave_through
        .hidden wf_context_leave_through
        .type   wf_context_leave_through, %function
        .p2align 5
wf_context_leave_through:
        .cfi_startproc
        hint    #34                     /* bti c */
        .cfi_undefined x30
        mov     sp, x0
        mov     x29, xzr                /* unwinders stop here */
        mov     x0, x2
        blr     x1
        mov     x1, x0
        go_on
        .cfi_endproc
        .size   wf_context_leave_through, . - wf_context_leave_through

/* void wf_context_prepare(void *context, void *top): store the address of the start, signed for sp = top, as the return
 * address of a new context. */
        .globl  wf_context_prepare
        .hidden wf_context_prepare
        .type   wf_context_prepare, %function
        .p2align 4
wf_context_prepare:
        .cfi_startproc
        hint    #34                     /* bti c */
        adr     x17, wf_context_start
        mov     x16, x1
        hint    #8                      /* pacia1716: sign x17 with x16 */
        str     x17, [x0, #(WF_CONTEXT_X29 + 8)]
        ret
        .cfi_endproc
        .size   wf_context_prepare, . - wf_context_prepare

/* Where the first switch to a new context returns to: x19 = entry, x20 = arg, x0 = value. The outermost frame: unwinders stop
 * here, because the return address is undefined and x29 is zero. */
        .globl  wf_context_start
        .hidden wf_context_start
        .type   wf_context_start, %function
        .p2align 4
wf_context_start:
        .cfi_startproc
        .cfi_undefined x30
        mov     x1, x0
        mov     x0, x20
        blr     x19
        brk     #1
        .cfi_endproc
        .size   wf_context_start, . - wf_context_start

/* Tell the linker that this file may be mapped with BTI and PAC (GNU_PROPERTY_AARCH64_FEATURE_1_AND). */
        .section .note.gnu.property, "a"
        .p2align 3
        .word   4
        .word   16
        .word   5
        .asciz  "GNU"
        .word   0xc0000000
        .word   4
        .word   3
        .word   0

        .section .note.GNU-stack, "", %progbits
