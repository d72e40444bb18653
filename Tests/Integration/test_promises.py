import contextlib
import ctypes
import errno
import mmap
import os
import signal
import stat
import time

from harness import MIB, Skip, expect, expect_equal
from relay import Relay

LIBC = ctypes.CDLL(None, use_errno=True)


def failure_of(function, *arguments, **named):
    """The name of the errno that a call fails with; nothing where it succeeds."""
    try:
        function(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


def call(name, *arguments):
    """A function of libc that Python has no word for."""
    if getattr(LIBC, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def only_pail(run):
    if not run.is_pail:
        raise Skip("a promise of Pail's own")


def write(path, data, mode="wb"):
    with open(path, mode) as file:
        file.write(data)


def test_unlinked_but_open(run):
    """A file that is removed, or replaced by a rename, while it is open stays readable and writable through its handles; its
    content is kept below `.pail/unlinked/` until the last close and nothing of it is left after that."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("unlinked")
    content = run.random("unlinked").randbytes(3 * MIB)
    for name in ["removed", "replaced"]:
        server.client().put_object(Bucket=bucket, Key=name, Body=content)
    mount = run.mount(bucket)
    handles = [os.open(mount.path(name), os.O_RDWR) for name in ["removed", "replaced"]]
    os.remove(mount.path("removed"))
    write(mount.path("other"), b"other")
    os.rename(mount.path("other"), mount.path("replaced"))
    kept = server.keys(bucket, ".pail/unlinked/")
    expect_equal(len(kept), 2, "objects kept for open files")
    expect_equal(os.listdir(mount.directory), ["replaced"], "names")
    for handle in handles:
        found = b""
        while block := os.pread(handle, MIB, len(found)):
            found += block
        expect(found == content, f"{len(found)} bytes that are not the old content")
        os.pwrite(handle, b"new", 5)
        expect_equal(os.pread(handle, 10, 0), content[:5] + b"new" + content[8:10], "what was written to a file without a name")
        os.close(handle)
    mount.unmount()
    expect_equal(sorted(server.keys(bucket)), ["replaced"], "keys afterwards")
    expect_equal(server.read(bucket, "replaced"), b"other", "the object that took the name")


def test_open_at_the_end(run):
    """SIGTERM while files are open for writing stores them as they stand and ends with 0; what is written afterwards fails."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("open")
    mount = run.mount(bucket)
    data = run.random("open").randbytes(20 * MIB + 5)
    handles = {}
    for name, size in [("small", 1000), ("large", len(data)), ("empty", 0)]:
        handles[name] = os.open(mount.path(name), os.O_WRONLY | os.O_CREAT)
        view = memoryview(data)[:size]
        while view:
            view = view[os.write(handles[name], view):]
    mount.unmount(signal.SIGTERM)
    for name, size in [("small", 1000), ("large", len(data)), ("empty", 0)]:
        expect(server.read(bucket, name) == data[:size], f"{name} is not stored as it stood")
    problem = failure_of(os.write, handles["small"], b"more")
    with contextlib.suppress(OSError):
        os.close(handles.pop("small"))
    expect(problem is not None, "a write after the end of the mount succeeded")
    for handle in handles.values():
        with contextlib.suppress(OSError):
            os.close(handle)


def test_when_files_are_stored(run):
    """`O_EXCL` stores at the open; a shell's redirection is one PUT, at the close of the descriptor that was written to."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("stored")
    relay = Relay(run, server)
    mount = run.mount(bucket, url=relay.url)
    handle = os.open(mount.path("lock"), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    expect_equal(server.keys(bucket), ["lock"], "keys while the lock file is open")
    os.close(handle)
    handle = os.open(mount.path("plain"), os.O_WRONLY | os.O_CREAT)
    os.write(handle, b"x")
    expect_equal(server.keys(bucket), ["lock"], "keys while a plain file is open")
    os.fsync(handle)
    expect_equal(server.read(bucket, "plain"), b"x", "the object after fsync")
    os.close(handle)
    relay.settle()
    relay.reset()
    run.call("sh", "-c", "echo by the shell > shell; : > none", cwd=mount.directory)
    expect_equal(server.read(bucket, "shell"), b"by the shell\n", "what the shell wrote")
    expect_equal(server.read(bucket, "none"), b"", "what the shell did not write to")
    relay.settle()
    expect_equal(relay.counts().get("PutObject"), 2, "PUTs for two files made by a shell")


def test_mapping(run):
    """What is written through a shared mapping is stored by msync."""
    server = run.server()
    bucket = server.make_bucket("mapping")
    # No relay here: Python's msync holds the lock that the relay's threads need.
    mount = run.mount(bucket)
    write(mount.path("mapped"), bytes(10_000))
    with open(mount.path("mapped"), "r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        mapping[5000:5003] = b"map"
        mapping.flush()
        expect_equal(server.read(bucket, "mapped"), bytes(5000) + b"map" + bytes(4997), "the object after msync")


def test_conflict(run):
    """Two mounts change one file: what both append is kept; a partial overwrite of what the other has changed fails with ESTALE and
    leaves the other's object; a mount that met this can write the file anew, and remove it. A full replacement is the last writer's."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("conflict")
    one, two = run.mount(bucket), run.mount(bucket)
    write(one.path("file"), b"base\n")
    time.sleep(1.5)
    first, second = (os.open(mount.path("file"), os.O_WRONLY | os.O_APPEND) for mount in (one, two))
    os.write(first, b"one\n")
    os.write(second, b"two\n")
    os.close(first)
    os.close(second)
    expect_equal(server.read(bucket, "file"), b"base\none\ntwo\n", "the object after both appends")
    time.sleep(1.5)
    first, second = (os.open(mount.path("file"), os.O_WRONLY) for mount in (one, two))
    os.pwrite(first, b"BASE", 0)
    os.pwrite(second, b"TWO", 9)
    os.close(first)
    expect_equal(failure_of(os.close, second), "ESTALE", "errno of the second partial overwrite's close")
    expect_equal(server.read(bucket, "file"), b"BASE\none\ntwo\n", "the object after both overwrites")
    write(two.path("file"), b"anew\n")
    expect_equal(server.read(bucket, "file"), b"anew\n", "the object written anew by the mount that met the conflict")
    write(one.path("file"), b"last\n")
    expect_equal(server.read(bucket, "file"), b"last\n", "the object after a full replacement")
    time.sleep(1.5)
    second = os.open(two.path("file"), os.O_WRONLY | os.O_APPEND)
    os.write(second, b"two\n")
    write(one.path("file"), b"more\n")
    os.close(second)
    expect_equal(server.read(bucket, "file"), b"more\ntwo\n", "what was appended to a replaced object")
    os.remove(two.path("file"))
    expect_equal(server.keys(bucket), [], "keys after the removal")
    two.unmount()
    one.unmount()


def test_attributes_and_names(run):
    """Headers through renames, content types, implied directories, a file beside keys below it, inode numbers, times, what the
    options show, and Pail's own folder."""
    only_pail(run)
    server = run.server("moto")
    bucket = server.make_bucket("names")
    client = server.client()
    client.put_object(Bucket=bucket, Key="page.txt", Body=b"page", ContentType="text/plain", Metadata={"colour": "blue"},
                      CacheControl="no-cache")
    client.put_object(Bucket=bucket, Key="n", Body=b"the file")
    client.put_object(Bucket=bucket, Key="n/x", Body=b"below it")
    client.put_object(Bucket=bucket, Key="implied/only", Body=b"only")
    client.put_object(Bucket=bucket, Key="looks-empty/a//b", Body=b"hidden")
    began = time.time()
    mount = run.mount(bucket, server=server)

    expect_equal(sorted(os.listdir(mount.directory)), ["implied", "looks-empty", "n", "page.txt"], "names")
    with open(mount.path("n"), "rb") as file:
        expect_equal(file.read(), b"the file", "content of a name that is file and directory")
    info = os.stat(mount.path("implied"))
    expect_equal((stat.S_IMODE(info.st_mode), info.st_uid), (0o755, os.getuid()), "mode and owner of an implied directory")
    expect(abs(info.st_mtime - began) < 60, "an implied directory shows another time than that of the mount")
    os.remove(mount.path("implied", "only"))
    expect("implied/" in server.keys(bucket), "no object for a directory whose last entry went")
    expect_equal(os.listdir(mount.path("looks-empty", "a")), [], "names that can be shown")
    expect_equal(failure_of(os.rmdir, mount.path("looks-empty", "a")), "ENOTEMPTY", "errno of rmdir with a hidden name inside")

    number = os.stat(mount.path("page.txt")).st_ino
    os.rename(mount.path("page.txt"), mount.path("page.html"))
    expect_equal(os.stat(mount.path("page.html")).st_ino, number, "inode number after a rename")
    head = client.head_object(Bucket=bucket, Key="page.html")
    expect_equal((head["ContentType"], head["Metadata"].get("colour"), head.get("CacheControl")), ("text/html", "blue", "no-cache"),
                 "headers after a rename")
    number = os.stat(mount.path("n")).st_ino
    os.chmod(mount.directory, 0o700)
    expect(".pail/root/" in server.keys(bucket), "no object for the root's attributes")
    expect(".pail" not in os.listdir(mount.directory), "Pail's own folder is listed")
    expect_equal(failure_of(os.stat, mount.path(".pail")), "ENOENT", "errno of stat of Pail's own folder")
    expect_equal(failure_of(os.mkdir, mount.path(".pail")), "EACCES", "errno of mkdir of Pail's own folder")
    mount = mount.remount()
    expect_equal(os.stat(mount.path("n")).st_ino, number, "inode number after a remount")
    expect_equal(stat.S_IMODE(os.stat(mount.directory).st_mode), 0o700, "mode of the root after a remount")
    mount.unmount()

    mount = run.mount(bucket, server=server)
    other = run.mount(bucket, server=server)
    os.mkdir(mount.path("directory"))
    os.utime(mount.path("directory"), (1_600_000_000, 1_600_000_000))
    write(mount.path("directory", "large"), bytes(20 * MIB))
    expect(os.stat(mount.path("directory")).st_mtime > began - 1, "a new entry did not move its directory's time")
    expect_equal(os.stat(other.path("directory")).st_mtime, 1_600_000_000, "the directory's time on another mount")
    with open(mount.path("directory", "large"), "r+b") as file:
        file.write(b"x" * 20 * MIB)
        os.utime(file.fileno(), (1_500_000_000, 1_500_000_000))
    expect_equal(client.head_object(Bucket=bucket, Key="directory/large")["Metadata"]["mtime"], "1500000000",
                 "mtime of a large file that was set before its close")
    for each in (mount, other):
        each.unmount()

    mount = run.mount(bucket, "-o", "uid=4321,gid=8765,umask=027", server=server)
    info = os.stat(mount.path("page.html"))
    expect_equal((info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)), (4321, 8765, 0o750), "owner, group and mode by options")
    mount.unmount()


def exchange(one, other):
    """renameat2(2) with RENAME_EXCHANGE."""
    call("renameat2", -100, one.encode(), -100, other.encode(), 2)


def test_not_supported(run):
    """What Pail does not do is refused with the errno that SEMANTICS.md names, or done without the store's help."""
    only_pail(run)
    mount = run.mount(run.server().make_bucket("unsupported"))
    a, b = mount.path("a"), mount.path("b")
    write(a, b"a" * 10_000)
    write(b, b"b")
    expect_equal(failure_of(os.link, a, mount.path("c")), "ENOTSUP", "errno of link")
    os.mkdir(mount.path("d"))
    expect_equal(failure_of(exchange, a, mount.path("d")), "EINVAL", "errno of RENAME_EXCHANGE with a directory")
    expect_equal(failure_of(call, "renameat2", -100, a.encode(), -100, b.encode(), 4), "EINVAL", "errno of RENAME_WHITEOUT")
    expect_equal(failure_of(call, "renameat2", -100, a.encode(), -100, b.encode(), 1), "EEXIST", "errno of RENAME_NOREPLACE")
    expect_equal(failure_of(os.open, mount.directory, os.O_TMPFILE | os.O_RDWR), "ENOTSUP", "errno of O_TMPFILE")
    handle = os.open(a, os.O_RDWR)
    # FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE
    for mode in (8, 32):
        expect_equal(failure_of(call, "fallocate", handle, mode, ctypes.c_long(0), ctypes.c_long(4096)), "ENOTSUP",
                     f"errno of fallocate with mode {mode}")
    os.ftruncate(handle, 1_000_000)
    os.close(handle)
    with open(a, "rb") as source, open(b, "wb") as target:
        done = 0
        while count := os.copy_file_range(source.fileno(), target.fileno(), 1 << 20):
            done += count
    expect_equal(done, 1_000_000, "bytes copied by copy_file_range")
    expect_equal(os.stat(b).st_size, 1_000_000, "size of the copy")
    space = os.statvfs(mount.directory)
    expect_equal((space.f_blocks * space.f_frsize, space.f_bavail), (1 << 50, space.f_blocks), "size and free space by statvfs")


def test_replaced_while_open(run):
    """A handle that has read from a version of an object never gives bytes of another: ESTALE for what is not in memory, when the
    object is replaced and when it is removed elsewhere. One that has read nothing goes over to the new version."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("replaced")
    client = server.client()
    random = run.random("replaced")
    old, new = random.randbytes(40 * MIB), random.randbytes(40 * MIB)
    for name in ["replaced", "removed", "unread"]:
        client.put_object(Bucket=bucket, Key=name, Body=old)
    mount = run.mount(bucket)
    handles = {name: os.open(mount.path(name), os.O_RDONLY) for name in ["replaced", "removed", "unread"]}
    for name in ["replaced", "removed"]:
        expect(os.pread(handles[name], 4096, 0) == old[:4096], f"the first bytes of {name}")
    client.put_object(Bucket=bucket, Key="replaced", Body=new)
    client.put_object(Bucket=bucket, Key="unread", Body=new)
    client.delete_object(Bucket=bucket, Key="removed")
    for name in ["replaced", "removed"]:
        expect_equal(failure_of(os.pread, handles[name], 4096, 30 * MIB), "ESTALE", f"errno of a read of a {name} object")
        expect(os.pread(handles[name], 4096, 0) == old[:4096], f"bytes of {name} that had been read")
    expect(os.pread(handles["unread"], 4096, 30 * MIB) == new[30 * MIB:][:4096], "bytes through a handle that had read nothing")
    for handle in handles.values():
        os.close(handle)
    # The failed read has told the mount: the next open asks, whatever the attribute timeout.
    with open(mount.path("replaced"), "rb") as file:
        expect(file.read() == new, "the new version through a new handle")


class UnreliableRelay(Relay):
    """A relay that ends each connection at its next request while it is down."""

    is_down = False

    def _note(self, head):
        if self.is_down:
            raise ConnectionResetError("the store is down")
        return super()._note(head)


def test_store_that_fails(run):
    """While the store is down, close fails and nothing looks missing or empty; what was not stored is stored at the unmount once
    the store is back, and otherwise the mount ends with status 1 and says so."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("down")
    server.client().put_object(Bucket=bucket, Key="directory/there", Body=b"there")
    relay = UnreliableRelay(run, server)
    down = ("ENETUNREACH", "ETIMEDOUT")
    for comes_back in (True, False):
        mount = run.mount(bucket, "--request-deadline", "1s", url=relay.url)
        name = f"comes-back-{comes_back}"
        handle = os.open(mount.path(name), os.O_WRONLY | os.O_CREAT)
        os.write(handle, b"content")
        relay.is_down = True
        found = failure_of(os.close, handle)
        expect(found in down, f"close without a store: {found}")
        with open(mount.path(name), "rb") as file:
            expect_equal(file.read(), b"content", "what could not be stored, read on this mount")
        for what, function, path in [("stat of a file", os.stat, mount.path("directory", "there")),
                                     ("listing a directory", os.listdir, mount.path("directory"))]:
            found = failure_of(function, path)
            expect(found in down, f"{what} without a store: {found}")
        expect(name not in server.keys(bucket), "stored although the store was down")
        if comes_back:
            relay.is_down = False
            mount.unmount()
            expect_equal(server.read(bucket, name), b"content", "the object after the unmount")
        else:
            mount.process.send(signal.SIGTERM)
            expect_equal(mount.process.wait(60), 1, "exit status of a mount that could not store a file")
            expect("1 change is not in the bucket yet" in mount.process.output(), f"last words: {mount.process.output(300)}")
