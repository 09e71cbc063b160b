/* The census of threads. /proc/self/task lists them all, whoever made them. Each has to be
 *
 *   a worker               the caller knows that it is parked
 *   a helper               it wakes nobody by itself (sched/census.h)
 *   in weft_stop           it waits for the last coroutine, and does nothing before that has ended
 *   a plain thread that waits in weft, without a deadline: its block says so (sched/thread.c)
 *   a thread of an io_uring in the kernel (PF_IO_WORKER): it completes operations, and runs nothing of this process. Those of
 *                          weft's rings are counted where they are started; those of others are seen by a thread, which is listed
 *
 * Else it could do something, and so could one that is not on the list. Why none is missing: the number of threads, which the
 * kernel has as the link count of the folder, is compared before and after. A listing that is cut short because a thread ends
 * meanwhile has too few; a thread that nobody knows of is in the number.
 *
 * Why all of them waited at one moment: each is found waiting while the list is read, and once more afterwards, in the same wait,
 * for tickets only grow and their sum is the same. So all of them waited from the end of the first look to the beginning of the
 * second.
 */
#include "sched/census.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lock.h"
#include "core/syscall.h"
#include "sched/state.h"
#include "sched/suspend.h"
#include "sched/worker.h"

_Atomic(int32_t) wf_census_tool;

static struct {
    wf_lock lock;
    wf_list list; /* lock */
} helpers;

void wf_helper_enter(wf_helper *self)
{
    self->tid = (int32_t)wf_syscall3(SYS_gettid, 0, 0, 0);
    wf_lock_take(&helpers.lock);
    wf_list_push_back(&helpers.list, &self->node);
    wf_unlock(&helpers.lock);
}

void wf_helper_leave(wf_helper *self)
{
    wf_lock_take(&helpers.lock);
    wf_list_remove(&self->node);
    wf_unlock(&helpers.lock);
}

void wf_helpers_forget(void)
{
    helpers.lock = (wf_lock){0}; /* a thread of the parent may have held it */
    helpers.list = (wf_list){0};
}

static bool is_helper(int32_t tid)
{
    bool found = false;
    wf_lock_take(&helpers.lock);
    if (!wf_list_is_empty(&helpers.list))
        for (wf_list *node = helpers.list.next; node != &helpers.list && !found; node = node->next)
            found = wf_container_of(node, wf_helper, node)->tid == tid;
    wf_unlock(&helpers.lock);
    return found;
}

static bool is_worker(int32_t tid)
{
    for (unsigned i = 0; i < wf_rt.count; i++)
        if (wf_load_relaxed(&wf_rt.workers[i]->tid) == tid) /* relaxed: fixed by now */
            return true;
    return false;
}

/* One that runs nothing of the program while the workers are parked and no job is in the offload pool. */
static bool is_ours(int32_t tid)
{
    return is_worker(tid) || is_helper(tid) || tid == wf_load_relaxed(&wf_census_tool); /* relaxed: set by a test */
}

static bool is_stopping(int32_t tid)
{
    /* ORDER(stopper): pairs with wait_until_empty in sched/runtime.c: what it did before it waited. */
    return wf_load_acquire(&wf_rt.stopper) == tid;
}

/* ---- ranks ---- */

/* It can be ended, or has just been. */
static bool is_endable(wf_coro *coro)
{
    /* relaxed: nothing runs while this is asked */
    uint64_t state = wf_load_relaxed(&coro->state);
    return wf_state_phase(state) == WF_PHASE_READY ||
           (wf_state_phase(state) == WF_PHASE_WAITING && (state & WF_STATE_KILLABLE));
}

