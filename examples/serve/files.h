/* From the target of a request to an open file below the root folder. */
#ifndef SERVE_FILES_H
#define SERVE_FILES_H

#include <stdint.h>
#include <time.h>

struct served_file {
    int fd;
    uint64_t size;
    time_t modified;
    const char *content_type;
};

/* Turn the target ("/a%20b?q", or "http://host/a%20b") into a path relative to the root, in place. Returns the path,
 * NULL when the target is malformed, climbs with "..", or holds a NUL. */
char *files_path(char *target);

/* Open what `path` names below the folder root_fd; a folder stands for its index.html. Returns the status: 200 with
 * `file` filled in and its descriptor the caller's; or, with file->fd negative, 301 for a folder without a slash at the
 * end of `path`, 403, 404, 503. */
int files_open(int root_fd, const char *path, struct served_file *file);

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
enum { FILES_DATE_SIZE = 40 };
void files_print_date(char date[FILES_DATE_SIZE], time_t time);

/* Any of the three forms that HTTP allows; -1 when it is none of them. */
time_t files_parse_date(const char *date);

#endif
