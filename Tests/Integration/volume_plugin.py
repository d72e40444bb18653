"""The volume plugin under test: started, killed, asked over its socket as Docker asks it.

Its mounts belong to no process of the run, so `Plugin.close` takes them away.
"""

import contextlib
import json
import os
import signal
import socket
import time

from harness import Process, expect, lazy_unmount, wait_until
from test_bad_input import processes_with


class Refused(Exception):
    """An answer that is none of status 200: the status, and what `Err` says."""

    def __init__(self, status, reason):
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


class Plugin:
    """`pail volumes` with a socket, a state directory and a place for mounts of its own."""

    def __init__(self, run, credentials=True):
        self.run = run
        base = run.path("plugin")
        os.makedirs(base)
        self.state, self.mounts, self.socket = (os.path.join(base, name) for name in ("state", "mounts", "pail.sock"))
        self.log = os.path.join(base, "log")
        self.environment = run.environment() if credentials else run.environment(
            AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
        self.process = None
        self.number = 0
        run.closers.append(self.close)
        self.start()

    def start(self):
        """Starts it and waits until it answers."""
        self.number += 1
        self.process = Process(
            [self.run.pail, "volumes", "--socket", self.socket, "--state-dir", self.state, "--mounts", self.mounts,
             "--log-level", "info"], self.log, self.environment)

        def answers():
            expect(self.process.is_running, f"the plugin has ended: {self.process.output()}")
            try:
                return self.call("Plugin.Activate")["Implements"] == ["VolumeDriver"]
            except OSError:
                return False
        wait_until(answers, 30, "an answer of the plugin")

    def kill(self):
        self.process.send(signal.SIGKILL)
        self.process.wait(30)

    def raw(self, request, timeout=120):
        """Sends bytes and reads until the plugin closes."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(self.socket)
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(request)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer

    def post(self, path, body, method="POST", timeout=120):
        """One request; returns (status, the object of the answer's body). OSError where there was no whole answer."""
        head = f"{method} /{path} HTTP/1.1\r\nHost: plugin\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        answer = self.raw(head.encode() + body, timeout)
        head, end, text = answer.partition(b"\r\n\r\n")
        if not end:
            raise ConnectionResetError("the plugin gave no answer")
        try:
            return int(head.split(b" ")[1]), json.loads(text)
        except ValueError as error:
            raise ConnectionResetError(f"the plugin gave half an answer: {text!r}") from error

    def call(self, name, timeout=120, **fields):
        """One call; returns the answer. Refused where the plugin refuses."""
        body = json.dumps(fields).encode() if fields else b""
        status, answer = self.post(name, body, timeout=timeout)
        if status != 200 or answer.get("Err"):
            raise Refused(status, answer.get("Err"))
        return answer

    def create(self, name, **options):
        self.call("VolumeDriver.Create", Name=name, Opts=options)

    def mount(self, name, id, timeout=120):
        return self.call("VolumeDriver.Mount", Name=name, ID=id, timeout=timeout)["Mountpoint"]

    def unmount(self, name, id, timeout=120):
        self.call("VolumeDriver.Unmount", Name=name, ID=id, timeout=timeout)

    def remove(self, name):
        self.call("VolumeDriver.Remove", Name=name)

    def get(self, name):
        return self.call("VolumeDriver.Get", Name=name)["Volume"]

    def users(self, name):
        return int(self.get(name)["Status"]["users"])

    def mounted(self):
        """The names of what is mounted, each as often as it is."""
        with open("/proc/self/mountinfo") as table:
            points = [line.split(" ")[4] for line in table if " - fuse" in line]
        return sorted(os.path.basename(point) for point in points if os.path.dirname(point) == self.mounts)

    def mount_processes(self, name=None):
        """The processes that serve the mounts, or that of one volume."""
        path = os.path.join(self.mounts, name or "")
        found = []
        for pid in processes_with(path):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
                if b"--foreground" in words and (name is None or path.encode() in words):
                    found.append(pid)
        return found

    def close(self):
        if self.process:
            self.process.end()
        for name in self.mounted():
            lazy_unmount(os.path.join(self.mounts, name))
        deadline = time.monotonic() + 20
        while self.mount_processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in self.mount_processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
