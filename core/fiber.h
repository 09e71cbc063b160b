/* Telling AddressSanitizer and ThreadSanitizer of every switch, so that they follow. Without them these are nothing.
 *
 * Each stack (a coroutine's, a worker's own) has two words of the sanitizer's, and its bounds. The calls stand
 * around wf_context_switch in the one function that switches, which is itself not instrumented for TSan.
 */
#ifndef WF_CORE_FIBER_H
#define WF_CORE_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define WF_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WF_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WF_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WF_TSAN 1
#endif
#endif

#if defined(WF_ASAN)
#include "core/fiber_asan.h"
#elif defined(WF_TSAN)
#include "core/fiber_tsan.h"
#else
#include "core/fiber_none.h"
#endif

#endif
