import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import subprocess
import sys
import time

from harness import MIB, Skip, expect, expect_equal, sha256_file
from relay import Relay
from test_promises import call, exchange, failure_of, only_pail, write

KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16


def fallocate(handle, mode, offset, length):
    call("fallocate", handle, mode, ctypes.c_long(offset), ctypes.c_long(length))


def as_user(uid, gid, function):
    """Runs a function in a child that is this user, with no other groups; returns the name of the errno it fails with."""
    child = os.fork()
    if child == 0:
        status = 255
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            function()
            status = 0
        except OSError as error:
            status = error.errno
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return errno.errorcode.get(status, status) if status else None


def needs_root():
    if os.geteuid() != 0:
        raise Skip("becomes other users, which only root may")


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_holes(run):
    """fallocate grows, keeps the size, punches holes and zeroes ranges; lseek finds data and holes of a file that is being written;
    what is stored has zeros there."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("holes")
    mount = run.mount(bucket)
    random = run.random("holes")
    model = bytearray(random.randbytes(300_000))
    path = mount.path("file")
    write(path, model)
    handle = os.open(path, os.O_RDWR)
    try:
        fallocate(handle, PUNCH_HOLE | KEEP_SIZE, 50_000, 100_000)
        model[50_000:150_000] = bytes(100_000)
        expect_equal(os.lseek(handle, 0, os.SEEK_HOLE), 50_000, "the first hole")
        expect_equal(os.lseek(handle, 60_000, os.SEEK_DATA), 150_000, "the data behind it")
        expect_equal(os.lseek(handle, 150_000, os.SEEK_HOLE), 300_000, "the hole at the end")
        expect_equal(failure_of(os.lseek, handle, 300_000, os.SEEK_DATA), "ENXIO", "errno of data behind the end")
        fallocate(handle, KEEP_SIZE, 0, 1 << 20)
        expect_equal(os.fstat(handle).st_size, 300_000, "size with FALLOC_FL_KEEP_SIZE")
        fallocate(handle, ZERO_RANGE, 290_000, 20_000)
        model[290_000:] = bytes(20_000)
        fallocate(handle, 0, 0, 400_000)
        model += bytes(400_000 - len(model))
        expect_equal(os.fstat(handle).st_size, 400_000, "size after an allocation")
        os.posix_fallocate(handle, 400_000, 10)
        model += bytes(10)
        expect(os.pread(handle, 1 << 20, 0) == model, "what is read through the handle differs")
    finally:
        os.close(handle)
    expect(server.read(bucket, "file") == model, "what is stored differs")
    with open(path, "rb") as file:
        expect_equal(os.lseek(file.fileno(), 60_000, os.SEEK_DATA), 60_000, "data of a stored file")
    mount.unmount()


def test_copy_in_the_store(run):
    """cp of a large file moves no data through the host, whole or in ranges; the bytes are the same."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("copies")
    data = run.random("copies").randbytes(40 * MIB)
    server.client().put_object(Bucket=bucket, Key="large", Body=data)
    relay = Relay(run, server)
    mount = run.mount(bucket, url=relay.url)
    relay.reset()
    run.call("cp", mount.path("large"), mount.path("copy"))
    requests = relay.counts()
    expect(requests.get("GetObject", 0) == 0 and requests.get("UploadPart", 0) == 0, f"data moved for a copy: {requests}")
    expect(server.read(bucket, "copy") == data, "the copy differs")
    relay.reset()
    with open(mount.path("large"), "rb") as source, open(mount.path("part"), "wb") as target:
        count = os.copy_file_range(source.fileno(), target.fileno(), 20 * MIB, 7 * MIB, 0)
        expect_equal(count, 20 * MIB, "bytes taken")
        target.seek(0, os.SEEK_END)
        target.write(b"the end")
    requests = relay.counts()
    expect(requests.get("GetObject", 0) == 0, f"data moved for a copy of a range: {requests}")
    expect(server.read(bucket, "part") == data[7 * MIB:27 * MIB] + b"the end", "the copied range differs")
    os.rename(mount.path("copy"), mount.path("renamed"))
    expect_equal(sha256_file(mount.path("renamed")), sha256_file(mount.path("large")), "the copy through the mount")
    mount.unmount()


