/* The load generator of the servers: one thread, one epoll, every answer compared.
 *
 * It goes through two phases on the same connections.
 *   closed  each connection sends its next request when the answer to the last has come: how many requests can the
 *           server answer? Its latencies only say how long the queue is, and are not reported.
 *   open    requests come due at random moments (a Poisson process of --rate) no matter how the server is doing. A
 *           request whose connection is still busy waits here, and its latency counts from when it was due: a server
 *           that stalls pays for every request that it held up.
 *
 * The thread never sleeps while it measures: it has a CPU of its own, and a sleeping client would add its own wake-up
 * to every latency. With --stall some requests ask the server to compute for 1 ms; the latencies are those of the
 * others. client_idle says which part of the closed phase it found nothing to do; near 0 the client, and not
 * the server, was what limited the rate, and only server_cpu_us can tell servers apart.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/histogram.h"
#include "bench/loadgen.h"

enum { EVENTS = 512 };

static const uint32_t none = UINT32_MAX;
static const int64_t drain_ns = INT64_C(5000000000); /* an answer that takes longer is lost */

typedef struct load {
    const protocol *protocol;
    double stall_part; /* of the requests */
    uint64_t random;
    uint32_t count;
    connection *connections;
    int epoll;
    uint32_t busy;
    bool closed;

    /* the part of the phase that is measured */
    int64_t measure_from_ns;
    int64_t until_ns;
    uint64_t answered;
    uint64_t bytes;
    bench_histogram latency; /* without those that were to stall */

    /* open phase */
    int64_t began_ns;
    arrival *arrivals;
    uint32_t arrivals_count;
    uint32_t arrivals_released;
} load;

static double random_part(uint64_t *state)
{
    return (double)(bench_random(state) >> 11) / 9007199254740992.0;
}

static void send_request(load *l, connection *c, int64_t due_ns, bool stall)
{
    c->due_ns = due_ns;
    c->stall = stall;
    c->busy = true;
    l->busy++;
    l->protocol->ask(c);
}

static bool is_to_stall(load *l)
{
    return l->stall_part > 0 && random_part(&l->random) < l->stall_part;
}

/* What a connection does when an answer is complete. */
static void send_next(load *l, connection *c, int64_t now_ns)
{
    if (l->closed) {
        if (now_ns < l->until_ns)
            send_request(l, c, now_ns, is_to_stall(l));
    } else if (c->waiting_first != none) {
        arrival *a = &l->arrivals[c->waiting_first];

        c->waiting_first = a->next;
        send_request(l, c, l->began_ns + a->due_ns, a->stall);
    }
}

static bool is_measured(const load *l, const connection *c, int64_t now_ns)
{
    if (l->closed)
        return now_ns >= l->measure_from_ns && now_ns < l->until_ns;
    return c->due_ns >= l->measure_from_ns;
}

static void receive(load *l, connection *c)
{
    uint64_t bytes;
    bool complete = l->protocol->take(c, &bytes);
    int64_t now_ns;

    if (!complete && !l->protocol->counts_bytes)
        return;
    now_ns = bench_now_ns();
    if (is_measured(l, c, now_ns)) {
        l->bytes += bytes;
        if (complete) {
            l->answered++;
            if (!c->stall)
                bench_histogram_add(&l->latency, now_ns - c->due_ns);
        }
    }
    if (!complete)
        return;
    c->busy = false;
    l->busy--;
    send_next(l, c, now_ns);
}

/* Take what has arrived; returns the number of events. */
static int take_events(load *l)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, 0);

    if (n < 0 && errno != EINTR)
        bench_die("epoll_wait", errno);
    for (int i = 0; i < n; i++)
        receive(l, &l->connections[events[i].data.u32]);
    return n;
}

/* Wait for the answers that are still on their way, so that the next phase begins with idle connections. */
static void drain(load *l)
{
    int64_t end_ns = bench_now_ns() + drain_ns;

    while (l->busy > 0) {
        take_events(l);
        if (bench_now_ns() > end_ns)
            bench_die("answers that never came", ETIMEDOUT);
    }
}

/* ---- closed phase ---- */

