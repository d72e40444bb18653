import glob
import json
import os
import subprocess

from harness import Skip, expect, expect_equal, is_mounted, lazy_unmount, wait_until


def test_control(run):
    """`pail status` tells a mount's state (as a table and as JSON), `pail refresh` makes it show what another tool has stored
    although names are cached for an hour, `pail sync` stores files that are open, `pail umount` returns when the process has
    ended; another user is not answered; without a mount each ends with one line and status 4."""
    if not run.is_pail:
        raise Skip("Pail's own commands")
    server = run.server()
    bucket = server.make_bucket("control")
    client = server.client()
    client.put_object(Bucket=bucket, Key="d/old", Body=b"one")
    directory = run.path("mnt")
    os.mkdir(directory)
    run.closers.append(lambda: lazy_unmount(directory))

    def pail(*arguments, **more):
        return subprocess.run(
            [run.pail, *arguments], env=run.environment(), capture_output=True, text=True, timeout=60, **more)

    done = pail("mount", f"s3://{bucket}", directory, "--endpoint-url", server.url, "--state-dir", run.path("state"),
                "--attribute-timeout", "3600")
    expect_equal((done.returncode, done.stderr), (0, ""), "exit status and stderr of pail mount")

    status = json.loads(pail("status", "--json", directory).stdout)
    expect_equal(status["mountPoint"], os.path.realpath(directory), "the mount point in the status")
    expect_equal((status["source"], status["mode"]), (f"s3://{bucket}", "strict"), "source and mode")
    before = status["requests"]["total"]
    with open(os.path.join(directory, "d", "old"), "rb") as file:
        expect_equal(file.read(), b"one", "the first version")
    status = json.loads(pail("status", "--json", os.path.join(directory, "d")).stdout)
    expect(status["requests"]["total"] > before, f"the requests did not grow: {status['requests']}")
    expect_equal(status["requests"]["total"], sum(status["requests"]["byOperation"].values()), "the requests' sum")
    table = pail("status", directory)
    expect(f"s3://{bucket}" in table.stdout and "to be stored" in table.stdout, f"the table: {table.stdout}")
    secret = run.environment()["AWS_SECRET_ACCESS_KEY"]
    expect(secret not in table.stdout + json.dumps(status), "the secret key is in the status")

    # Cached for an hour: only a refresh shows what another tool does.
    client.put_object(Bucket=bucket, Key="d/old", Body=b"the second")
    client.put_object(Bucket=bucket, Key="d/new", Body=b"new")
    client.delete_object(Bucket=bucket, Key="d/none")
    expect_equal(os.stat(os.path.join(directory, "d", "old")).st_size, 3, "the cached size")
    for place in ((directory, "d"), (os.path.join(directory, "d"),), (directory,)):
        client.put_object(Bucket=bucket, Key="d/old", Body=b"x" * (10 + len(place)))
        done = pail("refresh", *place)
        expect_equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "pail refresh")
        wait_until(lambda: os.stat(os.path.join(directory, "d", "old")).st_size == 10 + len(place), 5,
                   "the size behind a refresh")
    expect_equal(sorted(os.listdir(os.path.join(directory, "d"))), ["new", "old"], "entries behind a refresh")

    with open(os.path.join(directory, "open"), "w") as file:
        file.write("still open")
        file.flush()
        expect_equal([o["Key"] for o in client.list_objects_v2(Bucket=bucket, Prefix="open").get("Contents", [])], [],
                     "objects of a file that is open")
        done = pail("sync", directory)
        expect_equal((done.returncode, done.stderr), (0, ""), "pail sync")
        expect_equal(server.read(bucket, "open"), b"still open", "an open file behind pail sync")

    if os.geteuid() == 0:
        other = pail("status", directory, user=65534, group=65534, extra_groups=[])
        expect_equal(other.returncode, 4, f"status asked by another user: {other}")

    sockets = glob.glob("/run/pail/*.sock") if os.geteuid() == 0 else []
    done = pail("umount", directory)
    expect_equal((done.returncode, done.stderr), (0, ""), "pail umount")
    expect(not is_mounted(directory), "still mounted")
    try:
        with open(f"/proc/{status['pid']}/stat") as file:
            state = file.read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        state = "gone"
    expect(state in ("gone", "Z", "X"), f"the mount's process outlives pail umount: state {state}")
    expect(not sockets or len(glob.glob("/run/pail/*.sock")) < len(sockets), "the socket is left behind")
    for command in ("status", "sync", "refresh"):
        done = pail(command, directory)
        expect_equal((done.returncode, done.stderr.count("\n")), (4, 1), f"pail {command} without a mount: {done.stderr}")
