"""Several lanes of integration tests side by side, and the watch over them.

Most programs wait more than they work: for a timeout, an outage, a container. Two lanes on two cores take about half the time of one. Each
has its own SeaweedFS, directory and mounts. What is handed out is a module at a time, the costliest first; modules that share something made
once in a run (`LANE = "name"`), such as a container image, go to the same lane. A test that is overdue although the lane's own watchdog
should have ended it is described and ended here, with all the lane's processes, and a new lane goes on with the next.
"""

import inspect
import json
import os
import selectors
import signal
import subprocess
import sys
import time

import lane

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "Tests"))

import limited  # noqa: E402

# Beyond a test's own limit: the time of its watchdog and of its cleaning up.
GRACE = 180


def units(tests):
    """What is handed out as one: lists of names, in the order of handing out. `tests` maps names to functions."""
    groups = {}
    for name, function in tests.items():
        module = inspect.getmodule(function)
        groups.setdefault(getattr(module, "LANE", module.__name__), []).append(name)
    # Those that say that they may take longest go first: begun last, one of them would run on alone.
    return sorted(groups.values(), key=lambda names: -sum(getattr(tests[name], "minutes", 10) for name in names))


class Lane:
    """One process of `run.py --lane` and what it is at."""

    def __init__(self, command):
        ours, theirs = os.pipe()
        self.process = subprocess.Popen([*command, "--lane", str(theirs)], stdin=subprocess.PIPE, pass_fds=[theirs])
        os.close(theirs)
        self.answers = ours
        self.partial = b""
        self.waiting = []
        self.current = None
        self.deadline = None

    def begin(self, name, seconds):
        self.current = name
        self.deadline = time.monotonic() + seconds + GRACE
        self.process.stdin.write(name.encode() + b"\n")
        self.process.stdin.flush()

    def read(self):
        """The answers that are there; None at the end of the lane."""
        data = os.read(self.answers, 65536)
        if not data:
            return None
        *lines, self.partial = (self.partial + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self, seconds=120):
        """Lets it end its servers; ends it where it does not."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            limited.end(self.process.pid, limited.fuse_mounts())
            self.process.wait()
        os.close(self.answers)


def run(command, tests, full, count, finished):
    """Runs all tests in so many lanes; `finished(answer)` is told of each."""
    queue = units(tests)
    lanes = {}
    selector = selectors.DefaultSelector()

    def add(waiting=()):
        new = Lane(command)
        new.waiting = list(waiting)
        lanes[new.answers] = new
        selector.register(new.answers, selectors.EVENT_READ)
        feed(new)

    def feed(one):
        if not one.waiting and queue:
            one.waiting = queue.pop(0)
        if one.waiting:
            name = one.waiting.pop(0)
            one.begin(name, lane.limit(full, tests[name]))
        else:
            one.current = one.deadline = None

    def remove(one, why):
        selector.unregister(one.answers)
        del lanes[one.answers]
        if one.current:
            finished({"name": one.current, "outcome": "FAIL", "detail": why, "notes": [], "seconds": 0})
        one.close()
        if one.waiting or queue:
            add(one.waiting)

    def stop(number, frame):
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        for _ in range(max(1, min(count, len(queue)))):
            add()
        while any(one.current for one in lanes.values()):
            for key, _ in selector.select(5):
                one = lanes[key.fd]
                answers = one.read()
                if answers is None:
                    remove(one, f"the lane ended with status {one.process.wait()}")
                    continue
                for answer in answers:
                    finished(answer)
                    feed(one)
            for one in list(lanes.values()):
                if one.deadline and time.monotonic() > one.deadline:
                    print(f"overdue: {one.current}", flush=True)
                    limited.report(one.process.pid, sys.stdout)
                    # The mounts of the other lanes go on.
                    limited.end(one.process.pid, limited.fuse_mounts())
                    remove(one, "overdue: where its processes stood is printed above")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for one in lanes.values():
            if one.current:
                one.process.send_signal(signal.SIGTERM)
        for one in lanes.values():
            one.close()
