"""A clean Debian 12 for tests: made by debootstrap once for a work tree, and unpacked anew for each test.

`Box` runs commands in such a root with mounts and processes of their own, so that all of them are gone with the box.
"""

import contextlib
import os
import shutil
import subprocess

from harness import Failure, Process, Skip, shorten, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ARCHIVE = os.path.join(ROOT, ".build-tools", "debian-12.tar")


def needs_root_and_fuse():
    if os.geteuid() != 0:
        raise Skip("needs root, for chroot(2)")
    if not os.path.exists("/dev/fuse"):
        raise Skip("there is no /dev/fuse")


def archive():
    """The packed root; made where it is missing. Skips where debootstrap or its mirror cannot be had."""
    if os.path.exists(ARCHIVE):
        return ARCHIVE
    if not shutil.which("debootstrap"):
        raise Skip("there is no debootstrap on this machine")
    os.makedirs(os.path.dirname(ARCHIVE), exist_ok=True)
    directory = ARCHIVE + ".root"
    shutil.rmtree(directory, ignore_errors=True)
    done = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", directory], capture_output=True, text=True, timeout=1200)
    if done.returncode != 0:
        shutil.rmtree(directory, ignore_errors=True)
        raise Skip(f"debootstrap cannot make a root: {shorten((done.stdout + done.stderr).strip()[-300:])}")
    subprocess.run(["tar", "-C", directory, "--numeric-owner", "-cf", ARCHIVE + ".new", "."], check=True, timeout=600)
    os.rename(ARCHIVE + ".new", ARCHIVE)
    shutil.rmtree(directory)
    return ARCHIVE


def package(run):
    """The Debian package: the one that PAIL_PACKAGE names. Else at full size the one for people, which takes minutes to build; else one of the
    program under test with Swift's libraries beside it. Made once a run."""
    given = os.environ.get("PAIL_PACKAGE")
    if given:
        return given
    if "package" in run.shared:
        return run.shared["package"]
    for program in ("swift", "dpkg-deb"):
        if not shutil.which(program):
            raise Skip(f"there is no {program} on this machine")
    of_test = [] if run.full else ["--test-program", run.pail, "--output", run.path("deb")]
    done = subprocess.run([os.path.join(ROOT, "packaging", "deb"), *of_test], capture_output=True, text=True, timeout=3000)
    if done.returncode != 0:
        raise Failure(f"packaging/deb: {shorten(done.stdout + done.stderr, 3000)}")
    run.shared["package"] = os.path.join(ROOT, done.stdout.strip().split("\n")[-1])
    return run.shared["package"]


class Box:
    """A Debian root with mounts and processes of its own; the network is the machine's."""

    def __init__(self, run):
        packed = archive()
        self.run = run
        self.directory = run.path("debian")
        os.makedirs(self.directory)
        subprocess.run(["tar", "-C", self.directory, "--numeric-owner", "-xf", packed], check=True, timeout=600)
        with contextlib.suppress(OSError):
            shutil.copy("/etc/resolv.conf", os.path.join(self.directory, "etc/resolv.conf"))
        device = os.path.join(self.directory, "dev/fuse")
        if not os.path.exists(device):
            os.mknod(device, 0o20666, os.stat("/dev/fuse").st_rdev)
        os.chmod(device, 0o666)
        script = ('mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount --bind /sys "$1/sys" && cd "$1" '
                  '&& : > .ready && exec chroot . sleep 100000')
        self.process = Process(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-ec", script, "box",
             self.directory], run.path("box") + ".log")
        run.closers.append(self.close)
        wait_until(lambda: os.path.exists(os.path.join(self.directory, ".ready")), 20, f"the box: {self.process.output()}")
        os.unlink(os.path.join(self.directory, ".ready"))
        # unshare's child is the first process of the box.
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        wait_until(lambda: open(path).read().split(), 10, "the box's first process")
        self.pid = open(path).read().split()[0]

    def path(self, name):
        return os.path.join(self.directory, name.lstrip("/"))

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def try_(self, *arguments, timeout=900, **environment):
        """Runs a command in the box, by name only: PATH is the box's."""
        values = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
                  "DEBIAN_FRONTEND": "noninteractive", **environment}
        for name in ("http_proxy", "https_proxy", "no_proxy"):
            if name in os.environ:
                values.setdefault(name, os.environ[name])
        return subprocess.run(
            ["nsenter", "-t", self.pid, "--mount", "--pid", "--root", "--wd", "env", "-i",
             *[f"{name}={value}" for name, value in values.items()], *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout)

    def call(self, *arguments, timeout=900, **environment):
        """Runs a command that must succeed; returns its output."""
        done = self.try_(*arguments, timeout=timeout, **environment)
        if done.returncode != 0:
            raise Failure(f"{' '.join(arguments)} gave {done.returncode}: {shorten(done.stdout + done.stderr, 1500)}")
        return done.stdout

    def install(self, *packages):
        """Installs packages of Debian, or of files in the box. Skips where no mirror answers."""
        done = self.try_("apt-get", "-qq", "update")
        if done.returncode != 0:
            raise Skip(f"Debian's packages cannot be had: {shorten(done.stderr)}")
        self.call("apt-get", "-qq", "-y", "--no-install-recommends", "install", *packages)

    def close(self):
        self.process.end()
