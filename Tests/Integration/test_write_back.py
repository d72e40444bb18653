import json
import os
import signal
import subprocess
import time

from harness import Mount, Skip, expect, expect_equal, lazy_unmount, random_bytes, wait_until
from mending import expect_mended


def _pail(run, *arguments, timeout=120):
    return subprocess.run([run.pail, *arguments], env=run.environment(), capture_output=True, text=True, timeout=timeout)


def _pending(run, mount):
    return json.loads(_pail(run, "status", "--json", mount.directory).stdout)["pending"]


class _Stopped:
    """The store without an answer: its process is stopped."""

    def __init__(self, run, server):
        self._process = server.process
        run.closers.append(self.resume)
        self._process.send(signal.SIGSTOP)

    def resume(self):
        self._process.send(signal.SIGCONT)


def _prepare(mount):
    """What needs the store: the names that are there."""
    os.mkdir(mount.path("d"))
    with open(mount.path("d", "config"), "wb") as file:
        file.write(b"old")
    _pail(mount.run, "sync", mount.directory)


def _change(mount):
    """Changes of every kind, and what must be there in the end: path to content, None for what is gone."""
    expected = {}

    def write(path, content, mode="wb"):
        with open(mount.path(path), mode) as file:
            file.write(content)

    for number in range(40):
        content = random_bytes(number, 1000 + 37 * number)
        write(f"d/new-{number}", content)
        expected[f"d/new-{number}"] = content
    write("d/big", big := random_bytes(99, 20 << 20))
    write("d/big", b"tail", "ab")
    expected["d/big"] = big + b"tail"
    write("d/t.tmp", b"temporary, then renamed over")
    os.rename(mount.path("d/t.tmp"), mount.path("d/config"))
    expected["d/config"] = b"temporary, then renamed over"
    expected["d/t.tmp"] = None
    write("d/gone", b"x" * 5000)
    os.unlink(mount.path("d/gone"))
    expected["d/gone"] = None
    os.chmod(mount.path("d/new-0"), 0o600)
    return expected


def _compare(server, bucket, expected):
    keys = server.keys(bucket)
    for path, content in expected.items():
        if content is None:
            expect(path not in keys, f"{path} is in the bucket")
        else:
            expect_equal(server.read(bucket, path), content, f"the object {path}")


def test_write_back(run):
    """With `--write-back`, close, rename and unlink return without the store (which is stopped meanwhile); the mount shows all of it; `pail
    status` names what waits; once the store is back, `pail sync` returns with all of it in the bucket."""
    if not run.is_pail:
        raise Skip("Pail's own mode")
    server = run.server()
    bucket = server.make_bucket("write-back")
    mount = run.mount(bucket, "--write-back", "--attribute-timeout", "600")
    _prepare(mount)
    store = _Stopped(run, server)
    began = time.monotonic()
    expected = _change(mount)
    run.note(f"46 changes in {time.monotonic() - began:.2f} s without a store")
    for path, content in expected.items():
        expect_equal(open(mount.path(path), "rb").read() if os.path.exists(mount.path(path)) else None, content,
                     f"{path} as the mount shows it")
    pending = _pending(run, mount)
    expect(pending["changes"] >= 40, f"what waits: {pending['changes']}")
    store.resume()
    done = _pail(run, "sync", mount.directory)
    expect_equal((done.returncode, done.stderr), (0, ""), "pail sync")
    expect_equal(_pending(run, mount)["changes"], 0, "what waits behind pail sync")
    _compare(server, bucket, expected)
    mount.unmount()


def _killed_with_changes(run):
    """A mount killed after changes of every kind, none of which the store has seen. Returns (server, mount, what must be there)."""
    if not run.is_pail:
        raise Skip("Pail's own mode")
    server = run.server()
    mount = run.mount(server.make_bucket("write-back-crash"), "--write-back", "--attribute-timeout", "600")
    _prepare(mount)
    store = _Stopped(run, server)
    expected = _change(mount)
    mount.process.send(signal.SIGKILL)
    mount.process.wait(10)
    store.resume()
    return server, mount, expected


def test_write_back_after_a_crash(run):
    """What was acknowledged in write-back mode and not uploaded when the mount is killed (with the store out of reach) is shown by the next mount
    at once and uploaded by it."""
    server, mount, expected = _killed_with_changes(run)
    again = Mount(run, server, mount.bucket, mount.options, None, mount.directory, mount.state)
    for path, content in expected.items():
        expect_equal(open(again.path(path), "rb").read() if os.path.exists(again.path(path)) else None, content,
                     f"{path} as the next mount shows it")
    again.unmount()
    _compare(server, mount.bucket, expected)
    expect_mended(run, again)


def test_write_back_mended_by_a_check(run):
    """What was acknowledged in write-back mode and not uploaded when the mount was killed is found by `pail check`, and uploaded by `pail
    check -p`, without a mount."""
    server, mount, expected = _killed_with_changes(run)
    lazy_unmount(mount.directory)
    done = _pail(run, "check", f"s3://{mount.bucket}", "--endpoint-url", server.url, "--state-dir", mount.state)
    expect(done.returncode == 4 and "pending-change" in done.stdout, f"a check that mends nothing: {done}")
    expect_mended(run, mount)
    _compare(server, mount.bucket, expected)


