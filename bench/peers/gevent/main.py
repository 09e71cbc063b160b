#!/usr/bin/python3
"""The gevent side of the benchmarks: the workload is the first argument. Command line and output are those of
bench/bench.h. gevent has one thread that runs greenlets, whatever --workers says. Nothing is patched but the sockets of crawl:
its own API is the fastest."""

import argparse
import http.client
import json
import mmap
import os
import resource
import sys
import tempfile
import time
from random import Random

import gevent
from gevent import monkey
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gevent.queue import Channel, Queue
from gevent.server import StreamServer

NOTHING = object()  # what ends a channel


def die(what, why):
    print(f"{what}: {why}", file=sys.stderr)
    sys.exit(1)


# Each takes the number of operations and returns (operations done, whether the result was right, other members of the
# JSON object); without "seconds" among them the whole call is what was measured.


def yield_now(ops):
    """Two greenlets yield in turn; one operation is one yield."""

    def turn(quota):
        done = 0
        sleep = gevent.sleep
        for _ in range(quota):
            sleep(0)
            done += 1
        return done

    turns = [gevent.spawn(turn, ops // 2) for _ in range(2)]
    done = sum(turn.get() for turn in turns)
    return done, done == ops // 2 * 2, {}


def spawn_join(ops):
    """One operation spawns an empty greenlet and awaits its result."""
    counted = 0
    for _ in range(ops):
        counted += gevent.spawn(lambda: 1).get()
    return ops, counted == ops, {}


def spawn_batch(ops):
    """Spawn up to 100,000 greenlets, then await all; one operation is one greenlet."""
    counted = 0
    left = ops
    while left:
        size = min(left, 100_000)
        children = [gevent.spawn(lambda: 1) for _ in range(size)]
        counted += sum(child.get() for child in children)
        left -= size
    return ops, counted == ops, {}


def pingpong(ops):
    """Two greenlets, two unbuffered channels; one operation is one hop."""
    ping, pong = Channel(), Channel()

    def answer():
        while (value := ping.get()) is not NOTHING:
            pong.put(value + 1)

    other = gevent.spawn(answer)
    total = 0
    rounds = ops // 2
    for value in range(rounds):
        ping.put(value)
        total += pong.get()
    ping.put(NOTHING)
    other.join()
    return rounds * 2, total == rounds * (rounds + 1) // 2, {}


def ring(ops):
    """503 greenlets pass a token on until it has made ops hops; one operation is one hop."""
    size = 503
    places = [Channel() for _ in range(size)]
    last = Channel()

    def pass_on(me):
        here, there = places[me], places[(me + 1) % size]
        while (hops_left := here.get()) is not NOTHING:
            if hops_left:
                there.put(hops_left - 1)
            else:
                last.put(me)

    runners = [gevent.spawn(pass_on, i) for i in range(size)]
    places[0].put(ops)
    end = last.get()
    for place in places:
        place.put(NOTHING)
    gevent.joinall(runners)
    return ops, end == ops % size, {}


def chan_mpmc(ops):
    """4 producers, 4 consumers, one queue with room for 128; one operation is one item."""
    sides = 4
    ops -= ops % sides
    queue = Queue(128)

    def produce(first):
        for item in range(first, ops, sides):
            queue.put(item)

    def consume():
        total = 0
        while (item := queue.get()) is not NOTHING:
            total += item
        return total

    consumers = [gevent.spawn(consume) for _ in range(sides)]
    gevent.joinall([gevent.spawn(produce, i) for i in range(sides)])
    for _ in range(sides):
        queue.put(NOTHING)
    total = sum(consumer.get() for consumer in consumers)
    return ops, total == ops * (ops - 1) // 2, {}


def mutex(ops):
    """64 greenlets count under one lock; one operation locks and unlocks."""
    lock = BoundedSemaphore(1)
    counter = 0
    each = ops // 64 + 1

    def count():
        nonlocal counter
        for _ in range(each):
            with lock:
                counter += 1

    gevent.joinall([gevent.spawn(count) for _ in range(64)])
    return each * 64, counter == each * 64, {}


def resident():
    """Memory that the process holds now, page tables included, in bytes."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return sum(int(line.split()[1]) * 1024 for line in status if line.startswith(("VmRSS:", "VmPTE:")))


def idle_memory(ops):
    """How much memory does a greenlet hold that waits? One operation is one greenlet. They are spawned raw: a Greenlet
    object, which could be awaited, would take more."""
    gate = Event()
    parked = woken = 0

    def park():
        nonlocal parked, woken
        parked += 1
        gate.wait()
        woken += 1

    before = resident()
    for _ in range(ops):
        gevent.spawn_raw(park)
    while parked < ops:
        gevent.sleep(0)
    each = (resident() - before) / ops
    gate.set()
    while woken < ops:
        gevent.sleep(0)
    return ops, True, {"bytes_per_coroutine": round(each)}


def serve(handle, workers):
    """A server that calls handle(socket, address) in a greenlet for each connection."""
    if workers > 1:
        die("workers", "gevent has one")
    server = StreamServer(("127.0.0.1", 0), handle, backlog=4096)
    server.start()
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()


def echo(connection, _):
    buffer = bytearray(1024)
    view = memoryview(buffer)
    receive, send = connection.recv_into, connection.sendall
    try:
        while size := receive(buffer):
            send(view[:size])
    except OSError:
        pass  # the other side went away
    finally:
        connection.close()


def file_read(ops, mode):
    """64 greenlets read blocks of 4 KiB picked at random from a file of 64 MiB, in gevent's pool of threads; one operation
    is one read. The file is in the page cache, or, with the mode direct, it is read around it."""
    size, blocks, readers = 4096, 16384, 64
    each = ops // readers + 1
    descriptor = make_blocks(size, blocks, mode)
    pool = gevent.get_hub().threadpool
    pool.maxsize = readers

    def read_blocks(seed):
        random = Random(seed)
        block = mmap.mmap(-1, size)  # aligned, as O_DIRECT wants it
        right = 0
        for _ in range(each):
            wanted = random.randrange(blocks)
            n = pool.apply(os.preadv, (descriptor, [block], wanted * size))
            right += n == size and int.from_bytes(block[:8], "little") == wanted
        return right

    began = time.perf_counter()
    right = sum(reader.get() for reader in [gevent.spawn(read_blocks, i) for i in range(readers)])
    return each * readers, right == each * readers, {"seconds": time.perf_counter() - began}


def make_blocks(size, blocks, mode):
    """The descriptor of a file, without a name, whose every block begins with its number."""
    folder = os.environ.get("TMPDIR", "/var/tmp")  # on a disk, which /tmp need not be
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(b"".join(i.to_bytes(size, "little") for i in range(blocks)))
        file.flush()
        os.fsync(file.fileno())
        return os.open(file.name, os.O_RDONLY | (os.O_DIRECT if mode == "direct" else 0))


def crawl(ops, mode, port):
    """500 greenlets fetch pages, each of which comes 50 ms after it was asked for, on connections that stay or, with the
    mode new, on a new one for each; one operation is one page. The client is the standard library's, over gevent's
    sockets."""
    monkey.patch_socket()
    pages = iter(range(ops))
    headers = {"Connection": "close"} if mode == "new" else {}

    def fetch_pages():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        right = 0
        for page in pages:
            connection.request("GET", f"/{page}", headers=headers)
            with connection.getresponse() as response:
                right += response.status == 200 and response.read() == f"page {page}\n".encode()
        connection.close()
        return right

    began = time.perf_counter()
    right = sum(fetcher.get() for fetcher in [gevent.spawn(fetch_pages) for _ in range(500)])
    seconds = time.perf_counter() - began
    return ops, right == ops, {"seconds": seconds, "wall_ms": seconds * 1e3}


WORKLOADS = {
    "yield": yield_now,
    "spawn_join": spawn_join,
    "spawn_batch": spawn_batch,
    "pingpong": pingpong,
    "ring": ring,
    "chan_mpmc": chan_mpmc,
    "mutex": mutex,
    "idle_memory": idle_memory,
}
COLD = ("idle_memory", "file_read", "crawl")  # without a warm-up


def repetition(run, options, warm_up):
    warm = not warm_up or run(options.ops // 10 + 2)[1]
    began = time.perf_counter()
    ops, checked, metrics = run(options.ops)
    seconds = time.perf_counter() - began
    checked = checked and warm
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"ops": ops, "seconds": seconds, "checked": checked, "rss_bytes": peak, **metrics}), flush=True)
    os._exit(0 if checked else 1)  # without taking a million greenlets down one by one


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=[*WORKLOADS, "file_read", "crawl", "echo", "version"])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--repetition-id", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--ops", type=int, default=0)
    parser.add_argument("--mode", default="", help="form of the workload")
    parser.add_argument("--port", type=int, default=0, help="of the server to ask")
    options = parser.parse_args()
    options.ops = options.ops or (10_000 if options.quick else 100_000)
    if options.workload == "version":
        print(f"gevent {gevent.__version__}, Python {sys.version.split()[0]}")
    elif options.workload == "echo":
        serve(echo, options.workers)
    else:
        workloads = {
            **WORKLOADS,
            "file_read": lambda ops: file_read(ops, options.mode),
            "crawl": lambda ops: crawl(ops, options.mode, options.port),
        }
        repetition(workloads[options.workload], options, options.workload not in COLD)


if __name__ == "__main__":
    main()
