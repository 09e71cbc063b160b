// Channels and the mutex.
#include <memory>
#include <mutex>

#include "bench.hpp"

using unbuffered = fibers::unbuffered_channel<uint64_t>;

// Two fibers, two unbuffered channels; one operation is one hop.
outcome pingpong(uint64_t ops)
{
    unbuffered ping, pong;
    uint64_t rounds = ops / 2, sum = 0, value = 0;
    fibers::fiber other = spawn(fibers::launch::post, [&] {
        uint64_t asked;

        while (ping.pop(asked) == fibers::channel_op_status::success)
            pong.push(asked + 1);
    });

    for (uint64_t i = 0; i < rounds; i++) {
        ping.push(i);
        pong.pop(value);
        sum += value;
    }
    ping.close();
    other.join();
    return {rounds * 2, sum == rounds * (rounds + 1) / 2};
}

// 503 fibers pass a token on over unbuffered channels until it has made ops hops; one operation is one hop.
outcome ring(uint64_t ops)
{
    constexpr unsigned size = 503;
    std::unique_ptr<unbuffered[]> places(new unbuffered[size]);
    std::vector<fibers::fiber> runners;
    unsigned end = size;
    unbuffered last;
    uint64_t at = size;

    for (unsigned i = 0; i < size; i++)
        runners.push_back(spawn(fibers::launch::post, [&, i] {
            uint64_t hops_left;

            while (places[i].pop(hops_left) == fibers::channel_op_status::success) {
                if (hops_left == 0)
                    last.push(i);
                else
                    places[(i + 1) % size].push(hops_left - 1);
            }
        }));
    places[0].push(ops - 1); // the first hop
    last.pop(at);
    end = unsigned(at);
    for (unsigned i = 0; i < size; i++)
        places[i].close();
    for (auto &runner : runners)
        runner.join();
    return {ops, end == (ops - 1) % size};
}

// 4 producers, 4 consumers, one channel with room for 128; one operation is one item.
outcome chan_mpmc(uint64_t ops)
{
    constexpr unsigned sides = 4;
    fibers::buffered_channel<uint64_t> channel(128);
    std::vector<fibers::fiber> producers, consumers;
    uint64_t sums[sides] = {0};

    ops -= ops % sides;
    for (unsigned i = 0; i < sides; i++) {
        producers.push_back(spawn(fibers::launch::post, [&, i] {
            for (uint64_t item = i; item < ops; item += sides)
                channel.push(item);
        }));
        consumers.push_back(spawn(fibers::launch::post, [&, i] {
            uint64_t item, sum = 0;

            while (channel.pop(item) == fibers::channel_op_status::success)
                sum += item;
            sums[i] = sum;
        }));
    }
    for (auto &producer : producers)
        producer.join();
    channel.close();
    for (auto &consumer : consumers)
        consumer.join();
    return {ops, sums[0] + sums[1] + sums[2] + sums[3] == ops * (ops - 1) / 2};
}

// 64 fibers count under one mutex; one operation locks and unlocks.
outcome mutex(uint64_t ops)
{
    constexpr unsigned contenders = 64;
    std::vector<fibers::fiber> children;
    uint64_t each = ops / contenders + 1, counter = 0;
    fibers::mutex lock;

    for (unsigned i = 0; i < contenders; i++)
        children.push_back(spawn(fibers::launch::post, [&] {
            for (uint64_t n = 0; n < each; n++) {
                std::lock_guard<fibers::mutex> locked(lock);

                counter++;
            }
        }));
    for (auto &child : children)
        child.join();
    return {each * contenders, counter == each * contenders};
}
