/* Offsets in a saved context of aarch64, shared by C and assembly. In bytes from the saved stack pointer. */
#ifndef WF_CORE_CONTEXT_AARCH64_H
#define WF_CORE_CONTEXT_AARCH64_H

#define WF_CONTEXT_X19 0
#define WF_CONTEXT_X21 16
#define WF_CONTEXT_X23 32
#define WF_CONTEXT_X25 48
#define WF_CONTEXT_X27 64
#define WF_CONTEXT_X29 80
#define WF_CONTEXT_D8 96
#define WF_CONTEXT_D10 112
#define WF_CONTEXT_D12 128
#define WF_CONTEXT_D14 144
#define WF_CONTEXT_SIZE 160

#endif
