#include <getopt.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/version.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <thread>

#include "bench.hpp"

options given;
fibers::pooled_fixedsize_stack pooled{stack_size};
fibers::fixedsize_stack heap{stack_size};

struct workload {
    outcome (*run)(uint64_t ops);
    bool warm_up;  // main runs a tenth of it first
    bool parallel; // there is work for all workers at all times
};

static const std::map<std::string, workload> workloads = {
    {"yield", {yield, true, false}},
    {"spawn_join", {spawn_join, true, false}},
    {"spawn_batch", {spawn_batch, true, false}},
    {"fork_fib", {spawn_fib, true, true}},
    {"spawn_fib", {spawn_fib, true, true}},
    {"skynet", {skynet, true, true}},
    {"pingpong", {pingpong, true, false}},
    {"ring", {ring, true, false}},
    {"chan_mpmc", {chan_mpmc, true, false}},
    {"mutex", {mutex, true, false}},
    {"timers", {timers, false, false}},
    {"idle_memory", {idle_memory, false, false}},
};

void die(const char *what, int error)
{
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(error));
    std::exit(1);
}

double seconds_since(steady::time_point began)
{
    return std::chrono::duration<double>(steady::now() - began).count();
}

std::string percentiles(std::vector<int64_t> &latencies_ns)
{
    char text[200];
    auto at = [&](double part) {
        return double(latencies_ns[std::size_t(part * double(latencies_ns.size() - 1))]) / 1e3;
    };

    std::sort(latencies_ns.begin(), latencies_ns.end());
    std::snprintf(text, sizeof text, ", \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f",
                  at(0.5), at(0.99), at(0.999), at(1));
    return text;
}

// The process ends here, before fibers and threads are taken down.
[[noreturn]] static void repetition(const workload &chosen)
{
    bool warm = !chosen.warm_up || chosen.run(given.ops / 10 + 2).checked;
    auto began = steady::now();
    outcome o = chosen.run(given.ops);
    double seconds = o.seconds != 0 ? o.seconds : seconds_since(began);
    bool checked = warm && o.checked;
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    std::printf("{\"ops\": %lu, \"seconds\": %.9f, \"checked\": %s, \"rss_bytes\": %ld%s}\n", (unsigned long)o.ops,
                seconds, checked ? "true" : "false", usage.ru_maxrss * 1024, o.metrics.c_str());
    std::fflush(stdout);
    std::_Exit(checked ? 0 : 1);
}

// One worker: round_robin, the default. Several: work_stealing, which begins when all of them have asked for it. A worker
// without work sleeps until there is some, unless there is so much that to go on looking is faster.
[[noreturn]] static void run(const workload &chosen)
{
    std::vector<std::thread> threads;

    if (given.workers > 1) {
        for (unsigned i = 1; i < given.workers; i++)
            threads.emplace_back([&] {
                fibers::mutex lock;
                fibers::condition_variable never;
                std::unique_lock<fibers::mutex> locked(lock);

                fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(given.workers, !chosen.parallel);
                never.wait(locked, [] { return false; });
            });
        fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(given.workers, !chosen.parallel);
    }
    // In a fiber of its own: the one that main runs in is bound to its thread.
    fibers::fiber(std::allocator_arg, fibers::fixedsize_stack(256 * 1024), [&] { repetition(chosen); }).join();
    std::abort();
}

static void parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"workers", required_argument, nullptr, 'w'}, {"repetition-id", required_argument, nullptr, 'i'},
        {"mode", required_argument, nullptr, 'm'},    {"quick", no_argument, nullptr, 'q'},
        {"ops", required_argument, nullptr, 'o'},     {nullptr, 0, nullptr, 0},
    };
    bool quick = false;
    int option;

    while ((option = getopt_long(argc, argv, "", names, nullptr)) != -1) {
        if (option == 'w')
            given.workers = unsigned(std::strtoul(optarg, nullptr, 10));
        else if (option == 'o')
            given.ops = std::strtoull(optarg, nullptr, 10);
        else if (option == 'q')
            quick = true;
        else if (option == '?')
            std::exit(2);
    }
    if (given.workers == 0)
        die("--workers", EINVAL);
    if (given.ops == 0)
        given.ops = quick ? 100000 : 1000000;
}

int main(int argc, char **argv)
{
    std::string name = argc > 1 ? argv[1] : "";
    auto found = workloads.find(name);

    if (name == "version") {
        std::printf("Boost %s, gcc %s\n", BOOST_LIB_VERSION, __VERSION__);
        return 0;
    }
    if (found == workloads.end() && name != "echo") {
        std::fprintf(stderr, "usage: %s WORKLOAD [--workers N] [--repetition-id I] [--quick] [--ops N]\n", argv[0]);
        return 2;
    }
    parse(argc - 1, argv + 1);
    if (name == "echo")
        echo();
    run(found->second);
}
