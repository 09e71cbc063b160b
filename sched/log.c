/* What the library says to people: log lines, complaints about the configuration, and the last words before an abort.
 *
 * A line is put together on the stack and written with one write(2), so that lines of several threads do not mix. Nothing is
 * allocated and errno is left alone: a line may be logged from anywhere but a signal handler.
 *
 * Log lines are off at first. WEFT_LOG (weft_config.log) sets a level; weft_set_log sends them to a function of the program
 * instead of stderr, and by itself turns warnings on. Complaints and last words always go to stderr.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/write.h"
#include "sched/worker.h"

enum { LINE_SIZE = 1024 };

#define PREFIX "weft: "

typedef void log_function(enum weft_log_level level, const char *line);

static _Atomic(log_function *) function; /* any (atomic); NULL: stderr */
static _Atomic(int) level_set;           /* any (atomic); weft_config.log of the running runtime */

static bool is_on(enum weft_log_level level, log_function *fn)
{
    int most = wf_load_relaxed(&level_set); /* relaxed: says nothing about other memory */
    if (most == WEFT_LOG_OFF && fn != NULL)
        most = WEFT_LOG_WARN;
    return (int)level <= most;
}

bool wf_log_is_on(enum weft_log_level level)
{
    return is_on(level, wf_load_relaxed(&function)); /* relaxed: it is not called here */
}

/* Put prefix and text into `line`: one line, without its newline, cut where it does not fit. Returns its length. */
static size_t compose(char line[static LINE_SIZE], const char *format, va_list arguments)
{
    static const char cut[] = "…";
    memcpy(line, PREFIX, strlen(PREFIX));
    char *text = line + strlen(PREFIX);
    size_t room = LINE_SIZE - strlen(PREFIX) - 1; /* 1: the newline that the caller may add */
    int length = vsnprintf(text, room, format, arguments);
    if (length < 0)
        length = 0;
    if ((size_t)length >= room) {
        length = (int)room - 1;
        memcpy(text + room - sizeof(cut), cut, sizeof(cut));
    }
    for (int i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ')
            text[i] = ' ';
    }
    return strlen(PREFIX) + (size_t)length;
}

static void to_stderr(const char *format, va_list arguments)
{
    int saved = errno; /* vsnprintf may set it */
    char line[LINE_SIZE];
    size_t length = compose(line, format, arguments);
    line[length] = '\n';
    wf_write_all(STDERR_FILENO, line, length + 1); /* a line that cannot be written has nowhere else to go */
    errno = saved;
}

void wf_log(enum weft_log_level level, const char *format, ...)
{
    /* ORDER(log-function): pairs with weft_set_log, so that the function finds what the program prepared for it. */
    log_function *fn = wf_load_acquire(&function);
    if (!is_on(level, fn))
        return;
    va_list arguments;
    va_start(arguments, format);
    if (fn == NULL) {
        to_stderr(format, arguments);
    } else {
        int saved = errno; /* the program's function may set it */
        char line[LINE_SIZE];
        line[compose(line, format, arguments)] = '\0';
        fn(level, line + strlen(PREFIX));
        errno = saved;
    }
    va_end(arguments);
}

void wf_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    to_stderr(format, arguments);
    va_end(arguments);
}

void wf_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    to_stderr(format, arguments);
    va_end(arguments);
    abort();
}

void wf_log_set_level(enum weft_log_level level)
{
    wf_store_relaxed(&level_set, (int)level); /* relaxed: says nothing about other memory */
}

int weft_set_log(log_function *fn)
{
    /* ORDER(log-function): pairs with wf_log. */
    wf_store_release(&function, fn);
    return 0;
}
