import os
import signal
import stat
import subprocess

from harness import ACCESS_KEY, SECRET_KEY, Skip, expect, expect_equal, is_mounted, lazy_unmount, mount_entry, wait_until
from relay import Relay

ENTRY_POINT = """#!/bin/sh
# What a mount container's entry point does: keys into a file, mount, look, work, unmount when told to.
set -eu
printf '%s:%s\\n' "$AWS_S3_ACCESS_KEY_ID" "$AWS_S3_SECRET_ACCESS_KEY" > "$AWS_S3_ROOTDIR/passwd-s3fs"
chmod 600 "$AWS_S3_ROOTDIR/passwd-s3fs"
mkdir -p "$AWS_S3_MOUNT"
s3fs $S3FS_DEBUG $S3FS_ARGS \\
  -o passwd_file="$AWS_S3_ROOTDIR/passwd-s3fs" \\
  -o url="$AWS_S3_URL",use_path_request_style,allow_other \\
  -o uid="$UID_WANTED" -o gid="$GID_WANTED" \\
  "$AWS_S3_BUCKET" "$AWS_S3_MOUNT"
stat "$AWS_S3_MOUNT" > /dev/null
grep fuse.s3fs /proc/mounts | grep -q "$AWS_S3_MOUNT" || { echo "Mount failure" >&2; exit 1; }
echo "from the container" > "$AWS_S3_MOUNT/written"
cat "$AWS_S3_MOUNT/there"
stat -c '%A %u %g' "$AWS_S3_MOUNT"
stat -c '%U' /proc/self > /dev/null
# As its trap.sh: unmount, then the signal to the processes of that name on this mount.
pids=$(ps -o pid=,comm=,args= -e | awk -v mount="$AWS_S3_MOUNT" '$2 ~ /s3fs/ && index($0, mount) {print $1}')
[ -n "$pids" ] || { echo "no process called s3fs" >&2; exit 1; }
fusermount -uz "$AWS_S3_MOUNT"
for pid in $pids; do kill -TERM "$pid" 2> /dev/null || true; done
"""


