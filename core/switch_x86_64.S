/* Context switch of x86-64 (System V ABI). See core/context.h. */
#include "core/context_x86_64.h"

#ifdef __CET__
#include <cet.h>
#else
#define _CET_ENDBR
#endif

/* Push what the ABI has a function keep, and pop it. */
        .macro  save
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        .endm

        .macro  restore
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        .endm

        .text

/* void *wf_context_switch(void **save, void *to, void *value) */
        .globl  wf_context_switch
        .hidden wf_context_switch
        .type   wf_context_switch, @function
        .p2align 5
wf_context_switch:
        .cfi_startproc
        _CET_ENDBR
        save
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp              /* both stacks have the same layout here, so the CFI stays right */
        restore
        movq    %rdx, %rax
        ret
        .cfi_endproc
        .size   wf_context_switch, . - wf_context_switch

/* wf_context_hop_in, wf_context_hop_out (void **save, void *to, void *value): as wf_context_switch, but it goes there by a jump. */
        .globl  wf_context_hop_in
        .hidden wf_context_hop_in
        .type   wf_context_hop_in, @function
        .globl  wf_context_hop_out
        .hidden wf_context_hop_out
        .type   wf_context_hop_out, @function
        .p2align 5
wf_context_hop_in:
wf_context_hop_out:
        .cfi_startproc
        _CET_ENDBR
        save
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp              /* both stacks have the same layout here, so the CFI stays right */
        restore
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        movq    %rdx, %rax
        notrack jmpq *%rcx              /* to behind a call, where no landing pad stands */
        .cfi_endproc
        .size   wf_context_hop_in, . - wf_context_hop_in
        .size   wf_context_hop_out, . - wf_context_hop_out

/* void wf_context_enter(void **save, void *top, entry, void *arg, void *value) */
        .globl  wf_context_enter
        .hidden wf_context_enter
        .type   wf_context_enter, @function
        .p2align 5
wf_context_enter:
        .cfi_startproc
        _CET_ENDBR
        save
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        .cfi_undefined %rip
        pushq   $0                      /* where entry would return to: it never does, and unwinders stop here */
        xorl    %ebp, %ebp
        movq    %rcx, %rdi
        movq    %r8, %rsi
        jmpq    *%rdx                   /* a jump: the return address that our call left in the predictor stays on top */
        .cfi_endproc
        .size   wf_context_enter, . - wf_context_enter

/* void wf_context_leave(void *to, void *value): the second half of a switch. What the caller leaves behind is not saved. */
        .globl  wf_context_leave
        .hidden wf_context_leave
        .type   wf_context_leave, @function
        .p2align 5
wf_context_leave:
        .cfi_startproc
        _CET_ENDBR
        movq    %rdi, %rsp
        .cfi_def_cfa %rsp, WF_CONTEXT_SIZE
        .cfi_offset %r15, -56
        .cfi_offset %r14, -48
        .cfi_offset %r13, -40
        .cfi_offset %r12, -32
        .cfi_offset %rbx, -24
        .cfi_offset %rbp, -16
        restore
        movq    %rsi, %rax
        ret
        .cfi_endproc
        .size   wf_context_leave, . - wf_context_leave

/* void wf_context_leave_through(void *to, fn, void *arg): fn(arg) runs on the stack `to`, below the saved context. */
        .globl  wf_context_leave_through
        .hidden wf_context_leave_through
        .type   wf_context_leave_through, @function
        .p2align 5
wf_context_leave_through:
        .cfi_startproc
        _CET_ENDBR
        leaq    -8(%rdi), %rsp          /* the call wants 16 bytes of alignment */
        .cfi_def_cfa %rsp, WF_CONTEXT_SIZE + 8
        .cfi_offset %r15, -56
        .cfi_offset %r14, -48
        .cfi_offset %r13, -40
        .cfi_offset %r12, -32
        .cfi_offset %rbx, -24
        .cfi_offset %rbp, -16
        movq    %rdx, %rdi
        callq   *%rsi
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        restore
        ret
        .cfi_endproc
        .size   wf_context_leave_through, . - wf_context_leave_through

/* Where the first switch to a new context returns to: r12 = entry, r13 = arg, rax = value. The outermost frame: unwinders stop
 * here, because the return address is undefined and rbp is zero. */
        .globl  wf_context_start
        .hidden wf_context_start
        .type   wf_context_start, @function
        .p2align 4
wf_context_start:
        .cfi_startproc
        .cfi_undefined %rip
        movq    %r13, %rdi
        movq    %rax, %rsi
        callq   *%r12
        ud2
        .cfi_endproc
        .size   wf_context_start, . - wf_context_start

        .section .note.GNU-stack, "", @progbits
