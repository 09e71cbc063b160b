/* The end of a coroutine of which others than joiners want to hear: iterators, links, scopes.
 *
 *   add      lock; closed? it has ended. Else link a node, set LINKED in the word, unlock
 *   end      lock; LINKED? Here, else in join.c. DONE; take every node off the ring and tell it, or put it aside; closed.
 *            Then call those that were put aside, and only then count the coroutine as ended
 *   remove   wf_join_unlink
 *
 * LINKED stays until the end, so that a coroutine without any of this pays one test of a word which it has loaded anyway.
 *
 * What is called under the lock (an iterator is told) is done with once the word is closed: whoever fails to take a node off may
 * free it, and what it belongs to. What is called afterwards may spawn, take references and tell others, but not block: its
 * coroutine has ended. Since that is not counted as ended yet, weft_stop waits for it. The node is the callee's by then; nobody
 * else finds it.
 */
#include "sched/joiners.h"
#include "sched/suspend.h"
#include "sched/worker.h"

bool wf_notify_add(wf_coro *target, wf_joiner *joiner)
{
    if (!wf_joiners_lock(target))
        return false;
    wf_joiners_unlock(target, wf_joiners_link(target, &joiner->node) | WF_JOINERS_LINKED);
    return true;
}

/* Links start in their order, so behind each other: not each in front of the one before. The lock is held. */
static void start_link(wf_coro *link)
{
    if (wf_state_claim(link)) /* nothing else ends this wait */
        wf_ready_fifo(link, 0);
}

static void tell_waiter(wf_coro *self, wf_coro *waiter)
{
    if (wf_plain_read(&waiter->wait_data[WF_JOIN_TAKES]) == WF_JOIN_STARTS)
        start_link(waiter);
    else
        wf_join_tell(self, waiter);
}

/* The lock is held. What is to be called without it goes to `aside`. */
static void tell_node(wf_coro *self, wf_list *node, wf_list *aside)
{
    wf_joiner *joiner = wf_container_of(node, wf_joiner, node);
    if ((uintptr_t)node % WF_CACHE_LINE == 0)
        tell_waiter(self, wf_container_of(node, wf_coro, wait_node));
    else if (wf_plain_read(&joiner->waiter) != NULL)
        wf_join_tell_any(joiner);
    else if (wf_plain_read(&joiner->kind) == WF_JOINER_ITER)
        wf_iwait_told(joiner);
    else
        wf_list_push_back(aside, node);
}

static void call(wf_coro *self, wf_joiner *joiner)
{
    if (joiner->kind == WF_JOINER_LINK)
        wf_link_run(joiner, self);
    else
        wf_scope_told(joiner, self);
}

void wf_notify_publish(wf_coro *self)
{
    wf_list aside = {NULL, NULL};
    wf_list *node;
    wf_state_done(self);
    wf_list *first = wf_joiners_first(self);
    while (first != NULL) {
        wf_list *next = first->next == first ? NULL : first->next;
        wf_list_remove(first);
        tell_node(self, first, &aside);
        first = next;
    }
    wf_joiners_unlock(self, WF_JOINERS_CLOSED);
    while ((node = wf_list_pop_front(&aside)) != NULL)
        call(self, wf_container_of(node, wf_joiner, node));
    wf_runtime_count_finished(wf_worker_self());
}
