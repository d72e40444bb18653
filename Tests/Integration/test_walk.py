"""Programs that walk through a tree: what is fetched ahead of them, and that it is what the bucket holds."""

import os
import time

from harness import expect, expect_equal
from relay import Relay
from test_promises import only_pail

DIRECTORIES = 40
FILES = 15


def _tree(client, bucket, kind):
    """Makes directories with and without markers, deep ones, names whose order is another with a slash behind them. Returns files' sizes."""
    files = {}
    for directory in range(DIRECTORIES):
        for file in range(FILES):
            files[f"t/d{directory:02}/f{file:02}"] = file * 100
        if directory % 5 == 0:
            files[f"t/d{directory:02}/deep/er/and/x"] = 7
        if directory % 7 == 0:
            files[f"t/d{directory:02}-beside/y"] = 8
            files[f"t/d{directory:02}/n-1"] = 1
            files[f"t/d{directory:02}/n.c"] = 2
            files[f"t/d{directory:02}/n/z"] = 3
    for key, size in files.items():
        client.put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    if kind == "moto":
        for directory in range(0, DIRECTORIES, 2):
            client.put_object(Bucket=bucket, Key=f"t/d{directory:02}/", Body=b"")
        client.put_object(Bucket=bucket, Key="t/empty/", Body=b"")
    return files


def _find(top):
    """find(1) -type f: each directory is read, its entries are looked up, then its directories in their order."""
    found = {}
    for place, _, names in os.walk(top):
        for name in names:
            path = os.path.join(place, name)
            found["t/" + os.path.relpath(path, top)] = os.lstat(path).st_size
    return found


def _same(found, wanted, what):
    differing = {key: (found.get(key), wanted.get(key)) for key in {**found, **wanted} if found.get(key) != wanted.get(key)}
    expect_equal(differing, {}, f"{what}: (shown, stored)")


def test_walk(run):
    """A walk through 40 directories shows what one without --walk-ahead shows and what the bucket holds, by fewer LISTs, on SeaweedFS and
    moto; what another client changes between two walks the second one shows."""
    only_pail(run)
    for kind in ("seaweedfs", "moto"):
        server = run.server(kind)
        bucket = server.make_bucket("walk")
        client = server.client()
        wanted = _tree(client, bucket, kind)
        relay = Relay(run, server)
        counts = {}
        for options in (("--walk-ahead", "off"), (), ("--attributes", "listing")):
            mount = run.mount(bucket, *options, url=relay.url)
            relay.settle()
            relay.reset()
            found = _find(mount.path("t"))
            relay.settle()
            counts[options] = relay.counts()
            run.note(f"{kind}, {' '.join(options) or 'walk ahead'}: {counts[options]}")
            _same(found, wanted, f"{kind}: what a walk with {options} shows")
            mount.unmount()
        lists = {options: count["ListObjects"] for options, count in counts.items()}
        expect(lists[()] <= lists[("--walk-ahead", "off")], f"{kind}: LISTs {lists}")

        mount = run.mount(bucket, server=server)
        _same(_find(mount.path("t")), wanted, f"{kind}: the first walk")
        for key in ("t/d11/f03", "t/d20/f00", "t/d21-beside/y"):
            client.delete_object(Bucket=bucket, Key=key)
            del wanted[key]
        for key in ("t/d12/f03", "t/d13/new", "t/d30/a/b/c"):
            client.put_object(Bucket=bucket, Key=key, Body=b"other")
            wanted[key] = 5
        time.sleep(1.2)
        _same(_find(mount.path("t")), wanted, f"{kind}: the walk behind another client's changes")
        # What this mount changes in the midst of a walk.
        for number, (place, _, names) in enumerate(os.walk(mount.path("t"))):
            if number % 3 == 1:
                ahead = f"t/d{min(DIRECTORIES - 1, number + 4):02}/mine-{number}"
                with open(mount.path(ahead), "w") as file:
                    file.write("own")
                wanted[ahead] = 3
            below = "t/" + os.path.relpath(place, mount.path("t")) + "/"
            shown = {name: os.lstat(os.path.join(place, name)).st_size for name in names}
            there = {key[len(below):]: size for key, size in wanted.items() if key.startswith(below) and "/" not in key[len(below):]}
            if below != "t/./":
                _same(shown, there, f"{kind}: {below} in the midst of a walk")
        mount.unmount()
