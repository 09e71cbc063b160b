/* The table of descriptors, and weft_close. The protocol is in io/fd.h. */
#include "io/fd.h"

#include <errno.h>
#include <sys/mman.h>

#include "core/syscall.h"
#include "io/op.h"
#include "io/ring.h"
#include "sched/suspend.h"
#include "sched/waiters.h"

/* 2^24 descriptors; a table of 1024 entries (64 KiB of address space) for each 1024 numbers in use. */
enum { LEAF_SHIFT = 10, LEAF_SIZE = 1 << LEAF_SHIFT, LEAVES = 1 << 14 };

static _Atomic(wf_fd *) leaves[LEAVES];

/* Those that poll several descriptors; wait_data[0] of each is its wf_fd_group. */
static wf_biased groups_lock;
static wf_list groups; /* lock groups_lock */

/* ---- the table ---- */

static wf_fd *make_leaf(_Atomic(wf_fd *) *slot)
{
    size_t size = LEAF_SIZE * sizeof(wf_fd);
    long result = wf_syscall6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (result < 0 && result > -4096)
        return NULL;
    wf_fd *leaf = NULL;
    /* ORDER(fd-leaf): pairs with wf_fd_of: the pages are mapped. */
    if (wf_cas_acq_rel(slot, &leaf, (wf_fd *)result))
        return (wf_fd *)result;
    wf_syscall3(SYS_munmap, result, size, 0);
    return leaf;
}

wf_fd *wf_fd_of(int fd)
{
    if (fd < 0 || fd >= LEAF_SIZE * LEAVES)
        return NULL;
    _Atomic(wf_fd *) *slot = &leaves[fd >> LEAF_SHIFT];
    /* ORDER(fd-leaf): pairs with make_leaf. */
    wf_fd *leaf = wf_load_acquire(slot);
    if (leaf == NULL)
        leaf = make_leaf(slot);
    return leaf == NULL ? NULL : &leaf[fd & (LEAF_SIZE - 1)];
}

/* ---- calls ---- */

/* Have the closer look again. `over` is the flag of its sweep, or NULL. */
static void wake_closer(wf_fd *entry, bool *over)
{
    wf_object_lock(&entry->lock);
    if (over != NULL)
        *over = true;
    wf_coro *closer = entry->closer;
    uint64_t ticket = entry->closer_ticket;
    entry->closer = NULL;
    wf_object_unlock(&entry->lock);
    if (closer != NULL)
        wf_wake(closer, ticket, 0);
}

void wf_fd_leave(wf_fd *entry)
{
    /* ORDER(fd): pairs with weft_close, which closes only after all that the calls have done. */
    if (wf_fetch_sub_acq_rel(&entry->word, 1) - 1 == WF_FD_CLOSING)
        wake_closer(entry, NULL);
}

/* Somebody is inside close(2) with this number: let it finish. That takes microseconds, or as long as a file
 * system needs to write back. */
static void back_off(unsigned turn)
{
    if (turn < 100)
        weft_yield();
    else
        weft_sleep(100 * WEFT_MICROSECOND);
}

int wf_fd_enter(int fd, wf_fd **entry)
{
    wf_fd *e = wf_fd_of(fd);
    if (e == NULL)
        return fd < 0 || fd >= LEAF_SIZE * LEAVES ? -EBADF : -ENOMEM;
    for (unsigned turn = 0;; turn++) {
        /* ORDER(fd): pairs with weft_close: either it sees this call, or the call sees the mark. */
        uint64_t word = wf_fetch_add_acq_rel(&e->word, 1);
        if (word < WF_FD_CLOSING) {
            *entry = e;
            return 0;
        }
        wf_fd_leave(e);
        if (word & WF_FD_CLOSING)
            return -EBADF;
        back_off(turn);
    }
}

static bool is_closing(wf_fd *entry)
{
    return wf_load_relaxed(&entry->word) & WF_FD_CLOSING; /* relaxed: set under the lock that the caller holds */
}

int wf_fd_join(wf_fd *entry, wf_coro *self)
{
    wf_object_lock(&entry->lock);
    bool closing = is_closing(entry);
    if (!closing)
        wf_list_push_back(&entry->line, &self->wait_node);
    wf_object_unlock(&entry->lock);
    return closing ? -ECANCELED : 0;
}

void wf_fd_part(wf_fd *entry, wf_coro *self)
{
    wf_wait_unlink(self, &entry->lock);
}

int wf_fd_join_group(const wf_fd_group *group, wf_coro *self)
{
    bool closing = false;
    wf_object_lock(&groups_lock);
    for (size_t i = 0; i < group->n; i++) {
        wf_fd *entry = group->entries[i];
        if (entry == NULL)
            continue;
        wf_object_lock(&entry->lock);
        closing |= is_closing(entry);
        wf_object_unlock(&entry->lock);
    }
    if (!closing) {
        self->wait_data[0] = (uint64_t)(uintptr_t)group;
        wf_list_push_back(&groups, &self->wait_node);
    }
    wf_object_unlock(&groups_lock);
    return closing ? -ECANCELED : 0;
}

void wf_fd_part_group(wf_coro *self)
{
    wf_wait_unlink(self, &groups_lock);
}

/* ---- closing ---- */

/* One weft_close that has to end calls; in the closer's frame. */
struct sweep {
    wf_message message;
    wf_fd *entry;
    bool over; /* lock entry->lock: the message has been everywhere */
};

/* What a visit finds in line, and does about it. */
struct visit {
    struct sweep *sweep;
    wf_worker *here; /* NULL: on a plain thread, only looking where to go */
    int next;        /* the next worker to visit, -1: none */
};

static void end_thread_wait(wf_coro *thread)
{
    uint64_t one = 1;
    wf_syscall3(SYS_write, (int)thread->wait_data[1], &one, sizeof one);
}

