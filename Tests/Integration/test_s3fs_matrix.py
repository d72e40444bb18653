"""Pail and Debian's s3fs on one bucket: what each writes or changes, the other sees the same."""

import os
import stat

from harness import Mount, Skip, expect, expect_equal, tool

TIME = 1_500_000_000


def write(path, data, mode="wb"):
    with open(path, mode) as file:
        file.write(data)


def describe(root, path):
    """All of a name that both programs keep: kind, mode, owner, size, times, content, extended attributes."""
    full = os.path.join(root, path)
    info = os.lstat(full)
    kind = stat.S_IFMT(info.st_mode)
    seen = {"kind": oct(kind), "owner": (info.st_uid, info.st_gid), "mode": oct(stat.S_IMODE(info.st_mode))}
    if stat.S_ISLNK(info.st_mode):
        seen["target"] = os.readlink(full)
        # A link's mode says nothing, and s3fs follows it where its times are set.
        del seen["mode"]
        return seen
    seen["mtime"] = int(info.st_mtime)
    if stat.S_ISREG(info.st_mode):
        with open(full, "rb") as file:
            seen["content"] = file.read()
        seen["size"] = info.st_size
    if stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode):
        seen["xattrs"] = {name: os.getxattr(full, name) for name in sorted(os.listxattr(full))}
    return seen


