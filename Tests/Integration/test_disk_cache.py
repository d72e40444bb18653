"""What was read stays on this machine's disk: for the next mount, and never instead of what the bucket has."""

import json
import os
import subprocess

from harness import MIB, Mount, expect, expect_equal, random_bytes, wait_until
from test_promises import only_pail


def _gets(run, mount):
    done = subprocess.run([run.pail, "status", "--json", mount.directory], env=run.environment(), capture_output=True, text=True,
                          timeout=60)
    return json.loads(done.stdout)["requests"]["byOperation"].get("GetObject", 0)


def _files(folder):
    return [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names if not name.startswith("new-")
            and os.path.basename(os.path.dirname(place)) == "cache"]


def _read(mount, name):
    with open(mount.path(name), "rb") as file:
        return file.read()


def test_disk_cache(run):
    """A second mount reads what the first one has read without a GET; a new version of an object, and a block that the disk has changed,
    come from the bucket; the cache keeps its limit."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("cached")
    client = server.client()
    contents = {"large": random_bytes(1, 20 * MIB + 12345), "small": random_bytes(2, 5000), "empty": b""}
    for name, content in contents.items():
        client.put_object(Bucket=bucket, Key=name, Body=content)
    options = ["--disk-cache", "32MiB", "--min-free", "0"]
    mount = run.mount(bucket, *options)
    blocks = -(-len(contents["large"]) // (256 << 10)) + 1
    # Where the disk is slower than the store, some blocks are not kept; the next reader brings them.
    for _ in range(20):
        for name, content in contents.items():
            expect(_read(mount, name) == content, f"{name} as it is read first")
        if len(_files(mount.state)) == blocks:
            break
        mount.unmount()
        mount = Mount(run, server, bucket, mount.options, None, mount.directory, mount.state)
    expect_equal(len(_files(mount.state)), blocks, "blocks on the disk")
    mount.unmount()

    mount = Mount(run, server, bucket, mount.options, None, mount.directory, mount.state)
    for name, content in contents.items():
        expect(_read(mount, name) == content, f"{name} as the second mount reads it")
    expect_equal(_gets(run, mount), 0, "GETs of the second mount")
    mount.unmount()

    # The bucket's new version is read, not the old one that is still here.
    changed = random_bytes(3, 5000)
    client.put_object(Bucket=bucket, Key="small", Body=changed)
    # And what the disk has changed is not.
    for path in _files(mount.state)[::2]:
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
    for number in range(3):
        client.put_object(Bucket=bucket, Key=f"more-{number}", Body=random_bytes(number, 16 * MIB))
    mount = Mount(run, server, bucket, mount.options, None, mount.directory, mount.state)
    expect(_read(mount, "small") == changed, "the new version of a file")
    expect(_read(mount, "large") == contents["large"], "a file of which the disk has changed blocks")
    expect(_gets(run, mount) > 0, "damaged blocks come from the bucket")

    for number in range(3):
        expect(_read(mount, f"more-{number}") == random_bytes(number, 16 * MIB), "a file beyond the limit")
    mount.unmount()
    size = sum(os.path.getsize(path) for path in _files(mount.state))
    expect(24 * MIB < size <= 32 * MIB, f"the cache's files have {size} bytes, its limit is {32 * MIB}")


def test_disk_cache_in_write_back_mode(run):
    """In write-back mode what was uploaded is read from the bucket once, and from the disk after that; changes always win."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("cached-write-back")
    mount = run.mount(bucket, "--write-back", "--disk-cache", "64MiB", "--min-free", "0")
    content = random_bytes(4, 3 * MIB)
    with open(mount.path("file"), "wb") as file:
        file.write(content)
    mount.unmount()
    for expected in (1, 0):
        mount = Mount(run, server, bucket, mount.options, None, mount.directory, mount.state)
        expect(_read(mount, "file") == content, "the file after a remount")
        expect((_gets(run, mount) > 0) == (expected > 0), f"GETs: {_gets(run, mount)}, expected some: {expected}")
        wait_until(lambda: len(_files(mount.state)) == 12, 20, "all blocks on the disk")
        if expected:
            mount.unmount()
    with open(mount.path("file"), "r+b") as file:
        file.seek(MIB)
        file.write(b"changed")
    content = content[:MIB] + b"changed" + content[MIB + 7:]
    expect(_read(mount, "file") == content, "the changed file")
    mount.unmount()
    mount = Mount(run, server, bucket, mount.options, None, mount.directory, mount.state)
    expect(_read(mount, "file") == content, "the changed file after a remount")
    mount.unmount()
