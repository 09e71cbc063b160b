// Fibers that wait: for a time, for good.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>

#include "bench.hpp"

// The i-th duration of a mix of 1 … 1000 ms.
static std::chrono::milliseconds spread(uint64_t i)
{
    return std::chrono::milliseconds(1 + i % 1000 * 7919 % 1000);
}

// By how much each of count fibers was late that sleep once, all together.
static std::vector<int64_t> sleep_all(uint64_t count, std::chrono::milliseconds most)
{
    std::vector<int64_t> late(count);
    std::vector<fibers::fiber> sleepers;

    sleepers.reserve(count);
    for (uint64_t i = 0; i < count; i++)
        sleepers.push_back(spawn(fibers::launch::post, [i, most, &late] {
            auto duration = std::min(spread(i), most);
            auto before = steady::now();

            boost::this_fiber::sleep_for(duration);
            late[i] = std::chrono::nanoseconds(steady::now() - before - duration).count();
        }));
    for (auto &sleeper : sleepers)
        sleeper.join();
    return late;
}

// One operation is one sleep. over_ms is the time beyond the longest sleep, which no scheduler can save; the percentiles
// say how late the sleepers came back.
outcome timers(uint64_t ops)
{
    std::chrono::milliseconds longest(0);
    bool checked = true;

    sleep_all(ops / 10 + 2, std::chrono::milliseconds(20));
    auto began = steady::now();
    std::vector<int64_t> late = sleep_all(ops, std::chrono::milliseconds(1000));
    double seconds = seconds_since(began);

    for (uint64_t i = 0; i < ops; i++) {
        longest = std::max(longest, spread(i));
        checked = checked && late[i] >= 0;
    }
    double over_ms = seconds * 1e3 - double(longest.count());
    return {ops, checked, seconds, ", \"over_ms\": " + std::to_string(over_ms) + percentiles(late)};
}

// Memory that the process holds now, page tables included, in bytes.
static uint64_t resident()
{
    std::ifstream status("/proc/self/status");
    uint64_t total = 0, kib;
    std::string word;

    while (status >> word)
        if ((word == "VmRSS:" || word == "VmPTE:") && status >> kib)
            total += kib * 1024;
    return total;
}

// How much memory does a fiber hold that waits? One operation is one fiber. The stacks come from the heap whatever the
// number of workers: the pool writes into each that it has in store.
outcome idle_memory(uint64_t ops)
{
    std::vector<fibers::fiber> sleepers;
    std::atomic<uint64_t> parked{0}, woken{0};
    fibers::condition_variable opened;
    fibers::mutex lock;
    bool open = false;

    sleepers.reserve(ops);
    uint64_t before = resident();
    auto began = steady::now();
    for (uint64_t i = 0; i < ops; i++)
        sleepers.emplace_back(fibers::launch::post, std::allocator_arg, heap, [&] {
            std::unique_lock<fibers::mutex> locked(lock);

            parked++;
            opened.wait(locked, [&] { return open; });
            woken++;
        });
    while (parked < ops)
        boost::this_fiber::yield();

    double seconds = seconds_since(began);
    double each = double(resident() - before) / double(ops);

    {
        std::lock_guard<fibers::mutex> locked(lock);
        open = true;
    }
    opened.notify_all();
    for (auto &sleeper : sleepers)
        sleeper.join();
    return {ops, woken == ops, seconds, ", \"bytes_per_coroutine\": " + std::to_string(uint64_t(each))};
}
