"""The programs under comparison, each mounted in the foreground so that its CPU time and memory can be read."""

import os
import signal
import subprocess
import time

from s3_client import REGION
from servers import ACCESS_KEY, SECRET_KEY, _libc, die_with_parent

TICKS = os.sysconf("SC_CLK_TCK")


def environment(directory):
    result = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    result.update(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_REGION=REGION, HOME=directory)
    return result


def pail(program, options):
    def arguments(url, mount_point, directory, state):
        return [program, "mount", "s3://bench", mount_point, "--endpoint-url", url, "--foreground", "--state-dir", state,
                *options]
    return arguments


def s3fs(options):
    def arguments(url, mount_point, directory, state):
        password = os.path.join(directory, "passwd")
        with open(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{ACCESS_KEY}:{SECRET_KEY}\n")
        text = f"passwd_file={password},url={url},use_path_request_style"
        return ["s3fs", "bench", mount_point, "-f", "-o", ",".join([text, *options])]
    return arguments


def all_subjects(pail_program, pail_options):
    """Name and command line of each subject."""
    return {
        "pail": pail(pail_program, pail_options) if pail_program else None,
        "s3fs": s3fs([]),
        "s3fs-tuned": s3fs(["parallel_count=20", "multireq_max=50"]),
    }


def is_mounted(path):
    with open("/proc/self/mountinfo") as table:
        return any(line.split(" ")[4] == path for line in table)


class Mount:
    """One cold mount. A fresh state directory each time: nothing is known from the mount before."""

    count = 0

    def __init__(self, arguments, url, directory):
        Mount.count += 1
        self.path = os.path.join(os.path.realpath(directory), f"mnt-{Mount.count}")
        state = os.path.join(directory, f"state-{Mount.count}")
        os.makedirs(self.path)
        os.makedirs(state)
        self.log_path = os.path.join(directory, f"mount-{Mount.count}.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(arguments(url, self.path, directory, state), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment(directory), start_new_session=True,
                                            preexec_fn=die_with_parent)
        end = time.monotonic() + 60
        while not is_mounted(self.path) or not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                with open(self.log_path, errors="replace") as log:
                    words = log.read()[-1500:]
                self.discard()
                raise RuntimeError(f"no mount ({' '.join(self.process.args)}): {words}")
            time.sleep(0.02)
        self._ticks = self._cpu_ticks()

    def _answers(self):
        return subprocess.run(["stat", self.path], capture_output=True, timeout=60).returncode == 0

    def _cpu_ticks(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    @property
    def cpu_seconds(self):
        """User and system time since the mount answered."""
        return (self._cpu_ticks() - self._ticks) / TICKS

    @property
    def peak_memory(self):
        """VmHWM in bytes."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))

    def unmount(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            pass
        self.discard()

    def discard(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if is_mounted(self.path):
            _libc.umount2(os.fsencode(self.path), 2)  # MNT_DETACH
