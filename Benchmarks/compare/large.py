"""Work on one large file: reading, writing, changing a little of it, copying it."""

import os
import random
import subprocess

import floors
from clock import in_threads, timed
from contents import MIB, Contents, block

PAGE = 4096
APPENDED = 64


def _change(number):
    return bytes([number + 1]) * PAGE


def works(size_mib):
    blocks = size_mib // 8
    size = size_mib * MIB
    one_file = Contents(["large"], large=[("large/file", blocks)])
    half = size // 2

    def read(mount):
        buffer = bytearray(MIB)

        def work():
            handle = os.open(os.path.join(mount, "large", "file"), os.O_RDONLY)
            total = 0
            while count := os.readv(handle, [buffer]):
                total += count
            os.close(handle)
            if total != size:
                raise RuntimeError(f"{total} bytes read of {size}")
        return timed(work)

    def write(mount):
        data = [block(number) for number in range(4)]

        def work():
            handle = os.open(os.path.join(mount, "large", "written"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            for number in range(blocks):
                view = memoryview(data[number % 4])
                for offset in range(0, len(view), MIB):
                    if os.write(handle, view[offset:offset + MIB]) != MIB:
                        raise RuntimeError("a short write")
            os.fsync(handle)
            os.close(handle)
        return timed(work)

    def reading_at_random(count, threads):
        def read_at_random(mount):
            # The same pages for everybody.
            choice = random.Random(count)
            offsets = [choice.randrange(size // PAGE) * PAGE for _ in range(count)]

            def work():
                handle = os.open(os.path.join(mount, "large", "file"), os.O_RDONLY)

                def page(offset):
                    data = os.pread(handle, PAGE, offset)
                    in_block = offset % (8 * MIB)
                    if len(data) != PAGE or (in_block == 0 and data[:8] != block(offset // (8 * MIB))[:8]):
                        raise RuntimeError(f"wrong bytes at {offset}")

                in_threads(threads, page, offsets)
                os.close(handle)
            return timed(work)
        return read_at_random

    def patch(mount):
        def work():
            handle = os.open(os.path.join(mount, "large", "file"), os.O_RDWR)
            os.pwrite(handle, _change(0), half)
            os.fsync(handle)
            os.close(handle)
        return timed(work)

    def append(mount):
        def work():
            handle = os.open(os.path.join(mount, "large", "log"), os.O_WRONLY | os.O_APPEND)
            for number in range(10):
                os.write(handle, _change(number))
                os.fsync(handle)
            os.close(handle)
        return timed(work)

    def copy(mount):
        source, target = (os.path.join(mount, "large", name) for name in ("file", "copy"))

        def work():
            done = subprocess.run(["cp", source, target], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(done.stderr[-300:])
        return timed(work)

    def missing_file(key, length, probes):
        """What a plain client does not see of a file of that length that holds these bytes at these offsets."""
        def missing(client):
            status, headers, _ = client.request("HEAD", key)
            if status != 200:
                return f"{key} is not there"
            if int(headers["Content-Length"]) != length:
                return f"{key} has {headers['Content-Length']} bytes of {length}"
            for offset, wanted in probes:
                _, _, data = client.request("GET", key, headers={"Range": f"bytes={offset}-{offset + len(wanted) - 1}"})
                if data != wanted:
                    return f"{key} holds other bytes at {offset}"
            return None
        return missing

    last = 8 * MIB * (blocks - 1)
    beginning = block(blocks - 1)[:16]
    return [
        {"name": "read", "title": f"read {size_mib} MiB sequentially", "contents": one_file, "run": read,
         "floor": floors.ranges(blocks), "goals": {"pail": 2.0}},
        {"name": "write", "title": f"write {size_mib} MiB + fsync", "contents": Contents(["large"]), "run": write,
         "missing": missing_file("large/written", size, [(last, block((blocks - 1) % 4)[:16])]), "floor": floors.parts(blocks),
         "goals": {"pail": 9.0}},
        {"name": "random", "title": f"100 random 4 KiB reads in {size_mib} MiB", "contents": one_file,
         "run": reading_at_random(100, 1), "floor": floors.pages(100, 1, size), "goals": {"pail": 2.3}},
        {"name": "random-16", "title": "800 random 4 KiB reads, 16 threads", "contents": one_file,
         "run": reading_at_random(800, 16), "floor": floors.pages(800, 16, size), "goals": {"pail": 1.4}},
        {"name": "patch", "title": f"4 KiB changed in {size_mib} MiB + fsync", "contents": one_file, "run": patch,
         "missing": missing_file("large/file", size, [(half, _change(0)), (last + 8, beginning[8:])]), "floor": floors.server_copy,
         "goals": {"pail": 4.4}},
        {"name": "append", "title": f"10 appends of 4 KiB + fsync to {APPENDED} MiB",
         "contents": Contents(["large"], large=[("large/log", APPENDED // 8)]), "run": append,
         "missing": missing_file("large/log", APPENDED * MIB + 10 * PAGE,
                                 [(0, block(0)[:16])] + [(APPENDED * MIB + n * PAGE, _change(n)) for n in range(10)]),
         "goals": {"pail": 2.0, "pail-write-back": 0.1}},
        {"name": "copy", "title": f"cp of {size_mib} MiB inside the mount", "contents": one_file, "run": copy,
         "missing": missing_file("large/copy", size, [(last, beginning)]), "floor": floors.server_copy, "goals": {"pail": 4.6}},
    ]
