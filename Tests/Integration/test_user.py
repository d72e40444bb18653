import ctypes
import os
import shutil
import signal
import stat
import subprocess

from harness import Failure, Process, Skip, expect, expect_equal, is_mounted, mount_entry, wait_until
from test_bad_input import processes_with
from test_posix import as_user
from test_promises import only_pail, write

# nobody: a user that is on every system and owns nothing.
USER = 65534


def needs_fusermount():
    """The path of fusermount3, which mounts for users; skips where it may not."""
    if os.geteuid() != 0:
        raise Skip("becomes another user, which only root may")
    program = shutil.which("fusermount3")
    if not program:
        raise Skip("there is no fusermount3 on this machine")
    info = os.stat(program)
    if info.st_uid != 0 or not info.st_mode & stat.S_ISUID:
        raise Skip(f"{program} is not setuid root, so that no user can mount anything")
    if not shutil.which("setpriv"):
        raise Skip("there is no setpriv on this machine")


def with_open_device(run, function):
    """Runs a function in a child with mounts of its own, where /dev/fuse is open to all as on any installed system: containers
    often have it for root alone, and fusermount3 does not help there."""
    libc = ctypes.CDLL(None, use_errno=True)
    device = run.path("fuse").encode()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        words = b"no end"
        try:
            libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            number = os.stat("/dev/fuse").st_rdev
            os.mknod(device, stat.S_IFCHR | 0o666, number)
            os.chmod(device, 0o666)
            # CLONE_NEWNS; MS_REC | MS_PRIVATE; MS_BIND
            for step in (lambda: libc.unshare(0x20000), lambda: libc.mount(b"none", b"/", None, 0x44000, None),
                         lambda: libc.mount(device, b"/dev/fuse", None, 0x1000, None)):
                if step() != 0:
                    raise OSError(ctypes.get_errno(), "no mounts of its own")
            function()
            words = b""
        except BaseException as error:
            words = f"{type(error).__name__}: {error}".encode()
        finally:
            os.write(writing, words[:60_000])
            os._exit(0)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            words = pipe.read().decode("utf-8", "replace")
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.waitpid(child, 0)
    if words:
        raise Failure(words)


def test_mount_of_a_user(run):
    """A user without privileges mounts by fusermount3, in the foreground and in the background, works in the mount alone (even
    root is kept out), and ends it by a signal, by `pail umount` and by fusermount3."""
    only_pail(run)
    needs_fusermount()
    server = run.server()
    bucket = server.make_bucket("user")
    with_open_device(run, lambda: mount_as_user(run, server, bucket))


def mount_as_user(run, server, bucket):
    home = run.path("user")
    os.mkdir(home, 0o700)
    os.chmod(run.directory, 0o755)
    program, directory, state = (os.path.join(home, name) for name in ("pail", "mnt", "state"))
    shutil.copy(run.pail, program)
    for path in (directory, state):
        os.mkdir(path, 0o700)
    for path in (home, program, directory, state):
        os.chown(path, USER, USER)
    user = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
    environment = run.environment(HOME=home, XDG_RUNTIME_DIR=None, XDG_STATE_HOME=None)

    def pail(*arguments):
        return subprocess.run([*user, program, *arguments], env=environment, capture_output=True, text=True, timeout=60, cwd=home)

    mount = ("mount", f"s3://{bucket}", directory, "--endpoint-url", server.url, "--state-dir", state)

    def start():
        process = Process([*user, program, *mount, "--foreground"], run.path("user") + ".log", environment, home)
        run.processes.append(process)

        def answers():
            expect(process.is_running, f"pail ended: {process.output()}")
            return is_mounted(directory) and as_user(USER, USER, lambda: os.statvfs(directory)) is None
        wait_until(answers, 30, "the user's mount")
        return process

    def at(*names):
        return os.path.join(directory, *names)

    def work():
        """What the user does: fails with an OSError where something is wrong."""
        os.mkdir(at("directory"), 0o750)
        write(at("directory", "file"), b"content")
        os.chmod(at("directory", "file"), 0o640)
        os.rename(at("directory", "file"), at("directory", "renamed"))
        os.symlink("renamed", at("directory", "link"))
        with open(at("directory", "link"), "rb") as file:
            if file.read() != b"content":
                raise OSError(5, "what is read differs")
        info = os.stat(at("directory", "renamed"))
        if (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) != (USER, USER, 0o640):
            raise OSError(5, "owner or mode differs")
        os.setxattr(at("directory", "renamed"), "user.colour", b"blue")
        if sorted(os.listdir(at("directory"))) != ["link", "renamed"]:
            raise OSError(5, "what is listed differs")

    process = start()
    expect_equal(mount_entry(directory)[0], "fuse.pail", "type in the kernel's table")
    expect_equal(as_user(USER, USER, work), None, "errno of what the user does")
    # The kernel lets nobody else into a user's mount.
    for uid in (0, 1234):
        expect_equal(as_user(uid, uid, lambda: os.listdir(directory)), "EACCES", f"errno of readdir by user {uid}")
    expect_equal(as_user(USER, USER, lambda: os.chown(at("directory", "renamed"), 0, 0)), "EPERM", "errno of chown to root")
    expect_equal(as_user(USER, USER, lambda: os.mknod(at("device"), stat.S_IFCHR | 0o600, os.makedev(1, 3))), "EPERM",
                 "errno of mknod of a device")
    process.send(signal.SIGTERM)
    expect_equal(process.wait(60), 0, f"exit status after SIGTERM: {process.output()}")
    expect(not is_mounted(directory), "still mounted after SIGTERM")
    expect_equal(server.read(bucket, "directory/renamed"), b"content", "what the user has stored")

    process = start()
    run.call(*user, "fusermount3", "-u", directory, environment=environment)
    expect_equal(process.wait(60), 0, f"exit status after fusermount3 -u: {process.output()}")

    done = pail(*mount)
    expect_equal((done.returncode, done.stderr), (0, ""), "exit status and stderr of pail mount in the background")
    expect_equal(as_user(USER, USER, lambda: write(at("directory", "renamed"), b", and more", "ab")), None, "errno of an append")
    done = pail("umount", directory)
    expect_equal((done.returncode, done.stderr), (0, ""), "exit status and stderr of pail umount")
    wait_until(lambda: not processes_with(state), 10, "the end of the mount's process")
    expect_equal(server.read(bucket, "directory/renamed"), b"content, and more", "what the user has appended")

    # Others may be let in only where the administrator says so in /etc/fuse.conf.
    allowed = any(line.strip() == "user_allow_other" for line in open("/etc/fuse.conf")) if os.path.exists("/etc/fuse.conf") else False
    if not allowed:
        done = pail(*mount, "-o", "allow_other")
        expect(done.returncode == 4 and "mounting on" in done.stderr, f"pail mount -o allow_other by a user: {done}")
        # The reason is fusermount3's, which alone knows it.
        expect_equal(done.stderr.count("user_allow_other"), 1, f"the reason in {done.stderr!r}")
        expect(not is_mounted(directory), "mounted although it was refused")
