"""One measurement: a bucket with the contents, cold caches, a mount, the work, and what is still owed when it has ended."""

import os
import subprocess
import time

from clock import TooLate, in_child
from floors import Context
from mounts import Mount
from subjects import Prepared

FLOOR = "floor"
POLL = 0.05


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3\n")
    # The programs that works call are not what is timed.
    for name in ("ls", "find", "cp", "rm", "tar", "stat", "curl"):
        subprocess.run([name, "--version"], capture_output=True)


class Measuring:
    """All measurements of one work on one line. Buckets of works that only read are made once for each format and kept until `close`."""

    def __init__(self, arguments, server, link, directory, work, line):
        self.arguments, self.server, self.link, self.directory = arguments, server, link, directory
        self.work, self.line = work, line
        self.port = server.port if line == "direct" else link.port
        self.kept = {}

    def once(self, subject):
        """What was measured, as the JSON has it; `subject` is None for the floor."""
        prepared = None
        try:
            prepared = self._prepare(subject)
            return self._floor(prepared) if subject is None else self._mounted(subject, prepared)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}
        finally:
            if prepared and self.work.missing:
                prepared.delete()

    def close(self):
        for prepared in self.kept.values():
            prepared.delete()
        self.kept = {}

    def _prepare(self, subject):
        own_format = subject is not None and subject.own_format
        if self.work.missing:
            return self._prepared(subject)
        if own_format not in self.kept:
            self.kept[own_format] = self._prepared(subject)
        return self.kept[own_format]

    def _prepared(self, subject):
        return Prepared(self.server, subject, self.work.contents, self.arguments, self.directory)

    def _counts(self):
        return self.link.counts() if self.line == "link" else None

    @staticmethod
    def _since(before, after):
        return {name: after[name] - before[name] for name in after} if after else None

    def _floor(self, prepared):
        drop_caches()
        prepared.warm()
        context = Context(prepared.client, self.server.bucket(prepared.name, self.port), self.directory)
        # A connection that is there already, as a mount has it.
        context.line.request("GET", query={"list-type": 2, "max-keys": 1})
        return {"seconds": self.work.floor(context)}

    def _mounted(self, subject, prepared):
        state = None
        url = f"http://127.0.0.1:{self.port}"
        if subject.second:
            first = Mount(subject, url, prepared.name, self.directory, metadata=prepared.metadata)
            try:
                state = first.state
                self._work(first)
            finally:
                first.unmount(keep_state=True)
        drop_caches()
        prepared.warm()
        mount = Mount(subject, url, prepared.name, self.directory, state, prepared.metadata)
        try:
            before = self._counts()
            began = time.monotonic()
            seconds = self._work(mount)
            # The child's end is seen a moment later than the work's.
            ended = min(time.monotonic(), began + seconds)
            result = {"seconds": seconds}
            if self.work.missing and not subject.own_format:
                result["owed_seconds"] = self._owed(prepared.client, ended)
            result.update(cpu_seconds=mount.cpu_seconds, peak_memory=mount.peak_memory,
                          requests=self._since(before, self._counts()))
            return result
        except Exception as error:
            words = mount.log(600)
            raise RuntimeError(f"{error}" + (f"; it said: {words}" if words else "")) from error
        finally:
            mount.unmount()

    def _work(self, mount):
        return in_child(lambda: self.work.run(mount.path), self.arguments.limit, mount.kill)

    def _owed(self, client, ended):
        """Seconds from the end of the work until a plain client sees all of it; 0 if it does at the first look."""
        reason = self.work.missing(client)
        if reason is None:
            return 0.0
        while time.monotonic() < ended + self.arguments.limit:
            time.sleep(POLL)
            reason = self.work.missing(client)
            if reason is None:
                return time.monotonic() - ended
        raise TooLate(f"not in the bucket {self.arguments.limit:.0f} s after the work has ended: {reason}")