def make_files(root):
    for name, size in [("empty", 0), ("small.txt", 11), ("page.html", 4096), ("odd", 70_001), ("parts.bin", 26 << 20)]:
        write(os.path.join(root, name), bytes((i * 7 + size) % 251 for i in range(min(size, 65_521))) * (size // 65_521 + 1)
              if size > 65_521 else bytes((i * 7 + size) % 251 for i in range(size)))
    os.truncate(os.path.join(root, "odd"), 70_001)
    write(os.path.join(root, "é ü%+&'.TXT"), b"a name")
    write(os.path.join(root, "pic.tar.unknown"), b"two endings")
    return ["empty", "small.txt", "page.html", "odd", "parts.bin", "é ü%+&'.TXT", "pic.tar.unknown"]


def make_directories(root):
    for name, mode in [("d", 0o755), ("d/inner", 0o700), ("sticky", 0o1777), ("group", 0o2775)]:
        os.mkdir(os.path.join(root, name))
        os.chmod(os.path.join(root, name), mode)
    write(os.path.join(root, "d/inner/file"), b"deep")
    return ["d", "d/inner", "sticky", "group", "d/inner/file"]


def make_special(root):
    os.symlink("small target", os.path.join(root, "link"))
    os.symlink("../up/é/" + "x" * 200, os.path.join(root, "long.link"))
    os.symlink("/absolute", os.path.join(root, "absolute"))
    os.mkfifo(os.path.join(root, "fifo"), 0o640)
    os.mkfifo(os.path.join(root, "fifo.all"))
    os.chmod(os.path.join(root, "fifo.all"), 0o666)
    return ["link", "long.link", "absolute", "fifo", "fifo.all"]


def make_attributes(root):
    names = []
    for mode in (0o000, 0o400, 0o644, 0o777, 0o4755, 0o2750, 0o1644):
        name = f"mode-{mode:o}"
        write(os.path.join(root, name), b"m")
        os.chmod(os.path.join(root, name), mode)
        names.append(name)
    for owner, group in [(0, 0), (1000, 1000), (65534, 100), (4_000_000_000, 1)]:
        name = f"owner-{owner}-{group}"
        write(os.path.join(root, name), b"o")
        os.chown(os.path.join(root, name), owner, group)
        names.append(name)
    # Not 0: s3fs takes that for no time at all, in what it wrote itself too.
    for number, time in enumerate((1, 86_400, TIME, 4_102_444_800)):
        name = f"time-{number}"
        write(os.path.join(root, name), b"t")
        os.utime(os.path.join(root, name), (time + 5, time))
        names.append(name)
    for number, attributes in enumerate(({"user.one": b"1"}, {"user.a": b"", "user.b": bytes(range(256))},
                                         {"user.x y+%": "é".encode()})):
        name = f"xattr-{number}"
        write(os.path.join(root, name), b"x")
        for key, value in attributes.items():
            os.setxattr(os.path.join(root, name), key, value)
        names.append(name)
    os.mkdir(os.path.join(root, "xattr-dir"))
    os.setxattr(os.path.join(root, "xattr-dir"), "user.dir", b"value")
    os.mkdir(os.path.join(root, "owned-dir"))
    os.chown(os.path.join(root, "owned-dir"), 12, 34)
    return names + ["xattr-dir", "owned-dir"]


MAKERS = [make_files, make_directories, make_special, make_attributes]


def change(root):
    """Changes something of each kind; returns the names that are gone and those that came."""
    at = lambda name: os.path.join(root, name)
    write(at("small.txt"), b" and more", "ab")
    with open(at("odd"), "r+b") as file:
        file.seek(1000)
        file.write(b"in the middle")
    with open(at("parts.bin"), "r+b") as file:
        file.seek(12 << 20)
        file.write(b"changed" * 1000)
    os.truncate(at("page.html"), 100)
    os.truncate(at("empty"), 5000)
    os.chmod(at("mode-644"), 0o601)
    os.chmod(at("d"), 0o711)
    os.chmod(at("fifo"), 0o600)
    os.chown(at("owner-0-0"), 7, 8)
    os.chown(at("sticky"), 9, 10)
    os.chown(at("link"), 11, 12, follow_symlinks=False)
    os.utime(at("time-2"), (TIME + 100, TIME + 200))
    os.setxattr(at("xattr-0"), "user.two", b"2")
    os.setxattr(at("xattr-1"), "user.a", b"replaced")
    os.removexattr(at("xattr-2"), "user.x y+%")
    os.setxattr(at("xattr-dir"), "user.dir", b"other")
    os.rename(at("pic.tar.unknown"), at("renamed.html"))
    os.rename(at("long.link"), at("d/moved.link"))
    os.rename(at("fifo.all"), at("d/moved.fifo"))
    os.rename(at("group"), at("d/group"))
    os.rename(at("xattr-1"), at("mode-777"))
    os.remove(at("absolute"))
    os.symlink("other target", at("absolute"))
    os.remove(at("mode-0"))
    os.rmdir(at("owned-dir"))


def names(root):
    found = []
    for folder, directories, files in os.walk(root):
        found += [os.path.relpath(os.path.join(folder, name), root) for name in directories + files]
    return sorted(found)


# Directories: both store times, and each program updates those of a parent by its own rules; s3fs 1.90 writes none of the
# nanoseconds, so whole seconds are compared everywhere.
def compare(wanted, found, what, without=()):
    expect_equal(sorted(found), sorted(wanted), f"names: {what}")
    for name in wanted:
        left, right = dict(wanted[name]), dict(found[name])
        for field in without + (("mtime",) if left["kind"] == oct(stat.S_IFDIR) else ()):
            left.pop(field, None)
            right.pop(field, None)
        for field in left:
            expect_equal(right.get(field), left[field], f"{field} of {name}: {what}")


def content_types(server, bucket):
    """The content types of all objects."""
    client = server.client()
    return {key: client.head_object(Bucket=bucket, Key=key)["ContentType"].split(";")[0] for key in server.keys(bucket)
            if not key.startswith(".pail/")}


def test_s3fs_matrix(run):
    """Files, directories, symbolic links, fifos, modes, owners, times, extended attributes and content types: what Pail writes,
    Debian's s3fs sees the same, and the other way round; then each changes what the other wrote, and the first sees that. Both
    leave the same content types on the same names."""
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

    types = {}
    for writer, reader in (("pail", "s3fs"), ("s3fs", "pail")):
        bucket = server.make_bucket(f"matrix-{writer}")
        with mount_as(writer, bucket) as mount:
            made = [name for maker in MAKERS for name in maker(mount.directory)]
            wanted = {name: describe(mount.directory, name) for name in made}
            expect_equal(names(mount.directory), sorted(made), f"names made by {writer}")
        written = content_types(server, bucket)
        with mount_as(reader, bucket) as mount:
            found = {name: describe(mount.directory, name) for name in names(mount.directory)}
            compare(wanted, found, f"written by {writer}, seen by {reader}")
            change(mount.directory)
            changed = {name: describe(mount.directory, name) for name in names(mount.directory)}
        with mount_as(writer, bucket) as mount:
            found = {name: describe(mount.directory, name) for name in names(mount.directory)}
            compare(changed, found, f"written by {writer}, changed by {reader}, seen by {writer}")
        types[writer] = (written, content_types(server, bucket))
    expect(types["pail"][0]["page.html"] == "text/html", f"a content type: {types['pail'][0]['page.html']}")
    for number, moment in enumerate(("written", "changed by the other")):
        left, right = types["pail"][number], types["s3fs"][number]
        expect_equal(sorted(left), sorted(right), f"keys, {moment}")
        for key in left:
            expect_equal(left[key], right[key], f"content type of {key}, {moment}")
    run.note(f"{len(wanted)} names each way, {len(changed)} after the changes")
