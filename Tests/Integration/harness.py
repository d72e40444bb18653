"""What the integration tests stand on: servers, mounts, a counting relay, and cleaning up after all of them.

A run has one temporary directory, one SeaweedFS and, where a test asks for it, one moto. All processes that are started
die with the run: they are ended by their process ids in the reverse order of their start, and should this program itself be
killed, the kernel ends them (PR_SET_PDEATHSIG). Every wait has a limit.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ACCESS_KEY = "pail-test-key"
SECRET_KEY = "pail-test-secret"
REGION = "us-east-1"
MIB = 1 << 20
# FUSE_SUPER_MAGIC of Linux's magic.h, as stat(1) prints it.
FUSE_KIND = "65735546"

# SeaweedFS answers a PUT without content before its `Expect: 100-continue`. botocore (seen in 1.43.11) keeps such a connection, though
# the two no longer agree on where they are: its next request hangs for a minute. For this program, and for the AWS command line.
os.environ["BOTO_EXPERIMENTAL__NO_EMPTY_CONTINUE"] = "true"

_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """A promise that was not kept."""


class Skip(Exception):
    """A test that does not apply here; the text says why."""


def expect(condition, message):
    """Fails the test unless the condition holds."""
    if not condition:
        raise Failure(message)


def expect_equal(found, wanted, what):
    """Fails the test unless both are equal."""
    if found != wanted:
        raise Failure(f"{what}: expected {shorten(wanted)}, found {shorten(found)}")


def shorten(value, limit=300):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[:limit] + f"… ({len(text)} characters)"


def wait_until(condition, seconds, what, interval=0.05):
    """Waits until `condition()` is true; fails after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"{what} did not happen within {seconds} s")
        time.sleep(interval)


def free_ports(count):
    """Ports nobody listens on. All are held together first, so that they differ."""
    sockets = []
    try:
        for _ in range(count):
            s = socket.socket()
            s.bind(("127.0.0.1", 0))
            sockets.append(s)
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def sha256_file(path):
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(4 * MIB):
            digest.update(block)
    return digest.hexdigest()


def random_bytes(seed, size):
    """The same bytes for the same seed, made in big strides."""
    return random.Random(seed).randbytes(size)


def is_mounted(path):
    """Whether something is mounted there, by the kernel's table: a stat could hang on a dead mount."""
    return mount_entry(path) is not None


def mount_entry(path):
    """(type, source) of the topmost mount at a path, or None."""
    path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    found = None
    with open("/proc/self/mountinfo") as table:
        for line in table:
            left, _, right = line.partition(" - ")
            point = left.split(" ")[4].encode().decode("unicode_escape")
            if point == path:
                fields = right.split(" ")
                found = (fields[0], fields[1])
    return found


def lazy_unmount(path):
    """Takes away whatever is mounted at a path, busy or dead."""
    for _ in range(8):
        if not is_mounted(path):
            return
        if _libc.umount2(os.fsencode(path), 2) != 0:  # MNT_DETACH
            subprocess.run(["fusermount3", "-u", "-z", path], capture_output=True, timeout=20)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def peak_memory(pid):
    """The most resident bytes that a process ever had (VmHWM), and what it has now (VmRSS)."""
    values = {}
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            name, _, rest = line.partition(":")
            if name in ("VmHWM", "VmRSS"):
                values[name] = int(rest.split()[0]) * 1024
    return values["VmHWM"], values["VmRSS"]


