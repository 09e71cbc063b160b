#!/usr/bin/python3
"""nginx as a server of the benchmarks: plaintext and large answers from one worker process. Becomes nginx, so that the
process that the runner started is the one that answers. nginx cannot choose a port itself: one is taken that was free a
moment ago."""

import argparse
import json
import os
import socket
import subprocess
import sys
import time

NGINX = "/usr/sbin/nginx"

# What a request is answered with. bulk: a file, from the page cache by sendfile.
ANSWERS = {
    "http": 'return 200 "Hello, World!";',
    "bulk": "root {folder}; rewrite ^ /bulk break; sendfile on; sendfile_max_chunk 0;",
}

CONFIGURATION = """
daemon off;
master_process off;
worker_rlimit_nofile 65536;
pid nginx.pid;
error_log stderr error;
events {{
    worker_connections 16384;
    multi_accept on;
}}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            {answer}
        }}
    }}
}}
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=(*ANSWERS, "version"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--repetition-id", type=int, default=0)
    options = parser.parse_args()
    if options.workload == "version":
        done = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True)
        print(done.stderr.strip().removeprefix("nginx version: "))
        return
    if options.workers > 1:
        sys.exit("several workers would be several processes")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    # Each user's own, and used again: nginx keeps directories there that it insists on.
    folder = f"/tmp/bench-nginx-{os.getuid()}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/nginx.conf", "w", encoding="ascii") as file:
        answer = ANSWERS[options.workload].format(folder=folder)
        file.write(CONFIGURATION.format(port=port, answer=answer))
    if options.workload == "bulk":
        make_bulk(f"{folder}/bulk")
    if os.fork() == 0:
        announce(port)
        os._exit(0)
    os.execv(NGINX, [NGINX, "-p", folder, "-c", f"{folder}/nginx.conf", "-e", "stderr"])


def make_bulk(path):
    """64 equal pieces of about a MiB, byte i being i * 7 mod 251."""
    period = bytes(i * 7 % 251 for i in range(251))
    with open(path, "wb") as file:
        for _ in range(64):
            file.write(period * 4096)


def announce(port):
    """Print the port when it is being listened at."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.01)
        else:
            print(json.dumps({"port": port}), flush=True)
            return


if __name__ == "__main__":
    main()