class Command:
    """The program under the name s3fs, in a folder of its own that PATH begins with."""

    def __init__(self, run):
        if not run.is_pail:
            raise Skip("Pail under s3fs's name")
        self.run = run
        self.folder = run.path("bin")
        os.mkdir(self.folder)
        self.program = os.path.join(self.folder, "s3fs")
        os.symlink(run.pail, self.program)
        self.state = run.path("tmp")
        os.mkdir(self.state)

    def environment(self, **changes):
        return self.run.environment(PATH=f"{self.folder}:{os.environ['PATH']}", **changes)

    def __call__(self, *arguments, status=0, program=None, **changes):
        done = subprocess.run([*(program or [self.program]), *arguments], env=self.environment(**changes),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        expect_equal(done.returncode, status, f"s3fs {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def directory(self):
        path = self.run.path("mnt")
        os.mkdir(path)
        self.run.closers.append(lambda: lazy_unmount(path))
        return path

    def process(self, directory):
        """The pid of the mount's process, found as a script would: by its name and arguments."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/comm") as comm, open(f"/proc/{name}/cmdline", "rb") as line:
                    if comm.read() == "s3fs\n" and directory.encode() in line.read().split(b"\0"):
                        found.append(int(name))
            except OSError:
                pass
        return found

    def end(self, directory):
        pids = self.process(directory)
        subprocess.run(["fusermount3", "-u", directory], check=True, capture_output=True, timeout=60)
        wait_until(lambda: not self.process(directory), 30, "the end of the process")
        return pids


def options(server, command):
    return f"url={server.url},use_path_request_style,tmpdir={command.state}"


def test_s3fs_container(run):
    """A container's entry point, written for s3fs, works unchanged with Pail under that name: mounted when the command returns,
    type fuse.s3fs, process s3fs, owner as asked for, data stored when `fusermount -uz` and SIGTERM end it."""
    command = Command(run)
    server = run.server()
    bucket = server.make_bucket("container")
    server.client().put_object(Bucket=bucket, Key="there", Body=b"content\n")
    root = run.path("opt-s3fs")
    os.mkdir(root)
    script = os.path.join(root, "docker-entrypoint.sh")
    with open(script, "w") as file:
        file.write(ENTRY_POINT)
    mount = os.path.join(root, "bucket")
    run.closers.append(lambda: lazy_unmount(mount))
    for debug in ("", "-d -d"):
        output = run.call("sh", script, timeout=120, environment=command.environment(
            AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_S3_ACCESS_KEY_ID=ACCESS_KEY,
            AWS_S3_SECRET_ACCESS_KEY=SECRET_KEY, AWS_S3_URL=server.url, AWS_S3_BUCKET=bucket, AWS_S3_ROOTDIR=root,
            AWS_S3_MOUNT=mount, UID_WANTED="1234", GID_WANTED="2345", S3FS_DEBUG=debug, S3FS_ARGS=""))
        expect_equal(output, "content\ndrwxrwxrwx 1234 2345\n", "the entry point's output")
        expect(not is_mounted(mount), "still mounted")
        wait_until(lambda: not command.process(mount), 30, "the end of the process")
        expect_equal(server.read(bucket, "written"), b"from the container\n", "what the entry point wrote")


def test_s3fs_defaults(run):
    """Under s3fs's name the mount shows s3fs's defaults: modes and owners of foreign objects, the root directory, umask and
    mp_umask, no extended attributes without use_xattr, a 403 as EPERM."""
    command = Command(run)
    server = run.server("moto")
    bucket = server.make_bucket("defaults")
    client = server.client()
    client.put_object(Bucket=bucket, Key="foreign/file", Body=b"x")
    for extra, root, file_mode, directory_mode in [
            ("", 0o700, 0o640, 0o750), (",allow_other", 0o777, 0o640, 0o750),
            (",allow_other,mp_umask=0027", 0o750, 0o640, 0o750), (",allow_other,umask=0077", 0o700, 0o700, 0o700)]:
        directory = command.directory()
        command(bucket, directory, "-o", options(server, command) + extra)
        expect_equal(mount_entry(directory), ("fuse.s3fs", "s3fs"), "the kernel's table")
        shown = [stat.S_IMODE(os.stat(os.path.join(directory, name)).st_mode) for name in ("", "foreign", "foreign/file")]
        expect_equal([oct(mode) for mode in shown], [oct(root), oct(directory_mode), oct(file_mode)], f"modes with \"{extra}\"")
        expect_equal(os.stat(directory).st_uid, os.geteuid(), "the root's owner")
        try:
            os.setxattr(os.path.join(directory, "foreign/file"), "user.a", b"b")
            raise AssertionError("an extended attribute without use_xattr")
        except OSError as error:
            expect_equal(error.errno, 95, "errno of setxattr without use_xattr")
        expect_equal(len(command.end(directory)), 1, "processes called s3fs")
    directory = command.directory()
    command(f"{bucket}:/foreign", directory, "-o", options(server, command) + ",use_xattr,bucket_size=2TiB,ro")
    numbers = os.statvfs(directory)
    expect_equal(numbers.f_blocks * numbers.f_frsize, 2 << 40, "the size that bucket_size gives")
    expect_equal(os.listdir(directory), ["file"], "the sub-path's names")
    expect_equal(os.listxattr(os.path.join(directory, "file")), [], "names of extended attributes")
    command.end(directory)


def test_s3fs_errors(run):
    """A mount that cannot be is told with status 1 and a line that begins with "s3fs:", before the command returns; an option
    without effect is told once and the mount is made."""
    command = Command(run)
    server = run.server()
    bucket = server.make_bucket("refused")
    directory = command.directory()
    base = options(server, command)
    for arguments, word in [
            (["no-such-bucket-here", directory, "-o", base], "no-such-bucket-here"),
            ([f"{bucket}:/missing", directory, "-o", base], "/missing"),
            ([bucket, directory + "-missing", "-o", base], "-missing"),
            ([bucket, directory, "-o", base + ",frobnicate"], "frobnicate"),
            ([bucket, directory, "-o", base + ",use_sse=custom:/nonexistent-key"], "/nonexistent-key"),
            ([bucket, directory, "-o", base + ",passwd_file=/nonexistent"], "/nonexistent"),
            ([bucket], "MOUNTPOINT")]:
        done = command(*arguments, status=1)
        expect(done.stderr.startswith("s3fs: ") and word in done.stderr and done.stderr.count("\n") == 1,
               f"the message for {arguments}: {done.stderr}")
        expect(not is_mounted(directory), f"mounted in spite of {arguments}")
    keys = os.path.join(command.state, "keys")
    with open(os.open(keys, os.O_WRONLY | os.O_CREAT, 0o644), "w") as file:
        file.write(f"{ACCESS_KEY}:{SECRET_KEY}\n")
    done = command(bucket, directory, "-o", base + f",passwd_file={keys}", status=1)
    expect("chmod 600" in done.stderr, f"the message for keys that all may read: {done.stderr}")
    done = command("-o", base + ",max_dirty_data=1,max_dirty_data=1,_netdev,nonempty", bucket, directory)
    expect(done.stderr.startswith('s3fs: option "-o max_dirty_data" has no effect: ') and done.stderr.count("\n") == 1,
           f"the notice: {done.stderr}")
    command.end(directory)
    for arguments in (["--version"], ["--help"]):
        done = command(*arguments)
        expect("s3fs" in done.stdout.lower() or "V1.97" in done.stdout, f"{arguments}: {done.stdout}")
    # The same by the hidden sub-command, and as mount(8) and libfuse's mount.fuse call it.
    command(bucket, directory, "-o", base, program=[run.pail, "s3fs"])
    expect_equal(len(command.end(directory)), 1, "processes called s3fs, started by pail s3fs")
    helper = os.path.join(command.folder, "mount.fuse.s3fs")
    os.symlink(run.pail, helper)
    command(bucket, directory, "-o", "rw,dev,suid," + base, "-t", "fuse.s3fs", program=[helper])
    expect_equal(mount_entry(directory), ("fuse.s3fs", "s3fs"), "the kernel's table")
    command.end(directory)
    mount_fuse = next((path for path in ("/sbin/mount.fuse3", "/sbin/mount.fuse") if os.path.exists(path)), None)
    if mount_fuse:
        command(f"s3fs#{bucket}", directory, "-o", base, program=[mount_fuse])
        expect_equal(mount_entry(directory), ("fuse.s3fs", "s3fs"), "the kernel's table")
        command.end(directory)


def test_s3fs_signals(run):
    """SIGUSR2 changes the log's level, SIGHUP opens the log file anew after a rotation, SIGUSR1 writes a report; none of them
    ends the mount. In the foreground SIGTERM ends it with 0."""
    command = Command(run)
    server = run.server()
    bucket = server.make_bucket("signals")
    directory = command.directory()
    log, report = run.path("log"), run.path("report")
    command(bucket, directory, "-o", options(server, command) + f",logfile={log},set_check_cache_sigusr1={report}")
    pid = command.process(directory)[0]

    def text(path):
        try:
            with open(path) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    for level in ("warning", "info", "debug", "critical", "error"):
        os.kill(pid, signal.SIGUSR2)
        wait_until(lambda: text(log).endswith(f"level is now {level}\n"), 20, f"the level {level}")
    os.rename(log, log + ".1")
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: os.path.exists(log), 20, "a new log file")
    os.kill(pid, signal.SIGUSR2)
    wait_until(lambda: "warning" in text(log), 20, "a line in the new log file")
    expect_equal(text(log + ".1").count("level is now"), 5, "lines in the old log file")
    os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: "requests to the store: " in text(report), 20, "the report")
    with open(os.path.join(directory, "after"), "w") as file:
        file.write("alive")
    expect_equal(server.read(bucket, "after"), b"alive", "what was written after the signals")
    command.end(directory)
    process = run.spawn([command.program, bucket, directory, "-f", "-o", options(server, command)], "foreground")
    wait_until(lambda: is_mounted(directory) and os.path.exists(os.path.join(directory, "after")), 30, "the mount")
    process.send(signal.SIGUSR1)
    process.send(signal.SIGTERM)
    expect_equal(process.wait(60), 0, f"the status after SIGTERM: {process.output()}")
    expect(not is_mounted(directory), "still mounted")


def test_s3fs_unfinished_uploads(run):
    """`s3fs -u` lists all unfinished uploads, over more than one page; `--incomplete-mpu-abort` leaves the young ones alone, and
    with `=all` none."""
    command = Command(run)
    server = run.server()
    bucket = server.make_bucket("uploads")
    client = server.client()
    count = 1003
    uploads = [client.create_multipart_upload(Bucket=bucket, Key=f"dir/part {n}")["UploadId"] for n in range(count)]
    base = options(server, command)
    listed = command("-u", bucket, "-o", base).stdout
    expect_equal(sum(upload in listed for upload in uploads), count, "uploads listed")
    expect(" Path     : /dir/part 7\n" in listed, f"the listing: {listed[:500]}")
    expect_equal(command("--incomplete-mpu-list", f"{bucket}:/elsewhere", "-o", base).stdout.count("UploadId"), 0,
                 "uploads listed elsewhere")
    command("--incomplete-mpu-abort", bucket, "-o", base)
    expect_equal(command("-u", bucket, "-o", base).stdout.count("UploadId"), count, "uploads after removing those of yesterday")
    # A person at a terminal is asked, and may say no.
    ours, theirs = os.openpty()
    run.closers.append(lambda: (os.close(ours), os.close(theirs)))
    os.write(ours, b"n\n")
    done = subprocess.run([command.program, "--incomplete-mpu-abort=all", f"{bucket}:/dir", "-o", base], stdin=theirs,
                          env=command.environment(), capture_output=True, text=True, timeout=120)
    expect_equal((done.returncode, done.stderr), (1, "s3fs: nothing was aborted\n"), "the end after a no")
    expect(f"Abort {count}? [y/N]" in done.stdout, f"the question: {done.stdout[-300:]}")
    expect_equal(command("-u", bucket, "-o", base).stdout.count("UploadId"), count, "uploads after a no")
    command("--incomplete-mpu-abort=all", "-o", base, bucket)
    expect_equal(client.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [], "uploads left")
    expect("no list" in command("-u", "-o", base, bucket).stdout, "the empty list")


def test_s3fs_requests(run):
    """What s3fs's options ask of requests stands in them: the proxy, the canned ACL, encryption, storage class, Content-MD5, no
    User-Agent, the older listing; and content types come from the file that `mime=` names."""
    command = Command(run)
    server = run.server("moto")
    bucket = server.make_bucket("asked")
    relay = Relay(run, server)
    types = os.path.join(command.state, "mime.types")
    with open(types, "w") as file:
        file.write("text/x-odd odd\n")
    credentials = os.path.join(command.state, "proxy")
    with open(os.open(credentials, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write("someone:secret\n")
    directory = command.directory()
    command(bucket, directory, "-o", options(server, command) + f",proxy={relay.url},proxy_cred_file={credentials},noua,"
            f"default_acl=public-read,use_sse,storage_class=standard_ia,enable_content_md5,mime={types},ipresolve=IPv4")
    with open(os.path.join(directory, "file.odd"), "w") as file:
        file.write("content")
    expect_equal(os.listdir(directory), ["file.odd"], "names")
    command.end(directory)
    seen = relay.requests
    puts = [request for request in seen if request.method == "PUT" and "file.odd" in request.path]
    expect_equal(len(puts), 1, f"PUT requests among {[str(request) for request in seen]}")
    headers = puts[0].headers
    for name, value in [("x-amz-acl", "public-read"), ("x-amz-server-side-encryption", "AES256"),
                        ("x-amz-storage-class", "STANDARD_IA"), ("content-type", "text/x-odd"),
                        ("proxy-authorization", "Basic c29tZW9uZTpzZWNyZXQ=")]:
        expect_equal(headers.get(name), value, f"the header {name}")
    expect("content-md5" in headers and "user-agent" not in headers, f"headers: {sorted(headers)}")
    listings = [request for request in seen if "prefix=" in request.query]
    expect(listings and not any("list-type=2" in request.query for request in listings), f"listings: {listings}")
