import contextlib
import os
import signal
import socket
import subprocess

from faulty_relay import FaultyRelay
from harness import Process, Skip, expect, expect_equal, is_mounted, lazy_unmount, wait_until
from test_bad_input import processes_with


class Manager:
    """A service manager's ear: the socket of sd_notify(3)."""

    def __init__(self, run):
        self.path = run.path("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(0.05)
        self.messages = []
        run.closers.append(self.socket.close)

    def hear(self):
        """All lines so far."""
        while True:
            try:
                self.messages += self.socket.recv(4096).decode().split("\n")
            except TimeoutError:
                return self.messages

    def wait(self, line, seconds=30):
        wait_until(lambda: line in self.hear(), seconds, f"{line} from the mount")


def named_mount(run, server, bucket, name, extra=""):
    """Writes the file of a named mount; returns (environment, mount point)."""
    folder, directory = run.path("mounts.d"), run.path("mnt")
    os.mkdir(folder)
    os.mkdir(directory)
    run.closers.append(lambda: lazy_unmount(directory))
    with open(os.path.join(folder, f"{name}.conf"), "w") as file:
        file.write(f"# {name}\nsource = s3://{bucket}\nmount-point = {directory}\nendpoint-url = {server.url}\n"
                   f"state-dir = {run.path('state')}\nprobe = never\n{extra}")
    os.chmod(os.path.join(folder, f"{name}.conf"), 0o644)
    return run.environment(PAIL_MOUNTS_DIR=folder), directory


def test_named_mount(run):
    """`pail mount NAME` mounts what the name's file says, options of the command line count before it, and a file that
    is missing, malformed or open to others is refused with one line, its name and the number of the line."""
    if not run.is_pail:
        raise Skip("Pail's own commands")
    server = run.server()
    bucket = server.make_bucket("named")
    environment, directory = named_mount(run, server, bucket, "some.mount-1", "read-only = yes\n")
    folder = environment["PAIL_MOUNTS_DIR"]

    def pail(*arguments):
        return subprocess.run([run.pail, *arguments], env=environment, capture_output=True, text=True, timeout=60)

    def refused(part, name="some.mount-1"):
        done = pail("mount", name)
        expect_equal((done.returncode, done.stderr.count("\n")), (3, 1), f"the refusal: {done.stderr}")
        expect(part in done.stderr, f"{part!r} in {done.stderr!r}")

    done = pail("mount", "some.mount-1")
    expect_equal((done.returncode, done.stderr), (0, ""), "pail mount NAME")
    try:
        open(os.path.join(directory, "file"), "w")
        expect(False, "read-only = yes counts for nothing")
    except OSError:
        pass
    pail("umount", directory)
    done = pail("mount", "--part-size", "5MiB", "some.mount-1", "-o", "rw")
    expect_equal((done.returncode, done.stderr), (0, ""), "pail mount NAME with options")
    with open(os.path.join(directory, "file"), "w") as file:
        file.write("content")
    expect_equal(pail("umount", directory).returncode, 0, "pail umount")
    expect_equal(server.read(bucket, "file"), b"content", "what was written")
    wait_until(lambda: not processes_with(directory), 10, "the end of the mount's process")

    refused("no-such.conf", "no-such")
    path = os.path.join(folder, "some.mount-1.conf")
    with open(path, "a") as file:
        file.write("part-size = 1\n")
    refused("some.mount-1.conf:8: \"part-size\"")
    os.chmod(path, 0o666)
    refused("chmod go-w")


def test_service(run):
    """Under a service manager a mount says READY=1 once it answers, feeds the watchdog, says STOPPING=1 at the signal and asks for more time
    until what is not stored is stored; a mount that is held says nothing more, so that the watchdog ends it."""
    if not run.is_pail:
        raise Skip("the protocol of systemd")
    server = run.server()
    bucket = server.make_bucket("service")
    relay = FaultyRelay(run, server, seed=1)
    manager = Manager(run)
    environment, directory = named_mount(run, relay, bucket, "unit", "drain-timeout = 60s\nrequest-deadline = 60s\n")
    environment.update(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="400000")
    process = Process([run.pail, "mount", "unit", "--foreground"], run.path("unit") + ".log", environment)
    run.processes.append(process)
    manager.wait("READY=1")
    expect(is_mounted(directory), "READY=1 before the mount")
    expect_equal(os.listdir(directory), [], "the mount's names")
    expect(any(line.startswith("STATUS=s3://service") for line in manager.hear()), f"no status: {manager.messages}")

    def beats(seconds):
        manager.hear()
        manager.messages.clear()
        try:
            wait_until(lambda: manager.hear().count("WATCHDOG=1") >= 3, seconds, "")
            return True
        except Exception:
            return False

    expect(beats(20), "the watchdog is not fed")
    # A store that is away is no reason to end the mount.
    relay.is_isolated = True
    expect(beats(20), "the watchdog is not fed while the store is away")
    relay.is_isolated = False
    process.send(signal.SIGSTOP)
    manager.hear()
    expect(not beats(2), "a process that is held feeds the watchdog")
    process.send(signal.SIGCONT)
    expect(beats(20), "the watchdog is not fed again")

    def health():
        return subprocess.run([run.pail, "status", "--check", directory], env=environment, capture_output=True, text=True, timeout=30)

    done = health()
    expect_equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "the health of a mount that is well")

    relay.is_isolated = True
    done = health()
    expect_equal((done.returncode != 0, done.stderr.count("\n")), (True, 1), f"the health without a store: {done}")
    relay.is_isolated = False
    wait_until(lambda: health().returncode == 0, 60, "the health of a mount whose store is back")

    # A file that is open and not stored, and a store that is away: the drain waits. No program is started meanwhile: its copy of the
    # descriptor would be closed, and that close would wait.
    file = open(os.path.join(directory, "open"), "w")
    file.write("not stored yet")
    file.flush()
    relay.is_isolated = True
    process.send(signal.SIGTERM)
    manager.wait("STOPPING=1")
    manager.messages.clear()
    manager.wait("EXTEND_TIMEOUT_USEC=15000000")
    expect_equal(process.wait(0.2), None, "the process has ended before all was stored")
    relay.is_isolated = False
    expect_equal(process.wait(60), 0, f"exit status: {process.output()}")
    # The mount that the file was opened on is gone.
    with contextlib.suppress(OSError):
        file.close()
    expect_equal(server.read(bucket, "open"), b"not stored yet", "the object")
    expect_equal(health().returncode, 4, "the health where nothing is mounted")
