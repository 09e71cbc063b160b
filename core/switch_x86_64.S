/* Context switch of x86-64 (System V ABI). See core/context.h. */
#include "core/context_x86_64.h"

#ifdef __CET__
#include <cet.h>
#else
#define _CET_ENDBR
#endif

        .text

/* void *wf_context_switch(void **save, void *to, void *value) */
        .globl  wf_context_switch
        .hidden wf_context_switch
        .type   wf_context_switch, @function
        .p2align 5
wf_context_switch:
        .cfi_startproc
        _CET_ENDBR
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
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp              /* both stacks have the same layout here, so the CFI stays right */
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
        movq    %rdx, %rax
        ret
        .cfi_endproc
        .size   wf_context_switch, . - wf_context_switch

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
