import collections
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import harness
from fault_load import digest
from faulty_relay import FaultyRelay
from harness import Process, Server, expect, expect_equal, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = 4


class Loads:
    """Four programs at work on a mount, and the check of what they have left."""

    def __init__(self, run, mount, seconds, seed):
        self.run = run
        self.parts = []
        for number in range(PROGRAMS):
            directory = f"work{number}"
            os.makedirs(mount.path(directory))
            report = run.path("fault-load")
            process = run.spawn([sys.executable, "-B", os.path.join(HERE, "fault_load.py"), mount.path(directory), report,
                                 f"{seed}/{number}", str(seconds)], "fault-load")
            self.parts.append((directory, report, process))

    def finish(self, seconds):
        """Waits for their ends, and fails if one has read what nobody wrote. Returns (operations, errors, the longest)."""
        done, errors, longest = collections.Counter(), collections.Counter(), 0
        self.reports = []
        for directory, report, process in self.parts:
            status = process.wait(seconds)
            expect(status is not None, f"{directory}: a program hangs")
            expect_equal(status, 0, f"{directory}: {process.output()}")
            with open(report) as file:
                found = json.load(file)
            expect(not found["wrong"], f"{directory}: {found['wrong'][:3]}")
            self.reports.append((directory, found["allowed"]))
            done.update(found["done"])
            errors.update(found["errors"])
            longest = max(longest, found["longest"])
        return done, errors, longest

    def check_bucket(self, server, bucket):
        """Every name of every program holds what it may hold, and there is no other. Returns how many names hold what was
        acknowledged."""
        certain = 0
        for directory, allowed in self.reports:
            present = {}
            for key in server.keys(bucket, f"{directory}/"):
                name = key.removeprefix(f"{directory}/")
                if name:
                    data = server.read(bucket, key)
                    present[name] = digest(data)
            for name, contents in allowed.items():
                found = present.pop(name, "absent")
                expect(found in contents, f"{directory}/{name} holds {found}, and not one of {contents}")
                certain += len(contents) == 1 and contents[0] != "absent"
            expect_equal(sorted(present), [], f"names in {directory} that nobody made")
        return certain


def summary(done, errors):
    wrong = ", ".join(f"{name} {count}" for name, count in sorted(errors.items())) or "none"
    return f"{sum(done.values())} operations acknowledged; errors: {wrong}"


def test_bad_connections(run):
    """Connections that are reset, cut in the middle of an answer, stalled, delayed and swallowed, under four programs that create,
    overwrite, append, patch, rename, delete and read: nothing acknowledged is missing or wrong, no read gives what was not
    written, errors reach the callers, no program hangs, and the mount ends well."""
    server = run.server()
    bucket = server.make_bucket("faults")
    relay = FaultyRelay(run, server, run.seed)
    mount = run.mount(bucket, "--request-deadline", "12s", url=relay.url)
    seconds = 300 if run.full else 25
    loads = Loads(run, mount, seconds, run.seed)
    relay.mean = 200_000
    done, errors, longest = loads.finish(seconds + 180)
    relay.mean = None
    relay.is_isolated = True
    time.sleep(1.5)
    relay.is_isolated = False
    expect(sum(done.values()) > 40, f"the programs came to nothing: {done} {errors}")
    expect(sum(relay.met.values()) > 10, f"hardly a connection met its fate: {relay.met}")
    with open(mount.path("after"), "w") as file:
        file.write("the mount lives")
    mount.unmount(seconds=120)
    certain = loads.check_bucket(server, bucket)
    run.note(f"connections: {relay.met}")
    run.note(f"{summary(done, errors)}; {certain} files checked, 0 lost; the longest operation {longest:.1f} s")


class OwnStore:
    """A SeaweedFS of the test's own, which it may stop."""

    def __init__(self, run):
        self.run = run
        directory = run.path("outage-store")
        os.makedirs(directory)
        self.directory = directory
        url, process = harness.start_seaweedfs(run.tools, directory, run.processes.append)
        self.server = Server(run, "outage", url, process)
        self.arguments = process.arguments
        self.next = 0

    def stop(self, number):
        process = self.server.process
        process.send(number)
        if process.wait(30) is None:
            process.send(signal.SIGKILL)
            process.wait(30)

    def prepare_start(self):
        """Starts a shell that will become the next server. Before the test opens files under `--on-outage wait`: a child closes copies of
        its parent's descriptors when it begins another program, and would wait for the store that it is to be."""
        self.next += 1
        signal_path = os.path.join(self.directory, f"start-{self.next}")
        waiting = f"while [ ! -e {signal_path} ]; do sleep 0.1; done; exec \"$@\""
        process = Process(["sh", "-c", waiting, "sh", *self.arguments], os.path.join(self.directory, "log"), cwd=self.directory)
        self.run.processes.append(process)
        self.prepared = signal_path, process

    def start(self):
        signal_path, process = self.prepared
        with open(signal_path, "w"):
            pass
        self.server.process = process
        harness._wait_for_s3(process, self.server.url)


