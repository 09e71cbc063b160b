/* Saving pages: one file per URL, below one folder, under names that are safe whatever the URL says. */
#ifndef CRAWL_SAVE_H
#define CRAWL_SAVE_H

#include "examples/common/buffer.h"
#include "examples/crawl/url.h"

enum { SAVE_NAME_SIZE = 256 };

/* The file name of a URL: "host+path+page%3Fquery". '/' becomes '+'; what is not a letter, digit, '.', '-' or '_'
 * becomes %XX; so different URLs have different names. A name too long for a file system is cut and ends in a hash of
 * the URL. */
void save_name(const struct url *url, char name[SAVE_NAME_SIZE]);

/* Make the folder if need be and open it. A descriptor or -errno. */
int save_open_folder(const char *path);

/* Write the file. May suspend. 0 or -errno. */
int save_page(int folder, const struct url *url, const struct buffer *body);

#endif
