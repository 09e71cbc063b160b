/* libxml2's HTML parser in its SAX form: it makes no tree, only calls start_element at each tag. */
#include "examples/crawl/links.h"

#include <errno.h>
#include <libxml/HTMLparser.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* As pages stand today these are no errors: HTML 5 tags, "&" in a link. */
static const int harmless[] = {
    XML_HTML_UNKNOWN_TAG,
    XML_ERR_ENTITYREF_SEMICOL_MISSING,
    XML_ERR_ENTITYREF_NO_NAME,
    XML_ERR_NAME_REQUIRED,
};

struct search {
    const struct url *page;
    struct url base; /* text NULL until a <base> was seen */
    link_fn *found;
    void *arg;
    struct html_report *report;
};

static const char *attribute(const xmlChar **attributes, const char *name)
{
    for (; attributes && attributes[0]; attributes += 2) {
        if (strcasecmp((const char *)attributes[0], name) == 0)
            return (const char *)attributes[1];
    }
    return NULL;
}

/* Which attribute of this element is a link to a page? */
static const char *link_attribute(const char *element)
{
    if (strcasecmp(element, "a") == 0 || strcasecmp(element, "area") == 0)
        return "href";
    if (strcasecmp(element, "frame") == 0 || strcasecmp(element, "iframe") == 0)
        return "src";
    return NULL;
}

static void start_element(void *context, const xmlChar *name, const xmlChar **attributes)
{
    struct search *search = context;
    const char *element = (const char *)name;
    const char *wanted = link_attribute(element);
    const char *link = wanted ? attribute(attributes, wanted) : NULL;
    if (link)
        search->found(search->arg, search->base.text ? &search->base : search->page, link);
    if (strcasecmp(element, "base") == 0 && !search->base.text) {
        const char *base = attribute(attributes, "href");
        if (base && url_resolve(search->page, base, &search->base) != URL_OK)
            search->base.text = NULL;
    }
}

static bool is_harmless(int code)
{
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        if (harmless[i] == code)
            return true;
    }
    return false;
}

/* Scripts may contain "</a>"; HTML 4 forbade it, and the parser says so. */
static bool is_in_script(const xmlError *error)
{
    const htmlParserCtxt *parser = error->ctxt;
    return parser && parser->name && strcasecmp((const char *)parser->name, "script") == 0;
}

static void note_error(void *context, xmlErrorPtr error)
{
    struct search *search = context;
    struct html_report *report = search->report;
    if (error->level < XML_ERR_ERROR || is_harmless(error->code) || is_in_script(error) || report->errors++ > 0)
        return;
    report->first_line = error->line;
    snprintf(report->first, sizeof report->first, "%s", error->message ? error->message : "unknown");
    report->first[strcspn(report->first, "\r\n")] = '\0';
}

int links_find(const char *html, size_t length, const struct url *url, link_fn *found, void *arg,
               struct html_report *report)
{
    static const size_t piece = 1 << 20; /* the parser counts in int */
    struct search search = {.page = url, .found = found, .arg = arg, .report = report};
    htmlSAXHandler handler = {
        .startElement = start_element,
        .serror = note_error,
        .initialized = XML_SAX2_MAGIC, /* without it serror is not called */
    };
    *report = (struct html_report){0};
    htmlParserCtxtPtr parser = htmlCreatePushParserCtxt(&handler, &search, NULL, 0, NULL, XML_CHAR_ENCODING_NONE);
    if (!parser)
        return -ENOMEM;
    for (size_t done = 0; done < length;) {
        size_t count = length - done < piece ? length - done : piece;
        htmlParseChunk(parser, html + done, (int)count, 0);
        done += count;
    }
    htmlParseChunk(parser, NULL, 0, 1);
    htmlFreeParserCtxt(parser);
    url_free(&search.base);
    return 0;
}

void links_init(void)
{
    xmlInitParser();
}
