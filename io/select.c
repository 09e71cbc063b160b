/* weft_select. What is chosen among channels and times is in sched/select.c; here the descriptors come in.
 *
 * With descriptors it goes round:
 *   1. poll(2), without waiting: which of them are ready
 *   2. choose among what can happen: channels, times, descriptors
 *   3. nothing: start polls in the ring, by the ticket of the wait to come; look at the channels once more, stand in line, wait.
 *      (Starting them may take a system call, which is not to be made with locks held: hence the second look.)
 *   4. whatever has ended the wait, leave the channels' lines; then see that the polls end, too, and wait for that
 *   5. a channel or a time has won: done. A poll has: go to 1, for somebody else may have been faster to read or write
 *
 * Nothing is lost by 4: a poll takes nothing. Exactly one wins, as a poll's completion claims the coroutine as a channel does.
 *
 * weft_close finds the call in the line of groups, as a weft_poll, and ends its polls; seeing the mark the call returns
 * -ECANCELED. A plain thread has no ring: it waits in ppoll, out of which those who claim it wake it (sched/thread.c).
 */
#include <errno.h>

#include "core/clock.h"
#include "io/op.h"
#include "io/poll.h"
#include "sched/waiters.h"
#include "sched/worker.h"

/* The FD cases as poll(2) wants them. */
static void gather(const wf_select *s, struct pollfd *fds)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (wf_select_has_descriptor(&s->cases[i]))
            *fds++ = (struct pollfd){.fd = s->cases[i].fd, .events = s->cases[i].events};
}

/* And back. */
static void scatter(wf_select *s, const struct pollfd *fds)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (wf_select_has_descriptor(&s->cases[i]))
            s->cases[i].revents = fds++->revents;
}

static int wait_on_coroutine(wf_select *s, wf_poll_set *set, int64_t deadline)
{
    int result = wf_fd_join_group(&set->group, s->self);
    if (result < 0)
        return result;
    wf_op_polling polling = wf_op_poll_begin(s->self, set->fds, s->descriptors);
    result = wf_select_wait(s, deadline, true);
    wf_op_poll_end(s->self, polling, set->fds);
    wf_fd_part_group(s->self);
    return result;
}

static int wait_on_thread(wf_select *s, wf_poll_set *set, int64_t deadline)
{
    wf_plain_open(s->self, set->fds, s->descriptors);
    int result = wf_fd_join_group(&set->group, s->self);
    if (result == 0) {
        wf_thread_sleeps_in(s->self, set->fds, s->descriptors + 1);
        result = wf_select_wait(s, deadline, false);
        wf_thread_sleeps_in(s->self, NULL, 0);
        wf_fd_part_group(s->self);
    }
    wf_plain_close(set->fds, s->descriptors);
    return result;
}

static int select_entered(wf_select *s, wf_poll_set *set, int64_t deadline)
{
    for (;;) {
        int result = wf_poll_now(set->fds, s->descriptors);
        if (result < 0)
            return result;
        scatter(s, set->fds);
        result = wf_select_try(s);
        if (result != -EAGAIN)
            return result;
        if (deadline != WEFT_NEVER && deadline <= wf_clock_now())
            return -ETIMEDOUT;
        result =
            s->self->flags & WF_CORO_THREAD ? wait_on_thread(s, set, deadline) : wait_on_coroutine(s, set, deadline);
        if (result == -EAGAIN && wf_poll_set_is_closing(set))
            return -ECANCELED;
        if (result != -EAGAIN)
            return result;
    }
}

static int select_with_descriptors(wf_select *s, int64_t deadline)
{
    wf_poll_set set;
    int result = wf_poll_set_open(&set, s->descriptors);
    if (result < 0)
        return result;
    gather(s, set.fds);
    result = wf_poll_set_enter(&set, set.fds, s->descriptors);
    if (result == 0)
        result = select_entered(s, &set, deadline);
    wf_poll_set_close(&set);
    return result;
}

WEFT_API int weft_select(weft_select_case *cases, size_t n, int64_t deadline)
{
    wf_coro *self;
    wf_select s;
    int error = wf_enter(&self);
    if (error == 0)
        error = wf_select_open(&s, self, cases, n);
    if (error < 0)
        return error;
    return s.descriptors == 0 ? wf_select_wait(&s, deadline, false) : select_with_descriptors(&s, deadline);
}
