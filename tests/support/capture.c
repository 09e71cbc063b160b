/* See capture.h. */
#include "capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int holds, const char *what)
{
    if (holds)
        return;
    perror(what);
    abort();
}

int wt_memory_file(void)
{
    int file = memfd_create("captured", MFD_CLOEXEC);
    must(file >= 0, "memfd_create");
    return file;
}

char *wt_memory_file_text(int file)
{
    struct stat status;
    must(fstat(file, &status) == 0, "fstat");
    size_t size = (size_t)status.st_size;
    char *text = malloc(size + 1);
    must(text != NULL && pread(file, text, size, 0) == status.st_size, "pread");
    text[size] = '\0';
    close(file);
    return text;
}

void wt_capture_begin(wt_capture *capture)
{
    fflush(stderr);
    capture->file = wt_memory_file();
    capture->saved = dup(STDERR_FILENO);
    must(capture->saved >= 0 && dup2(capture->file, STDERR_FILENO) >= 0, "dup");
}

char *wt_capture_end(wt_capture *capture)
{
    fflush(stderr);
    must(dup2(capture->saved, STDERR_FILENO) >= 0, "dup2");
    close(capture->saved);
    return wt_memory_file_text(capture->file);
}
