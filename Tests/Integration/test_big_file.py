import hashlib
import os
import time

from harness import MIB, expect, expect_equal, peak_memory


def test_big_file(run):
    """A file of 300 MiB (5 GiB in full) is written and read back with the same SHA-256, before and after a remount and by
    another client; the mount's memory stays under 350 MiB throughout."""
    size = (5120 if run.full else 300) * MIB
    random = run.random("big")
    server = run.server()
    mount = run.mount(server.make_bucket("big"))
    written = hashlib.sha256()
    began = time.monotonic()
    with open(mount.path("big"), "wb", buffering=0) as file:
        # A short block now and then, so that parts do not begin where writes do.
        done = 0
        while done < size:
            block = random.randbytes(min(random.choice([MIB, MIB, MIB, 123_457]), size - done))
            written.update(block)
            view = memoryview(block)
            while view:
                view = view[file.write(view):]
            done += len(block)
    seconds = time.monotonic() - began
    after_writing = peak_memory(mount.pid)[0]
    expect_equal(os.stat(mount.path("big")).st_size, size, "size")

    def read(what):
        digest = hashlib.sha256()
        began = time.monotonic()
        with open(mount.path("big"), "rb", buffering=0) as file:
            while block := file.read(MIB):
                digest.update(block)
        expect_equal(digest.hexdigest(), written.hexdigest(), f"SHA-256 {what}")
        return time.monotonic() - began

    read("on the mount that wrote it")
    peak = peak_memory(mount.pid)[0]
    mount = mount.remount()
    again = read("after a remount")
    peak_after = peak_memory(mount.pid)[0]
    digest = hashlib.sha256()
    for block in server.client().get_object(Bucket=mount.bucket, Key="big")["Body"].iter_chunks(4 * MIB):
        digest.update(block)
    expect_equal(digest.hexdigest(), written.hexdigest(), "SHA-256 by another client")
    run.note(f"wrote {size // MIB} MiB in {seconds:.1f} s, read in {again:.1f} s (hashing included)")
    run.note(f"peak memory: {after_writing // MIB} MiB writing, {peak // MIB} MiB then reading, "
             f"{peak_after // MIB} MiB reading cold")
    if run.is_pail:
        expect(max(peak, peak_after) < 350 * MIB, f"peak memory is {max(peak, peak_after) // MIB} MiB")


test_big_file.minutes = 20