def test_write_back_ends_whole(run):
    """SIGTERM and `pail umount` of a mount in write-back mode return once all is in the bucket; a strict mount uploads first what a killed
    mount in write-back mode has left."""
    if not run.is_pail:
        raise Skip("Pail's own mode")
    server = run.server()
    bucket = server.make_bucket("write-back-end")
    mount = run.mount(bucket, "--write-back", "--attribute-timeout", "600")
    _prepare(mount)
    expected = _change(mount)
    os.rename(mount.path("d"), mount.path("e"))
    mount.unmount()
    expected = {path.replace("d/", "e/", 1): content for path, content in expected.items()}
    _compare(server, bucket, expected)

    mount = run.mount(bucket, "--write-back", state=mount.state)
    os.listdir(mount.path("e"))
    store = _Stopped(run, server)
    with open(mount.path("e", "left"), "wb") as file:
        file.write(b"left by a killed mount")
    mount.process.send(signal.SIGKILL)
    mount.process.wait(10)
    store.resume()
    strict = run.mount(bucket, state=mount.state)
    expect_equal(open(strict.path("e", "left"), "rb").read(), b"left by a killed mount", "what was left, in a strict mount")
    expect_equal(server.read(bucket, "e/left"), b"left by a killed mount", "what was left, in the bucket")
    strict.unmount()


def test_two_write_back_mounts_of_one_state(run):
    """Mounts of one bucket with one state directory live beside each other, in either mode, each with a journal of its own; what a killed
    one has left, the next mount uploads, whichever journal it gets."""
    if not run.is_pail:
        raise Skip("Pail's own mode")
    server = run.server()
    bucket = server.make_bucket("write-back-two")
    first = run.mount(bucket, "--write-back")
    second = run.mount(bucket, "--write-back", state=first.state)
    strict = [run.mount(bucket, state=first.state) for _ in range(2)]
    with open(strict[0].path("file"), "wb") as file:
        file.write(b"by a strict mount")
    wait_until(lambda: os.path.exists(strict[1].path("file")), 10, "the file in the other strict mount")
    os.mkdir(second.path("d"))
    _pail(run, "sync", second.directory)
    store = _Stopped(run, server)
    # Too large for one request: none that is on its way can store it.
    content = random_bytes(5, 24 << 20)
    with open(second.path("d", "left"), "wb") as file:
        file.write(content)
    second.process.send(signal.SIGKILL)
    second.process.wait(10)
    store.resume()
    expect("d/left" not in server.keys(bucket), "uploaded although the store was stopped")
    # The first journal is still held: this mount gets the second one, or looks after it.
    first.unmount()
    again = run.mount(bucket, "--write-back", state=first.state)
    expect(server.read(bucket, "d/left") == content, "what the killed mount has left is not whole in the bucket")
    for each in [*strict, again]:
        each.unmount()


def test_write_back_conflict(run):
    """What two hosts have made of one file: the store's version stays, this machine's is kept, named by `pail status`, written to a file by `pail
    recover` (of the mount, and of the directory without a mount) and forgotten by `--drop`."""
    if not run.is_pail:
        raise Skip("Pail's own mode")
    server = run.server()
    bucket = server.make_bucket("write-back-conflict")
    mount = run.mount(bucket, "--write-back", "--attribute-timeout", "600")
    _prepare(mount)
    with open(mount.path("d", "config"), "r+b") as file:
        expect_equal(file.read(), b"old", "the file before")
        store = _Stopped(run, server)
        file.write(b" and mine")
    mount.process.send(signal.SIGKILL)
    mount.process.wait(10)
    store.resume()
    server.client().put_object(Bucket=bucket, Key="d/config", Body=b"theirs")
    again = Mount(run, server, bucket, mount.options, None, mount.directory, mount.state)
    wait_until(lambda: _pending(run, again)["kept"], 30, "the conflict")
    with open(again.path("d", "config"), "rb") as file:
        expect_equal(file.read(), b"theirs", "the file as it shows")
    kept = _pending(run, again)["kept"]
    expect_equal([(item["key"], item["bytes"]) for item in kept], [("d/config", 12)], "what is kept")
    number = str(kept[0]["id"])
    directory = json.loads(_pail(run, "status", "--json", again.directory).stdout)["journal"]
    listed = _pail(run, "recover", again.directory)
    expect(listed.returncode == 0 and listed.stdout.startswith(f"{number}  d/config  "), f"the list: {listed}")
    again.unmount()
    recovered = run.path("recovered")
    done = _pail(run, "recover", directory, number, recovered)
    expect_equal((done.returncode, done.stderr), (0, ""), "pail recover")
    with open(recovered, "rb") as file:
        expect_equal(file.read(), b"old and mine", "what is recovered")
    done = _pail(run, "recover", directory, number, recovered)
    expect(done.returncode == 1 and "exists" in done.stderr, f"a file that is there is not overwritten: {done}")
    expect_equal(_pail(run, "recover", directory, number, "--drop").returncode, 0, "forgetting")
    expect_equal(_pail(run, "recover", directory).stdout, "", "what is kept in the end")
