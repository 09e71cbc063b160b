// Yields and births.
#include <array>
#include <utility>

#include "bench.hpp"

// Two fibers yield in turn; one operation is one yield.
outcome yield(uint64_t ops)
{
    uint64_t done[2] = {0, 0};
    auto turn = [ops](uint64_t &mine) {
        for (uint64_t i = 0; i < ops / 2; i++) {
            boost::this_fiber::yield();
            mine++;
        }
    };
    fibers::fiber a = spawn(fibers::launch::post, [&] { turn(done[0]); });
    fibers::fiber b = spawn(fibers::launch::post, [&] { turn(done[1]); });

    a.join();
    b.join();
    return {ops / 2 * 2, done[0] + done[1] == ops / 2 * 2};
}

// One operation starts an empty fiber and joins it. The child runs at once: dispatch.
outcome spawn_join(uint64_t ops)
{
    uint64_t counted = 0;

    for (uint64_t i = 0; i < ops; i++)
        spawn(fibers::launch::dispatch, [&] { counted++; }).join();
    return {ops, counted == ops};
}

// Start 100,000 fibers, then join all; one operation is one fiber. With post, so that all are there together.
outcome spawn_batch(uint64_t ops)
{
    constexpr uint64_t batch = 100000;
    std::vector<uint8_t> ran(batch);
    std::vector<fibers::fiber> children;
    uint64_t counted = 0;

    children.reserve(batch);
    for (uint64_t left = ops; left > 0;) {
        uint64_t size = std::min(left, batch);

        for (uint64_t i = 0; i < size; i++)
            children.push_back(spawn(fibers::launch::post, [&mine = ran[i]] { mine = 1; }));
        for (auto &child : children)
            child.join();
        children.clear();
        for (uint64_t i = 0; i < size; i++)
            counted += std::exchange(ran[i], 0);
        left -= size;
    }
    return {ops, counted == ops};
}

// fib(n) by recursion, a fiber for one of the two calls.
static uint64_t fib(unsigned n)
{
    uint64_t a, b;

    if (n < 2)
        return n;
    fibers::fiber child = spawn(fibers::launch::dispatch, [n, &a] { a = fib(n - 1); });

    b = fib(n - 2);
    child.join();
    return a + b;
}

// One operation is one call. n is the largest one that takes at most ops calls.
outcome spawn_fib(uint64_t ops)
{
    uint64_t calls = 1, next_calls = 1, expected = 0, next = 1;
    unsigned n = 0;

    while (next_calls <= ops) {
        n++;
        expected = std::exchange(next, expected + next);
        calls = std::exchange(next_calls, calls + next_calls + 1);
    }
    return {calls, fib(n) == expected};
}

static constexpr unsigned fan_out = 10;

static void skynet_node(uint64_t first, uint64_t leaves, uint64_t &sum)
{
    std::array<fibers::fiber, fan_out> children;
    std::array<uint64_t, fan_out> sums;

    if (leaves == 1) {
        sum = first;
        return;
    }
    for (unsigned i = 0; i < fan_out; i++)
        children[i] = spawn(fibers::launch::dispatch, [first, leaves, i, &mine = sums[i]] {
            skynet_node(first + i * (leaves / fan_out), leaves / fan_out, mine);
        });
    sum = 0;
    for (unsigned i = 0; i < fan_out; i++) {
        children[i].join();
        sum += sums[i];
    }
}

// A tree of fibers with ten children each, whose leaves give their numbers and whose others the sum; one operation is
// one fiber. The leaves are the largest power of ten that stays within ops.
outcome skynet(uint64_t ops)
{
    uint64_t leaves = 1, nodes = 1, sum = 0;

    while (nodes + leaves * fan_out <= ops) {
        leaves *= fan_out;
        nodes += leaves;
    }
    spawn(fibers::launch::dispatch, [&] { skynet_node(0, leaves, sum); }).join();
    return {nodes, sum == leaves * (leaves - 1) / 2};
}
