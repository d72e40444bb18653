#!/usr/bin/env python3
"""Times Pail in write-back mode on one SeaweedFS behind a link of 20 ms round trip, and counts what it syncs.

    Benchmarks/compare/write_back.py [--pail PATH] [--tools DIR] [--rounds N] [--count-syncs]

Each round is a fresh mount: 200 new files of 4 KiB, an untar of 563 files, both followed by `pail sync`, and the rename of a fresh
file of 256 MiB, with and without the lookup of the new name in the store. Beside them, fdatasync's own time on the state
directory's disk in the same round. Prints medians. With `--count-syncs` the mount runs under strace(1), which slows it: the numbers are then those of the calls, not of the clock.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "Tests", "Integration")]

from servers import Link, SeaweedFS  # noqa: E402
from mounts import Mount, environment, remove  # noqa: E402
from subjects import Subject, pail  # noqa: E402
from trees import make_tree  # noqa: E402


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tools", metavar="DIR", default=os.environ.get("PAIL_TOOLS"), help="the folder of weed")
    parser.add_argument("--pail", metavar="PATH", default=os.path.join(ROOT, ".build", "release", "pail"))
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--round-trip", type=float, default=20, metavar="MS")
    parser.add_argument("--count-syncs", action="store_true", help="count fsync and fdatasync, by strace")
    return parser.parse_args()


def seconds(function):
    start = time.monotonic()
    function()
    return time.monotonic() - start


def fdatasync(directory):
    """Median of 50 appends of 8 KiB, each synced."""
    path = os.path.join(directory, "sync-probe")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    times = []
    for _ in range(50):
        os.write(descriptor, bytes(8192))
        times.append(seconds(lambda: os.fdatasync(descriptor)))
    os.close(descriptor)
    os.unlink(path)
    return statistics.median(times)


class Syncs:
    """The mount's calls so far, where they are counted."""

    def __init__(self, path):
        self.path = path
        self.last = 0

    def since(self):
        if not self.path:
            return None
        time.sleep(0.5)
        with open(self.path, errors="replace") as file:
            count = len(re.findall(r"^\d+ .*\b(?:fsync|fdatasync)\(", file.read(), re.M))
        new, self.last = count - self.last, count
        return new


def measure(arguments, url, directory, archive):
    command = plain = pail(arguments.pail, ["--write-back"])
    trace = os.path.join(directory, "trace") if arguments.count_syncs else None
    if trace:
        command = lambda place: ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", trace, *plain(place)]  # noqa: E731
    mount = Mount(Subject("pail", "Pail", command), url, "bench", directory)
    syncs = Syncs(trace)
    place = f"{mount.path}/{Mount.count}"
    result = {}

    def sync():
        subprocess.run([arguments.pail, "sync", mount.path], check=True, env=environment(directory), stdout=subprocess.DEVNULL)

    def create():
        for number in range(200):
            with open(f"{place}/{number}", "wb", buffering=0) as file:
                file.write(bytes(4096))

    def untar():
        subprocess.run(["tar", "-xf", archive, "-C", f"{place}"], check=True)

    try:
        result["fdatasync"] = fdatasync(directory)
        # The first directory of a mount asks the store.
        os.mkdir(f"{place}")
        syncs.since()
        files = seconds(create)
        result["200 new files"], result["syncs of 200 files"] = files, syncs.since()
        after = seconds(sync)
        syncs.since()
        tree_time = seconds(untar)
        result["untar of 563 files"], result["syncs of untar"] = tree_time, syncs.since()
        result["both with pail sync"] = files + after + tree_time + seconds(sync)
        with open(f"{place}/large", "wb") as file:
            for _ in range(256):
                file.write(os.urandom(1 << 20))
        syncs.since()
        # The kernel looks the new name up first. What was seen of the directory a second ago does not count any more, and the store is
        # asked: once with that round trip, once without.
        result["rename of fresh 256 MiB"] = seconds(lambda: os.rename(f"{place}/large", f"{place}/renamed"))
        result["syncs of rename"] = syncs.since()
        os.path.exists(f"{place}/again")
        result["rename, new name looked at"] = seconds(lambda: os.rename(f"{place}/renamed", f"{place}/again"))
    finally:
        mount.unmount()
    return result


def main():
    arguments = parse()
    directory = tempfile.mkdtemp(prefix="pail-write-back-")
    closing = []
    try:
        archive = os.path.join(directory, "tree.tar")
        make_tree(archive)
        server = SeaweedFS(arguments.tools, directory)
        closing.append(server)
        link = Link(directory, server.port, arguments.round_trip)
        closing.append(link)
        rounds = []
        for _ in range(arguments.rounds):
            rounds.append(measure(arguments, f"http://127.0.0.1:{link.port}", directory, archive))
        for name in rounds[0]:
            values = [entry[name] for entry in rounds if entry[name] is not None]
            if not values:
                continue
            if name.startswith("syncs"):
                print(f"{name:28} {statistics.median(values):8.0f}")
            else:
                print(f"{name:28} {1000 * statistics.median(values):8.1f} ms   ({' '.join(f'{1000 * v:.1f}' for v in values)})")
    finally:
        for part in reversed(closing):
            part.close()
        remove(directory)


if __name__ == "__main__":
    main()