static int64_t cpu_ns(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t) < 0)
        bench_die("the server's CPU clock", errno);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void report_closed(const load *l, int64_t server_cpu_ns, int64_t idle_ns, double seconds)
{
    uint64_t ops = l->protocol->counts_bytes ? l->bytes >> 20 : l->answered;

    printf("\"ops\": %" PRIu64 ", \"seconds\": %.9f, \"server_cpu_us\": %.4f, \"client_idle\": %.3f", ops, seconds,
           ops > 0 ? (double)server_cpu_ns / 1e3 / (double)ops : 0.0, (double)idle_ns / 1e9 / seconds);
    if (l->protocol->counts_bytes && l->bytes > 0)
        printf(", \"gb_per_s\": %.4f, \"cpu_ns_per_byte\": %.5f", (double)l->bytes / 1e9 / seconds,
               (double)server_cpu_ns / (double)l->bytes);
}

static void run_closed(load *l, clockid_t server_clock, double warmup, double seconds)
{
    int64_t now_ns = bench_now_ns();
    int64_t cpu_from_ns = 0;
    int64_t idle_ns = 0;
    bool measuring = false;

    l->closed = true;
    l->measure_from_ns = now_ns + (int64_t)(warmup * 1e9);
    l->until_ns = l->measure_from_ns + (int64_t)(seconds * 1e9);
    for (uint32_t i = 0; i < l->count; i++)
        send_request(l, &l->connections[i], now_ns, is_to_stall(l));
    while (now_ns < l->until_ns) {
        int events = take_events(l);
        int64_t then_ns = now_ns;

        now_ns = bench_now_ns();
        if (measuring && events == 0)
            idle_ns += now_ns - then_ns;
        if (!measuring && now_ns >= l->measure_from_ns) {
            measuring = true;
            cpu_from_ns = cpu_ns(server_clock);
        }
    }
    cpu_from_ns = cpu_ns(server_clock) - cpu_from_ns;
    drain(l);
    report_closed(l, cpu_from_ns, idle_ns, seconds);
}

/* ---- open phase ---- */

/* Arrivals of a Poisson process, each at a connection picked at random. The seed is fixed: all servers get the same. */
static void make_arrivals(load *l, double rate, double seconds)
{
    uint64_t state = UINT64_C(0x2545f4914f6cdd1d);
    uint32_t room = (uint32_t)(rate * seconds * 1.2) + 1000;
    double due = 0;

    l->arrivals = calloc(room, sizeof *l->arrivals);
    if (l->arrivals == NULL)
        bench_die("arrivals", ENOMEM);
    while (l->arrivals_count < room) {
        due -= log(1 - random_part(&state)) / rate;
        if (due >= seconds)
            break;
        l->arrivals[l->arrivals_count++] = (arrival){
            .due_ns = (int64_t)(due * 1e9),
            .connection = (uint32_t)(random_part(&state) * l->count),
            .next = none,
            .stall = is_to_stall(l),
        };
    }
}

static void release_arrival(load *l, uint32_t index)
{
    arrival *a = &l->arrivals[index];
    connection *c = &l->connections[a->connection];

    if (!c->busy) {
        send_request(l, c, l->began_ns + a->due_ns, a->stall);
        return;
    }
    if (c->waiting_first == none)
        c->waiting_first = index;
    else
        l->arrivals[c->waiting_last].next = index;
    c->waiting_last = index;
}

static void run_open(load *l, double rate, double warmup, double seconds)
{
    int64_t end_ns;

    make_arrivals(l, rate, warmup + seconds);
    memset(&l->latency, 0, sizeof l->latency);
    l->answered = 0;
    l->closed = false;
    l->began_ns = bench_now_ns();
    l->measure_from_ns = l->began_ns + (int64_t)(warmup * 1e9);
    end_ns = l->began_ns + (int64_t)((warmup + seconds) * 1e9);
    while (l->arrivals_released < l->arrivals_count) {
        int64_t since_ns = bench_now_ns() - l->began_ns;

        while (l->arrivals_released < l->arrivals_count && l->arrivals[l->arrivals_released].due_ns <= since_ns)
            release_arrival(l, l->arrivals_released++);
        take_events(l);
        if (l->began_ns + since_ns > end_ns + drain_ns)
            bench_die("far too slow for this rate", ETIMEDOUT);
    }
    drain(l);
    free(l->arrivals);
    printf(", \"rate\": %.0f, \"open_ops\": %" PRIu64 ", \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, "
           "\"max_us\": %.2f",
           rate, l->answered, bench_histogram_us(&l->latency, 0.5), bench_histogram_us(&l->latency, 0.99),
           bench_histogram_us(&l->latency, 0.999), (double)l->latency.max / 1e3);
}

