import glob
import json
import os
import signal
import subprocess
import time

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

    def state():
        try:
            with open(f"/proc/{status['pid']}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return "gone"

    # Its last words are said; on a busy machine it may still be on its way out.
    wait_until(lambda: state() in ("gone", "Z", "X"), 5, "the end of the mount's process after pail umount")
    expect(not sockets or len(glob.glob("/run/pail/*.sock")) < len(sockets), "the socket is left behind")
    for command in ("status", "sync", "refresh"):
        done = pail(command, directory)
        expect_equal((done.returncode, done.stderr.count("\n")), (4, 1), f"pail {command} without a mount: {done.stderr}")


def test_mounts_listed(run):
    """`pail mounts` lists every mount of Pail on the machine, as a table and as JSON: one that answers with its state, one whose process hangs and one whose
    process is dead as silent, within a few seconds."""
    if not run.is_pail:
        raise Skip("Pail's own command")
    bucket = run.server().make_bucket("listed")
    live, hung, dead = run.mount(bucket), run.mount(bucket, "-o", "ro"), run.mount(bucket)
    # Before: a look at a mount that hangs does not come back.
    places = {mount: os.path.realpath(mount.directory) for mount in (live, hung, dead)}
    os.kill(hung.pid, signal.SIGSTOP)
    os.kill(dead.pid, signal.SIGKILL)
    dead.process.wait(20)
    try:
        began = time.monotonic()
        rows = json.loads(run.call(run.pail, "mounts", "--json", timeout=60))
        took = time.monotonic() - began
        rows = {row["mountPoint"]: row for row in rows}
        for mount, state in ((live, "answering"), (hung, "silent"), (dead, "silent")):
            row = rows.get(places[mount])
            expect(row is not None, f"{mount.directory} is missing in {rows}")
            expect_equal((row["source"], row["type"], row["state"]), (f"s3://{bucket}", "fuse.pail", state), "a mount of the list")
        row = rows[places[live]]
        expect_equal((row["pid"], row["mode"], row["pendingChanges"]), (live.pid, "strict", 0), "the mount that answers")
        expect(took < 20, f"the list took {took:.0f} s")
        table = run.call(run.pail, "mounts", timeout=60)
        line = next(line for line in table.splitlines() if places[hung] in line)
        expect("does not answer" in line, f"the table: {table}")
        expect(str(live.pid) in table, f"the table: {table}")
    finally:
        os.kill(hung.pid, signal.SIGCONT)