static void visit_one(struct visit *v, wf_coro *coro)
{
    if (coro->flags & WF_CORO_THREAD) {
        if (v->here == NULL)
            end_thread_wait(coro);
        return;
    }
    int home = wf_load_relaxed(&coro->worker); /* relaxed: it joined under the lock that is held */
    int last = v->here == NULL ? -1 : v->here->index;
    if (home == last)
        wf_op_cancel_in(v->here->source, coro);
    else if (home > last && (v->next < 0 || home < v->next))
        v->next = home;
}

static bool group_has(wf_coro *coro, const wf_fd *entry)
{
    const wf_fd_group *group = (const wf_fd_group *)(uintptr_t)coro->wait_data[0];
    for (size_t i = 0; i < group->n; i++)
        if (group->entries[i] == entry)
            return true;
    return false;
}

static void visit_lines(struct visit *v)
{
    wf_fd *entry = v->sweep->entry;
    wf_object_lock(&entry->lock);
    if (!wf_list_is_empty(&entry->line))
        for (wf_list *node = entry->line.next; node != &entry->line; node = node->next)
            visit_one(v, wf_container_of(node, wf_coro, wait_node));
    wf_object_unlock(&entry->lock);
    wf_object_lock(&groups_lock);
    if (!wf_list_is_empty(&groups))
        for (wf_list *node = groups.next; node != &groups; node = node->next) {
            wf_coro *coro = wf_container_of(node, wf_coro, wait_node);
            if (group_has(coro, entry))
                visit_one(v, coro);
        }
    wf_object_unlock(&groups_lock);
}

/* Visit this worker, then send the message on; workers are visited in the order of their indices. */
static void sweep_here(wf_worker *worker, wf_message *message)
{
    struct visit v = {.sweep = wf_container_of(message, struct sweep, message), .here = worker, .next = -1};
    visit_lines(&v);
    if (v.next >= 0)
        wf_worker_send(wf_rt.workers[v.next], message);
    else
        wake_closer(v.sweep->entry, &v.sweep->over);
}

static void end_calls(wf_fd *entry, wf_coro *self)
{
    struct sweep sweep = {.message.run = sweep_here, .entry = entry};
    struct visit v = {.sweep = &sweep, .next = -1};
    visit_lines(&v);
    if (v.next >= 0)
        wf_worker_send(wf_rt.workers[v.next], &sweep.message);
    else
        sweep.over = true;
    for (;;) {
        wf_object_lock(&entry->lock);
        /* ORDER(fd): pairs with wf_fd_leave. */
        if (sweep.over && wf_load_acquire(&entry->word) == WF_FD_CLOSING)
            break;
        entry->closer = self;
        entry->closer_ticket = wf_state_ticket(self);
        wf_object_unlock(&entry->lock);
        wf_wait_ticket_firm(self, WF_WAIT_IO_CANCEL, entry);
    }
    wf_object_unlock(&entry->lock);
}

/* 0: nobody is in it, and it is RELEASING now. 1: somebody is, and it is CLOSING now. -EBADF: somebody else closes
 * it. */
static int begin_close(wf_fd *entry)
{
    for (unsigned turn = 0;; turn++) {
        wf_object_lock(&entry->lock);
        uint64_t word = wf_load_relaxed(&entry->word); /* relaxed: the CAS decides */
        bool done = false;
        while (word < WF_FD_CLOSING && !done)
            /* ORDER(fd): pairs with wf_fd_enter and wf_fd_leave. */
            done = wf_cas_acq_rel(&entry->word, &word, word == 0 ? WF_FD_RELEASING : word | WF_FD_CLOSING);
        wf_object_unlock(&entry->lock);
        if (done)
            return word != 0;
        if (word & WF_FD_CLOSING)
            return -EBADF;
        back_off(turn);
    }
}

WEFT_API int weft_close(int fd)
{
    wf_fd *entry = wf_fd_of(fd);
    if (entry == NULL) {
        /* Too large a number, or no memory for the table: then no call is in it either. */
        int result = (int)wf_syscall3(SYS_close, fd, 0, 0);
        return result == -EINTR ? 0 : result;
    }
    int state = begin_close(entry);
    if (state < 0)
        return state;
    if (state > 0) {
        wf_coro *self = wf_self();
        if (self == NULL) {
            /* ORDER(fd): as below; nothing was ended. */
            wf_fetch_sub_acq_rel(&entry->word, WF_FD_CLOSING);
            return -ENOMEM;
        }
        end_calls(entry, self);
        wf_fetch_add_acq_rel(&entry->word, WF_FD_RELEASING - WF_FD_CLOSING); /* ORDER(fd): pairs with wf_fd_enter */
    }
    wf_store_relaxed(&entry->hint, 0); /* relaxed: a hint */
    int result = (int)wf_syscall3(SYS_close, fd, 0, 0);
    /* ORDER(fd): pairs with wf_fd_enter: whoever finds the number free finds the close done. */
    wf_fetch_sub_acq_rel(&entry->word, WF_FD_RELEASING);
    return result == -EINTR ? 0 : result; /* Linux has closed it all the same */
}

/* ---- fork ---- */

void wf_fd_forget(void)
{
    groups_lock = (wf_biased){0}; /* a thread of the parent may have held it */
    groups = (wf_list){0};
    for (int i = 0; i < LEAVES; i++) {
        wf_fd *leaf = wf_load_relaxed(&leaves[i]); /* relaxed: there is one thread */
        /* Private memory: zero from then on. */
        if (leaf != NULL)
            wf_syscall3(SYS_madvise, leaf, LEAF_SIZE * sizeof(wf_fd), MADV_DONTNEED);
    }
}