/* ---- set-up ---- */

static void connect_one(load *l, uint32_t index, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    struct linger hard = {.l_onoff = 1, .l_linger = 0}; /* thousands of sockets in TIME_WAIT would slow the next run */
    connection *c = &l->connections[index];
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->id = index;
    c->waiting_first = none;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
        bench_die("connect", errno);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        bench_die("epoll_ctl", errno);
}

static void connect_all(load *l, int port)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->connections = calloc(l->count, sizeof *l->connections);
    if (l->epoll < 0 || l->connections == NULL)
        bench_die("set-up", l->epoll < 0 ? errno : ENOMEM);
    for (uint32_t i = 0; i < l->count; i++)
        connect_one(l, i, port);
}

typedef struct settings {
    const protocol *protocol;
    double stall_percent;
    int port;
    pid_t server;
    uint32_t connections;
    double warmup;
    double closed;
    double open;
    double rate;
} settings;

static double positive(const char *program, const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end != text && *end == '\0' && value > 0 && value < 1e9)
        return value;
    fprintf(stderr,
            "usage: %s --port N --server PID [--protocol echo|http|bulk] [--connections N] [--stall PERCENT]\n"
            "       [--warmup SECONDS] [--closed SECONDS] [--open SECONDS --rate REQUESTS-PER-SECOND]\n",
            program);
    exit(2);
}

static settings parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},   {"server", required_argument, NULL, 's'},
        {"warmup", required_argument, NULL, 'w'}, {"connections", required_argument, NULL, 'c'},
        {"closed", required_argument, NULL, 'l'}, {"open", required_argument, NULL, 'o'},
        {"rate", required_argument, NULL, 'r'},   {"protocol", required_argument, NULL, 't'},
        {"stall", required_argument, NULL, 'k'},  {NULL, 0, NULL, 0},
    };
    settings s = {.protocol = protocol_find("echo"), .connections = 256, .warmup = 0.2, .closed = 1};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        double value = option == 't' ? 0 : positive(argv[0], optarg == NULL ? "" : optarg);

        switch (option) {
        case 't':
            s.protocol = protocol_find(optarg);
            if (s.protocol == NULL)
                positive(argv[0], "");
            break;
        case 'k':
            s.stall_percent = value;
            break;
        case 'p':
            s.port = (int)value;
            break;
        case 's':
            s.server = (pid_t)value;
            break;
        case 'c':
            s.connections = (uint32_t)value;
            break;
        case 'w':
            s.warmup = value;
            break;
        case 'l':
            s.closed = value;
            break;
        case 'o':
            s.open = value;
            break;
        default:
            s.rate = value;
            break;
        }
    }
    if (optind != argc || s.port == 0 || s.server == 0 || (s.open > 0) != (s.rate > 0))
        positive(argv[0], "");
    return s;
}

int main(int argc, char **argv)
{
    static load l;
    settings s = parse(argc, argv);
    clockid_t server_clock;
    int error = clock_getcpuclockid(s.server, &server_clock);

    if (error != 0)
        bench_die("the server's CPU clock", error);
    l.protocol = s.protocol;
    l.stall_part = s.stall_percent / 100;
    l.random = UINT64_C(0x9e3779b97f4a7c15);
    l.count = s.connections;
    connect_all(&l, s.port);
    printf("{");
    run_closed(&l, server_clock, s.warmup, s.closed);
    if (s.open > 0)
        run_open(&l, s.rate, s.warmup / 2, s.open);
    /* Every answer was compared as it came, and bench_die ends the program at the first that differs. */
    puts(", \"checked\": true}");
    return 0;
}
