import os

from harness import expect
from relay import Relay

READS = {"HeadObject", "ListObjects", "HeadBucket"}


def test_requests(run):
    """Requests counted at a relay: a new small file costs 1 PUT and nothing else that changes the bucket beyond the lookup;
    stat of a listed file 0 to 1; open, read and close of a known small file 1."""
    server = run.server()
    bucket = server.make_bucket("requests")
    client = server.client()
    count = 40
    for number in range(count):
        client.put_object(Bucket=bucket, Key=f"old/file-{number:03}", Body=b"content %d" % number)
    relay = Relay(run, server)
    # Known is what was seen within the attribute timeout; here that shall last for the whole test.
    mount = run.mount(bucket, *(["--attribute-timeout", "60s"] if run.is_pail else []), url=relay.url)
    os.mkdir(mount.path("new"))
    relay.settle()
    found = []

    def measure(what, wanted, work):
        relay.settle()
        relay.reset()
        work()
        relay.settle()
        counts = relay.counts()
        found.append(what)
        run.note(f"{what}: {counts or 'no request'}")
        if run.is_pail:
            problem = wanted(counts)
            expect(not problem, f"{what}: {problem}; requests: {[str(request) for request in relay.requests][:60]}")

    def create():
        for number in range(count):
            with open(mount.path("new", f"file-{number:03}"), "wb") as file:
                file.write(b"x" * 4096)

    def only_puts(counts):
        if counts.get("PutObject", 0) != count:
            return f"{counts.get('PutObject', 0)} PUTs for {count} files"
        others = {name: n for name, n in counts.items() if name not in READS | {"PutObject"}}
        if others:
            return f"requests that no new file needs: {others}"
        lookups = sum(n for name, n in counts.items() if name in READS)
        # A lookup of a missing name is at most a HEAD of `a`, a HEAD of `a/` and a LIST.
        return lookups > 3 * count and f"{lookups} lookups for {count} files"

    measure(f"{count} new files of 4 KiB", only_puts, create)
    mount = mount.remount()
    measure("listing the names of 40 files", lambda counts: sum(counts.values()) > count + 5 and "more than 1 for each file",
            lambda: os.listdir(mount.path("old")))
    measure(f"stat of {count} listed files", lambda counts: sum(counts.values()) > count + 3 and "more than 1 for each file, and 3 for the directory",
            lambda: [os.stat(mount.path("old", name)) for name in sorted(os.listdir(mount.path("old")))])

    def read():
        for number in range(count):
            with open(mount.path("old", f"file-{number:03}"), "rb") as file:
                expect(file.read() == b"content %d" % number, f"content of file {number}")

    measure(f"open, read and close of {count} known files",
            lambda counts: sum(counts.values()) > count and "more than 1 for each file", read)
    assert len(found) == 4
