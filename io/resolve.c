/* getaddrinfo and getnameinfo on offload threads, and what weft's own dialling needs of them.
 *
 * Name resolution can take half a minute and nothing ends it. So a request is allocated, holds copies of its
 * arguments, and whoever is killed or timed out meanwhile leaves it to the pool, which frees it with its result.
 */
#include "io/resolve.h"

#include <errno.h>
#include <string.h>

#include "core/alloc.h"
#include "io/offload.h"
#include "sched/waiters.h"
#include "weft.h"

struct request {
    wf_job job;
    int result; /* 0 or EAI_… */
    int error;  /* errno for EAI_SYSTEM */
    /* getaddrinfo */
    bool has_node, has_service, has_hints;
    struct addrinfo hints;
    struct addrinfo *list;
    /* getnameinfo */
    struct sockaddr_storage address;
    socklen_t length;
    char *host, *service;
    socklen_t host_size, service_size;
    int flags;
    char text[]; /* node and service, or room for host and service */
};

static void run_addrinfo(wf_job *job)
{
    struct request *r = wf_container_of(job, struct request, job);
    errno = 0;
    r->result = getaddrinfo(r->has_node ? r->host : NULL, r->has_service ? r->service : NULL,
                            r->has_hints ? &r->hints : NULL, &r->list);
    r->error = errno;
}

static void run_nameinfo(wf_job *job)
{
    struct request *r = wf_container_of(job, struct request, job);
    errno = 0;
    r->result = getnameinfo((struct sockaddr *)&r->address, r->length, r->host, r->host_size, r->service,
                            r->service_size, r->flags);
    r->error = errno;
}

static void discard(wf_job *job)
{
    struct request *r = wf_container_of(job, struct request, job);
    if (r->list != NULL)
        freeaddrinfo(r->list);
    wf_free(r);
}

/* `first` and `second` bytes of text. */
static struct request *new_request(void (*run)(wf_job *), size_t first, size_t second)
{
    struct request *r = wf_alloc(sizeof *r + first + second);
    if (r == NULL)
        return NULL;
    r->job.run = run;
    r->job.discard = discard;
    r->host = r->text;
    r->service = r->text + first;
    return r;
}

/* 0 when the request has run and is the caller's; else the error, and it is not. */
static int run_request(struct request *r, wf_coro *self, int64_t deadline)
{
    enum wf_job_state left = WF_JOB_DONE;
    int error = 0;
    if (self->flags & WF_CORO_THREAD) {
        int saved = errno;
        r->job.run(&r->job);
        errno = saved;
    } else {
        error = wf_job_run(&r->job, self, deadline, &left);
    }
    if (error != 0 && left != WF_JOB_RUNNING)
        discard(&r->job);
    return error;
}

static int fail(wf_coro *self, int error)
{
    if (self != NULL)
        self->last_error = (int16_t)error;
    return EAI_SYSTEM;
}

static int resolve_until(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result,
                         int64_t deadline)
{
    wf_coro *self;
    int error = wf_enter(&self);
    if (error < 0)
        return fail(self, error);
    size_t node_size = node == NULL ? 0 : strlen(node) + 1;
    size_t service_size = service == NULL ? 0 : strlen(service) + 1;
    struct request *r = new_request(run_addrinfo, node_size, service_size);
    if (r == NULL)
        return fail(self, -ENOMEM);
    if (node != NULL)
        memcpy(r->host, node, node_size);
    if (service != NULL)
        memcpy(r->service, service, service_size);
    r->has_node = node != NULL;
    r->has_service = service != NULL;
    r->has_hints = hints != NULL;
    if (hints != NULL)
        r->hints = *hints;
    error = run_request(r, self, deadline);
    if (error < 0)
        return fail(self, error);
    int code = r->result;
    if (code == EAI_SYSTEM)
        fail(self, -r->error);
    if (code == 0) {
        *result = r->list;
        r->list = NULL;
    }
    discard(&r->job);
    return code;
}

WEFT_API int weft_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                              struct addrinfo **result)
{
    return resolve_until(node, service, hints, result, WEFT_NEVER);
}

/* Copy at most size bytes of a string that fits. */
static void copy_out(char *to, const char *from, socklen_t size)
{
    if (to != NULL && size > 0)
        memcpy(to, from, strnlen(from, size - 1) + 1);
}

WEFT_API int weft_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size,
                              char *service, socklen_t service_size, int flags)
{
    wf_coro *self;
    int error = wf_enter(&self);
    if (error < 0)
        return fail(self, error);
    if (length > sizeof(struct sockaddr_storage))
        return EAI_FAMILY;
    socklen_t host_room = host == NULL ? 0 : host_size;
    socklen_t service_room = service == NULL ? 0 : service_size;
    struct request *r = new_request(run_nameinfo, host_room, service_room);
    if (r == NULL)
        return fail(self, -ENOMEM);
    memcpy(&r->address, address, length);
    r->length = length;
    r->host_size = host_room;
    r->service_size = service_room;
    r->flags = flags;
    error = run_request(r, self, WEFT_NEVER);
    if (error < 0)
        return fail(self, error);
    int code = r->result;
    if (code == EAI_SYSTEM)
        fail(self, -r->error);
    if (code == 0) {
        copy_out(host, r->host, host_room);
        copy_out(service, r->service, service_room);
    }
    discard(&r->job);
    return code;
}

/* An EAI code as -errno. */
static int error_of(int code)
{
    switch (code) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return -ENOENT;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM: {
        int error = weft_last_error();
        return error < 0 ? error : -EIO;
    }
    default:
        return -EIO; /* EAI_FAIL: the server does not want to answer, now or ever */
    }
}

int wf_resolve(const wf_host_port *name, bool passive, int64_t deadline, struct addrinfo **list)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0) | (name->numeric ? AI_NUMERICHOST : 0);
    const char *host = name->any ? NULL : name->host;
    if (name->numeric || name->any) {
        /* Nobody is asked, so it does not block. */
        int saved = errno;
        int code = getaddrinfo(host, name->port, &hints, list);
        errno = saved;
        return error_of(code);
    }
    return error_of(resolve_until(host, name->port, &hints, list, deadline));
}
