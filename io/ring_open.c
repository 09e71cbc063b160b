/* Making a ring: what is asked of the kernel, what is done without when it is refused, and how a refusal is explained.
 *
 * Asked for in this order: completions that wait until the worker looks (DEFER_TASKRUN, Linux 6.1), then completions
 * without interrupts (COOP_TASKRUN, 5.19), then a plain ring. Everything else that weft needs is in 5.19; the ring of
 * an older kernel is refused. Memory that is refused is asked for again with fewer entries, down to 8.
 *
 * The thread that starts the runtime makes the ring, disabled; the worker's own thread enables it and thereby becomes
 * the one that may submit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "core/alloc.h"
#include "core/syscall.h"
#include "io/fd.h"
#include "io/offload.h"
#include "io/ring.h"

enum { ENTRIES_MIN = 8 };

/* Completions come in bursts (a tick with many timers, a flood of connections), and one that does not fit costs an
 * allocation in the kernel and another enter. 16 bytes each. */
enum { COMPLETIONS_PER_ENTRY = 8 };

/* Threads of the kernel that serve what cannot be done without blocking, per ring: for regular files, where more than
 * a few only queue at the disk; and for anything else (a FIFO that is opened, a terminal). */
enum { FILE_THREADS = 8, OTHER_THREADS = 64 };

static const unsigned BASIC_FLAGS = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;
static const unsigned ISSUER_FLAGS = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_R_DISABLED | IORING_SETUP_TASKRUN_FLAG;

static const unsigned FEATURES = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS |
                                 IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;

unsigned wf_ring_flags_barred;

/* ---- explaining ---- */

