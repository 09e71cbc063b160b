/* One page over one connection: send the request, read the answer. */
#ifndef CRAWL_FETCH_H
#define CRAWL_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "examples/common/buffer.h"
#include "examples/crawl/url.h"

/* An answer. All zero before a fetch; page_free after it, whatever its result. */
struct page {
    int status;
    bool is_html;
    bool reusable;          /* the connection may carry another request */
    struct buffer location; /* of a redirection, terminated; length 0 when there is none */
    struct buffer body;
    const char *detail; /* after -EPROTO: what was wrong with the answer */
};

/* Fetch `url` over the connected socket fd, with a body of at most max_body bytes. May suspend. 0 or
 *   -EPIPE       the server closed the connection before it answered anything
 *   -ECONNABORTED   … before the answer was complete
 *   -EFBIG       the body is larger
 *   -EPROTO      the answer is not HTTP, see page->detail
 *   -ETIMEDOUT, -ECANCELED, -ENOMEM, or any error of sending and receiving */
int fetch_page(int fd, const struct url *url, uint64_t max_body, struct page *page);

void page_free(struct page *page);

#endif
