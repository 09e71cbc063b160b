/* Reading a thread-local pointer on aarch64: see core/tls.h. */
#ifndef WF_CORE_TLS_AARCH64_H
#define WF_CORE_TLS_AARCH64_H

#define wf_tls_read(symbol) \
    __extension__({ \
        void *wf_tls_value; \
        void *wf_tls_offset; \
        __asm__ volatile("mrs %0, tpidr_el0\n\t" \
                         "adrp %1, :gottprel:" #symbol "\n\t" \
                         "ldr %1, [%1, :gottprel_lo12:" #symbol "]\n\t" \
                         "ldr %0, [%0, %1]" \
                         : "=&r"(wf_tls_value), "=&r"(wf_tls_offset)); \
        wf_tls_value; \
    })

#endif
