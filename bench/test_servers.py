"""That the servers, their clients and the load generator work together: python3 bench/test_servers.py BUILD-DIR. Each runs
for a moment; what they measure is not tested."""

import contextlib
import os
import socket
import sys
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import measure  # noqa: E402
import programs  # noqa: E402
import suite  # noqa: E402

MOMENT = suite.Effort("quick", 1, 0.001, 0.25, 0.01, 16)


def run(workload, peer, variant="", mode="", workers=1, connections=0):
    argv = programs.find(peer).argv(workload, variant)
    configuration = suite.Configuration(suite.find(workload), workers, connections, mode)
    cpus = sorted(os.sched_getaffinity(0))
    program = programs.Program(peer, argv)
    if not configuration.workload.is_server():
        return measure.run_cpu(program, configuration, 0, MOMENT, cpus)
    rate = 0 if configuration.workload.rate == 0 else 2000
    return measure.run_server(program, configuration, 0, MOMENT, rate, cpus)


def statuses(port, *pieces, body=b"Hello, World!"):
    """Send the pieces, a moment apart; the status of each answer until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, contextlib.suppress(ConnectionError):
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.01)
        answers = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                answers += piece
        found = []
        while answers:
            head, answers = answers.split(b"\r\n\r\n", 1)
            found.append(int(head.split()[1]))
            if found[-1] == 200:
                if not answers.startswith(body):
                    raise AssertionError(f"body {answers[:20]}")
                answers = answers[len(body) :]
        return found


class Servers(unittest.TestCase):
    """measure.Failed is raised where an answer is wrong or does not come."""

    def test_echo(self):
        for peer, variant in (("weft", ""), ("limit", "epoll"), ("limit", "uring"), ("pthread", "")):
            self.assertIn("p99_us", run("echo", peer, variant, connections=16))

    def test_stall_echo(self):
        self.assertIn("p999_us", run("stall_echo", "weft", workers=2, connections=8))

    def test_http(self):
        for peer in ("weft", "limit"):
            self.assertIn("cpu_us_per_request", run("http", peer, connections=16))

    def test_http_servers_understand_requests_in_pieces_and_in_heaps(self):
        for peer in ("weft", "limit"):
            argv = [*programs.find(peer).argv("http", ""), "--workers", "1"]
            with measure.serving(argv, os.sched_getaffinity(0)) as (_, port):
                self.check_http(port)

    def check_http(self, port):
        head = b"GET / HTTP/1.1\r\nHost: a\r\n"
        get, last = head + b"\r\n", head + b"Connection: close\r\n\r\n"
        self.assertEqual(statuses(port, get[:7], get[7:] + get[:-2], b"\r\n" + last), [200, 200, 200])
        self.assertEqual(statuses(port, get * 300 + last), [200] * 301)
        self.assertEqual(statuses(port, b"HEAD" + last[3:], body=b""), [200])
        self.assertEqual(statuses(port, b"POST" + last[3:]), [405])
        self.assertEqual(statuses(port, b"GET / HTTP/1.1\r\n\r\n" + get), [400])
        self.assertEqual(statuses(port, b"nonsense\r\n\r\n"), [400])
        self.assertEqual(statuses(port, head + b"Content-Length: 5\r\n\r\nhello"), [413])
        self.assertEqual(statuses(port, b"GET / HTTP/1.0\r\n\r\n"), [200])
        self.assertEqual(statuses(port, b"GET /" + b"x" * 5000), [])

    def test_bulk(self):
        for peer in ("weft", "limit"):
            for mode in ("", "sendfile"):
                self.assertGreater(run("bulk", peer, mode=mode, connections=2)["gb_per_s"], 0)

    def test_crawl(self):
        for peer in ("weft", "limit"):
            for mode in ("", "new"):
                self.assertEqual(run("crawl", peer, mode=mode)["ops"], 2000)


if __name__ == "__main__":
    programs.BUILD = Path(sys.argv.pop(1)).resolve()
    unittest.main()
