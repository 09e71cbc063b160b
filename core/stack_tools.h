/* What Valgrind and AddressSanitizer want to know about stacks. Without them every function here is nothing, or a few
 * instructions that only Valgrind sees. Included by core/stack.c and core/slab.c only. */
#ifndef WF_CORE_STACK_TOOLS_H
#define WF_CORE_STACK_TOOLS_H

#include <stddef.h>
#include <stdint.h>

#ifndef __has_include
#define __has_include(header) 0
#endif

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define WF_VALGRIND_REGISTER(from, to) ((uint32_t)VALGRIND_STACK_REGISTER((from), (to)))
#define WF_VALGRIND_DEREGISTER(id) VALGRIND_STACK_DEREGISTER((id))
#else
#define WF_VALGRIND_REGISTER(from, to) ((void)(from), (void)(to), 0u)
#define WF_VALGRIND_DEREGISTER(id) ((void)(id))
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
/* The last frames of a coroutine never return, so their red zones stay behind, and writing over them would be reported. */
#define WF_ASAN_CLEAN(from, size) __asan_unpoison_memory_region((from), (size))
#else
#define WF_ASAN_CLEAN(from, size) ((void)(from), (void)(size))
#endif

#endif
