/* Intrusive doubly linked circular list. A node that is on no list points to itself or is all zero. */
#ifndef WF_CORE_LIST_H
#define WF_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct wf_list {
    struct wf_list *next;
    struct wf_list *prev;
} wf_list;

#define wf_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void wf_list_init(wf_list *head)
{
    head->next = head;
    head->prev = head;
}

/* True also for a head that was never initialised but is all zero, so that zeroed objects are valid ones. */
static inline bool wf_list_is_empty(const wf_list *head)
{
    return head->next == head || head->next == NULL;
}

static inline bool wf_list_is_linked(const wf_list *node)
{
    return node->next != NULL && node->next != node;
}

static inline void wf_list_insert_before(wf_list *at, wf_list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

/* Appends; initialises a head that is all zero. */
static inline void wf_list_push_back(wf_list *head, wf_list *node)
{
    if (head->next == NULL)
        wf_list_init(head);
    wf_list_insert_before(head, node);
}

static inline void wf_list_push_front(wf_list *head, wf_list *node)
{
    if (head->next == NULL)
        wf_list_init(head);
    wf_list_insert_before(head->next, node);
}

static inline void wf_list_remove(wf_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    wf_list_init(node);
}

static inline wf_list *wf_list_pop_front(wf_list *head)
{
    if (wf_list_is_empty(head))
        return NULL;
    wf_list *node = head->next;
    wf_list_remove(node);
    return node;
}

#endif