class Process:
    """A program under the harness's care, in a session of its own so that ctrl-C reaches the harness alone."""

    def __init__(self, arguments, log_path, environment=None, cwd=None):
        self.arguments = arguments
        self.log_path = log_path
        self.log = open(log_path, "ab")
        self.popen = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment, cwd=cwd,
            start_new_session=True, preexec_fn=_die_with_parent)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def is_running(self):
        return self.popen.poll() is None

    def send(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds):
        """The exit status; None if it still runs after so many seconds."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self, seconds=10):
        """SIGTERM, then SIGKILL; returns the exit status."""
        if self.is_running:
            self.send(signal.SIGTERM)
            if self.wait(seconds) is None:
                self.send(signal.SIGKILL)
                self.popen.wait(30)
        self.log.close()
        return self.popen.returncode

    def output(self, limit=2000):
        with open(self.log_path, "rb") as log:
            return log.read().decode("utf-8", "replace")[-limit:]


class Server:
    """An S3 server of the run."""

    def __init__(self, run, name, url, process):
        self.run = run
        self.name = name
        self.url = url
        self.process = process
        self.buckets = 0

    def client(self, url=None):
        """A boto3 client: the other program that reads and writes the same objects."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3", endpoint_url=url or self.url, region_name=REGION, aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}, max_pool_connections=32,
                          signature_version="s3v4"))

    def fast_client(self, bucket):
        """A client that costs far less time for each request than boto3: for buckets with many objects."""
        from s3_client import Client

        host, port = self.url.removeprefix("http://").split(":")
        return Client(host, int(port), bucket, ACCESS_KEY, SECRET_KEY)

    def make_bucket(self, purpose):
        """A new bucket; the name tells which test uses it."""
        self.buckets += 1
        name = f"{purpose.replace('_', '-').lower()[:40]}-{self.buckets}"
        self.client().create_bucket(Bucket=name)
        return name

    def keys(self, bucket, prefix=""):
        """All keys of a bucket, in the order of the listing."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def read(self, bucket, key):
        return self.client().get_object(Bucket=bucket, Key=key)["Body"].read()


def start_seaweedfs(tools, directory, on_start):
    """Starts SeaweedFS on free ports; returns (url, process) once S3 answers."""
    os.makedirs(os.path.join(directory, "data"))
    identities = os.path.join(directory, "identities.json")
    with open(identities, "w") as file:
        json.dump({"identities": [{
            "name": "tester", "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}, file)
    # Each bucket takes seven volumes: enough for several hundred tests' buckets.
    names = ["master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3", "s3.grpc"]
    ports = dict(zip(names, free_ports(len(names))))
    arguments = [tool(tools, "weed"), f"-logdir={directory}", "server", f"-dir={directory}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                 "-filer", "-s3", f"-s3.config={identities}", "-s3.port.iceberg=0", "-s3.port.lance=0",
                 "-master.telemetry=false", "-master.volumeSizeLimitMB=2048", "-volume.max=4000"]
    for part in ("master", "volume", "filer", "s3"):
        arguments += [f"-{part}.port={ports[part]}", f"-{part}.port.grpc={ports[part + '.grpc']}"]
    process = Process(arguments, os.path.join(directory, "log"), cwd=directory)
    on_start(process)
    url = f"http://127.0.0.1:{ports['s3']}"
    _wait_for_s3(process, url)
    return url, process


def start_moto(tools, directory, on_start):
    """Starts moto on a free port; returns (url, process) once it answers."""
    os.makedirs(directory, exist_ok=True)
    port = free_ports(1)[0]
    process = Process([tool(tools, "moto_server"), "-H", "127.0.0.1", "-p", str(port)], os.path.join(directory, "log"))
    on_start(process)
    url = f"http://127.0.0.1:{port}"
    _wait_for_s3(process, url)
    return url, process


def start_rclone(tools, directory, on_start):
    """Starts rclone's S3 server, which ignores conditions, on a free port; returns (url, process) once it answers."""
    os.makedirs(os.path.join(directory, "data"), exist_ok=True)
    port = free_ports(1)[0]
    process = Process(
        [tool(tools, "rclone"), "serve", "s3", os.path.join(directory, "data"), "--addr", f"127.0.0.1:{port}",
         "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--vfs-cache-mode", "writes",
         "--cache-dir", os.path.join(directory, "cache"), "--config", os.path.join(directory, "none.conf")],
        os.path.join(directory, "log"), cwd=directory)
    on_start(process)
    url = f"http://127.0.0.1:{port}"
    _wait_for_s3(process, url)
    return url, process


def _wait_for_s3(process, url):
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3", endpoint_url=url, region_name=REGION, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, connect_timeout=5, read_timeout=20))

    def answers():
        if not process.is_running:
            raise Failure(f"{process.arguments[0]} ended with status {process.popen.returncode}: {process.output()}")
        try:
            # A write, not only a listing: volumes come up after the gateway.
            client.create_bucket(Bucket="ready-check")
            client.put_object(Bucket="ready-check", Key="ready", Body=b"ready")
            client.delete_object(Bucket="ready-check", Key="ready")
            client.delete_bucket(Bucket="ready-check")
            return True
        except Exception:
            return False

    wait_until(answers, 60, f"an answer of {process.arguments[0]}", 0.2)


def tool(tools, name):
    """The path of a program: in the tools folder, else in PATH."""
    if tools:
        path = os.path.join(tools, name)
        if os.path.exists(path):
            return path
    found = shutil.which(name)
    if not found:
        raise Failure(f"{name} is neither in the tools folder ({tools}) nor in PATH")
    return found


