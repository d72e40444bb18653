import contextlib
import os
import signal
import subprocess
import sys
import time

import harness
from fault_loads import Loads, summary
from faulty_relay import FaultyRelay
from harness import Process, Server, expect, expect_equal
from mending import expect_mended


def test_bad_connections(run):
    """Connections that are reset, cut in the middle of an answer, stalled, delayed and swallowed, under four programs that create,
    overwrite, append, patch, rename, delete and read: nothing acknowledged is missing or wrong, no read gives what was not
    written, errors reach the callers, no program hangs, and the mount ends well."""
    server = run.server()
    bucket = server.make_bucket("faults")
    relay = FaultyRelay(run, server, run.seed)
    mount = run.mount(bucket, "--hedged-reads", "on", "--request-deadline", "12s", url=relay.url)
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
    found = loads.check_bucket(server, bucket)
    run.note(f"connections: {relay.met}")
    run.note(f"{summary(done, errors)}; {found}; the longest operation {longest:.1f} s")
    found.expect_all()
    expect_mended(run, mount)


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
    found = loads.check_bucket(server, bucket)
    run.note(f"{policy}, {signal.Signals(number).name}: {summary(done, errors)}; {found}; the longest operation {longest:.1f} s; a read "
             f"from memory meanwhile at most {slowest * 1000:.0f} ms")
    found.expect_all()
    expect_equal(log.count("the store cannot be reached"), 1, "lines that say that the store is gone")
    expect_equal(log.count("the store answers again"), 1, "lines that say that it is back")
    expect_mended(run, mount)
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


class Prepared:
    """A program in a mount that runs `before` at once and `then` when it is told to: opening a file needs the store, too."""

    def __init__(self, mount, before, then):
        text = (
            "import os, resource, signal, sys, threading, time; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); "
            # A shell's background jobs inherit it ignored.
            "signal.signal(signal.SIGQUIT, signal.SIG_DFL); "
            # Not by Popen: this process would wait for the mount in vfork(2) with the interpreter's lock, which the relay needs.
            f"os.chdir({mount.directory!r}); "
            f"{before or 'pass'}; print('ready', flush=True); sys.stdin.readline(); {then}")
        self.process = subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        expect_equal(self.process.stdout.readline(), b"ready\n", f"what a program says that is to run {before}")

    def act(self):
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        return self.process


def test_waiting_programs_can_be_killed(run):
    """With `--on-outage wait` and no store, programs that wait in stat, read, close and unlink, and those that have written to
    files that are still open, end when they are killed; the mount ends by a signal, with a status that says that not all is stored."""
    server = run.server()
    bucket = server.make_bucket("killed")
    client = server.client()
    for name in ("stat", "read", "unlink"):
        client.put_object(Bucket=bucket, Key=name, Body=b"x" * 1_000_000)
    relay = FaultyRelay(run, server, run.seed)
    mount = run.mount(bucket, "--on-outage", "wait", "--request-deadline", "2s", "--drain-timeout", "3s", url=relay.url)
    written = "f = os.open('{0}', os.O_WRONLY | os.O_CREAT); os.write(f, b'x')"
    programs = {
        "stat": Prepared(mount, "", "os.stat('stat')"),
        "read": Prepared(mount, "f = open('read', 'rb')", "f.read()"),
        "unlink": Prepared(mount, "", "os.unlink('unlink')"),
        "close": Prepared(mount, written.format("close"), "os.close(f)"),
        "fsync": Prepared(mount, written.format("fsync"), "os.fsync(f)"),
        "open": Prepared(mount, written.format("open"), "time.sleep(600)"),
        "threads": Prepared(mount, written.format("threads"),
                            "threading.Thread(target=time.sleep, args=(600,)).start(); time.sleep(600)"),
        # Signals that dump core are taken from the process before it ends, so that the kernel interrupts nothing more.
        "quit": Prepared(mount, written.format("quit"), "time.sleep(600)"),
        "crash": Prepared(mount, written.format("crash"), "time.sleep(6); os.abort()"),
    }
    signals = {"open": signal.SIGTERM, "quit": signal.SIGQUIT}
    time.sleep(1.2)
    relay.is_isolated = True
    running = {name: program.act() for name, program in programs.items()}
    try:
        time.sleep(5)
        for name, process in running.items():
            expect(process.poll() is None, f"{name} did not wait for the store")
        for name, process in running.items():
            if name != "crash":
                process.send_signal(signals.get(name, signal.SIGKILL))
        for name, process in running.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            expect(process.poll() is not None, f"{name} cannot be killed")
        began = time.monotonic()
        mount.process.send(signal.SIGTERM)
        status = mount.process.wait(60)
        run.note(f"ended with status {status} {time.monotonic() - began:.1f} s after SIGTERM, without a store")
        expect_equal(status, 1, "the status of a mount that ends with files that are not stored")
    finally:
        relay.is_isolated = False
        for process in running.values():
            process.kill()


def test_ways_out_of_a_wait(run):
    """A program that exits with a written file open waits for the store as in close(2), deaf to signals. It ends when the mount is
    told to end by two signals, when the mount is unmounted by force, and when the store is back."""
    server = run.server()
    bucket = server.make_bucket("waiting-exit")
    relay = FaultyRelay(run, server, run.seed)

    def end_by_signals(mount, process):
        mount.process.send(signal.SIGTERM)
        time.sleep(0.5)
        mount.process.send(signal.SIGTERM)

    def end_lazily(mount, process):
        subprocess.run(["umount", "-l", mount.directory], capture_output=True, timeout=20)
        time.sleep(1)
        expect(process.poll() is None, "umount -l has ended the wait: SEMANTICS.md says otherwise")
        end_by_signals(mount, process)

    def end_by_force(mount, process):
        # Busy or not: what waits is ended first.
        subprocess.run(["umount", "-f", mount.directory], capture_output=True, timeout=20)

    def bring_the_store_back(mount, process):
        relay.is_isolated = False

    ways = {"signals": end_by_signals, "lazy": end_lazily, "force": end_by_force, "back": bring_the_store_back}
    for name, way_out in ways.items():
        if name in ("lazy", "force") and os.geteuid() != 0:
            continue
        relay.is_isolated = False
        mount = run.mount(bucket, "--on-outage", "wait", "--request-deadline", "2s", "--drain-timeout", "5m", url=relay.url)
        program = Prepared(mount, f"f = os.open('{name}', os.O_WRONLY | os.O_CREAT); os.write(f, b'x')", "os._exit(0)")
        relay.is_isolated = True
        process = program.act()
        try:
            time.sleep(4)
            expect(process.poll() is None, "a program that exits did not wait for the store")
            process.kill()
            time.sleep(0.5)
            run.note(f"a program that waits in exit: SIGKILL {'does not end' if process.poll() is None else 'ends'} it")
            way_out(mount, process)
            began = time.monotonic()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            expect(process.poll() is not None, f"{name}: the program still waits")
            run.note(f"{name}: the program ended {time.monotonic() - began:.1f} s later")
        finally:
            relay.is_isolated = False
            process.kill()
        if name == "back":
            mount.unmount()
            expect_equal(server.read(bucket, name), b"x", "what was stored when the store was back")
        else:
            # Its drain may store the file now, or was given up.
            mount.process.send(signal.SIGTERM)
            expect(mount.process.wait(60) is not None, f"{name}: the mount still runs")
