// What the workloads of Boost.Fiber share. One program, the workload is its first argument; command line and output are
// those of bench/bench.h.
#pragma once

#include <boost/fiber/all.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fibers = boost::fibers;
using steady = std::chrono::steady_clock;

// What one repetition gave.
struct outcome {
    uint64_t ops = 0; // really done
    bool checked = false;
    double seconds = 0;       // 0: main measures the whole run
    std::string metrics = {}; // more of the JSON object
};

struct options {
    unsigned workers = 1;
    uint64_t ops = 0;
};

extern options given;

[[noreturn]] void die(const char *what, int error);
double seconds_since(steady::time_point began);
// Sorts them; gives the JSON members that bench/results.py knows.
std::string percentiles(std::vector<int64_t> &latencies_ns);

// Two pages, as in Boost.Fiber's own benchmarks. The pool is the fastest allocator, but not for several threads.
inline constexpr std::size_t stack_size = 8 * 1024;
extern fibers::pooled_fixedsize_stack pooled;
extern fibers::fixedsize_stack heap;

template <typename Function> fibers::fiber spawn(fibers::launch policy, Function &&function)
{
    if (given.workers == 1)
        return fibers::fiber(policy, std::allocator_arg, pooled, std::forward<Function>(function));
    return fibers::fiber(policy, std::allocator_arg, heap, std::forward<Function>(function));
}

outcome yield(uint64_t ops);
outcome spawn_join(uint64_t ops);
outcome spawn_batch(uint64_t ops);
outcome spawn_fib(uint64_t ops);
outcome skynet(uint64_t ops);
outcome pingpong(uint64_t ops);
outcome ring(uint64_t ops);
outcome chan_mpmc(uint64_t ops);
outcome mutex(uint64_t ops);
outcome timers(uint64_t ops);
outcome idle_memory(uint64_t ops);
[[noreturn]] void echo();
