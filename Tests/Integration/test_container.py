import os
import socket
import time

from containers import Container, image, is_bucket_mounted, podman, shared_directory
from debian_root import needs_root_and_fuse
from harness import ACCESS_KEY, SECRET_KEY, Failure, Skip, expect, expect_equal, free_ports, wait_until

# The image, or the package within it, is made once in a run.
LANE = "containers"

# Not root, and not the mount's own: what the Redis image runs as.
REDIS_USER = 999


class Redis:
    """A connection to a Redis server, by its inline commands."""

    def __init__(self, port, patience=60):
        def connected():
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
                self.file = self.socket.makefile("rwb")
                return self.ask("PING") == "PONG"
            except (OSError, Failure):
                return False
        wait_until(connected, patience, "an answer of Redis", 0.1)

    def ask(self, *words):
        self.file.write(" ".join(str(word) for word in words).encode() + b"\r\n")
        self.file.flush()
        line = self.file.readline().rstrip(b"\r\n").decode()
        if line.startswith("-") or not line:
            raise Failure(f"{' '.join(str(word) for word in words)[:80]}: {line or 'no answer'}")
        if line.startswith("$"):
            size = int(line[1:])
            return None if size < 0 else self.file.read(size + 2)[:-2].decode()
        return line[1:]

    def info(self, name):
        for line in self.ask("INFO", "persistence").split("\r\n"):
            if line.startswith(name + ":"):
                return line.partition(":")[2]
        raise Failure(f"Redis tells no {name}")


def mount_container(run, name, server, bucket, directory, state, keys, target="/opt/s3fs/bucket"):
    return Container(run, name, "mount", [
        "--device", "/dev/fuse", "--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined",
        "--volume", f"{directory}:{target}:rshared", "--volume", f"{state}:/var/lib/pail", "--volume", f"{keys}:/run/keys:ro",
        "--env", f"AWS_S3_URL={server.url}", "--env", f"AWS_S3_BUCKET={bucket}",
        "--env", "AWS_S3_ACCESS_KEY_ID_FILE=/run/keys/key", "--env", "AWS_S3_SECRET_ACCESS_KEY_FILE=/run/keys/secret",
        "--env", f"UID={REDIS_USER}", "--env", f"GID={REDIS_USER}", "--env", "S3FS_ARGS=use_path_request_style"])


def wait_until_healthy(mount):
    def healthy():
        mount.expect_running()
        return mount.exec("/usr/bin/pail", "container", "health").returncode == 0
    wait_until(healthy, 60, f"the health of the mount container: {mount.logs()}", 0.2)


