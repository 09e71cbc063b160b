// echo: a fiber per connection. Boost.Fiber has no sockets of its own and says how to add a source of events: with a
// scheduling algorithm. This one is round_robin over an epoll, edge-triggered, each socket registered once.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <thread>

#include "bench.hpp"

namespace
{

constexpr unsigned events_at_once = 256;
constexpr unsigned picks_between_polls = 64;

// A socket, and the fiber that waits for it to become readable or writable.
struct watched {
    int fd;
    fibers::context *waiting = nullptr;
    bool ready = true;
};

class epoll_round_robin;

thread_local epoll_round_robin *here;

class epoll_round_robin : public fibers::algo::algorithm
{
  public:
    epoll_round_robin() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wakeup_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}
    {
        watch(wakeup_);
        here = this;
    }

    void watch(watched &socket)
    {
        struct epoll_event event = {};

        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.ptr = &socket;
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.fd, &event) < 0)
            die("epoll_ctl", errno);
    }

    // Called by the fiber that found the socket not ready.
    void wait(watched &socket)
    {
        if (!socket.ready) {
            socket.waiting = fibers::context::active();
            socket.waiting->suspend();
        }
        socket.ready = false;
    }

    void awakened(fibers::context *ready) noexcept override
    {
        ready->ready_link(queue_);
    }

    fibers::context *pick_next() noexcept override
    {
        if (++picks_ % picks_between_polls == 0)
            poll(0);
        if (queue_.empty())
            return nullptr;
        fibers::context *next = &queue_.front();
        queue_.pop_front();
        return next;
    }

    bool has_ready_fibers() const noexcept override
    {
        return !queue_.empty();
    }

    void suspend_until(steady::time_point const &until) noexcept override
    {
        if (until == steady::time_point::max())
            poll(-1);
        else
            poll(int(std::chrono::ceil<std::chrono::milliseconds>(until - steady::now()).count()));
    }

    void notify() noexcept override
    {
        uint64_t one = 1;

        if (write(wakeup_.fd, &one, sizeof one) < 0)
            die("eventfd", errno);
    }

  private:
    void poll(int timeout_ms) noexcept
    {
        struct epoll_event events[events_at_once];
        int n = epoll_wait(epoll_, events, events_at_once, timeout_ms);

        for (int i = 0; i < n; i++) {
            auto *socket = static_cast<watched *>(events[i].data.ptr);

            socket->ready = true;
            if (socket->waiting != nullptr)
                fibers::context::active()->schedule(std::exchange(socket->waiting, nullptr));
        }
    }

    int epoll_;
    watched wakeup_;
    fibers::scheduler::ready_queue_type queue_;
    unsigned picks_ = 0;
};

void serve(int fd)
{
    watched socket{fd};
    char buffer[1024];
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    here->watch(socket);
    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);

        if (n < 0 && errno == EAGAIN) {
            here->wait(socket);
            continue;
        }
        if (n <= 0)
            break;
        for (ssize_t sent = 0; sent < n;) {
            ssize_t m = send(fd, buffer + sent, size_t(n - sent), MSG_NOSIGNAL);

            if (m >= 0) {
                sent += m;
            } else if (errno == EAGAIN) {
                here->wait(socket);
            } else {
                close(fd);
                return;
            }
        }
    }
    close(fd);
}

// One listener per worker on the same port: the kernel deals the connections out, and no fiber changes its thread.
int listen_at(in_port_t port)
{
    struct sockaddr_in address = {};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    address.sin_family = AF_INET;
    address.sin_port = port;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (fd < 0 || bind(fd, reinterpret_cast<struct sockaddr *>(&address), sizeof address) < 0 || listen(fd, 4096) < 0)
        die("listen", errno);
    return fd;
}

void accept_all(int listener)
{
    fibers::pooled_fixedsize_stack stacks(16 * 1024);
    watched socket{listener};

    fibers::use_scheduling_algorithm<epoll_round_robin>();
    here->watch(socket);
    for (;;) {
        int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
            fibers::fiber(fibers::launch::post, std::allocator_arg, stacks, serve, fd).detach();
        else if (errno == EAGAIN)
            here->wait(socket);
        else if (errno != ECONNABORTED)
            die("accept", errno);
    }
}

} // namespace

void echo()
{
    struct sockaddr_in address = {};
    socklen_t length = sizeof address;
    int first = listen_at(0);
    std::vector<std::thread> threads;

    getsockname(first, reinterpret_cast<struct sockaddr *>(&address), &length);
    for (unsigned i = 1; i < given.workers; i++)
        threads.emplace_back(accept_all, listen_at(address.sin_port));
    std::printf("{\"port\": %d}\n", ntohs(address.sin_port));
    std::fflush(stdout);
    accept_all(first);
    std::abort();
}
