/* Inbox: many senders, one receiver, unbounded, intrusive. Senders push onto a stack by compare-and-swap; the receiver takes the
 * whole stack with one exchange and turns it round, so that items arrive in the order in which they were sent.
 *
 * No ABA: nothing is ever popped singly. Model: tests/model/model_inbox.c.
 */
#ifndef WF_CORE_INBOX_H
#define WF_CORE_INBOX_H

#include <stddef.h>

#include "core/atomics.h"

typedef struct wf_inbox_node {
    struct wf_inbox_node *next; /* sender until the push, receiver after the take */
} wf_inbox_node;

typedef struct wf_inbox {
    _Atomic(wf_inbox_node *) head;
} wf_inbox;

/* Any thread. True: it was empty before, so the receiver may have to be woken. */
static inline bool wf_inbox_send(wf_inbox *inbox, wf_inbox_node *node)
{
    wf_inbox_node *head = wf_load_relaxed(&inbox->head); /* relaxed: the CAS decides */
    do {
        wf_plain_write(&node->next, head);
        /* ORDER(inbox): pairs with wf_inbox_take: the receiver sees the node and all that was written before. */
    } while (!wf_cas_acq_rel(&inbox->head, &head, node));
    return head == NULL;
}

/* A hint whether there is anything. */
static inline bool wf_inbox_is_empty(wf_inbox *inbox)
{
    return wf_load_relaxed(&inbox->head) == NULL; /* relaxed: a hint; wf_inbox_take acquires */
}

/* Receiver: take all, oldest first, linked by next; NULL when empty. */
static inline wf_inbox_node *wf_inbox_take(wf_inbox *inbox)
{
    if (wf_inbox_is_empty(inbox))
        return NULL;
    /* ORDER(inbox): pairs with wf_inbox_send. */
    wf_inbox_node *node = wf_exchange_acquire(&inbox->head, NULL);
    wf_inbox_node *oldest = NULL;
    while (node != NULL) {
        wf_inbox_node *older = wf_plain_read(&node->next);
        wf_plain_write(&node->next, oldest);
        oldest = node;
        node = older;
    }
    return oldest;
}

#endif
