import os
import time

from harness import Failure, Skip, expect, expect_equal, wait_until
from relay import Relay

# What each kind of store lacks, by the names in the record.
LACKING = {
    "seaweedfs": {"directory-metadata"},
    "moto": {"conditional-copies"},
}


def record(mount):
    """What the mount has kept of the store: {capability: bool}, or None."""
    directory = os.path.join(mount.state, "stores")
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        if "." in name:
            continue
        with open(os.path.join(directory, name)) as file:
            lines = file.read().split("\n")
        if lines[-2:] == ["end", ""]:
            return {word: value == "yes" for word, value in (line.split() for line in lines[3:-2])}
    return None


def probed(mount):
    return wait_until(lambda: record(mount), 60, "the end of the probe")


def test_capabilities_are_probed_once(run):
    """A first mount finds out what the store honours and leaves nothing in the bucket; a second one, on the same machine, asks
    nothing. A damaged record is asked anew. A read-only mount and `--probe never` do not ask."""
    if not run.is_pail:
        raise Skip("the probe is Pail's own")
    for kind in ("seaweedfs", "moto"):
        server = run.server(kind)
        bucket = server.make_bucket(f"probe-{kind}")
        server.client().put_object(Bucket=bucket, Key="file", Body=b"content")
        relay = Relay(run, server)
        auto = ("--probe", "auto", "--log-level", "info")
        mount = run.mount(bucket, *auto, server=server, url=relay.url)
        # The mount answers while it probes.
        with open(mount.path("new"), "w") as file:
            file.write("written amid the probe")
        found = probed(mount)
        lacking = {name for name, holds in found.items() if not holds}
        run.note(f"{kind} lacks: {', '.join(sorted(lacking)) or 'nothing'}; {len(relay.requests)} requests")
        expect(LACKING[kind] <= lacking, f"{kind} lacks at least {LACKING[kind]}, found {lacking}")
        expect(not {"conditional-writes", "conditional-deletes", "part-copies"} & lacking,
               f"{kind} honours conditions on PUT and DELETE, and copies parts: {lacking}")
        wait_until(lambda: server.keys(bucket) == ["file", "new"], 20, "a bucket without the probe's objects")
        expect_equal(server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", []), [], "uploads left")
        listed = server.client().list_objects_v2(Bucket=bucket, Delimiter="/")
        expect_equal([entry["Prefix"] for entry in listed.get("CommonPrefixes", [])], [], "directories left")
        mount.unmount()

        relay.reset()
        again = mount.remount()
        os.listdir(again.directory)
        time.sleep(1)
        expect(not any(".pail/probe" in str(request) for request in relay.requests), "the second mount asked again")
        text = again.process.output(100000)
        for word in ("UploadPartCopy", "copy-source-if-match"):
            name = {"UploadPartCopy": "part-copies", "copy-source-if-match": "conditional-copies"}[word]
            expect_equal(word in text, name in lacking, f"{word} named in the log of the second mount")
        again.unmount()

        path = os.path.join(again.state, "stores")
        path = os.path.join(path, os.listdir(path)[0])
        with open(path, "r+b") as file:
            file.truncate(100)
        third = again.remount()
        expect_equal(probed(third), found, "what the third mount found")
        third.unmount()

        relay.reset()
        for options in (("--probe", "never"), ("--probe", "auto", "--read-only", "--log-level", "info")):
            quiet = run.mount(bucket, *options, server=server, url=relay.url)
            os.listdir(quiet.directory)
            time.sleep(0.5)
            expect(record(quiet) is None, f"{options} left a record")
            quiet.unmount()
        expect(not any(".pail/probe" in str(request) for request in relay.requests), "a mount that must not ask asked")


def test_store_without_conditions(run):
    """On a store that ignores all conditions (rclone's S3 server) the mount says so, once for each, and looks before it acts:
    O_EXCL, mkdir and a change of a replaced file fail as they should where the other came first."""
    if not run.is_pail:
        raise Skip("the probe is Pail's own")
    try:
        server = run.server("rclone")
    except Failure as failure:
        raise Skip(f"no rclone that serves S3: {failure}")
    bucket = server.make_bucket("blind")
    client = server.client()
    # At once after the mount: the probe may still run.
    mount = run.mount(bucket, "--probe", "auto", "--attribute-timeout", "60", server=server)
    for phase in ("probing", "probed"):
        if phase == "probed":
            found = probed(mount)
            lacking = {name for name, holds in found.items() if not holds}
            run.note(f"rclone lacks: {', '.join(sorted(lacking))}")
            expect({"conditional-writes", "conditional-deletes"} <= lacking, f"lacking: {lacking}")
            text = mount.process.output(100000)
            expect_equal(text.count("the store ignores If-Match and If-None-Match on PUT"), 1, "lines in the log")
        with open(mount.path(f"changed-{phase}"), "wb") as file:
            file.write(b"0123456789")
        descriptor = os.open(mount.path(f"changed-{phase}"), os.O_WRONLY)
        os.pwrite(descriptor, b"x", 3)
        client.put_object(Bucket=bucket, Key=f"changed-{phase}", Body=b"stored elsewhere")
        try:
            os.close(descriptor)
            raise Failure(f"{phase}: a change of a replaced file was stored")
        except OSError:
            pass
        expect_equal(server.read(bucket, f"changed-{phase}"), b"stored elsewhere", f"{phase}: the file that came first")
        os.unlink(mount.path(f"changed-{phase}"))
        # The directory is known, the name that is stored elsewhere now is not.
        os.listdir(mount.directory)
        client.put_object(Bucket=bucket, Key=f"lock-{phase}", Body=b"another's")
        try:
            os.close(os.open(mount.path(f"lock-{phase}"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            raise Failure(f"{phase}: O_EXCL took another's lock")
        except FileExistsError:
            pass
        expect_equal(server.read(bucket, f"lock-{phase}"), b"another's", f"{phase}: the lock that came first")
