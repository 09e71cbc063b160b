/* core/list.h for models: the same lists, and every node that an operation touches is watched for races. Include this
 * before anything that uses lists.
 */
#ifndef WF_MODEL_LIST_H
#define WF_MODEL_LIST_H

#include "core/atomics.h"
#include "core/list.h"

/* Whoever links or unlinks a node writes to its neighbours, too. NULL: a node or head that was never linked. */
static inline void watch_node(wf_list *node)
{
    if (node != NULL)
        wf_plain_write(&node->next, node->next);
}

static inline void watch_around(wf_list *node)
{
    watch_node(node);
    watch_node(node->next);
    watch_node(node->prev);
}

static inline bool watched_is_empty(const wf_list *head)
{
    (void)wf_plain_read(&head->next);
    return wf_list_is_empty(head);
}

static inline bool watched_is_linked(const wf_list *node)
{
    (void)wf_plain_read(&node->next);
    return wf_list_is_linked(node);
}

static inline void watched_init(wf_list *head)
{
    watch_node(head);
    wf_list_init(head);
}

static inline void watched_insert_before(wf_list *at, wf_list *node)
{
    watch_node(at);
    watch_node(at->prev);
    watch_node(node);
    wf_list_insert_before(at, node);
}

static inline void watched_push_back(wf_list *head, wf_list *node)
{
    watch_around(head);
    watch_node(node);
    wf_list_push_back(head, node);
}

static inline void watched_push_front(wf_list *head, wf_list *node)
{
    watch_around(head);
    watch_node(node);
    wf_list_push_front(head, node);
}

static inline void watched_remove(wf_list *node)
{
    watch_around(node);
    wf_list_remove(node);
}

static inline wf_list *watched_pop_front(wf_list *head)
{
    if (watched_is_empty(head))
        return NULL;
    watch_node(head);
    watch_around(head->next);
    return wf_list_pop_front(head);
}

#define wf_list_is_empty(head) watched_is_empty(head)
#define wf_list_is_linked(node) watched_is_linked(node)
#define wf_list_init(head) watched_init(head)
#define wf_list_insert_before(at, node) watched_insert_before(at, node)
#define wf_list_push_back(head, node) watched_push_back(head, node)
#define wf_list_push_front(head, node) watched_push_front(head, node)
#define wf_list_remove(node) watched_remove(node)
#define wf_list_pop_front(head) watched_pop_front(head)

#endif