def test_locks(run):
    """flock and fcntl locks exclude the programs of one mount from each other, and go with the process that holds them."""
    mount = run.mount(run.server().make_bucket("locks"))
    path = mount.path("lock")
    write(path, b"lock")
    program = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
{"flock": fcntl.flock, "fcntl": fcntl.lockf}[sys.argv[2]](file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
    for kind, take in [("flock", fcntl.flock), ("fcntl", fcntl.lockf)]:
        other = subprocess.Popen([sys.executable, "-c", program, path, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            expect_equal(other.stdout.readline(), b"held\n", f"what the holder of a {kind} lock says")
            with open(path, "r+b") as file:
                expect_equal(failure_of(take, file, fcntl.LOCK_EX | fcntl.LOCK_NB), "EAGAIN", f"errno of a second {kind} lock")
                other.kill()
                other.wait(20)
                take(file, fcntl.LOCK_EX)
                take(file, fcntl.LOCK_UN)
        finally:
            with contextlib.suppress(OSError):
                other.kill()
            other.wait(20)
            other.stdin.close()
            other.stdout.close()
    mount.unmount()


def test_permissions(run):
    """Permission bits, sticky directories, and set-id bits that go with a write or a change of owner, as other users see them."""
    needs_root()
    only_pail(run)
    os.chmod(run.directory, 0o755)
    mount = run.mount(run.server().make_bucket("permissions"), "-o", "allow_other")
    private, shared = mount.path("private"), mount.path("shared")
    os.mkdir(private, 0o700)
    os.mkdir(shared)
    os.chmod(shared, 0o1777)
    write(os.path.join(shared, "file"), b"root's")
    expect_equal(as_user(1001, 1001, lambda: os.listdir(private)), "EACCES", "errno of another's directory")
    expect_equal(as_user(1001, 1001, lambda: write(os.path.join(shared, "file"), b"x")), "EACCES", "errno of another's file")
    expect_equal(as_user(1001, 1001, lambda: os.remove(os.path.join(shared, "file"))), "EPERM", "errno of unlink in a sticky directory")
    own = os.path.join(shared, "own")
    expect_equal(as_user(1001, 1001, lambda: write(own, b"own")), None, "errno of a file of one's own")
    expect_equal(as_user(1002, 1002, lambda: os.rename(own, own + "2")), "EPERM", "errno of rename in a sticky directory")
    info = os.stat(own)
    expect_equal((info.st_uid, info.st_gid), (1001, 1001), "owner and group of a new file")
    for change, wanted in [(lambda: write(own, b"more", "r+b"), 0o777), (lambda: os.truncate(own, 1), 0o777)]:
        os.chmod(own, 0o6777)
        expect_equal(as_user(1003, 1003, change), None, "errno of a change by another")
        expect_equal(oct(mode_of(own)), oct(wanted), "mode after a change by another")
    os.chmod(own, 0o6755)
    os.chown(own, 1002, 1002)
    expect_equal(oct(mode_of(own)), oct(0o755), "mode after a change of owner")
    expect_equal(as_user(1001, 1001, lambda: os.chmod(own, 0o777)), "EPERM", "errno of chmod by another")
    os.chmod(shared, 0o2777)
    os.chown(shared, 0, 1234)
    expect_equal(as_user(1001, 1001, lambda: os.mkdir(os.path.join(shared, "sub"))), None, "errno of mkdir")
    info = os.stat(os.path.join(shared, "sub"))
    expect_equal((info.st_gid, bool(info.st_mode & stat.S_ISGID)), (1234, True), "group and set-group-id bit that are inherited")
    mount.unmount()


def test_kept_over_a_remount(run):
    """Modes, owners, times to the nanosecond, attributes and types of directories, files, links, fifos, sockets and devices are there
    again after a remount, on every store."""
    needs_root()
    only_pail(run)
    for kind in ("seaweedfs", "moto"):
        server = run.server(kind)
        mount = run.mount(server.make_bucket("kept"), "-o", "allow_other,dev", server=server)
        os.mkdir(mount.path("directory"))
        write(mount.path("file"), b"file")
        os.symlink("somewhere", mount.path("link"))
        os.mkfifo(mount.path("fifo"))
        os.mknod(mount.path("socket"), stat.S_IFSOCK | 0o640)
        os.mknod(mount.path("character"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.mknod(mount.path("block"), stat.S_IFBLK | 0o600, os.makedev(259, 70_000))
        names = sorted(os.listdir(mount.directory))
        for number, name in enumerate(names):
            path = mount.path(name)
            os.chown(path, 1000 + number, 2000 + number, follow_symlinks=False)
            if name != "link":
                os.chmod(path, 0o4750 + number)
            os.utime(path, ns=(1_600_000_000_123_456_789 + number, 1_500_000_000_987_654_321 + number), follow_symlinks=False)
        for name in ("directory", "file"):
            os.setxattr(mount.path(name), "user.colour", b"blue")
        os.chmod(mount.directory, 0o1777)

        def seen():
            result = {}
            for name in [*names, "."]:
                info = os.lstat(mount.path(name))
                result[name] = (oct(info.st_mode), info.st_uid, info.st_gid, info.st_rdev, info.st_mtime_ns if name != "." else 0,
                                info.st_atime_ns if name != "." else 0)
            return result

        before = seen()
        expect_equal(before["directory"][4], 1_500_000_000_987_654_321 + names.index("directory"), "mtime of the directory")
        mount = mount.remount()
        expect_equal(seen(), before, f"what stat shows after a remount, on {kind}")
        expect_equal(os.readlink(mount.path("link")), "somewhere", "the link's target")
        for name in ("directory", "file"):
            expect_equal(os.getxattr(mount.path(name), "user.colour"), b"blue", f"the attribute of {name}")
        mount.unmount()


def test_times(run):
    """Which times a change moves: the file's and its directory's."""
    only_pail(run)
    mount = run.mount(run.server().make_bucket("times"))
    directory, path = mount.path("directory"), mount.path("directory", "file")
    os.mkdir(directory)

    def moved(target, change):
        """The times of `target` that `change` moves."""
        before = os.lstat(target)
        time.sleep(0.02)
        change()
        after = os.lstat(target)
        return "".join(letter for letter, name in [("a", "st_atime_ns"), ("m", "st_mtime_ns"), ("c", "st_ctime_ns")]
                       if getattr(before, name) != getattr(after, name))

    expect_equal(moved(directory, lambda: write(path, b"content")), "mc", "times that a new file moves")
    expect_equal(moved(path, lambda: write(path, b"more", "ab")), "mc", "times that a write moves")
    expect_equal(moved(path, lambda: os.truncate(path, 3)), "mc", "times that a truncation moves")
    expect_equal(moved(path, lambda: open(path, "wb").close()), "mc", "times that O_TRUNC moves")
    expect_equal(moved(path, lambda: os.chmod(path, 0o600)), "c", "times that chmod moves")
    expect_equal(moved(path, lambda: os.chown(path, os.getuid(), os.getgid())), "c", "times that chown moves")
    expect_equal(moved(path, lambda: os.setxattr(path, "user.a", b"1")), "c", "times that setxattr moves")
    expect_equal(moved(path, lambda: os.utime(path, ns=(1, 2))), "amc", "times that utimensat moves")
    expect_equal(os.stat(path).st_mtime_ns, 2, "mtime to the nanosecond")
    expect_equal(moved(directory, lambda: os.rename(path, path + "2")), "mc", "times of its directory that a rename moves")
    expect_equal(moved(directory, lambda: os.mkdir(path)), "mc", "times that mkdir moves")
    expect_equal(moved(directory, lambda: os.rmdir(path)), "mc", "times that rmdir moves")
    expect_equal(moved(directory, lambda: os.remove(path + "2")), "mc", "times that unlink moves")
    mount.unmount()


def test_exchange(run):
    """RENAME_EXCHANGE lets two files change names, stored, open or neither; handles and numbers go with the file, and no copy is
    left behind."""
    only_pail(run)
    for kind in ("seaweedfs", "moto"):
        server = run.server(kind)
        bucket = server.make_bucket("exchange")
        mount = run.mount(bucket, server=server)
        a, b = mount.path("a.txt"), mount.path("directory", "b.html")
        os.mkdir(mount.path("directory"))
        large = run.random("exchange").randbytes(9 * MIB)
        write(a, b"short")
        write(b, large)
        os.chmod(a, 0o600)
        numbers = os.stat(a).st_ino, os.stat(b).st_ino
        with open(a, "r+b") as file, open(b, "rb") as other:
            expect_equal(other.read(5), large[:5], "the large file's beginning")
            exchange(a, b)
            expect_equal((os.stat(b).st_ino, os.stat(a).st_ino), numbers, f"inode numbers after the exchange, on {kind}")
            expect(other.read() == large[5:], "what the large file's handle reads differs")
            file.write(b"SHORT")
            file.flush()
            expect_equal(os.fstat(file.fileno()).st_ino, numbers[0], "the number of the open file")
        expect_equal(server.read(bucket, "directory/b.html"), b"SHORT", f"the short file's object, on {kind}")
        expect(server.read(bucket, "a.txt") == large, "the large file's object differs")
        expect_equal((mode_of(b), mode_of(a)), (0o600, 0o644), "modes after the exchange")

        link, new = mount.path("link"), mount.path("new")
        os.symlink("somewhere", link)
        with open(new, "wb") as file:
            file.write(b"new")
            file.flush()
            exchange(link, new)
            expect_equal(os.readlink(new), "somewhere", "the link under its new name")
            file.write(b" and more")
        with open(link, "rb") as file:
            expect_equal(file.read(), b"new and more", "the new file under the link's name")
        expect_equal(failure_of(exchange, a, mount.path("nothing")), "ENOENT", "errno of an exchange with nothing")
        left = [key for key in server.keys(bucket) if key.startswith(".pail/exchange") and not key.endswith("/")]
        expect_equal(left, [], f"copies left behind, on {kind}")
        mount = mount.remount()
        expect_equal((os.readlink(mount.path("new")), mode_of(mount.path("directory", "b.html"))), ("somewhere", 0o600),
                     "the link and the mode after a remount")
        with open(mount.path("link"), "rb") as file:
            expect_equal(file.read(), b"new and more", "the new file after a remount")
        mount.unmount()


def test_access_times(run):
    """Reads move the access time by relatime's rule on this mount, with no request, unless O_NOATIME or `-o noatime` says
    otherwise; it is stored with the next change of the file."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("access")
    relay = Relay(run, server)
    mount = run.mount(bucket, server=server, url=relay.url)
    path, quiet = mount.path("file"), mount.path("quiet")
    for name in (path, quiet):
        write(name, b"content")
    os.symlink("file", mount.path("link"))
    mount = mount.remount()

    def read(name, flags=0):
        handle = os.open(name, os.O_RDONLY | flags)
        try:
            return os.read(handle, 100)
        finally:
            os.close(handle)

    def moved(name, function):
        """Whether a function moves the access time; modification and change time must stay."""
        before = os.lstat(name)
        function()
        after = os.lstat(name)
        expect_equal((after.st_mtime_ns, after.st_ctime_ns), (before.st_mtime_ns, before.st_ctime_ns), "mtime and ctime")
        return before.st_atime_ns != after.st_atime_ns

    expect(not moved(quiet, lambda: read(quiet, os.O_NOATIME)), "a read with O_NOATIME moves the access time")
    expect(moved(path, lambda: read(path)), "the first read moves no access time")
    time.sleep(0.02)
    expect(not moved(path, lambda: read(path)), "a second read moves the access time")
    expect(moved(mount.path("link"), lambda: os.readlink(mount.path("link"))), "readlink moves no access time")
    expect(moved(mount.directory, lambda: os.listdir(mount.directory)), "readdir moves no access time")
    write(path, b"more", "ab")
    shown = os.stat(path)
    # The kernel has the pages that were written, and shows what it has been told for up to a second.
    expect(moved(path, lambda: (read(path), time.sleep(1.2))), "a read after a write moves no access time")
    expect(shown.st_atime_ns < os.stat(path).st_atime_ns, "the access time goes back")
    stored = server.client().head_object(Bucket=bucket, Key="file")["Metadata"]["atime"]
    changes = [count for operation, count in relay.counts().items() if operation in ("PutObject", "CopyObject")]
    read(quiet)
    accessed = os.stat(path).st_atime_ns
    time.sleep(1.5)
    expect_equal(os.stat(path).st_atime_ns, accessed, "the access time after it was looked up again")
    expect_equal([count for operation, count in relay.counts().items() if operation in ("PutObject", "CopyObject")], changes,
                 "requests that store, by reads")
    expect_equal(server.client().head_object(Bucket=bucket, Key="file")["Metadata"]["atime"], stored, "the access time stored")
    os.chmod(path, 0o600)
    mount = mount.remount()
    expect_equal(os.stat(path).st_atime_ns, accessed, "the access time stored with a change of mode")
    mount = mount.remount(["-o", "noatime"])
    write(path, b"once more", "ab")
    expect(not moved(path, lambda: read(path)), "a read with -o noatime moves the access time")
    mount.unmount()


def test_long_names(run):
    """A name of 255 bytes and a path of 1,023 are kept; anything longer is ENAMETOOLONG and changes nothing."""
    only_pail(run)
    server = run.server("moto")
    bucket = server.make_bucket("long")
    mount = run.mount(bucket, server=server)
    write(mount.path("n" * 255), b"")
    expect_equal(failure_of(write, mount.path("n" * 256), b""), "ENAMETOOLONG", "errno of a name of 256 bytes")
    parts = ["d" * 250] * 4
    os.makedirs(mount.path(*parts))
    length = len("/".join(parts)) + 1
    longest = "f" * (1023 - length)
    write(mount.path(*parts, longest), b"longest")
    expect_equal(server.read(bucket, "/".join([*parts, longest])), b"longest", "content under the longest path")
    for make in (lambda path: write(path, b""), os.mkdir, os.mkfifo, lambda path: os.symlink("x", path),
                 lambda path: os.rename(mount.path("n" * 255), path)):
        expect_equal(failure_of(make, mount.path(*parts, longest + "f")), "ENAMETOOLONG", "errno of a path of 1,024 bytes")
    expect_equal(failure_of(os.mkdir, mount.path(*parts, longest)), "EEXIST", "errno of mkdir over the longest path")
    expect_equal(sorted(os.listdir(mount.directory)), ["d" * 250, "n" * 255], "names at the end")
    mount.unmount()


def test_access_lists(run):
    """POSIX ACLs are kept in s3fs's encoding, enforced by the kernel, inherited from directories, and follow the mode."""
    needs_root()
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("lists")
    os.chmod(run.directory, 0o755)
    mount = run.mount(bucket, "-o", "allow_other")
    path, directory = mount.path("file"), mount.path("directory")
    write(path, b"content")
    os.chmod(path, 0o640)
    os.mkdir(directory)

    def read():
        with open(path, "rb") as file:
            file.read()

    expect_equal(as_user(1234, 1234, read), "EACCES", "errno without a list")
    run.call("setfacl", "-m", "u:1234:r", path)
    expect_equal(as_user(1234, 1234, read), None, "errno with a list that allows")
    expect_equal(as_user(1235, 1235, read), "EACCES", "errno for one who is not in the list")
    # The mask is the group's part of the mode.
    os.chmod(path, 0o600)
    expect_equal(as_user(1234, 1234, read), "EACCES", "errno with a mask that forbids")
    os.chmod(path, 0o640)
    lists = run.call("getfacl", "-n", "-c", "-p", path)
    expect_equal(lists.split(), ["user::rw-", "user:1234:r--", "group::r--", "mask::r--", "other::---"], "the list")
    metadata = server.client().head_object(Bucket=bucket, Key="file")["Metadata"]
    expect("system.posix_acl_access" in metadata.get("xattr", ""), f"the list is not among the metadata: {metadata}")

    run.call("setfacl", "-d", "-m", "u:1234:rwx", directory)
    old = os.umask(0o077)
    try:
        write(os.path.join(directory, "new"), b"new")
        os.mkdir(os.path.join(directory, "below"))
        write(mount.path("masked"), b"masked")
    finally:
        os.umask(old)
    expect_equal(oct(mode_of(mount.path("masked"))), oct(0o600), "mode by the umask, without a default list")
    mount = mount.remount()
    expect("user:1234:rwx" in run.call("getfacl", "-n", "-c", "-p", os.path.join(directory, "new")), "the list of a new file")
    expect("default:user:1234:rwx" in run.call("getfacl", "-n", "-c", "-p", os.path.join(directory, "below")),
           "the default list of a new directory")
    expect_equal(run.call("getfacl", "-n", "-c", "-p", path), lists, "the list after a remount")
    run.call("setfacl", "-b", path)
    expect_equal(failure_of(os.getxattr, path, "system.posix_acl_access"), "ENODATA", "errno of a list that was removed")
    expect_equal(as_user(1234, 1234, read), "EACCES", "errno when the list is gone")
    mount.unmount()


def grants(client, bucket, key):
    """What an object's access control list grants, in short."""
    return sorted(grant["Permission"] + (" everybody" if grant["Grantee"].get("URI", "").endswith("/AllUsers") else "")
                  for grant in client.get_object_acl(Bucket=bucket, Key=key)["Grants"])


def test_headers_tags_and_class(run):
    """Headers, tags, storage class and access control list of an object survive a change of attributes, a rename, and the rename of
    its directory; with `--object-acls ignore` the list does not."""
    only_pail(run)
    server = run.server("moto")
    bucket = server.make_bucket("headers")
    client = server.client()
    headers = {"CacheControl": "no-cache", "ContentDisposition": "inline", "ContentLanguage": "en", "ContentType": "text/x-own"}
    for name in ("directory/changed", "directory/renamed", "directory/moved"):
        client.put_object(Bucket=bucket, Key=name, Body=b"content", StorageClass="STANDARD_IA", Tagging="team=blue&cost=7",
                          Metadata={"colour": "blue"}, ACL="public-read", **headers)
    client.put_object(Bucket=bucket, Key="directory/private", Body=b"content")
    mount = run.mount(bucket, server=server)
    os.chmod(mount.path("directory", "changed"), 0o600)
    os.setxattr(mount.path("directory", "changed"), "user.a", b"1")
    os.rename(mount.path("directory", "renamed"), mount.path("directory", "other"))
    os.rename(mount.path("directory"), mount.path("elsewhere"))
    for name in ("changed", "other", "moved"):
        head = client.head_object(Bucket=bucket, Key=f"elsewhere/{name}")
        expect_equal({key: head.get(key) for key in headers}, headers, f"headers of {name}")
        expect_equal((head.get("StorageClass"), head["Metadata"].get("colour")), ("STANDARD_IA", "blue"), f"class and metadata of {name}")
        tags = {tag["Key"]: tag["Value"] for tag in client.get_object_tagging(Bucket=bucket, Key=f"elsewhere/{name}")["TagSet"]}
        expect_equal(tags, {"team": "blue", "cost": "7"}, f"tags of {name}")
        expect_equal(grants(client, bucket, f"elsewhere/{name}"), ["FULL_CONTROL", "READ everybody"], f"access list of {name}")
    expect_equal(grants(client, bucket, "elsewhere/private"), ["FULL_CONTROL"], "access list of an object that has the default one")
    mount = mount.remount(["--object-acls", "ignore"])
    os.chmod(mount.path("elsewhere", "changed"), 0o640)
    expect_equal(grants(client, bucket, "elsewhere/changed"), ["FULL_CONTROL"], "access list where it is ignored")
    mount.unmount()

    # Where the owner owns all, the lists are asked for by nobody.
    server = run.server()
    bucket = server.make_bucket("owned")
    relay = Relay(run, server)
    mount = run.mount(bucket, server=server, url=relay.url)
    write(mount.path("file"), b"content")
    for number in range(3):
        os.chmod(mount.path("file"), 0o600 + number)
    relay.settle()
    asked = [request.query for request in relay.requests if "acl" in request.query or "ownershipControls" in request.query]
    expect_equal(asked, ["ownershipControls="], "what is asked of lists in a bucket that has none")
    mount.unmount()
