#include "examples/serve/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "weft.h"

static const struct {
    const char *extension, *content_type;
} content_types[] = {
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/plain; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"xml", "application/xml"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"ico", "image/x-icon"},
    {"pdf", "application/pdf"},
    {"wasm", "application/wasm"},
    {"woff2", "font/woff2"},
    {"gz", "application/gzip"},
};

static const char *content_type_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    for (size_t i = 0; dot && i < sizeof content_types / sizeof content_types[0]; i++) {
        if (strcasecmp(dot + 1, content_types[i].extension) == 0)
            return content_types[i].content_type;
    }
    return "application/octet-stream";
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* In place. False for "%" without two digits behind it, and for a NUL. */
static bool percent_decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_digit(from[1]);
        int low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || (high | low) == 0)
            return false;
        *to++ = (char)(high << 4 | low);
        from += 2;
    }
    *to = '\0';
    return true;
}

static bool climbs(const char *path)
{
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
            return true;
    }
    return false;
}

char *files_path(char *target)
{
    if (strncasecmp(target, "http://", 7) == 0) {
        target = strchr(target + 7, '/');
        if (!target)
            return NULL;
    }
    if (*target != '/')
        return NULL;
    target[strcspn(target, "?#")] = '\0';
    if (!percent_decode(target) || climbs(target))
        return NULL;
    return target + strspn(target, "/");
}

/* The kernel keeps the walk below the root, symbolic links included. weft has no openat2; opening a local file takes
 * microseconds, so it is called directly. A function of its own, so that the address of errno is not kept by a caller
 * that may have changed threads. */
static __attribute__((noinline)) int open_beneath(int root_fd, const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, /* a FIFO must not block us */
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof how);
    return fd < 0 ? -errno : fd;
}

static __attribute__((noinline)) int stat_open_file(int fd, struct stat *status)
{
    return fstat(fd, status) < 0 || fcntl(fd, F_SETFL, 0) < 0 ? -errno : 0;
}

static int status_of_error(int error)
{
    switch (error) {
    case -EACCES:
    case -EPERM:
        return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOSYS:
        return 503;
    default:
        return 404; /* -EXDEV too: whoever tries to leave the root learns nothing */
    }
}

static void close_file(int *fd)
{
    weft_close(*fd);
    *fd = -1;
}

/* Open one path. 0 with fd and status set, else -errno. */
static int open_and_stat(int root_fd, const char *path, int *fd, struct stat *status)
{
    *fd = open_beneath(root_fd, path);
    if (*fd < 0)
        return *fd;
    int error = stat_open_file(*fd, status);
    if (error)
        close_file(fd);
    return error;
}

int files_open(int root_fd, const char *path, struct served_file *file)
{
    char index[4096];
    struct stat status;
    int error = open_and_stat(root_fd, path, &file->fd, &status);
    if (!error && S_ISDIR(status.st_mode)) {
        close_file(&file->fd);
        size_t length = strlen(path);
        if (length > 0 && path[length - 1] != '/')
            return 301;
        if ((size_t)snprintf(index, sizeof index, "%sindex.html", path) >= sizeof index)
            return 404;
        path = index;
        error = open_and_stat(root_fd, path, &file->fd, &status);
    }
    if (error)
        return status_of_error(error);
    if (!S_ISREG(status.st_mode)) {
        close_file(&file->fd);
        return 404;
    }
    file->size = (uint64_t)status.st_size;
    file->modified = status.st_mtime;
    file->content_type = content_type_of(path);
    return 200;
}

void files_print_date(char date[FILES_DATE_SIZE], time_t time)
{
    struct tm tm;
    gmtime_r(&time, &tm);
    strftime(date, FILES_DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

time_t files_parse_date(const char *date)
{
    static const char *const forms[] = {
        "%a, %d %b %Y %H:%M:%S GMT", /* the one that is written today */
        "%A, %d-%b-%y %H:%M:%S GMT", /* RFC 850 */
        "%a %b %e %H:%M:%S %Y",      /* asctime */
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm tm = {0};
        const char *end = strptime(date, forms[i], &tm);
        if (end && *end == '\0')
            return timegm(&tm);
    }
    return -1;
}
