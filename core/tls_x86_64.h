/* Reading a thread-local pointer on x86-64: see core/tls.h. */
#ifndef WF_CORE_TLS_X86_64_H
#define WF_CORE_TLS_X86_64_H

#define wf_tls_read(symbol) \
    __extension__({ \
        void *wf_tls_value; \
        __asm__ volatile("movq " #symbol "@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(wf_tls_value)); \
        wf_tls_value; \
    })

#endif
