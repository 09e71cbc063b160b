/* The bare switch, x86-64 System V: rbx, rbp, r12-r15 and the stack pointer. */
#include "bench/context.h"

__asm__(".text\n"
        ".p2align 6\n"
        ".globl bench_context_switch\n"
        ".type bench_context_switch, @function\n"
        "bench_context_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    movq %rdx, %rax\n" /* result of the switch that is continued … */
        "    movq %rdx, %rdi\n" /* … or argument of the entry function */
        "    ret\n"
        ".size bench_context_switch, . - bench_context_switch\n");

void *bench_context_make(void *top, void (*entry)(uintptr_t value))
{
    uintptr_t *sp = top;

    *--sp = 0; /* where the entry function would return to: it never does */
    *--sp = (uintptr_t)entry;
    for (int i = 0; i < 6; i++)
        *--sp = 0;
    return sp;
}
