import os
import threading
import time

from harness import MIB, Skip, expect, expect_equal


def test_two_mounts(run):
    """Two mounts of a bucket: what one has closed the other opens whole, at most the attribute timeout (1 s) later; a reader
    never sees bytes of two versions in one read through an open file; create-exclusive has one winner."""
    if not run.is_pail:
        raise Skip("s3fs promises no coordination")
    server = run.server()
    bucket = server.make_bucket("two")
    one, two = run.mount(bucket), run.mount(bucket)
    os.mkdir(one.path("shared"))
    time.sleep(1.5)

    # Close-to-open, with sizes that grow and shrink.
    for number, size in enumerate([10, 5000, 3 * MIB, 100, 0, 20 * MIB, 7]):
        writer, reader = (one, two) if number % 2 == 0 else (two, one)
        data = run.random(f"two-{number}").randbytes(size)
        with open(writer.path("shared", "file"), "wb") as file:
            file.write(data)
        time.sleep(1.5)
        with open(reader.path("shared", "file"), "rb") as file:
            found = file.read()
        expect(found == data, f"round {number}: {len(found)} bytes that are not the {size} bytes closed elsewhere")
        expect_equal(os.stat(reader.path("shared", "file")).st_size, size, f"size in round {number}")

    # Names come and go.
    with open(one.path("shared", "new"), "w") as file:
        file.write("new")
    os.remove(two.path("shared", "file"))
    time.sleep(1.5)
    expect_equal(sorted(os.listdir(two.path("shared"))), ["new"], "names on the second mount")
    expect(not os.path.exists(one.path("shared", "file")), "a file removed elsewhere is gone")

    # No mixed versions: each version is one byte value throughout.
    size = 6 * MIB
    stop = threading.Event()
    errors = []

    def write():
        try:
            value = 0
            while not stop.is_set():
                value = value % 250 + 1
                with open(one.path("shared", "versions"), "wb") as file:
                    file.write(bytes([value]) * size)
        except OSError as error:
            errors.append(error)

    with open(one.path("shared", "versions"), "wb") as file:
        file.write(b"\1" * size)
    time.sleep(1.5)
    thread = threading.Thread(target=write)
    thread.start()
    whole = stale = 0
    try:
        end = time.monotonic() + (60 if run.full else 10)
        while time.monotonic() < end:
            with open(two.path("shared", "versions"), "rb", buffering=0) as file:
                values = set()
                length = 0
                try:
                    while block := file.read(MIB):
                        length += len(block)
                        values |= set(block)
                except OSError as error:
                    # ESTALE: the version that was opened is no more, and the reader is told so.
                    expect_equal(error.errno, 116, "errno of a read whose version is gone")
                    stale += 1
                    expect(len(values) <= 1, f"bytes of {len(values)} versions before the error")
                    continue
                expect(len(values) == 1, f"bytes of {len(values)} versions in one open file: {sorted(values)}")
                expect_equal(length, size, "length of a version")
                whole += 1
    finally:
        stop.set()
        thread.join()
    expect(not errors, f"the writer failed: {errors}")
    expect(whole > 0, "no version could be read whole")
    run.note(f"{whole} versions read whole, {stale} ended with ESTALE")

    # One winner.
    for number in range(10):
        winners = []

        def create(mount):
            try:
                handle = os.open(mount.path("shared", f"lock-{number}"), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                os.write(handle, mount.directory.encode())
                os.close(handle)
                winners.append(mount)
            except OSError:
                pass

        threads = [threading.Thread(target=create, args=(mount,)) for mount in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect_equal(len(winners), 1, f"mounts that made lock-{number} with O_EXCL")
