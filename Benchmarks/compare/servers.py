"""The server and the line to it: one SeaweedFS for all subjects, and the relay that makes loopback a remote link."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from s3_client import Client

ACCESS_KEY = "bench-key"
SECRET_KEY = "bench-secret"
HERE = os.path.dirname(os.path.abspath(__file__))
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def tool(tools, name):
    path = os.path.join(os.path.abspath(tools), name) if tools else None
    if path and os.path.exists(path):
        return path
    found = shutil.which(name)
    if not found:
        raise SystemExit(f"{name} is neither in the tools folder ({tools}) nor in PATH")
    return found


class SeaweedFS:
    """The one server of a run: its settings are the same for all subjects."""

    def __init__(self, tools, directory):
        data = os.path.join(directory, "seaweedfs")
        os.makedirs(data)
        identities = os.path.join(directory, "identities.json")
        with open(identities, "w") as file:
            json.dump({"identities": [{"name": "bench", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                                       "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]}]}, file)
        names = ["master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3", "s3.grpc"]
        ports = dict(zip(names, free_ports(len(names))))
        arguments = [tool(tools, "weed"), f"-logdir={directory}", "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3",
                     f"-s3.config={identities}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
                     "-master.volumeSizeLimitMB=4096", "-volume.max=200"]
        for part in ("master", "volume", "filer", "s3"):
            arguments += [f"-{part}.port={ports[part]}", f"-{part}.port.grpc={ports[part + '.grpc']}"]
        self.log_path = os.path.join(directory, "seaweedfs.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory,
                                            start_new_session=True, preexec_fn=die_with_parent)
        self.port = ports["s3"]
        self.client = self.bucket("bench")
        self._wait()

    def bucket(self, name, port=None):
        """A client of that bucket, by the server's own port or by the relay's."""
        return Client("127.0.0.1", port or self.port, name, ACCESS_KEY, SECRET_KEY)

    def _wait(self):
        end = time.monotonic() + 60
        while True:
            try:
                self.client.request("PUT")
                self.client.put("ready", b"ready")
                self.client.request("DELETE", "ready")
                return
            except Exception as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"SeaweedFS does not answer ({error}); its log: {self.log_path}")
                time.sleep(0.2)

    def close(self):
        end_process(self.process)


class Link:
    """A relay in front of the server that adds a round trip's time and counts requests; compiled from ../link/link.c."""

    def __init__(self, directory, upstream, round_trip_ms):
        program = os.path.join(directory, "link")
        if not os.path.exists(program):
            source = os.path.join(HERE, "..", "link", "link.c")
            subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, source], check=True)
        self.process = subprocess.Popen([program, "0", str(upstream), str(round_trip_ms)], stdout=subprocess.PIPE, text=True,
                                        start_new_session=True, preexec_fn=die_with_parent)
        self.port = int(self.process.stdout.readline())

    def counts(self):
        """Requests by kind, connections and bytes each way, since the start."""
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self.process.stdout.readline())

    def close(self):
        end_process(self.process)


def end_process(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