/* The value of kernel.io_uring_disabled; 0 where the kernel has no such setting (before 6.6). */
static int io_uring_disabled(void)
{
    char digit = '0';
    long fd = wf_syscall4(SYS_openat, AT_FDCWD, "/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    wf_syscall3(SYS_read, fd, &digit, 1);
    wf_syscall3(SYS_close, fd, 0, 0);
    return digit - '0';
}

static unsigned long long limit_of(int resource)
{
    struct rlimit limit = {0};
    wf_syscall4(SYS_prlimit64, 0, resource, NULL, &limit);
    return limit.rlim_cur;
}

static void explain_permission(char *why, size_t size)
{
    int disabled = io_uring_disabled();
    if (disabled != 0)
        snprintf(why, size,
                 "io_uring was refused (EPERM) because the sysctl kernel.io_uring_disabled is %d: set it to 0",
                 disabled);
    else
        snprintf(why, size,
                 "io_uring was refused (EPERM), most likely by the seccomp filter of the container: allow "
                 "io_uring_setup, io_uring_enter and io_uring_register in it");
}

static void explain(int error, char *why, size_t size)
{
    switch (-error) {
    case EPERM:
        explain_permission(why, size);
        break;
    case ENOSYS:
        snprintf(why, size,
                 "io_uring is missing (ENOSYS): the kernel was built without it, or a seccomp filter hides it; "
                 "weft needs it as of Linux 5.19");
        break;
    case ENOMEM:
        snprintf(why, size,
                 "no memory for an io_uring of %d entries (ENOMEM): RLIMIT_MEMLOCK is %llu bytes; raise it "
                 "(ulimit -l), or the memory limit of the control group, or use fewer threads (WEFT_THREADS)",
                 ENTRIES_MIN, limit_of(RLIMIT_MEMLOCK));
        break;
    case EMFILE:
        snprintf(why, size,
                 "no descriptor left for an io_uring (EMFILE): RLIMIT_NOFILE is %llu, and each worker needs two; "
                 "raise it (ulimit -n), or use fewer threads (WEFT_THREADS)",
                 limit_of(RLIMIT_NOFILE));
        break;
    default:
        snprintf(why, size, "io_uring_setup was refused: %s", strerrordesc_np(-error));
        break;
    }
}

/* ---- making ---- */

static int setup(struct io_uring *uring, unsigned entries, unsigned flags)
{
    if (flags & wf_ring_flags_barred)
        return -EINVAL;
    struct io_uring_params params = {.flags = flags, .cq_entries = entries * COMPLETIONS_PER_ENTRY};
    return io_uring_queue_init_params(entries, uring, &params);
}

/* With the best flags that this kernel knows: it answers -EINVAL to one that it does not. */
static int setup_best(struct io_uring *uring, unsigned entries)
{
    int result = setup(uring, entries, BASIC_FLAGS | ISSUER_FLAGS | IORING_SETUP_DEFER_TASKRUN);
    if (result == -EINVAL)
        result = setup(uring, entries, BASIC_FLAGS | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
    if (result == -EINVAL)
        result = setup(uring, entries, BASIC_FLAGS);
    return result;
}

static int setup_smaller(struct io_uring *uring, unsigned entries)
{
    int result = setup_best(uring, entries);
    while (result == -ENOMEM && entries > ENTRIES_MIN) {
        entries = entries / 2 < ENTRIES_MIN ? ENTRIES_MIN : entries / 2;
        result = setup_best(uring, entries);
    }
    return result;
}

/* Refuse the ring of a kernel that lacks something; note what may be lacking. */
static int probe(wf_ring *ring, char *why, size_t why_size)
{
    bool is_new = (ring->uring.features & FEATURES) == FEATURES;
    struct io_uring_probe *known = is_new ? io_uring_get_probe_ring(&ring->uring) : NULL;
    if (known != NULL) {
        ring->messages = io_uring_opcode_supported(known, IORING_OP_MSG_RING);
        is_new = io_uring_opcode_supported(known, IORING_OP_SOCKET); /* came with all else that 5.19 brought */
        io_uring_free_probe(known);
    }
    if (is_new)
        return 0;
    snprintf(why, why_size, "the io_uring of this kernel is too old (ENOSYS): weft needs Linux 5.19");
    return -ENOSYS;
}

/* Entry n always stands in slot n, so the indirection is filled in once. */
static void fill_array(struct io_uring *uring)
{
    for (uint32_t i = 0; i < uring->sq.ring_entries; i++)
        uring->sq.array[i] = i;
}

static int make(wf_ring *ring, const weft_config *config, char *why, size_t why_size)
{
    int result = setup_smaller(&ring->uring, config->ring_entries);
    if (result < 0) {
        explain(result, why, why_size);
        return result;
    }
    fill_array(&ring->uring);
    ring->sq_tail = *ring->uring.sq.ktail;
    ring->enter_fd = (uint32_t)ring->uring.ring_fd;
    io_uring_ring_dontfork(&ring->uring);
    result = probe(ring, why, why_size);
    if (result < 0)
        goto exit_uring;
    ring->wakeup_fd = (int)wf_syscall3(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0);
    if (ring->wakeup_fd >= 0)
        return 0;
    result = ring->wakeup_fd;
    explain(result, why, why_size);
exit_uring:
    io_uring_queue_exit(&ring->uring);
    return result;
}

int wf_ring_open(struct wf_worker *worker, const weft_config *config, char *why, size_t why_size)
{
    int saved = errno;
    wf_ring *ring = wf_alloc(sizeof *ring);
    int result = -ENOMEM;
    if (ring == NULL) {
        snprintf(why, why_size, "no memory for worker %u", worker->index);
    } else {
        ring->worker = worker;
        result = make(ring, config, why, why_size);
        if (result < 0)
            wf_free(ring);
        else
            worker->source = ring;
    }
    errno = saved;
    return result;
}

/* Enter through the thread's own table of rings: that spares the kernel a look-up that all threads share. Needs Linux
 * 5.18; goes without when it is refused. The thread's end takes the ring out of the table. */
static void register_own(wf_ring *ring)
{
    struct io_uring_rsrc_update update = {.offset = UINT32_MAX, .data = (uint64_t)ring->uring.ring_fd};
    if (wf_syscall4(SYS_io_uring_register, ring->uring.ring_fd, IORING_REGISTER_RING_FDS, &update, 1) == 1) {
        ring->enter_fd = update.offset;
        ring->enter_flags = IORING_ENTER_REGISTERED_RING;
    }
}

int wf_ring_enter(struct wf_worker *worker)
{
    wf_ring *ring = worker->source;
    int fd = ring->uring.ring_fd;
    if (ring->uring.flags & IORING_SETUP_R_DISABLED) {
        long result = wf_syscall4(SYS_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (result < 0)
            return (int)result;
    }
    register_own(ring);
    /* Only a limit: a kernel that does not want to know it has its own. */
    unsigned threads[2] = {FILE_THREADS, OTHER_THREADS};
    wf_syscall4(SYS_io_uring_register, fd, IORING_REGISTER_IOWQ_MAX_WORKERS, threads, 2);
    return 0;
}

/* The queues are not mapped in the child (dontfork), so their descriptors are all there is to give back. */
void wf_ring_abandon(struct wf_worker *const *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        wf_ring *ring = workers[i] != NULL ? workers[i]->source : NULL;
        if (ring == NULL)
            continue;
        wf_syscall3(SYS_close, ring->uring.ring_fd, 0, 0);
        wf_syscall3(SYS_close, ring->wakeup_fd, 0, 0);
    }
    wf_fd_forget();
    wf_offload_forget();
}

void wf_ring_close(struct wf_worker *worker)
{
    int saved = errno;
    wf_ring *ring = worker->source;
    worker->source = NULL;
    io_uring_queue_exit(&ring->uring);
    wf_syscall3(SYS_close, ring->wakeup_fd, 0, 0);
    wf_free(ring);
    errno = saved;
}
