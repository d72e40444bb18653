"""The work that is timed: plain system calls on a mount, as any program makes them."""

import os
import subprocess
import time

MIB = 1 << 20
BLOCK = MIB


class Work:
    """One kind of work: prepared once in the bucket, timed on each cold mount."""

    def __init__(self, name, title, prepare, run, clean=None):
        self.name, self.title, self.prepare, self.run, self.clean = name, title, prepare, run, clean


def timed(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def block(number):
    """8 MiB that differ from block to block."""
    return number.to_bytes(8, "little") + _RANDOM[8:]


_RANDOM = os.urandom(8 * MIB)


def works(size_mib):
    blocks = size_mib // 8

    def prepare_read(client):
        client.put_large("large/read", (block(number) for number in range(blocks)))

    def read(mount):
        buffer = bytearray(BLOCK)

        def work():
            handle = os.open(os.path.join(mount, "large", "read"), os.O_RDONLY)
            total = 0
            while count := os.readv(handle, [buffer]):
                total += count
            os.close(handle)
            if total != blocks * 8 * MIB:
                raise RuntimeError(f"{total} bytes read")
        return timed(work)

    def write(mount):
        data = [block(number) for number in range(4)]

        def work():
            handle = os.open(os.path.join(mount, "large", "written"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            for number in range(blocks):
                view = memoryview(data[number % 4])
                for offset in range(0, 8 * MIB, BLOCK):
                    os.write(handle, view[offset:offset + BLOCK])
            os.fsync(handle)
            os.close(handle)
        return timed(work)

    def creating(flag):
        def create(mount):
            directory = os.path.join(mount, "new")
            os.makedirs(directory, exist_ok=True)
            data = _RANDOM[:4096]

            def work():
                for number in range(200):
                    handle = os.open(os.path.join(directory, f"file-{number:04}"), os.O_WRONLY | os.O_CREAT | flag, 0o644)
                    os.write(handle, data)
                    os.close(handle)
            return timed(work)
        return create

    # The headers that s3fs writes: what it and Pail look for in a HEAD.
    posix = {"x-amz-meta-mode": "33188", "x-amz-meta-uid": "0", "x-amz-meta-gid": "0", "x-amz-meta-mtime": "1700000000",
             "x-amz-meta-ctime": "1700000000", "x-amz-meta-atime": "1700000000", "Content-Type": "text/plain"}

    def prepare_list(client):
        client.put_many(((f"many/file-{number:05}.txt", b"x" * 100) for number in range(2000)), posix)

    def list_(mount):
        def work():
            done = subprocess.run(["ls", "-l", os.path.join(mount, "many")], capture_output=True)
            if done.returncode != 0 or done.stdout.count(b"\n") != 2001:
                raise RuntimeError(f"ls -l: {done.returncode}, {done.stdout.count(10)} lines, {done.stderr[:300]!r}")
        return timed(work)

    def prepare_small(client):
        client.put_many(((f"small/file-{number:04}.txt", os.urandom(4096)) for number in range(200)), posix)

    def small(mount):
        def work():
            directory = os.path.join(mount, "small")
            names = os.listdir(directory)
            for name in names:
                with open(os.path.join(directory, name), "rb", buffering=0) as file:
                    if len(file.read()) != 4096:
                        raise RuntimeError(f"{name} is short")
            if len(names) != 200:
                raise RuntimeError(f"{len(names)} names")
        return timed(work)

    return [
        Work("read", f"read {size_mib} MiB", prepare_read, read),
        Work("write", f"write {size_mib} MiB, fsync, close", lambda client: None, write,
             lambda client: client.request("DELETE", "large/written")),
        Work("create", "200 new files of 4 KiB", lambda client: None, creating(os.O_TRUNC),
             lambda client: client.delete_all("new/")),
        # As cp and tar make them: on Pail one more PUT each, so that nobody else makes the same name.
        Work("exclusive", "the same by O_EXCL", lambda client: None, creating(os.O_EXCL),
             lambda client: client.delete_all("new/")),
        Work("list", "ls -l of 2,000 objects", prepare_list, list_),
        Work("small", "read 200 files of 4 KiB", prepare_small, small),
    ]
