/* Reading back what the library writes to a descriptor. */
#ifndef WT_CAPTURE_H
#define WT_CAPTURE_H

/* A new empty file in memory, to be passed as a descriptor. */
int wt_memory_file(void);

/* All that was written to it, as a string that the caller frees; closes it. */
char *wt_memory_file_text(int file);

/* From begin to end, what goes to stderr goes into a file in memory. end returns it as wt_memory_file_text does. */
typedef struct wt_capture {
    int file;
    int saved;
} wt_capture;

void wt_capture_begin(wt_capture *capture);
char *wt_capture_end(wt_capture *capture);

#endif
