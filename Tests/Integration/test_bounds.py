import hashlib
import os
import subprocess
import sys
import threading
import time

from harness import MIB, Process, expect, expect_equal, free_ports, peak_memory, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))


class TinyDisk:
    """A tmpfs of 64 MiB for a mount's state."""

    def __init__(self, run):
        self.path = run.path("tiny")
        os.makedirs(self.path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", self.path], check=True)
        run.closers.append(self.close)

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=False)

    def used(self):
        information = os.statvfs(self.path)
        return (information.f_blocks - information.f_bfree) * information.f_frsize


def test_tiny_disk(run):
    """With a state disk of 64 MiB and --memory 64MiB, a file of 256 MiB (2 GiB in full) is written and read with the right SHA-256,
    four writers of 64 MiB side by side as well, and 500 open files written at once complete; the process stays under 104 MiB."""
    size = (2048 if run.full else 256) * MIB
    server = run.server()
    disk = TinyDisk(run)
    mount = run.mount(server.make_bucket("tiny"), "--memory", "64MiB", "--spill-limit", "60MiB", state=disk.path)
    random = run.random("tiny")

    def write(name, size, block):
        digest = hashlib.sha256()
        with open(mount.path(name), "wb", buffering=0) as file:
            left = size
            while left:
                bytes_ = block[:min(left, len(block))]
                digest.update(bytes_)
                expect_equal(file.write(bytes_), len(bytes_), "bytes taken")
                left -= len(bytes_)
                block = block[4096:] + block[:4096]
        return digest.hexdigest()

    def read(name):
        digest = hashlib.sha256()
        with open(mount.path(name), "rb", buffering=0) as file:
            while block := file.read(MIB):
                digest.update(block)
        return digest.hexdigest()

    began = time.monotonic()
    written = write("big", size, random.randbytes(MIB))
    wrote = time.monotonic() - began
    expect_equal(read("big"), written, "SHA-256 of what was written")
    peak = peak_memory(mount.pid)[0]
    run.note(f"{size // MIB} MiB written in {wrote:.1f} s; peak {peak / MIB:.0f} MiB, {disk.used() / MIB:.1f} MiB of disk in use")

    digests = {}
    failures = []

    def writer(name, block):
        try:
            digests[name] = write(name, 64 * MIB, block)
        except OSError as error:
            failures.append(f"{name}: {error}")

    threads = [threading.Thread(target=writer, args=(f"side-{n}", random.randbytes(MIB))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect_equal(failures, [], "writers side by side that failed")
    for name, digest in digests.items():
        expect_equal(read(name), digest, f"SHA-256 of {name}")

    run.note(f"after four side by side: peak {peak_memory(mount.pid)[0] / MIB:.0f} MiB")

    # More than memory holds, open all at once, written by 50 threads side by side.
    files = [open(mount.path(f"small-{n}"), "wb", buffering=0) for n in range(500)]
    contents = [random.randbytes(160 << 10) for _ in range(10)]

    def write_turns(first):
        try:
            for turn in range(10):
                for number in range(first, 500, 50):
                    part = contents[number % 10][turn * 16384:(turn + 1) * 16384]
                    expect_equal(files[number].write(part), len(part), "bytes taken")
            for number in range(first, 500, 50):
                files[number].close()
        except Exception as error:
            failures.append(f"small files from {first} on: {error}")

    threads = [threading.Thread(target=write_turns, args=(first,)) for first in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect_equal(failures, [], "writers of small files that failed")
    for number in range(500):
        with open(mount.path(f"small-{number}"), "rb") as file:
            expect(file.read() == contents[number % 10], f"small-{number} is not what was written")
    peak = peak_memory(mount.pid)[0]
    run.note(f"after four side by side and 500 open at once: peak {peak / MIB:.0f} MiB")
    expect(peak < 104 * MIB, f"peak memory is {peak / MIB:.0f} MiB")
    mount.unmount()


test_tiny_disk.minutes = 20


def test_million_names(run):
    """A directory of 50,000 objects (a million in full) is listed, each name once, and walked, with the process under 400 MiB; and again with
    64 MiB for metadata and 5,000 inodes at most: slower, but right, and smaller."""
    count, in_turn = (1_000_000, 1_000_000) if run.full else (50_000, 10_000)
    port = free_ports(1)[0]
    store = Process([sys.executable, os.path.join(HERE, "synthetic_store.py"), str(port), str(count)], run.path("store.log"))
    run.closers.append(store.end)
    url = f"http://127.0.0.1:{port}"

    def answers():
        import urllib.request
        try:
            return urllib.request.urlopen(f"{url}/synthetic?list-type=2&delimiter=/", timeout=2).status == 200
        except OSError:
            return False
    wait_until(answers, 20, "the synthetic store")

    class Synthetic:
        name = "synthetic"

    Synthetic.url = url
    # Metadata take at most half of the memory.
    for options, limit in ((), 400), (("--memory", "128MiB", "--max-inodes", "5000"), 300):
        mount = run.mount("synthetic", *options, server=Synthetic)
        began = time.monotonic()
        seen = bytearray(count)
        names = 0
        with os.scandir(mount.path("d")) as entries:
            for entry in entries:
                seen[int(entry.name[-7:])] += 1
                names += 1
        listed = time.monotonic() - began
        after_listing = peak_memory(mount.pid)
        expect_equal(names, count, "names")
        expect(all(value == 1 for value in seen), "a name was given twice or not at all")
        began = time.monotonic()
        # As a walker does it, each in turn: all (in full) or a fifth of them; then here and there.
        walked = 0
        for number in range(0, count):
            if number >= in_turn and number % 100:
                continue
            walked += 1
            if os.stat(mount.path("d", f"entry-of-some-length-{number:07}")).st_size != number % 1000:
                raise AssertionError(f"the size of {number} is wrong")
        took = time.monotonic() - began
        expect(not os.path.exists(mount.path("d", "entry-of-some-length-0000001x")), "a name that is not there")
        peak, now = peak_memory(mount.pid)
        run.note(f"{' '.join(options) or 'defaults'}: {names} names in {listed:.1f} s (peak {after_listing[0] / MIB:.0f} MiB), "
                 f"{walked} stats in {took:.1f} s; peak {peak / MIB:.0f} MiB, then {now / MIB:.0f} MiB")
        expect(peak < limit * MIB, f"peak memory is {peak / MIB:.0f} MiB")
        mount.unmount()


test_million_names.minutes = 60
