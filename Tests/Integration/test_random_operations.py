import os

from harness import expect, expect_equal

LARGEST = 24 << 20


def test_random_operations(run):
    """2,000 (10,000 in full) random pread, pwrite and truncate calls on a file behave as on a local one: each read is equal,
    the whole is equal after every 100, after each reopening and after a remount."""
    random = run.random("operations")
    server = run.server()
    mount = run.mount(server.make_bucket("operations"))
    twin = run.path("twin")
    paths = (mount.path("file"), twin)
    handles = [os.open(path, os.O_RDWR | os.O_CREAT, 0o644) for path in paths]
    count = 10_000 if run.full else 2_000
    history = []

    def compare(number, what):
        sizes = [os.fstat(handle).st_size for handle in handles]
        expect_equal(sizes[0], sizes[1], f"size {what} operation {number} (seed {run.seed}); last: {history[-5:]}")
        offset = 0
        while offset < sizes[1]:
            blocks = [pread(handle, 1 << 20, offset) for handle in handles]
            if blocks[0] != blocks[1]:
                first = next((i for i, (a, b) in enumerate(zip(*blocks)) if a != b), min(map(len, blocks)))
                expect(False, f"byte {offset + first} differs {what} operation {number} (seed {run.seed}); "
                              f"last: {history[-5:]}")
            offset += 1 << 20

    def pread(handle, length, offset):
        data = b""
        while len(data) < length and (more := os.pread(handle, length - len(data), offset + len(data))):
            data += more
        return data

    def pwrite(handle, data, offset):
        done = 0
        while done < len(data):
            done += os.pwrite(handle, data[done:], offset + done)

    for number in range(1, count + 1):
        size = os.fstat(handles[1]).st_size
        length = random.choice([1, 100, 4096, 5000, 131_072, random.randrange(1, 300_000)])
        # Near the end and across it as often as anywhere.
        offset = random.choice([random.randrange(LARGEST), random.randrange(size + 1), max(0, size - random.randrange(5000))])
        kind = random.choices(["write", "read", "truncate", "sync", "reopen"], [50, 40, 8, 1, 1])[0]
        history.append((kind, offset, length))
        if kind == "write":
            offset = min(offset, LARGEST - length)
            data = random.randbytes(length)
            for handle in handles:
                pwrite(handle, data, offset)
        elif kind == "read":
            blocks = [pread(handle, length, offset) for handle in handles]
            expect(blocks[0] == blocks[1],
                   f"pread of {length} bytes at {offset}, operation {number} (seed {run.seed}): "
                   f"{len(blocks[0])} bytes that differ from the twin's {len(blocks[1])}; last: {history[-5:]}")
        elif kind == "truncate":
            # Small sizes are rare, or the file never grows.
            new = random.choice([offset, offset, size // 2, size + length, 0 if random.random() < 0.2 else size])
            for handle in handles:
                os.ftruncate(handle, min(new, LARGEST))
        elif kind == "sync":
            os.fsync(handles[0])
        else:
            for handle in handles:
                os.close(handle)
            handles = [os.open(path, os.O_RDWR) for path in paths]
        if number % 100 == 0:
            compare(number, "after")
        if number == count // 2:
            os.close(handles[0])
            mount = mount.remount()
            handles[0] = os.open(paths[0], os.O_RDWR)
            compare(number, "after the remount at")
    for handle in handles:
        os.close(handle)
    mount = mount.remount()
    handles = [os.open(path, os.O_RDONLY) for path in paths]
    compare(count, "after the last remount,")
    for handle in handles:
        os.close(handle)
    with open(twin, "rb") as file:
        expect(server.read(mount.bucket, "file") == file.read(), f"the object differs from the twin (seed {run.seed})")


test_random_operations.minutes = 20