class Mount:
    """A mounted bucket. `program` is "pail" or, as a peer for the same work, "s3fs"."""

    def __init__(self, run, server, bucket, options=(), url=None, directory=None, state=None, prefix=None, wait=True):
        self.run = run
        self.server = server
        self.bucket = bucket
        self.program = run.program
        self.options = list(options)
        self.url = url or server.url
        self.prefix = prefix
        number = run.next_number()
        self.directory = directory or os.path.join(run.directory, f"mnt-{number}")
        self.state = state or os.path.join(run.directory, f"state-{number}")
        # A dead mount there answers nothing, not even that it is a directory.
        try:
            os.makedirs(self.directory, exist_ok=True)
        except FileExistsError:
            pass
        os.makedirs(self.state, exist_ok=True)
        self.log_path = os.path.join(run.directory, f"mount-{number}.log")
        self.process = Process(self._arguments(), self.log_path, self._environment())
        run.mounts.append(self)
        if wait:
            self.wait_until_it_answers()

    def _arguments(self):
        if self.program == "s3fs":
            source = self.bucket + (f":/{self.prefix.strip('/')}" if self.prefix else "")
            password = os.path.join(self.state, "passwd")
            with open(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(f"{ACCESS_KEY}:{SECRET_KEY}\n")
            return ["s3fs", source, self.directory, "-f", "-o",
                    f"passwd_file={password},url={self.url},use_path_request_style,use_xattr"] + self.options
        source = f"s3://{self.bucket}" + (f"/{self.prefix.strip('/')}" if self.prefix else "")
        # Tests that count requests or look at all keys of a bucket are not to meet the probe's.
        probe = [] if "--probe" in self.options else ["--probe", "never"]
        # The same of reads that a busy machine makes late.
        if "--hedged-reads" not in self.options:
            probe += ["--hedged-reads", "off"]
        return [self.run.pail, "mount", source, self.directory, "--endpoint-url", self.url, "--foreground",
                "--state-dir", self.state] + probe + self.options

    def _environment(self):
        return self.run.environment()

    def wait_until_it_answers(self, seconds=30):
        """Waits until the mount is in the kernel's table and a stat of its root returns."""
        def answers():
            if not self.process.is_running:
                raise Failure(
                    f"{self.program} ended with status {self.process.popen.returncode} instead of mounting: "
                    + self.process.output())
            if not is_mounted(self.directory):
                return False
            # By its kind: a dead mount that is in the table may be gone by now, and the directory below it answers as well.
            done = subprocess.run(["stat", "-f", "-c", "%t", self.directory], capture_output=True, text=True, timeout=20)
            return done.returncode == 0 and done.stdout.strip() == FUSE_KIND
        wait_until(answers, seconds, f"the mount of {self.bucket}")

    def path(self, *names):
        return os.path.join(self.directory, *names)

    @property
    def pid(self):
        return self.process.pid

    def unmount(self, number=signal.SIGTERM, seconds=60):
        """Ends the mount by a signal and checks that all is clean: status 0, nothing mounted."""
        if self.process.is_running:
            self.process.send(number)
        status = self.process.wait(seconds)
        expect(status is not None, f"{self.program} still runs {seconds} s after signal {int(number)}")
        # s3fs 1.90 sometimes aborts at its end, after all is stored: its affair.
        if self.run.is_pail:
            expect_equal(status, 0, f"{self.program}'s exit status after signal {int(number)}: {self.process.output()}")
        else:
            lazy_unmount(self.directory)
        expect(not is_mounted(self.directory), f"{self.directory} is still mounted after signal {int(number)}")

    def remount(self, options=None):
        """Unmounts and mounts the same bucket at the same place with the same state."""
        self.unmount()
        return Mount(self.run, self.server, self.bucket, self.options if options is None else options, self.url,
                     self.directory, self.state, self.prefix)

    def discard(self):
        """Gets rid of it by all means: for the end of a test."""
        with contextlib.suppress(Exception):
            if self.process.is_running:
                self.process.send(signal.SIGTERM)
                if self.process.wait(10) is None:
                    self.process.send(signal.SIGKILL)
                    self.process.wait(10)
        lazy_unmount(self.directory)
        with contextlib.suppress(Exception):
            self.process.log.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            if self.process.is_running:
                self.unmount()
        else:
            self.discard()


class Run:
    """One run of the suite: the options, the servers, and all that must be taken away at the end."""

    def __init__(self, tools, pail, program, full, keep, seed):
        self.tools = tools
        self.pail = pail
        self.program = program
        self.full = full
        self.keep = keep
        self.seed = seed
        self.directory = tempfile.mkdtemp(prefix="pail-integration-")
        self.mounts = []
        self.processes = []
        self.closers = []
        # What several tests use is made once; `last_closers` take it away at the end of the run.
        self.shared = {}
        self.last_closers = []
        self.notes = []
        self._numbers = 0
        self._servers = {}

    @property
    def is_pail(self):
        """Promises that only Pail makes are not asked of a peer; the same work is."""
        return self.program == "pail"

    def next_number(self):
        self._numbers += 1
        return self._numbers

    def note(self, text):
        """A line printed under the test's result: a number that was measured."""
        self.notes.append(text)

    def random(self, name):
        """A generator of the run's seed and a name."""
        return random.Random(f"{self.seed}/{name}")

    def environment(self, **changes):
        """The environment of a mount: credentials, and nothing of the person's own AWS settings."""
        result = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        result.update(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_REGION=REGION,
                      AWS_DEFAULT_REGION=REGION, HOME=os.path.join(self.directory, "home"), LC_ALL="C.UTF-8")
        os.makedirs(result["HOME"], exist_ok=True)
        for name, value in changes.items():
            if value is None:
                result.pop(name, None)
            else:
                result[name] = value
        return result

    def server(self, kind="seaweedfs"):
        """The run's server of a kind, started on first use."""
        if kind not in self._servers:
            start = {"seaweedfs": start_seaweedfs, "moto": start_moto, "rclone": start_rclone}[kind]
            directory = os.path.join(self.directory, kind)
            os.makedirs(directory)
            url, process = start(self.tools, directory, self.processes.append)
            self._servers[kind] = Server(self, kind, url, process)
        server = self._servers[kind]
        expect(server.process.is_running, f"{kind} has died: {server.process.output()}")
        return server

    def mount(self, bucket, *options, server=None, **named):
        return Mount(self, server or self.server(), bucket, options, **named)

    def path(self, name):
        """A new path in the run's temporary directory."""
        return os.path.join(self.directory, f"{name}-{self.next_number()}")

    def aws(self, server, *arguments, timeout=600):
        """Runs the AWS command line on a server; returns its output."""
        done = subprocess.run(
            [tool(self.tools, "aws"), "--endpoint-url", server.url, *arguments], env=self.environment(),
            capture_output=True, text=True, timeout=timeout)
        expect(done.returncode == 0, f"aws {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def call(self, *arguments, timeout=900, cwd=None, environment=None):
        """Runs a program that must succeed; returns its output."""
        done = subprocess.run(list(arguments), capture_output=True, text=True, errors="replace", timeout=timeout, cwd=cwd,
                              env=environment or self.environment())
        if done.returncode != 0:
            raise Failure(f"{' '.join(arguments)} gave {done.returncode}: {shorten(done.stdout + done.stderr, 1500)}")
        return done.stdout

    def spawn(self, arguments, name):
        """A helper process that dies with the run."""
        process = Process(arguments, self.path(name) + ".log", self.environment())
        self.processes.append(process)
        return process

    def kill_mounts(self):
        """Frees whoever hangs in a mount: for the watchdog."""
        for mount in self.mounts:
            with contextlib.suppress(Exception):
                if mount.process.is_running:
                    mount.process.send(signal.SIGKILL)

    def end_of_test(self):
        for closer in reversed(self.closers):
            with contextlib.suppress(Exception):
                closer()
        self.closers.clear()
        for mount in reversed(self.mounts):
            mount.discard()
        self.mounts.clear()

    def close(self):
        self.end_of_test()
        for closer in reversed(self.last_closers):
            with contextlib.suppress(Exception):
                closer()
        for process in reversed(self.processes):
            with contextlib.suppress(Exception):
                process.end()
        with open("/proc/self/mountinfo") as table:
            left = [line.split(" ")[4] for line in table if self.directory in line.split(" ")[4]]
        for path in reversed(left):
            lazy_unmount(path.encode().decode("unicode_escape"))
        if self.keep:
            print(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


class ThreadedServer:
    """A small TCP server of the harness's own: accepts in one thread, serves each connection in another."""

    def __init__(self, run, serve, context=None):
        self._serve = serve
        self._context = context
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.socket.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        run.closers.append(self.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        with contextlib.suppress(OSError, ValueError), connection:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._serve(connection)

    def close(self):
        self.socket.close()


def html_server(run, status="200 OK", context=None):
    """A web server that is no S3: answers everything with a page."""
    page = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"

    def serve(connection):
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            body = b"" if head.startswith(b"HEAD ") else page
            connection.sendall(
                f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n\r\n".encode() + body)

    return ThreadedServer(run, serve, context)


def get_url(url, timeout=10):
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(2)