def outage(run, policy, number):
    """One store that goes and comes back under load."""
    store = OwnStore(run)
    server = store.server
    bucket = server.make_bucket("outage")
    mount = run.mount(bucket, "--on-outage", policy, "--request-deadline", "5s", server=server)
    length = 60 if run.full else 12
    calm = 15 if run.full else 5
    server.client().put_object(Bucket=bucket, Key="clean", Body=b"c" * 100_000)
    store.prepare_start()
    loads = Loads(run, mount, 2 * calm + length + 10, run.seed)
    # Files that need no store: one written and not stored yet, one stored and read. (After the programs' start, which closes
    # copies of the descriptors.)
    held = os.open(mount.path("held"), os.O_RDWR | os.O_CREAT)
    os.write(held, b"h" * 100_000)
    clean = os.open(mount.path("clean"), os.O_RDONLY)
    expect_equal(os.pread(clean, 200_000, 0), b"c" * 100_000, "a stored file")
    time.sleep(calm)
    store.stop(number)
    # Asked all the while: what is in memory is given at once.
    slowest = 0
    end = time.monotonic() + length
    while time.monotonic() < end:
        os.posix_fadvise(held, 0, 0, os.POSIX_FADV_DONTNEED)
        began = time.monotonic()
        expect_equal(os.pread(held, 200_000, 0), b"h" * 100_000, "a file that is in memory")
        # To its end, where the kernel asks how long the file is.
        expect_equal(os.pread(clean, 200_000, 0), b"c" * 100_000, "a file that has been read")
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.2)
    store.start()
    done, errors, longest = loads.finish(2 * calm + length + 120)
    expect(sum(done.values()) > 20, f"the programs came to nothing: {done} {errors}")
    os.close(held)
    os.close(clean)
    log = mount.process.output(10_000_000)
    mount.unmount(seconds=120)
    expect_equal(server.read(bucket, "held"), b"h" * 100_000, "the file that waited")
    certain = loads.check_bucket(server, bucket)
    expect_equal(log.count("the store cannot be reached"), 1, "lines that say that the store is gone")
    expect_equal(log.count("the store answers again"), 1, "lines that say that it is back")
    run.note(f"{policy}, {signal.Signals(number).name}: {summary(done, errors)}; {certain} files checked, 0 lost; the longest "
             f"operation {longest:.1f} s; a read from memory meanwhile at most {slowest * 1000:.0f} ms")
    store.stop(signal.SIGKILL)
    return errors


def test_outage_with_errors(run):
    """The store stopped for 60 s (12 s on every commit) and restarted, under load, with `--on-outage fail`: every operation that
    was not stored gave an error, all that was acknowledged is there, and files in memory are read meanwhile."""
    errors = outage(run, "fail", signal.SIGTERM)
    expect(sum(errors.values()) > 0, "a store that was gone for longer than the deadline gave no error")


def test_outage_waited_for(run):
    """The store killed and restarted with `--on-outage wait`: the programs wait, nothing fails, nothing is lost."""
    errors = outage(run, "wait", signal.SIGKILL)
    expect_equal(dict(errors), {}, "errors of operations that should have waited")


def test_waiting_programs_can_be_killed(run):
    """With `--on-outage wait` and no store, programs that wait in stat, read, close and unlink end when they are killed, and the
    mount ends by signals, with a status that says what is not stored."""
    server = run.server()
    bucket = server.make_bucket("killed")
    client = server.client()
    for name in ("stat", "read", "unlink"):
        client.put_object(Bucket=bucket, Key=name, Body=b"x" * 1_000_000)
    relay = FaultyRelay(run, server, run.seed)
    mount = run.mount(bucket, "--on-outage", "wait", "--request-deadline", "2s", "--drain-timeout", "3s", url=relay.url)
    os.listdir(mount.directory)
    time.sleep(1.2)
    relay.is_isolated = True
    programs = {
        "stat": "import os; os.stat('stat')",
        "read": "open('read', 'rb').read()",
        "unlink": "import os; os.unlink('unlink')",
        "close": "import os; f = os.open('close', os.O_WRONLY | os.O_CREAT); os.write(f, b'x'); os.close(f)",
        "fsync": "import os; f = os.open('fsync', os.O_WRONLY | os.O_CREAT); os.write(f, b'x'); os.fsync(f)",
    }
    running = {name: subprocess.Popen([sys.executable, "-c", text], cwd=mount.directory, stderr=subprocess.DEVNULL)
               for name, text in programs.items()}
    try:
        time.sleep(6)
        for name, process in running.items():
            expect(process.poll() is None, f"{name} did not wait for the store")
        for name, process in running.items():
            process.send_signal(signal.SIGKILL)
        for name, process in running.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            expect(process.poll() is not None, f"{name} cannot be killed")
    finally:
        relay.is_isolated = False
        for process in running.values():
            process.kill()
    relay.is_isolated = True
    began = time.monotonic()
    mount.process.send(signal.SIGTERM)
    status = mount.process.wait(60)
    run.note(f"ended with status {status} {time.monotonic() - began:.1f} s after SIGTERM, without a store")
    expect(status in (0, 1), f"the mount ended with {status}")
