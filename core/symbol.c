/* Names for addresses of code.
 *
 * They are looked up in the file that the code came from: in its symbol table, which also has static functions, or in the dynamic
 * one when it was stripped. That takes no lock and no memory from the heap, unlike dladdr, so the report of a fault can use it.
 */
#include "core/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"

enum { NAME_MAX_SHOWN = 64 };

typedef struct symbol {
    char name[NAME_MAX_SHOWN];
    uint64_t offset; /* of the address in the function */
} symbol;

/* A file mapped for reading; size 0: none. */
typedef struct image {
    const char *bytes;
    size_t size;
} image;

static image image_open(const char *path)
{
    image file = {NULL, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file;
    struct stat status;
    if (fstat(fd, &status) == 0 && status.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes != MAP_FAILED) {
            file.bytes = bytes;
            file.size = (size_t)status.st_size;
        }
    }
    close(fd);
    return file;
}

static void image_close(image file)
{
    if (file.size > 0)
        munmap((void *)(uintptr_t)file.bytes, file.size);
}

/* `count` things of `each` bytes at `offset`, or NULL when they do not lie in the file. */
static const void *part_of(image file, uint64_t offset, uint64_t count, uint64_t each)
{
    uint64_t length, end;
    if (__builtin_mul_overflow(count, each, &length) || __builtin_add_overflow(offset, length, &end) || end > file.size)
        return NULL;
    return offset % 8 == 0 || each == 1 ? file.bytes + offset : NULL;
}

/* The section headers; NULL: not an ELF file of this kind of machine, or none left in it. */
static const Elf64_Shdr *sections_of(image file, size_t *count)
{
    const Elf64_Ehdr *header = part_of(file, 0, 1, sizeof(*header));
    if (header == NULL || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_shentsize != sizeof(Elf64_Shdr))
        return NULL;
    *count = header->e_shnum;
    return part_of(file, header->e_shoff, header->e_shnum, sizeof(Elf64_Shdr));
}

/* Search one symbol table for the function that covers `at` (an address as the file has it). */
static bool find_in_table(image file, const Elf64_Shdr *table, const Elf64_Shdr *names, uint64_t at, symbol *found)
{
    const Elf64_Sym *symbols = part_of(file, table->sh_offset, table->sh_size / sizeof(*symbols), sizeof(*symbols));
    const char *text = part_of(file, names->sh_offset, names->sh_size, 1);
    if (symbols == NULL || text == NULL)
        return false;
    for (size_t i = 0; i < table->sh_size / sizeof(*symbols); i++) {
        const Elf64_Sym *s = &symbols[i];
        if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || at - s->st_value >= s->st_size || s->st_name >= names->sh_size)
            continue;
        size_t room = names->sh_size - s->st_name;
        size_t length = strnlen(text + s->st_name, room < NAME_MAX_SHOWN ? room : NAME_MAX_SHOWN - 1);
        memcpy(found->name, text + s->st_name, length);
        found->name[length] = '\0';
        found->offset = at - s->st_value;
        return true;
    }
    return false;
}

static bool find_in_tables(image file, uint32_t type, uint64_t at, symbol *found)
{
    size_t count = 0;
    const Elf64_Shdr *sections = sections_of(file, &count);
    for (size_t i = 0; sections != NULL && i < count; i++) {
        if (sections[i].sh_type == type && sections[i].sh_link < count &&
            find_in_table(file, &sections[i], &sections[sections[i].sh_link], at, found))
            return true;
    }
    return false;
}

static bool find_in_file(const char *path, uint64_t at, symbol *found)
{
    image file = image_open(path);
    bool result = find_in_tables(file, SHT_SYMTAB, at, found) || find_in_tables(file, SHT_DYNSYM, at, found);
    image_close(file);
    return result;
}

/* ---- text ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The main program has no name in the list of objects. */
static void put_file_name(wf_text *out, const struct link_map *object)
{
    char path[256];
    if (object->l_name[0] != '\0') {
        wf_text_put(out, base_name(object->l_name));
        return;
    }
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    wf_text_put(out, length > 0 ? base_name(path) : "program");
}

bool wf_symbol_is_code(const void *address)
{
    struct dl_find_object object;
    return _dl_find_object((void *)(uintptr_t)address, &object) == 0;
}

void wf_symbol_format(const void *address, bool is_return, char *buffer, size_t size)
{
    wf_text out = wf_text_in(buffer, size);
    uintptr_t behind = is_return ? 1 : 0;
    uintptr_t at = (uintptr_t)address - behind;
    struct dl_find_object object;
    if (_dl_find_object((void *)at, &object) != 0) {
        wf_text_put_hex(&out, (uintptr_t)address);
        return;
    }
    const struct link_map *map = object.dlfo_link_map;
    symbol found;
    if (!find_in_file(map->l_name[0] != '\0' ? map->l_name : "/proc/self/exe", at - map->l_addr, &found)) {
        put_file_name(&out, map);
        wf_text_put(&out, "+");
        wf_text_put_hex(&out, at + behind - map->l_addr);
        return;
    }
    wf_text_put(&out, found.name);
    if (found.offset + behind != 0) {
        wf_text_put(&out, "+");
        wf_text_put_hex(&out, found.offset + behind);
    }
    wf_text_put(&out, " (");
    put_file_name(&out, map);
    wf_text_put(&out, ")");
}