def redis_container(run, name, directory, port):
    return Container(run, name, "redis", [
        "--user", f"{REDIS_USER}:{REDIS_USER}", "--volume", f"{directory}:/data:rslave", "--entrypoint", "/usr/bin/redis-server"],
        ["--dir", "/data", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--rdbcompression", "no", "--enable-debug-command", "local"])


def make_keys(run):
    keys = run.path("keys")
    os.mkdir(keys)
    for name, text in (("key", ACCESS_KEY), ("secret", SECRET_KEY)):
        with open(os.path.join(keys, name), "w") as file:
            # Without a line end: the image that this one takes the place of fails then.
            file.write(text)
    return keys


def test_redis_container(run):
    """The Redis scenario: a mount container takes the dumps of a Redis in another container as another user; it is stopped by SIGTERM and by
    SIGINT in the middle of a save: status 0, the mount gone from the host, and a fresh Redis loads the last completed dump. The first
    process reaps orphans; no key shows in logs, arguments or in what `inspect` tells."""
    if not run.is_pail:
        raise Skip("Pail's own image")
    needs_root_and_fuse()
    name = image(run)
    server = run.server()
    bucket = server.make_bucket("redis")
    directory = shared_directory(run, "redis")
    state, keys = run.path("state"), make_keys(run)
    os.mkdir(state)
    random = run.random("redis")
    completed = 0
    interrupted = 0
    slowest = 0.0
    for round_number in range(20 if run.full else 3):
        stop = ("SIGTERM", "SIGINT")[round_number % 2]
        mount = mount_container(run, name, server, bucket, directory, state, keys)
        wait_until_healthy(mount)
        expect(is_bucket_mounted(directory), "the mount does not reach the host")
        port = free_ports(1)[0]
        redis_box = redis_container(run, name, directory, port)
        redis = Redis(port)
        if completed:
            found = int(redis.ask("GET", "counter") or -1)
            # The save that was interrupted may have been done after all.
            expect(found in (completed, completed + 1), f"round {round_number}: the dump has {found}, not {completed}: {mount.logs()}")
        # The first process of the container takes orphans.
        if round_number == 0:
            for _ in range(3):
                mount.exec("/bin/sh", "-c", "(sleep 0.1 &) ; exit 0")

            def no_zombies():
                states = mount.exec("/bin/sh", "-c", "cat /proc/[0-9]*/stat").stdout.splitlines()
                return not any(line.rsplit(")", 1)[1].split()[0] == "Z" for line in states if ")" in line)
            wait_until(no_zombies, 30, "the end of all orphans", 0.5)
        redis.ask("DEBUG", "POPULATE", 40_000, f"filler-{round_number % 3}", 500 + random.randrange(500))
        for _ in range(2):
            redis.ask("SET", "counter", completed + 1)
            redis.ask("SAVE")
            completed += 1
        redis.ask("SET", "counter", completed + 1)
        redis.ask("BGSAVE")
        time.sleep(random.uniform(0, 0.4))
        under_way = redis.info("rdb_bgsave_in_progress") == "1"
        interrupted += under_way
        began = time.monotonic()
        status = mount.stop(stop)
        slowest = max(slowest, time.monotonic() - began)
        expect_equal(status, 0, f"round {round_number}: the exit status after {stop}: {mount.logs()}")
        expect(not is_bucket_mounted(directory), f"round {round_number}: the mount is left on the host after {stop}")
        expect(SECRET_KEY not in mount.logs() + str(mount.inspect()), "the secret key shows")
        redis_box.stop("SIGKILL")
        redis_box.remove()
        mount.remove()
        # What a save under way put beside the bucket, once the mount was gone, is no dump.
        left = [entry for entry in os.listdir(directory) if entry == "dump.rdb"]
        expect_equal(left, [], f"round {round_number}: a dump beside the bucket")
        for entry in os.listdir(directory):
            os.unlink(os.path.join(directory, entry))
    # A fresh mount and a fresh Redis at the end.
    mount = mount_container(run, name, server, bucket, directory, state, keys)
    wait_until_healthy(mount)
    port = free_ports(1)[0]
    redis_container(run, name, directory, port)
    found = int(Redis(port).ask("GET", "counter") or -1)
    expect(found in (completed, completed + 1), f"at the end the dump has {found}, not {completed}")
    run.note(f"{completed} dumps, {interrupted} stops in the middle of a save, the slowest took {slowest:.1f} s")


def test_container_entry(run):
    """The mount container says in one line what is wrong with its environment, with the command's own status; it is not healthy while its store is
    away, and healthy again when it is back; a mount that a killed container left behind is taken away by the next one."""
    if not run.is_pail:
        raise Skip("Pail's own image")
    needs_root_and_fuse()
    from faulty_relay import FaultyRelay
    name = image(run)
    server = run.server()
    bucket = server.make_bucket("entry")

    def once(*arguments, command=()):
        return podman("run", "--rm", "--network", "host", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", *arguments, name, *command)

    for arguments, command, status, part in (
            ([], [], 3, "no bucket: set AWS_S3_BUCKET"),
            (["--env", "AWS_S3_BUCKET=b-u-c", "--env", "UID=x"], [], 3, "UID: a number expected"),
            (["--env", "AWS_S3_BUCKET=b-u-c", "--env", "AWS_S3_ACCESS_KEY_ID=K"], [], 3, "AWS_S3_SECRET_ACCESS_KEY is not"),
            (["--env", "AWS_S3_BUCKET=b-u-c"], [], 3, "no credentials found"),
            ([], ["bash"], 2, "the container runs no \"bash\""),
            ([], ["mount"], 2, "a bucket and a mount point are missing")):
        done = once(*arguments, command=command)
        expect(done.returncode == status and part in done.stdout + done.stderr,
               f"{arguments} {command}: {done.returncode} {done.stdout}{done.stderr}, not {status} {part}")

    directory = shared_directory(run, "entry")
    state, keys = run.path("state"), make_keys(run)
    os.mkdir(state)
    relay = FaultyRelay(run, server, seed=1)
    mount = mount_container(run, name, relay, bucket, directory, state, keys)
    wait_until_healthy(mount)
    with open(os.path.join(directory, "file"), "w") as file:
        file.write("content")
    relay.is_isolated = True
    expect(mount.exec("/usr/bin/pail", "container", "health").returncode != 0, "healthy without its store")
    relay.is_isolated = False
    wait_until_healthy(mount)
    expect_equal(mount.stop("SIGTERM"), 0, f"the exit status: {mount.logs()}")
    expect(not is_bucket_mounted(directory), "the mount is left on the host")

    # The directory above is shared: podman refuses a volume that is a dead mount itself.
    bucket_directory = os.path.join(directory, "bucket")
    mount = mount_container(run, name, relay, bucket, directory, state, keys, "/opt/s3fs")
    wait_until_healthy(mount)
    expect(is_bucket_mounted(bucket_directory), "the mount does not reach the host")
    podman("kill", "--signal", "KILL", mount.name)
    podman("wait", mount.name)
    mount.remove()
    try:
        os.listdir(bucket_directory)
        expect(False, "the killed container's mount is not left: the test is void")
    except OSError:
        pass
    mount = mount_container(run, name, relay, bucket, directory, state, keys, "/opt/s3fs")
    wait_until_healthy(mount)
    with open(os.path.join(bucket_directory, "file")) as file:
        expect_equal(file.read(), "content", "the file on the second container's mount")
    expect_equal(mount.stop("SIGTERM"), 0, f"the exit status: {mount.logs()}")
    expect(not is_bucket_mounted(bucket_directory), "the mount is left on the host")



test_redis_container.minutes = 60
test_container_entry.minutes = 60
