"""What a strict mount's close could not store: it is on this machine's disk, and in the bucket once there is a mount again."""

import json
import os
import signal
import subprocess

from harness import Mount, expect, expect_equal, wait_until
from test_promises import UnreliableRelay, failure_of, only_pail


def _pail(run, *arguments):
    return subprocess.run([run.pail, *arguments], env=run.environment(), capture_output=True, text=True, timeout=60)


def _status(run, mount):
    return json.loads(_pail(run, "status", "--json", mount.directory).stdout)


def test_what_a_close_could_not_store(run):
    """A file whose close failed outlives kill -9 and a failed unmount: the next mount stores it. `pail status` names it meanwhile."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("unstored")
    relay = UnreliableRelay(run, server)
    content = os.urandom(3 << 20)
    for way in ("kill", "unmount"):
        relay.is_down = False
        mount = run.mount(bucket, "--request-deadline", "1s", "--drain-timeout", "5s", url=relay.url)
        with open(mount.path(f"patched-{way}"), "wb") as file:
            file.write(content)
        handles = [os.open(mount.path(name), os.O_CREAT | os.O_WRONLY) for name in (f"new-{way}", f"patched-{way}")]
        relay.is_down = True
        for handle in handles:
            os.pwrite(handle, b"acknowledged by nobody", 1000)
            expect(failure_of(os.close, handle) in ("ENETUNREACH", "ETIMEDOUT"), "a close without a store")
        wait_until(lambda: _status(run, mount)["pending"]["changes"] >= 2, 30, "both changes in the status")
        expect_equal([item["key"] for item in _status(run, mount)["pending"]["first"]], [f"new-{way}", f"patched-{way}"],
                     "what pail status names")
        if way == "kill":
            mount.process.send(signal.SIGKILL)
            mount.process.wait(10)
        else:
            mount.process.send(signal.SIGTERM)
            expect_equal(mount.process.wait(60), 1, "exit status of a mount that could not store a file")
            expect("the next mount of this bucket uploads them" in mount.process.output(), f"last words: {mount.process.output(300)}")
        relay.is_down = False
        expect(f"new-{way}" not in server.keys(bucket), "stored although the store was down")
        again = Mount(run, server, bucket, mount.options, relay.url, mount.directory, mount.state)
        patch = b"acknowledged by nobody"
        for name, wanted in [(f"new-{way}", bytes(1000) + patch), (f"patched-{way}", content[:1000] + patch + content[1022:])]:
            expect(server.read(bucket, name) == wanted, f"{name} in the bucket after the next mount's start")
            with open(again.path(name), "rb") as file:
                expect(file.read() == wanted, f"{name} on the next mount")
        expect_equal(_status(run, again)["pending"]["changes"], 0, "what is left")
        again.unmount()


def test_leftovers_of_a_killed_mount(run):
    """The upload and the copy of an unlinked open file that a killed mount leaves in the bucket are removed by the next one."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("leftovers")
    client = server.client()
    mount = run.mount(bucket)
    with open(mount.path("gone"), "wb") as file:
        file.write(b"still read by somebody")
    reader = os.open(mount.path("gone"), os.O_RDONLY)
    os.unlink(mount.path("gone"))
    writer = os.open(mount.path("big"), os.O_WRONLY | os.O_CREAT)
    for _ in range(40):
        os.write(writer, bytes(1 << 20))

    def uploads():
        return client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])

    wait_until(uploads, 20, "an upload under way")
    expect_equal([key.startswith(".pail/unlinked/") for key in server.keys(bucket)], [True], "the copy of the unlinked file")
    mount.process.send(signal.SIGKILL)
    mount.process.wait(10)
    for handle in (reader, writer):
        failure_of(os.close, handle)
    again = Mount(run, server, bucket, mount.options, None, mount.directory, mount.state)
    wait_until(lambda: not uploads() and not server.keys(bucket), 20, "the next mount's removal of what was left")
    again.unmount()


def test_strict_conflict_is_kept(run):
    """A partial change that lost to another host's version is kept on this machine; the name shows the other's version at once."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("strict-conflict")
    mount = run.mount(bucket)
    with open(mount.path("file"), "w") as file:
        file.write("0123456789")
    handle = os.open(mount.path("file"), os.O_RDWR)
    os.pwrite(handle, b"mine", 0)
    server.client().put_object(Bucket=bucket, Key="file", Body=b"theirs")
    expect_equal(failure_of(os.close, handle), "ESTALE", "the close")
    wait_until(lambda: _status(run, mount)["pending"]["kept"], 10, "the conflict in the status")
    kept = _status(run, mount)["pending"]["kept"]
    expect_equal([item["key"] for item in kept], ["file"], "what is kept")
    with open(mount.path("file")) as file:
        expect_equal(file.read(), "theirs", "the file as it shows")
    recovered = run.path("recovered")
    done = _pail(run, "recover", mount.directory, str(kept[0]["id"]), recovered)
    with open(recovered, "rb") as file:
        expect_equal(file.read(4), b"mine", "what is recovered")
    expect("4" in done.stdout + done.stderr and "file" in done.stdout + done.stderr, f"what is missing is named: {done}")
    mount.unmount()
    expect_equal(server.read(bucket, "file"), b"theirs", "the object")
