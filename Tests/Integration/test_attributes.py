"""Where attributes come from: the headers of each object, what an earlier mount has kept of them on disk, or listings alone."""

import os
import stat
import time

from harness import expect, expect_equal
from relay import Relay
from test_promises import only_pail

COUNT = 200


def _bucket(run, purpose):
    server = run.server()
    bucket = server.make_bucket(purpose)
    client = server.client()
    for number in range(COUNT):
        client.put_object(Bucket=bucket, Key=f"d/f{number:03}", Body=b"content %d" % number,
                          Metadata={"mode": str(stat.S_IFREG | 0o600 + number % 8)})
    # What was stored in the last two seconds is believed by nobody.
    time.sleep(4)
    return server, bucket, client


def _list(mount):
    """`ls -l`: name, mode and size of each entry, stat by stat."""
    found = {}
    with os.scandir(mount.path("d")) as entries:
        for entry in entries:
            status = os.lstat(entry.path)
            found[entry.name] = (stat.S_IMODE(status.st_mode), status.st_size)
    return found


def _counted(relay, work):
    relay.settle()
    relay.reset()
    result = work()
    relay.settle()
    return result, relay.counts(), relay.requests


def _heads_of_files(requests):
    return [request for request in requests if request.operation == "HeadObject" and "/d/f" in request.path]


def _wanted():
    return {f"f{number:03}": (0o600 + number % 8, len(b"content %d" % number)) for number in range(COUNT)}


def test_attributes_are_kept_on_disk(run):
    """A second mount shows the attributes of 200 files with listings alone; what another client has changed meanwhile it shows as it is,
    also where only the mode has changed; without the cache each mount asks anew; a damaged cache costs requests and nothing else."""
    only_pail(run)
    server, bucket, client = _bucket(run, "kept")
    relay = Relay(run, server)
    mount = run.mount(bucket, url=relay.url)
    found, counts, requests = _counted(relay, lambda: _list(mount))
    expect_equal(found, _wanted(), "what the first mount shows")
    expect(len(_heads_of_files(requests)) >= COUNT, f"the first mount's requests: {counts}")

    mount = mount.remount()
    found, counts, requests = _counted(relay, lambda: _list(mount))
    run.note(f"second mount, ls -l of {COUNT} files: {counts}")
    expect_equal(found, _wanted(), "what the second mount shows")
    expect_equal(_heads_of_files(requests), [], "HEADs of the second mount")
    mount.unmount()

    # Another client: a mode alone (the ETag stays), a content, a removal.
    before = client.head_object(Bucket=bucket, Key="d/f010")
    client.copy_object(Bucket=bucket, Key="d/f010", CopySource={"Bucket": bucket, "Key": "d/f010"}, MetadataDirective="REPLACE",
                       Metadata={"mode": str(stat.S_IFREG | 0o444)})
    expect_equal(client.head_object(Bucket=bucket, Key="d/f010")["ETag"], before["ETag"], "the ETag behind a change of the mode")
    client.put_object(Bucket=bucket, Key="d/f020", Body=b"other", Metadata={"mode": str(stat.S_IFREG | 0o640)})
    client.delete_object(Bucket=bucket, Key="d/f030")
    wanted = _wanted()
    wanted["f010"] = (0o444, wanted["f010"][1])
    wanted["f020"] = (0o640, 5)
    del wanted["f030"]
    mount = run.mount(bucket, url=relay.url, directory=mount.directory, state=mount.state)
    found, counts, requests = _counted(relay, lambda: _list(mount))
    expect_equal(found, wanted, "what is shown behind another client's changes")
    heads = {request.path.rsplit("/", 1)[1] for request in _heads_of_files(requests)}
    expect(heads <= {"f010", "f020"}, f"HEADs behind changes of two files: {heads}")

    # This mount's own change, and the next mount.
    os.chmod(mount.path("d", "f040"), 0o755)
    wanted["f040"] = (0o755, wanted["f040"][1])
    mount = mount.remount()
    expect_equal(_list(mount), wanted, "what is shown behind one's own chmod")

    mount = mount.remount(["--attribute-cache", "0"])
    found, counts, requests = _counted(relay, lambda: _list(mount))
    expect_equal(found, wanted, "what is shown without a cache")
    expect(len(_heads_of_files(requests)) >= COUNT - 1, f"without a cache: {counts}")
    mount.unmount()

    caches = [os.path.join(place, name) for place, _, names in os.walk(mount.state) for name in names if name == "attributes.sqlite"]
    expect_equal(len(caches), 1, "caches on the disk")
    with open(caches[0], "r+b") as file:
        file.seek(100)
        file.write(b"\xa5" * 20000)
    mount = run.mount(bucket, url=relay.url, directory=mount.directory, state=mount.state)
    expect_equal(_list(mount), wanted, "what is shown with a damaged cache")
    mount.unmount()


def test_attributes_from_listings(run):
    """With --attributes=listing, 200 files are shown and read without a HEAD; what this mount sets stays right on it; a change keeps
    the headers that others have set."""
    only_pail(run)
    server, bucket, client = _bucket(run, "listing")
    relay = Relay(run, server)
    mount = run.mount(bucket, "--attributes", "listing", url=relay.url)
    found, counts, requests = _counted(relay, lambda: _list(mount))
    run.note(f"--attributes=listing, ls -l of {COUNT} files: {counts}")
    expect_equal(found, {name: (0o644, size) for name, (_, size) in _wanted().items()}, "what listings show")
    expect_equal(set(counts), {"ListObjects"}, "requests")

    def read():
        for number in range(COUNT):
            with open(mount.path("d", f"f{number:03}"), "rb") as file:
                expect(file.read() == b"content %d" % number, f"content of file {number}")

    _, counts, requests = _counted(relay, read)
    run.note(f"--attributes=listing, reading {COUNT} files: {counts}")
    expect_equal(set(counts) - {"ListObjects", "GetObject"}, set(), "requests of a reader")
    expect_equal(counts.get("GetObject"), COUNT, "GETs")

    os.chmod(mount.path("d", "f007"), 0o640)
    with open(mount.path("d", "f008"), "ab") as file:
        file.write(b" more")
    os.mkdir(mount.path("e"), 0o711)
    for _ in range(2):
        time.sleep(1.5)
        expect_equal(stat.S_IMODE(os.stat(mount.path("d", "f007")).st_mode), 0o640, "the mode that was set here")
        expect_equal(stat.S_IMODE(os.stat(mount.path("e")).st_mode), 0o711, "the mode of a directory made here")
    head = client.head_object(Bucket=bucket, Key="d/f008")
    expect_equal(head["Metadata"]["mode"], str(stat.S_IFREG | 0o600), "the mode of a file that was appended to here")
    expect_equal(client.get_object(Bucket=bucket, Key="d/f008")["Body"].read(), b"content 8 more", "what was appended")
    # Elsewhere.
    client.put_object(Bucket=bucket, Key="d/f009", Body=b"replaced by another client")
    time.sleep(1.5)
    with open(mount.path("d", "f009"), "rb") as file:
        expect_equal(file.read(), b"replaced by another client", "what another client has stored")
    mount.unmount()
