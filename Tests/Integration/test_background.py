import os
import subprocess

from harness import Skip, expect, expect_equal, is_mounted, lazy_unmount, mount_entry, wait_until
from test_bad_input import processes_with


def test_background(run):
    """`pail mount` in the background returns 0 only once the mount answers, with nothing on stderr; the kernel's table names
    source and type; `pail umount` ends it, data written is there, and no process is left."""
    if not run.is_pail:
        raise Skip("Pail's own commands")
    server = run.server()
    bucket = server.make_bucket("background")
    server.client().put_object(Bucket=bucket, Key="inside/file", Body=b"content")
    directory, state = run.path("mnt"), run.path("state")
    os.mkdir(directory)
    run.closers.append(lambda: lazy_unmount(directory))

    def pail(*arguments, timeout=60):
        return subprocess.run([run.pail, *arguments], env=run.environment(), capture_output=True, text=True, timeout=timeout)

    done = pail("mount", f"s3://{bucket}/inside", directory, "--endpoint-url", server.url, "--state-dir", state)
    expect_equal((done.returncode, done.stderr), (0, ""), "exit status and stderr of pail mount")
    # No waiting here: that it answers already is the promise.
    with open(os.path.join(directory, "file"), "rb") as file:
        expect_equal(file.read(), b"content", "content of a file below the prefix")
    entry = mount_entry(directory)
    expect(entry is not None and entry[0] == "fuse.pail", f"the kernel's table says {entry}")
    expect(bucket in entry[1], f"the kernel's table names {entry[1]} as the source")
    with open(os.path.join(directory, "new"), "w") as file:
        file.write("written")
    # Busy: an open file in it.
    with open(os.path.join(directory, "file"), "rb"):
        busy = pail("umount", directory)
        if is_mounted(directory):
            expect_equal(busy.returncode, 8, f"exit status of pail umount while busy: {busy.stderr}")
    if is_mounted(directory):
        done = pail("umount", directory)
        expect_equal((done.returncode, done.stderr), (0, ""), "exit status and stderr of pail umount")
    expect(not is_mounted(directory), "still mounted after pail umount")
    wait_until(lambda: not processes_with(state), 10, "the end of the mount's process")
    expect_equal(server.read(bucket, "inside/new"), b"written", "an object written through the mount")
    again = pail("umount", directory)
    expect(again.returncode != 0 and again.stderr.count("\n") == 1, f"umount of what is not mounted: {again}")