enum wf_rank wf_wait_rank(wf_coro *coro)
{
    /* relaxed: the state, which the caller has acquired, published them. */
    uintptr_t object = (uintptr_t)wf_load_relaxed(&coro->wait_object);
    if (!is_endable(coro))
        return WF_RANK_FIRM;
    switch (wf_load_relaxed(&coro->wait_kind)) {
    case WF_WAIT_JOIN: /* the object may be marked: see sched/join.c */
        return is_endable((wf_coro *)(object - object % WF_CACHE_LINE)) ? WF_RANK_LAST : WF_RANK_JOIN;
    case WF_WAIT_ANY:
    case WF_WAIT_ITER:
    case WF_WAIT_SCOPE:
    case WF_WAIT_POOL_JOIN:
    case WF_WAIT_POOL_RESULT:
        return WF_RANK_JOIN;
    case WF_WAIT_FORK:
        return WF_RANK_LAST;
    default:
        return WF_RANK_FIRST;
    }
}

/* ---- looking at a thread from outside ---- */

/* Is it one of the kernel, of an io_uring? Field 9 of its stat: the flags. */
static bool is_of_the_kernel(const char *tid)
{
    enum { FIELD = 9, FIRST = 3, IO_WORKER = 0x10 }; /* PF_IO_WORKER, since Linux 5.5 */
    char path[64], stat[256];
    snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", tid);
    long fd = wf_syscall4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    long n = wf_syscall3(SYS_read, fd, stat, sizeof(stat) - 1);
    wf_syscall3(SYS_close, fd, 0, 0);
    stat[n > 0 ? n : 0] = '\0';
    const char *at = strrchr(stat, ')'); /* the name before it may hold anything */
    for (int field = FIRST - 1; at != NULL && field < FIELD; field++)
        at = strchr(at + 1, ' ');
    return at != NULL && (strtoul(at, NULL, 10) & IO_WORKER);
}

/* ---- the list ---- */

static bool admit(wf_census *census, const char *name)
{
    int32_t tid = (int32_t)strtol(name, NULL, 10);
    if (is_ours(tid))
        return true;
    if (is_stopping(tid))
        return census->stopping = true;
    wf_coro *thread = wf_thread_of(tid);
    if (thread != NULL)
        return wf_still_add(&census->still, thread);
    return is_of_the_kernel(name);
}

/* How many threads the process has; -1: it does not say. */
static long count_threads(long folder)
{
    struct statx status = {0};
    long error = wf_syscall6(SYS_statx, folder, (long)"", AT_EMPTY_PATH, STATX_NLINK, (long)&status, 0);
    return error < 0 || !(status.stx_mask & STATX_NLINK) ? -1
                                                         : (long)status.stx_nlink - 2; /* 2: "." and its own name */
}

/* Read the list. How many are on it; -1: one of them could do something. */
static long read_list(wf_census *census, long folder)
{
    _Alignas(struct dirent64) char buffer[8192];
    long listed = 0, n;
    while ((n = wf_syscall3(SYS_getdents64, folder, buffer, sizeof(buffer))) > 0) {
        for (long at = 0; at < n;) {
            const struct dirent64 *entry = (const void *)(buffer + at);
            at += entry->d_reclen;
            if (entry->d_name[0] == '.')
                continue;
            if (!admit(census, entry->d_name))
                return -1;
            listed++;
        }
    }
    return n < 0 ? -1 : listed;
}

/* ---- the second look ---- */

typedef struct second_look {
    wf_census *census;
    wf_still still;
    bool moved;
} second_look;

static void look_again(wf_coro *thread, int32_t tid, const void *frame, void *arg)
{
    second_look *s = arg;
    (void)frame;
    if (s->moved || is_ours(tid) || is_stopping(tid))
        return;
    s->moved = !wf_still_add(&s->still, thread);
    s->census->ranked[wf_wait_rank(thread)]++;
}

bool wf_census_take(wf_census *census)
{
    *census = (wf_census){0};
    long folder = wf_syscall4(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (folder < 0)
        return false;
    long before = count_threads(folder);
    long listed = before > 0 ? read_list(census, folder) : -1;
    second_look second = {.census = census, .moved = listed != before};
    wf_thread_each(look_again, &second);
    bool certain =
        listed > 0 && !second.moved && wf_still_is_same(census->still, second.still) && count_threads(folder) == before;
    wf_syscall3(SYS_close, folder, 0, 0);
    return certain;
}
