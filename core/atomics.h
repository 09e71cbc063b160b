/* Atomic operations whose names carry their memory order.
 *
 * Everything in weft that threads share goes through these names, for two reasons. The order of an access can be read
 * where it stands, without looking up a parameter; and the model checker can run the shipped source, because with
 * WF_MODEL defined each name becomes a call into tests/model instead of an instruction.
 *
 * Every access that is not relaxed carries a comment ORDER(tag) that says what it pairs with; each tag stands in at
 * least two places. A relaxed access says why nothing is published by it.
 */
#ifndef WF_CORE_ATOMICS_H
#define WF_CORE_ATOMICS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef WF_MODEL
#include "model_atomics.h"
#else

#include <stdatomic.h>

#define wf_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define wf_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define wf_load_seq_cst(p) atomic_load_explicit((p), memory_order_seq_cst)

#define wf_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define wf_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define wf_store_seq_cst(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)

#define wf_exchange_acquire(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define wf_exchange_release(p, v) atomic_exchange_explicit((p), (v), memory_order_release)
#define wf_exchange_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define wf_exchange_seq_cst(p, v) atomic_exchange_explicit((p), (v), memory_order_seq_cst)

/* Compare and swap: true when *p was *expected and is now desired; else *expected holds what was found. All are strong;
 * the failure order is relaxed for _relaxed and _release, acquire for the others (seq_cst for _seq_cst). */
#define wf_cas_relaxed(p, expected, desired) \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_relaxed, memory_order_relaxed)
#define wf_cas_acquire(p, expected, desired) \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acquire, memory_order_acquire)
#define wf_cas_release(p, expected, desired) \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_release, memory_order_relaxed)
#define wf_cas_acq_rel(p, expected, desired) \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acq_rel, memory_order_acquire)
#define wf_cas_seq_cst(p, expected, desired) \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_seq_cst, memory_order_seq_cst)

#define wf_fetch_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define wf_fetch_add_acq_rel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define wf_fetch_add_seq_cst(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define wf_fetch_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define wf_fetch_sub_acq_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define wf_fetch_sub_seq_cst(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)
#define wf_fetch_or_relaxed(p, v) atomic_fetch_or_explicit((p), (v), memory_order_relaxed)
#define wf_fetch_or_acq_rel(p, v) atomic_fetch_or_explicit((p), (v), memory_order_acq_rel)
#define wf_fetch_or_seq_cst(p, v) atomic_fetch_or_explicit((p), (v), memory_order_seq_cst)
#define wf_fetch_and_acq_rel(p, v) atomic_fetch_and_explicit((p), (v), memory_order_acq_rel)

#define wf_fence_seq_cst() atomic_thread_fence(memory_order_seq_cst)

/* For the compiler alone: it moves no access across. */
#define wf_fence_compiler() atomic_signal_fence(memory_order_seq_cst)

/* A full fence between a successful read-modify-write before it and what comes after. On x86-64 the former is one itself. */
#if defined(__x86_64__)
#define wf_fence_after_rmw() wf_fence_compiler()
#else
#define wf_fence_after_rmw() wf_fence_seq_cst()
#endif

/* A plain (non-atomic) access that a protocol orders; the model checker looks for races on it. */
#define wf_plain_read(p) (*(p))
#define wf_plain_write(p, v) ((void)(*(p) = (v)))

#if defined(__x86_64__)
#define WF_PAUSE "pause"
#else
#define WF_PAUSE "isb" /* yield does nothing on most aarch64 cores; isb takes about as long as pause on x86-64 */
#endif

/* A pause in a spin loop. The model checker lets another thread run instead. */
static inline void wf_spin_pause(void)
{
    __asm__ volatile(WF_PAUSE ::: "memory");
}

#endif /* WF_MODEL */

#define WF_CACHE_LINE 64

#endif
