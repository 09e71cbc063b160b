/* The names of core/atomics.h as calls into the checker. Included by core/atomics.h when WF_MODEL is defined.
 *
 * Objects keep their shipped types: _Atomic(T) of 1, 2, 4 or 8 bytes, pointers included. The checker knows them by
 * address; their first value is what the memory holds when they are first used, later values live in the checker.
 */
#ifndef WF_MODEL_ATOMICS_H
#define WF_MODEL_ATOMICS_H

#include "checker.h"

/* The comma drops _Atomic and const from the type. */
#define MC_TYPE(p) __typeof__((void)0, *(p))

/* It would spread statement expressions over more lines than they have parts. */
/* clang-format off */
#define MC_LOAD_AS(name, p, order) ((MC_TYPE(p))mc_load(MC_SITE(name, #p, MC_LOAD, order, MC_RELAXED), (p), sizeof *(p)))
#define MC_STORE_AS(name, p, v, order) \
    mc_store(MC_SITE(name, #p, MC_STORE, order, MC_RELAXED), (p), sizeof *(p), (uint64_t)(v))
/* A statement expression, because its value may be ignored. */
#define MC_RMW_AS(name, p, v, what, order) \
    __extension__({ \
        (MC_TYPE(p))mc_rmw(MC_SITE(name, #p, MC_RMW, order, MC_RELAXED), (p), sizeof *(p), what, (uint64_t)(v)); \
    })
#define MC_CAS_AS(name, p, expected, desired, order, failure) \
    mc_cas(MC_SITE(name, #p, MC_CAS, order, failure), (p), \
           sizeof *(p) + 0 * sizeof(char[sizeof *(p) == sizeof *(expected) ? 1 : -1]), (expected), (uint64_t)(desired))

#define wf_load_relaxed(p) MC_LOAD_AS("wf_load_relaxed", p, MC_RELAXED)
#define wf_load_acquire(p) MC_LOAD_AS("wf_load_acquire", p, MC_ACQUIRE)
#define wf_load_seq_cst(p) MC_LOAD_AS("wf_load_seq_cst", p, MC_SEQ_CST)

#define wf_store_relaxed(p, v) MC_STORE_AS("wf_store_relaxed", p, v, MC_RELAXED)
#define wf_store_release(p, v) MC_STORE_AS("wf_store_release", p, v, MC_RELEASE)
#define wf_store_seq_cst(p, v) MC_STORE_AS("wf_store_seq_cst", p, v, MC_SEQ_CST)

#define wf_exchange_acquire(p, v) MC_RMW_AS("wf_exchange_acquire", p, v, MC_EXCHANGE, MC_ACQUIRE)
#define wf_exchange_release(p, v) MC_RMW_AS("wf_exchange_release", p, v, MC_EXCHANGE, MC_RELEASE)
#define wf_exchange_acq_rel(p, v) MC_RMW_AS("wf_exchange_acq_rel", p, v, MC_EXCHANGE, MC_ACQ_REL)
#define wf_exchange_seq_cst(p, v) MC_RMW_AS("wf_exchange_seq_cst", p, v, MC_EXCHANGE, MC_SEQ_CST)

#define wf_cas_relaxed(p, expected, desired) \
    MC_CAS_AS("wf_cas_relaxed", p, expected, desired, MC_RELAXED, MC_RELAXED)
#define wf_cas_acquire(p, expected, desired) \
    MC_CAS_AS("wf_cas_acquire", p, expected, desired, MC_ACQUIRE, MC_ACQUIRE)
#define wf_cas_release(p, expected, desired) \
    MC_CAS_AS("wf_cas_release", p, expected, desired, MC_RELEASE, MC_RELAXED)
#define wf_cas_acq_rel(p, expected, desired) \
    MC_CAS_AS("wf_cas_acq_rel", p, expected, desired, MC_ACQ_REL, MC_ACQUIRE)
#define wf_cas_seq_cst(p, expected, desired) \
    MC_CAS_AS("wf_cas_seq_cst", p, expected, desired, MC_SEQ_CST, MC_SEQ_CST)

#define wf_fetch_add_relaxed(p, v) MC_RMW_AS("wf_fetch_add_relaxed", p, v, MC_ADD, MC_RELAXED)
#define wf_fetch_add_acq_rel(p, v) MC_RMW_AS("wf_fetch_add_acq_rel", p, v, MC_ADD, MC_ACQ_REL)
#define wf_fetch_add_seq_cst(p, v) MC_RMW_AS("wf_fetch_add_seq_cst", p, v, MC_ADD, MC_SEQ_CST)
#define wf_fetch_sub_relaxed(p, v) MC_RMW_AS("wf_fetch_sub_relaxed", p, v, MC_SUB, MC_RELAXED)
#define wf_fetch_sub_acq_rel(p, v) MC_RMW_AS("wf_fetch_sub_acq_rel", p, v, MC_SUB, MC_ACQ_REL)
#define wf_fetch_sub_seq_cst(p, v) MC_RMW_AS("wf_fetch_sub_seq_cst", p, v, MC_SUB, MC_SEQ_CST)
#define wf_fetch_or_relaxed(p, v) MC_RMW_AS("wf_fetch_or_relaxed", p, v, MC_OR, MC_RELAXED)
#define wf_fetch_or_acq_rel(p, v) MC_RMW_AS("wf_fetch_or_acq_rel", p, v, MC_OR, MC_ACQ_REL)
#define wf_fetch_or_seq_cst(p, v) MC_RMW_AS("wf_fetch_or_seq_cst", p, v, MC_OR, MC_SEQ_CST)
#define wf_fetch_and_acq_rel(p, v) MC_RMW_AS("wf_fetch_and_acq_rel", p, v, MC_AND, MC_ACQ_REL)

#define wf_fence_seq_cst() mc_fence(MC_SITE("wf_fence_seq_cst", "", MC_FENCE, MC_SEQ_CST, MC_RELAXED))

#define wf_fence_after_rmw() mc_fence(MC_SITE("wf_fence_after_rmw", "", MC_FENCE, MC_SEQ_CST, MC_RELAXED))

/* Of core/fence.h. */
#define wf_fence_light() mc_light_fence(MC_SITE("wf_fence_light", "", MC_FENCE, MC_RELAXED, MC_RELAXED))
#define wf_fence_heavy() mc_heavy_fence(MC_SITE("wf_fence_heavy", "", MC_FENCE, MC_SEQ_CST, MC_RELAXED))

#define wf_plain_read(p) \
    (mc_plain(MC_SITE("wf_plain_read", #p, MC_PLAIN, MC_RELAXED, MC_RELAXED), (p), false), *(p))
#define wf_plain_write(p, v) \
    (mc_plain(MC_SITE("wf_plain_write", #p, MC_PLAIN, MC_RELAXED, MC_RELAXED), (p), true), (void)(*(p) = (v)))

#define wf_spin_pause() mc_pause(MC_SITE("wf_spin_pause", "", MC_PAUSE, MC_RELAXED, MC_RELAXED))

/* clang-format on */

#endif
