import contextlib
import hashlib
import os
import signal
import sys
import time

from harness import Mount, expect, expect_equal, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))


def churn(run, mount, seed):
    """Starts a writer, a reader and a lister in the mount's directory `work`; returns their processes and the writer's log."""
    logs = {kind: run.path(f"churn-{kind}") for kind in ("write", "read", "list")}
    processes = [
        run.spawn([sys.executable, "-B", os.path.join(HERE, "churn.py"), kind, mount.path("work"), log, str(seed)], kind)
        for kind, log in logs.items()]
    # All three are at work before anything is done to the mount.
    wait_until(lambda: all(os.path.exists(log) and os.path.getsize(log) > 0 for log in logs.values()), 60,
               "the first file written, read and listed")
    return processes, logs["write"]


def closed_files(log):
    """(name, size, sha256) of each file whose close() returned 0."""
    with open(log) as file:
        return [tuple(line.split()) for line in file.read().split("\n")[:-1]]


def check_bucket(run, server, bucket, log, what):
    files = closed_files(log)
    expect(files, f"no file was written {what}")
    client = server.client()
    for name, size, digest in files:
        try:
            data = client.get_object(Bucket=bucket, Key=f"work/{name}")["Body"].read()
        except client.exceptions.NoSuchKey:
            expect(False, f"work/{name} ({size} bytes) was closed without an error but is not in the bucket {what}")
        expect_equal((len(data), hashlib.sha256(data).hexdigest()), (int(size), digest), f"work/{name} in the bucket {what}")
    return len(files)


def test_signals(run):
    """SIGTERM and SIGINT, 5 times each (50 in full), in the middle of writing, reading and listing: exit status 0 within 10 s,
    the mount point free, every file whose close() returned 0 whole in the bucket, and the next mount at once."""
    random = run.random("signals")
    server = run.server()
    bucket = server.make_bucket("signals")
    slowest = 0
    total = 0
    mount = None
    for number in range(2 * (50 if run.full else 5)):
        name = (signal.SIGTERM, signal.SIGINT)[number % 2]
        # The same place and the same state each time.
        mount = Mount(run, server, bucket, directory=mount and mount.directory, state=mount and mount.state)
        os.makedirs(mount.path("work"), exist_ok=True)
        processes, log = churn(run, mount, seed=number * 1000 + random.randrange(1000))
        time.sleep(random.uniform(0.1, 1.5))
        began = time.monotonic()
        mount.unmount(name, seconds=10)
        slowest = max(slowest, time.monotonic() - began)
        for process in processes:
            process.end()
        # What the workers wrote after the unmount must not have gone beside the bucket.
        expect_equal(os.listdir(mount.directory), [], "names left in the mount point's own directory")
        total += check_bucket(run, server, bucket, log, f"after {name.name}, round {number} (seed {run.seed})")
        # Small buckets keep listing and reading quick in later rounds.
        for key in server.keys(bucket, "work/file"):
            server.client().delete_object(Bucket=bucket, Key=key)
    run.note(f"{total} files closed and found whole; the slowest exit took {slowest:.1f} s")


def test_kill(run):
    """After SIGKILL in the middle of work the next mount at the same place works at once, and every file whose close()
    returned 0 is whole in the bucket."""
    server = run.server()
    bucket = server.make_bucket("kill")
    mount = None
    for number in range(10 if run.full else 3):
        mount = Mount(run, server, bucket, directory=mount and mount.directory, state=mount and mount.state)
        os.makedirs(mount.path("work"), exist_ok=True)
        processes, log = churn(run, mount, seed=number)
        time.sleep(0.5)
        mount.process.send(signal.SIGKILL)
        mount.process.wait(10)
        if not run.is_pail:
            # s3fs leaves the dead mount to the administrator.
            from harness import lazy_unmount
            lazy_unmount(mount.directory)
        mount = Mount(run, server, bucket, directory=mount.directory, state=mount.state)
        for process in processes:
            process.end()
        for name, size, digest in closed_files(log):
            with open(mount.path("work", name), "rb") as file:
                data = file.read()
            expect_equal((len(data), hashlib.sha256(data).hexdigest()), (int(size), digest), f"{name} on the new mount")
        check_bucket(run, server, bucket, log, f"after SIGKILL, round {number}")
        with open(mount.path("work", f"after-{number}"), "w") as file:
            file.write("alive")
        mount.unmount()
        with contextlib.suppress(FileNotFoundError):
            expect_equal(os.listdir(mount.directory), [], "names left in the mount point's own directory")


test_signals.minutes = 15
