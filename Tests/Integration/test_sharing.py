import os
import threading
import time

from containers import image, shared_directory
from debian_root import needs_root_and_fuse
from harness import Failure, Skip, expect, expect_equal
from test_container import make_keys, mount_container, wait_until_healthy

# The image, or the package within it, is made once in a run.
LANE = "containers"

# Seconds that a watcher may be late beside the attribute timeout of 1 s: a machine that tests at full load schedules late.
GRACE = 4.0


def artifact(name, version, random):
    """An XML document that says which it is, and whose end says that it is whole."""
    lines = "".join(f"  <policy id=\"{random.getrandbits(64):x}\" order=\"{number}\"/>\n" for number in range(random.randrange(1, 400)))
    return f'<?xml version="1.0"?>\n<artifact name="{name}" version="{version}">\n{lines}</artifact version="{version}">\n'


def version_of(text, name):
    """The version that a document claims at both ends; Failure where it is no whole document."""
    first, last = text.split("\n", 2)[1:2], text.rstrip("\n").rsplit("\n", 1)[-1]
    begin, end = f'<artifact name="{name}" version="', '</artifact version="'
    if not (first and first[0].startswith(begin) and last.startswith(end) and text.endswith("\n")):
        raise Failure(f"{name}: a partial file of {len(text)} bytes: {text[:80]!r} … {text[-80:]!r}")
    if first[0][len(begin):-2] != last[len(end):-2]:
        raise Failure(f"{name}: two versions in one file")
    return int(last[len(end):-2])


class Publisher:
    """What is published, and since when: the last versions and their times, for the watcher to judge by."""

    def __init__(self, directory, count, random):
        self.directory = directory
        self.random = random
        self.names = [f"artifact-{number:04}.xml" for number in range(count)]
        self.lock = threading.Lock()
        # name: [(version or None for removed, when its publication began, when it was over)]
        self.history = {name: [(None, 0.0, 0.0)] for name in self.names}

    def publish(self, name, version):
        text = artifact(name, version, self.random)
        began = time.monotonic()
        with self.lock:
            self.history[name].append((version, began, float("inf")))
        path = os.path.join(self.directory, name)
        if version % 3 == 2:
            # As careful programs do: beside, and over it.
            with open(path + ".new", "w") as file:
                file.write(text)
            os.rename(path + ".new", path)
        else:
            with open(path, "w") as file:
                file.write(text)
        self.done(name)

    def remove(self, name):
        with self.lock:
            self.history[name].append((None, time.monotonic(), float("inf")))
        os.unlink(os.path.join(self.directory, name))
        self.done(name)

    def done(self, name):
        with self.lock:
            version, began, _ = self.history[name][-1]
            self.history[name][-1] = (version, began, time.monotonic())

    def allowed(self, name, began, ended, lateness):
        """The versions that a look from `began` to `ended` may show: all that were not replaced, for longer than the lateness, before it began."""
        with self.lock:
            history = list(self.history[name])
        allowed = set()
        for index, (version, start, _) in enumerate(history):
            replaced = history[index + 1][2] if index + 1 < len(history) else float("inf")
            if start <= ended and began <= replaced + lateness:
                allowed.add(version)
        return allowed


def watch(publisher, directory, stop, looks, problems, random):
    """Looks at random artifacts on the other node until told to stop."""
    while not stop.is_set():
        name = random.choice(publisher.names)
        began = time.monotonic()
        try:
            with open(os.path.join(directory, name)) as file:
                found = version_of(file.read(), name)
        except FileNotFoundError:
            found = None
        except (OSError, Failure) as error:
            # ESTALE: replaced while it was read, and told so (see SEMANTICS.md, visibility); the reader reads again.
            if isinstance(error, OSError) and error.errno == 116:
                looks["replaced"] += 1
                continue
            problems.append(repr(error))
            return
        ended = time.monotonic()
        looks["all"] += 1
        if found in publisher.allowed(name, began, ended, 1.0):
            continue
        if found in publisher.allowed(name, began, ended, 1.0 + GRACE):
            looks["late"] += 1
            continue
        problems.append(f"{name}: version {found} is shown, not one of {publisher.allowed(name, began, ended, 1.0)}")
        return


def share(run, first, second, count):
    """The scenario on two directories of two mounts of one bucket."""
    random = run.random("sharing")
    publisher = Publisher(first, count, random)
    stop, problems, looks = threading.Event(), [], {"all": 0, "late": 0, "replaced": 0}
    watchers = [threading.Thread(target=watch, args=(publisher, second, stop, looks, problems, run.random(f"watcher-{number}")))
                for number in range(2)]
    for watcher in watchers:
        watcher.start()
    began = time.monotonic()
    try:
        for version in range(3):
            for name in publisher.names:
                publisher.publish(name, version)
                expect_equal(problems, [], "what the other node shows")
        for name in publisher.names[::2]:
            publisher.remove(name)
            expect_equal(problems, [], "what the other node shows")
        published = time.monotonic()
        # What is there in the end is there for both, and nothing else is.
        expected = sorted(publisher.names[1::2])
        while sorted(os.listdir(second)) != expected:
            expect(time.monotonic() - published < 1 + GRACE, f"{len(os.listdir(second))} names on the other node, not {len(expected)}")
            time.sleep(0.05)
        time.sleep(1)
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join(60)
    expect_equal(problems, [], "what the other node shows")
    for name in expected:
        with open(os.path.join(second, name)) as file:
            expect_equal(version_of(file.read(), name), 2, f"the version of {name} at the end")
    run.note(f"{count} artifacts, {count * 3 + count // 2} changes in {published - began:.0f} s, {looks['all']} looks by the other node: "
             f"0 partial files, {looks['late']} later than 1 s, {looks['replaced']} told to read again")


def test_sharing(run):
    """Two nodes share a directory of artifacts: one writes, changes and removes XML files, the other sees each change within the attribute timeout (1 s, and what a
    busy machine adds), and never a part of a file."""
    if not run.is_pail:
        raise Skip("s3fs promises no coordination")
    bucket = run.server().make_bucket("sharing")
    one, two = run.mount(bucket), run.mount(bucket)
    os.mkdir(one.path("artifacts"))
    time.sleep(1.2)
    share(run, one.path("artifacts"), two.path("artifacts"), 500 if run.full else 60)


def test_sharing_containers(run):
    """The same between two mount containers, whose mounts reach the host by shared propagation."""
    if not run.is_pail:
        raise Skip("Pail's own image")
    needs_root_and_fuse()
    name = image(run)
    server = run.server()
    bucket = server.make_bucket("gateways")
    keys = make_keys(run)
    directories = []
    for node in ("one", "two"):
        directory = shared_directory(run, node)
        state = run.path("state")
        os.mkdir(state)
        mount = mount_container(run, name, server, bucket, directory, state, keys)
        wait_until_healthy(mount)
        directories.append(directory)
    share(run, *directories, 500 if run.full else 40)
