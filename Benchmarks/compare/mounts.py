"""One mount of a subject: started in the foreground, watched while it works, and ended whatever happens."""

import os
import shutil
import signal
import subprocess
import sys
import time

from s3_client import REGION
from servers import ACCESS_KEY, SECRET_KEY, _libc, die_with_parent

TICKS = os.sysconf("SC_CLK_TCK")


def environment(directory):
    result = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_"))}
    result.update(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_REGION=REGION, HOME=directory)
    return result


def is_mounted(path):
    with open("/proc/self/mountinfo") as table:
        return any(line.split(" ")[4] == path for line in table)


def remove(directory):
    """Removes the directory of a run, unless something is mounted in it still: a mount that does not answer would hold us up for ever."""
    left = [name for name in os.listdir(directory) if is_mounted(os.path.join(os.path.realpath(directory), name))]
    if left:
        print(f"still mounted, so kept: {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory, ignore_errors=True)


def processes(pid):
    """A process and all below it: JuiceFS mounts by a child."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children") as file:
                    found += [int(word) for word in file.read().split()]
        except OSError:
            pass  # ended meanwhile
    return found


class Place:
    """Where one mount works: a bucket behind a URL, a mount point, and a directory for all that it keeps on this machine."""

    def __init__(self, url, bucket, path, state, metadata=None):
        self.url, self.bucket, self.path, self.state, self.metadata = url, bucket, path, state, metadata


class Mount:
    """One cold mount. Its state directory is fresh, unless that of an earlier mount is given: a second mount."""

    count = 0

    def __init__(self, subject, url, bucket, directory, state=None, metadata=None):
        Mount.count += 1
        self.path = os.path.join(os.path.realpath(directory), f"mnt-{Mount.count}")
        self.state = state or os.path.join(directory, f"state-{Mount.count}")
        os.makedirs(self.path)
        os.makedirs(self.state, exist_ok=True)
        place = Place(url, bucket, self.path, self.state, metadata)
        self.log_path = os.path.join(directory, f"mount-{Mount.count}.log")
        variables = {**environment(directory), **subject.variables(place)}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(subject.command(place), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=variables, start_new_session=True, preexec_fn=die_with_parent)
        try:
            self._wait(60)
            self._ticks = self._cpu_ticks()
        except BaseException:
            self.discard()
            raise

    def _wait(self, seconds):
        end = time.monotonic() + seconds
        while not is_mounted(self.path) or not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"no mount ({' '.join(self.process.args)}): {self.log()}")
            time.sleep(0.02)

    def log(self, limit=1500):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-limit:].strip()

    def _answers(self):
        try:
            return subprocess.run(["stat", self.path], capture_output=True, timeout=60).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def _cpu_ticks(self):
        total = 0
        for pid in processes(self.process.pid):
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total

    @property
    def cpu_seconds(self):
        """User and system time since the mount answered."""
        return (self._cpu_ticks() - self._ticks) / TICKS

    @property
    def peak_memory(self):
        """VmHWM in bytes."""
        total = 0
        for pid in processes(self.process.pid):
            with open(f"/proc/{pid}/status") as file:
                total += next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:")), 0)
        return total

    def kill(self):
        """Ends the processes at once: whoever waits for the mount gets an error."""
        for pid in processes(self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def unmount(self, keep_state=False):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                pass
        self.discard(keep_state)

    def discard(self, keep_state=False):
        if self.process.poll() is None:
            self.kill()
        while is_mounted(self.path):
            if _libc.umount2(os.fsencode(self.path), 2) != 0:  # MNT_DETACH
                break
        if not is_mounted(self.path):
            os.rmdir(self.path)
        if not keep_state:
            shutil.rmtree(self.state, ignore_errors=True)
