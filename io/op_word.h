/* One operation in flight per coroutine, and the word that is its life (wf_coro.op):
 *
 *     bits 0–1   phase: IDLE, IN_FLIGHT, DONE
 *     bit  2     CANCEL    the message that asks for its cancellation is on its way to the ring's worker
 *     bit  3     POLL      it is many entries, one for each descriptor of a weft_poll; in IN_FLIGHT only
 *     bits 8–63  ticket    of the wait to end (sched/state.h)
 *
 *     IDLE ──start──▶ IN_FLIGHT(t1) ──complete──▶ DONE ──take──▶ IDLE
 *                        │      ▲                   ▲
 *             give up    │      │ cancel            │ complete
 *      (another worker)  ▼      │                   │
 *             IN_FLIGHT+CANCEL(t2)                  │
 *                        │ complete                 │
 *                        ▼                          │
 *             DONE+CANCEL(t2) ──cancel──────────────┘
 *
 * Who makes which, R being the worker in whose ring the operation is:
 *   start      the coroutine, on R: store
 *   complete   R, when the completion comes: CAS. Without CANCEL it wakes by the ticket that it found; with CANCEL the
 *              message that is under way will
 *   give up    the coroutine, whose wait was ended by a kill or a deadline: CAS to IN_FLIGHT with the ticket of its
 *              second wait; it cancels the operation itself when it is on R, else sets CANCEL and sends R a message.
 *              Fails when the operation is DONE: then it takes the result
 *   cancel     R, on receipt of the message: IN_FLIGHT: cancels in its ring, store without CANCEL; DONE: store
 *              without CANCEL, and wake
 *   take       the coroutine: store
 *
 * The steps of a call:
 *   1. the entry is prepared in the ring of the present worker; op = IN_FLIGHT with the ticket of the wait to come
 *   2. wf_wait_ticket; the worker submits the entry sooner or later
 *   3. woken: the result is in wait_data[0]. Killed or timed out: give up, and wait again, firmly, for the completion;
 *      what it moved or opened after all is the call's result, else -ECANCELED or -ETIMEDOUT
 *
 * The caller's buffers, and all that the entry points to, may therefore lie in its frame: it is held until the kernel
 * has let go.
 *
 * Why no wake-up is lost: the word holds the ticket of the wait that is going on or about to begin, and wf_wake also
 * reaches a coroutine that has not suspended yet. `complete` and `give up` are compare-and-swaps of one word, so
 * either the completion finds the second ticket or the coroutine finds DONE. With CANCEL set the coroutine waits
 * firmly for a ticket that only R's thread knows how to use, and there `complete` and `cancel` come one after the
 * other: the later one wakes, whichever it is.
 *
 * Why nobody touches stale memory: once `complete` has set DONE without CANCEL the coroutine may go on, end and be
 * recycled at any moment; the waker then holds its block (never unmapped) and an old ticket, which does nothing. The
 * message lies in the coroutine's frame; with CANCEL set it is held until `cancel` has been there. A cancel whose
 * operation has completed meanwhile finds nothing: a later operation of the same coroutine in the same ring is queued
 * behind it.
 *
 * Why a cancel is not in vain: one that finds nothing (-ENOENT) is repeated while the same operation is still in
 * flight. It may have been between two states, neither waiting nor run, and go on to wait: the kernel had found it
 * ready, and will find that it is not. One that found it run by a thread of the kernel (-EALREADY: opening a FIFO,
 * connecting to a local socket whose listener is full) is repeated after a pause, for the same reason.
 *
 * The model is tests/model/model_op.c.
 */
#ifndef WF_IO_OP_WORD_H
#define WF_IO_OP_WORD_H

#include <assert.h>

#include "core/atomics.h"

enum {
    WF_OP_IDLE = 0,
    WF_OP_IN_FLIGHT = 1,
    WF_OP_DONE = 2,
    WF_OP_PHASE = 3,
    WF_OP_CANCEL = 1 << 2,
    WF_OP_POLL = 1 << 3,
    WF_OP_TICKET_SHIFT = 8,
};

static inline uint64_t wf_op_make(uint64_t ticket, unsigned bits)
{
    return ticket << WF_OP_TICKET_SHIFT | bits;
}

/* IDLE → IN_FLIGHT. `kind` is 0 or WF_OP_POLL. */
static inline void wf_op_start(_Atomic(uint64_t) *op, uint64_t ticket, unsigned kind)
{
    wf_store_relaxed(op, wf_op_make(ticket, WF_OP_IN_FLIGHT | kind)); /* relaxed: the completion comes on this thread */
}

/* Complete. Returns the ticket to wake, or 0 when the message that is under way will do that. */
static inline uint64_t wf_op_finish(_Atomic(uint64_t) *op)
{
    uint64_t word = wf_load_relaxed(op); /* relaxed: the CAS decides */
    uint64_t done;
    do {
        bool cancel = word & WF_OP_CANCEL;
        done = cancel ? wf_op_make(word >> WF_OP_TICKET_SHIFT, WF_OP_DONE | WF_OP_CANCEL) : WF_OP_DONE;
        /* ORDER(op): pairs with wf_op_give_up: whoever sees DONE sees the result. */
    } while (!wf_cas_release(op, &word, done));
    return word & WF_OP_CANCEL ? 0 : word >> WF_OP_TICKET_SHIFT;
}

/* Give up. False: it is DONE, and its result is there. `remote` sets CANCEL. */
static inline bool wf_op_give_up(_Atomic(uint64_t) *op, uint64_t ticket, uint64_t fresh_ticket, unsigned kind,
                                 bool remote)
{
    uint64_t word = wf_op_make(ticket, WF_OP_IN_FLIGHT | kind);
    /* ORDER(op): pairs with wf_op_finish: when it fails the result is seen. It publishes nothing: the message does. */
    return wf_cas_acquire(op, &word, wf_op_make(fresh_ticket, WF_OP_IN_FLIGHT | kind | (remote ? WF_OP_CANCEL : 0)));
}

/* The message has arrived. True: cancel it now; false: it is DONE, wake *ticket. */
static inline bool wf_op_cancel(_Atomic(uint64_t) *op, uint64_t *ticket)
{
    /* relaxed, both: nobody else changes the word while the coroutine waits firmly; the message has brought it here,
     * and the wake brings it back. */
    uint64_t word = wf_load_relaxed(op);
    *ticket = word >> WF_OP_TICKET_SHIFT;
    bool in_flight = (word & WF_OP_PHASE) == WF_OP_IN_FLIGHT;
    wf_store_relaxed(op, in_flight ? word & ~(uint64_t)WF_OP_CANCEL : WF_OP_DONE);
    return in_flight;
}

/* After the wait that the completion has ended: DONE → IDLE. */
static inline void wf_op_take(_Atomic(uint64_t) *op)
{
    /* relaxed, both: the wake, or the failed wf_op_give_up, has brought the result; and nobody else looks at the word
     * before the next start. */
    uint64_t word = wf_load_relaxed(op);
    assert((word & (WF_OP_PHASE | WF_OP_CANCEL)) == WF_OP_DONE);
    (void)word;
    wf_store_relaxed(op, WF_OP_IDLE);
}

#endif
