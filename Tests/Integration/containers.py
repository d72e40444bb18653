"""Containers of podman for tests, without an image registry: images are made of a Debian root that is here.

Podman is told what a machine with few rights needs (cgroups v1, no CAP_SYS_RESOURCE): runc, and limits that are low enough to be set.
"""

import ctypes
import json
import os
import shutil
import subprocess

from debian_root import ROOT, Box, package
from harness import Failure, Skip, expect, lazy_unmount, shorten

LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
MS_BIND, MS_SHARED = 0x1000, 1 << 20


def podman(*arguments, timeout=300):
    runtime = ["--runtime", "runc"] if shutil.which("runc") else []
    return subprocess.run(["podman", *runtime, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)


def call(*arguments, timeout=300):
    done = podman(*arguments, timeout=timeout)
    if done.returncode != 0:
        raise Failure(f"podman {' '.join(arguments)}: {shorten(done.stdout + done.stderr, 2000)}")
    return done.stdout.strip()


def image(run):
    """The image of a mount container, by `packaging/container/build --root`, with Redis in it besides. Made once a run. Skips where podman runs no
    container here."""
    if "image" in run.shared:
        return run.shared["image"]
    if not shutil.which("podman"):
        raise Skip("there is no podman on this machine")
    file = package(run)
    box = Box(run)
    shutil.copy(file, box.path("/tmp/pail.deb"))
    box.install("/tmp/pail.deb", "redis-server")
    os.unlink(box.path("/tmp/pail.deb"))
    root = box.directory
    box.close()
    name = f"localhost/pail-test:{os.getpid()}"
    run.call(os.path.join(ROOT, "packaging", "container", "build"), "--root", root, "--name", name)
    run.last_closers.append(lambda: podman("rmi", "--force", name))
    shutil.rmtree(root)
    done = podman("run", "--rm", "--network", "host", *LIMITS, "--entrypoint", "/usr/bin/pail", name, "--version")
    if done.returncode != 0:
        raise Skip(f"podman runs no container here: {shorten(done.stderr)}")
    run.shared["image"] = name
    return name


def program_image(run, programs):
    """An image of a few programs of this machine and their libraries: made in a second, where a whole Debian is not needed."""
    if not shutil.which("podman"):
        raise Skip("there is no podman on this machine")
    root = run.path("image")
    for name in ("bin", "tmp", "proc", "sys", "dev", "etc", "data"):
        os.makedirs(os.path.join(root, name))
    files = {}
    for program in programs:
        path = os.path.realpath(shutil.which(program))
        shutil.copy(path, os.path.join(root, "bin", os.path.basename(program)))
        for word in run.call("ldd", path).split():
            if word.startswith("/"):
                files[word] = os.path.realpath(word)
    for path, source in files.items():
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(source, root + path)
    name = f"localhost/pail-test-programs:{os.getpid()}"
    packed = subprocess.run(["tar", "-C", root, "-c", "."], capture_output=True, check=True, timeout=60).stdout
    done = subprocess.run(["podman", "import", "--quiet", "-", name], input=packed, capture_output=True, timeout=120)
    if done.returncode != 0:
        raise Failure(f"podman import: {shorten(done.stderr.decode())}")
    run.closers.append(lambda: podman("rmi", "--force", name))
    done = podman("run", "--rm", "--network", "host", *LIMITS, name, "/bin/ls", "/")
    if done.returncode != 0:
        raise Skip(f"podman runs no container here: {shorten(done.stderr)}")
    return name


def use_settings(run, path):
    """A containers.conf(5) for podman, until the test's end."""
    before = os.environ.get("CONTAINERS_CONF")
    os.environ["CONTAINERS_CONF"] = path

    def restore():
        if before is None:
            os.environ.pop("CONTAINERS_CONF", None)
        else:
            os.environ["CONTAINERS_CONF"] = before
    run.closers.append(restore)


def shared_directory(run, name):
    """A directory of the host through which mounts of containers are shared: a shared mount of itself."""
    path = run.path(name)
    os.makedirs(path)
    libc = ctypes.CDLL(None, use_errno=True)
    here = path.encode()
    if libc.mount(here, here, None, MS_BIND, None) != 0 or libc.mount(None, here, None, MS_SHARED, None) != 0:
        raise Skip(f"no mounts can be shared here: {os.strerror(ctypes.get_errno())}")
    run.closers.append(lambda: lazy_unmount(path))
    return path


def is_bucket_mounted(path):
    """Whether a file system of FUSE is mounted there, not only the directory itself."""
    with open("/proc/self/mountinfo") as table:
        return any(line.split(" ")[4] == path and " - fuse" in line for line in table)


class Container:
    """A container that runs in the background; it goes with the test."""

    def __init__(self, run, image, name, arguments, command=()):
        self.name = f"pail-test-{os.getpid()}-{name}-{run.next_number()}"
        call("run", "--detach", "--name", self.name, "--network", "host", *LIMITS, *arguments, image, *command)
        run.closers.append(self.remove)

    def exec(self, *command, timeout=60):
        return podman("exec", self.name, *command, timeout=timeout)

    def inspect(self):
        return json.loads(call("inspect", self.name))[0]

    @property
    def is_running(self):
        return self.inspect()["State"]["Running"]

    def logs(self):
        done = podman("logs", self.name)
        return shorten((done.stdout + done.stderr)[-2000:], 2000)

    def stop(self, signal_name, seconds=60):
        """Stops it by a signal as `podman stop` would; returns the exit status, None if it had to be killed."""
        call("kill", "--signal", signal_name, self.name)
        try:
            return int(call("wait", self.name, timeout=seconds))
        except subprocess.TimeoutExpired:
            podman("kill", "--signal", "KILL", self.name)
            return None

    def remove(self):
        podman("rm", "--force", "--volumes", "--time", "5", self.name)

    def expect_running(self):
        expect(self.is_running, f"{self.name} has ended: {self.logs()}")
