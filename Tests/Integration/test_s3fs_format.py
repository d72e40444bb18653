import os
import stat

from harness import Mount, Skip, expect, expect_equal, tool


def describe(path):
    """What a file shows: kind, mode, owner, size, modification time, and content or target."""
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    if stat.S_ISLNK(info.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(info.st_mode):
        with open(path, "rb") as file:
            content = file.read()
    else:
        content = None
    # A directory's size is the file system's own affair.
    size = info.st_size if stat.S_ISREG(info.st_mode) else None
    return (kind, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, size, int(info.st_mtime), content)


def fill(root):
    """One of each kind; returns their paths below the root."""
    os.mkdir(os.path.join(root, "dir"))
    os.mkdir(os.path.join(root, "dir", "inner"))
    for name, data in [("plain.txt", b"text\n"), ("empty", b""), ("dir/in dir", b"x" * 5000), ("dir/inner/é+%", b"deep")]:
        with open(os.path.join(root, name), "wb") as file:
            file.write(data)
    os.chmod(os.path.join(root, "plain.txt"), 0o4750)
    os.chown(os.path.join(root, "plain.txt"), 1234, 5678)
    os.chmod(os.path.join(root, "empty"), 0o600)
    os.symlink("../some where/else", os.path.join(root, "dir", "link"))
    os.mkfifo(os.path.join(root, "fifo"), 0o640)
    for number, name in enumerate(["plain.txt", "empty", "dir/in dir", "dir/inner/é+%", "fifo"]):
        os.utime(os.path.join(root, name), (1_600_000_000 + number, 1_500_000_000 + number))
    os.rename(os.path.join(root, "dir", "in dir"), os.path.join(root, "dir", "renamed"))
    return ["plain.txt", "empty", "dir/renamed", "dir/inner/é+%", "dir/link", "fifo", "dir", "dir/inner"]


def test_s3fs_format(run):
    """Files, links, special files and directories written by Pail show the same mode, owner, times and content in Debian's
    s3fs, and the other way round."""
    if not run.is_pail:
        raise Skip("compares Pail with s3fs")
    tool(None, "s3fs")
    # moto keeps user metadata on directory markers, as AWS does; SeaweedFS drops it.
    server = run.server("moto")

    def mount_as(program, bucket):
        run.program = program
        try:
            return Mount(run, server, bucket)
        finally:
            run.program = "pail"

    for writer, reader in [("pail", "s3fs"), ("s3fs", "pail")]:
        bucket = server.make_bucket(f"format-{writer}")
        with mount_as(writer, bucket) as mount:
            paths = fill(mount.directory)
            wanted = {path: describe(mount.path(path)) for path in paths}
        with mount_as(reader, bucket) as mount:
            for path in paths:
                found = describe(mount.path(path))
                # s3fs stores a directory's mode without type and its times loosely: the times of directories are not compared.
                if path in ("dir", "dir/inner"):
                    expect_equal(found[:4], wanted[path][:4], f"{path} written by {writer}, seen by {reader}")
                elif path == "dir/link":
                    expect_equal((found[0], found[-1]), (wanted[path][0], wanted[path][-1]),
                                 f"{path} written by {writer}, seen by {reader}")
                else:
                    expect_equal(found, wanted[path], f"{path} written by {writer}, seen by {reader}")
            expect_equal(sorted(os.listdir(mount.directory)), ["dir", "empty", "fifo", "plain.txt"],
                         f"names written by {writer}, seen by {reader}")
            # And the reader can go on with what the writer made.
            with open(mount.path("plain.txt"), "ab") as file:
                file.write(b"more\n")
            os.remove(mount.path("empty"))
            os.rename(mount.path("dir"), mount.path("moved"))
        with mount_as(writer, bucket) as mount:
            expect_equal(sorted(os.listdir(mount.directory)), ["fifo", "moved", "plain.txt"], f"names back in {writer}")
            with open(mount.path("plain.txt"), "rb") as file:
                expect_equal(file.read(), b"text\nmore\n", f"content back in {writer}")
            expect_equal(os.readlink(mount.path("moved", "link")), "../some where/else", f"link back in {writer}")
            expect(os.path.isfile(mount.path("moved", "inner", "é+%")), f"a renamed directory's content in {writer}")
