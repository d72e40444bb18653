"""The programs under comparison: how each is mounted in the foreground, and what it needs in the bucket."""

import os
import subprocess

from contents import warm
from mounts import Mount, environment
from servers import ACCESS_KEY, SECRET_KEY, tool


class Subject:
    """A program with its options.

    `works` names the works it is measured by, where not all; `second` says that a first mount with the same state does the work
    once before, untimed; `own_format` that objects are not files, so that the contents must come in through the program itself.
    """

    def __init__(self, name, title, command, works=None, second=False, own_format=False, variables=None):
        self.name, self.title, self.command = name, title, command
        self.works, self.second, self.own_format = works, second, own_format
        self.variables = variables or (lambda place: {})


def pail(program, options):
    def arguments(place):
        return [program, "mount", f"s3://{place.bucket}", place.path, "--endpoint-url", place.url, "--foreground",
                "--state-dir", place.state, *options]
    return arguments


def s3fs(options):
    def arguments(place):
        password = os.path.join(place.state, "passwd")
        with open(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{ACCESS_KEY}:{SECRET_KEY}\n")
        text = f"passwd_file={password},url={place.url},use_path_request_style"
        return ["s3fs", place.bucket, place.path, "-f", "-o", ",".join([text, *options])]
    return arguments


def rclone(program, mode):
    def arguments(place):
        return [program, "mount", f"bench:{place.bucket}", place.path, "--config", os.path.join(place.state, "rclone.conf"),
                "--vfs-cache-mode", mode, "--cache-dir", place.state]
    return arguments


def rclone_variables(place):
    with open(os.path.join(place.state, "rclone.conf"), "a"):
        pass  # a missing file is complained about
    return {"RCLONE_CONFIG_BENCH_TYPE": "s3", "RCLONE_CONFIG_BENCH_PROVIDER": "SeaweedFS", "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
            "RCLONE_CONFIG_BENCH_ENDPOINT": place.url, "RCLONE_CONFIG_BENCH_FORCE_PATH_STYLE": "true"}


def juicefs(program):
    def arguments(place):
        return [program, "mount", f"sqlite3://{place.metadata}", place.path, "--bucket", f"{place.url}/{place.bucket}",
                "--cache-dir", place.state, "--no-usage-report", "--no-syslog"]
    return arguments


def format_juicefs(program, url, bucket, metadata, directory):
    """Makes the bucket one of JuiceFS. No trash: a removed file is removed, as by all others."""
    done = subprocess.run([program, "format", "--storage", "s3", "--bucket", f"{url}/{bucket}", "--access-key", ACCESS_KEY,
                           "--secret-key", SECRET_KEY, "--trash-days", "0", f"sqlite3://{metadata}", "bench"],
                          capture_output=True, text=True, env=environment(directory), timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"juicefs format: {done.stderr[-500:]}")


# Those that look at attributes, and those that change something.
LISTING = ("list", "find")
CHANGING = ("write", "create", "create-16", "patch", "append", "copy", "rename", "remove", "untar")


def all_subjects(arguments):
    """All that can be measured here, by name, in the order of the table. What this pail lacks is left out."""
    subjects = []
    if arguments.pail:
        known = subprocess.run([arguments.pail, "help", "mount"], capture_output=True, text=True).stdout
        base = arguments.pail_option

        def add(name, title, options, **more):
            subjects.append(Subject(name, title, pail(arguments.pail, [*base, *options]), **more))

        add("pail", "Pail", [])
        add("pail-write-back", "Pail, write-back", ["--write-back"], works=CHANGING)
        if "--attribute-cache" in known:
            add("pail-second", "Pail, 2nd mount", [], works=LISTING, second=True)
        if "--attributes " in known:
            add("pail-listing", "Pail, listing", ["--attributes=listing"], works=LISTING)
    subjects.append(Subject("s3fs", "s3fs", s3fs([])))
    subjects.append(Subject("s3fs-tuned", "s3fs, tuned", s3fs(["parallel_count=20", "multireq_max=50"])))
    program = tool(arguments.tools, "rclone")
    for name, mode in (("rclone", "writes"), ("rclone-full", "full")):
        subjects.append(Subject(name, f"rclone, {mode}", rclone(program, mode), variables=rclone_variables))
    subjects.append(Subject("juicefs", "JuiceFS (own format)", juicefs(tool(arguments.tools, "juicefs")),
                            own_format=True))
    return {subject.name: subject for subject in subjects}


# rclone-full has to be asked for: it differs from rclone in what reads leave on the disk.
STANDARD = ("pail", "pail-write-back", "pail-second", "pail-listing", "s3fs", "s3fs-tuned", "rclone", "juicefs")


class Prepared:
    """A bucket with the contents of a work, in the format of a subject. Deleting the bucket gives the server's disk back at once."""

    count = 0

    def __init__(self, server, subject, contents, arguments, directory):
        Prepared.count += 1
        self.server, self.name = server, f"bench-{Prepared.count}"
        self.client = server.bucket(self.name)
        self.client.request("PUT")
        self.metadata = None
        self.directory = directory
        try:
            if subject is not None and subject.own_format:
                self._fill_own(subject, contents, arguments)
            else:
                # A first object, so that the server has made its files on the disk before the work is timed.
                self.client.put("ready", b"ready")
                contents.fill_bucket(self.client)
        except BaseException:
            self.delete()
            raise

    def _fill_own(self, subject, contents, arguments):
        self.metadata = os.path.join(self.directory, f"{self.name}.db")
        url = f"http://127.0.0.1:{self.server.port}"
        format_juicefs(tool(arguments.tools, "juicefs"), url, self.name, self.metadata, self.directory)
        mount = Mount(subject, url, self.name, self.directory, metadata=self.metadata)
        try:
            contents.fill_mount(mount.path)
        finally:
            mount.unmount()

    def warm(self):
        warm(self.client, self.directory)
        if self.metadata:
            with open(self.metadata, "rb") as file:
                while file.read(1 << 20):
                    pass

    def delete(self):
        self.client.request("DELETE")
        if self.metadata:
            for suffix in ("", "-wal", "-shm"):
                if os.path.exists(self.metadata + suffix):
                    os.unlink(self.metadata + suffix)
