"""Works in a directory of its own while the way to the store is bad: `fault_load.py DIRECTORY REPORT SEED SECONDS [GATE]`.

Creates, overwrites, appends, patches, syncs, renames, replaces, deletes and reads files for so many seconds, and keeps for each
name what the store may hold in the end: what was acknowledged last, and where an operation failed, what it would have led to as
well. A file on which something failed is not touched again. A read must give what was acknowledged, or an error. The
report is JSON.

GATE is a file that holds `up N` while the N-th mount serves, `down` before it is killed and until the next one serves, and `end` when it is
enough. An error while it does not hold what it held at the operation's beginning is the kill's.
"""

import collections
import errno
import hashlib
import json
import os
import random
import sys
import time

ABSENT = "absent"
# Their contents are in memory.
MOST_FILES = 40


def digest(data):
    return ABSENT if data is None else f"{len(data)}:{hashlib.sha256(data).hexdigest()}"


class Gate:
    """Whether a mount serves, as the test says it in a file. Without a file one always does."""

    def __init__(self, path):
        self.path = path

    def look(self):
        if not self.path:
            return "up"
        with open(self.path) as file:
            return file.read()

    def wait(self):
        """Waits until a mount serves, and returns its number; `end` when no more will."""
        while not (now := self.look()).startswith("up") and now != "end":
            time.sleep(0.01)
        return now


class Load:
    def __init__(self, directory, seed, gate):
        self.directory = directory
        self.gate = gate
        self.moment = None
        self.moves = []
        self.random = random.Random(seed)
        self.contents = {}
        self.allowed = {}
        self.done = collections.Counter()
        self.errors = collections.Counter()
        self.wrong = []
        self.number = 0
        self.longest = 0

    def path(self, name):
        return os.path.join(self.directory, name)

    def fresh(self):
        self.number += 1
        return f"f{self.number}"

    def data(self):
        size = self.random.choice((0, 1, 500, 5_000, 70_000, 400_000, 400_000, 9_500_000))
        return self.random.randbytes(size)

    def failed(self, what, error):
        is_killed = self.gate.look() != self.moment
        self.errors[f"{what} {'killed' if is_killed else errno.errorcode.get(error.errno, error.errno)}"] += 1
        return is_killed

    def attempt(self, what, action, after, between=(), move=None):
        """Runs `action`, which takes the names in `after` to those contents (None: gone), by way of those in `between`. `move` is
        (the old name, the new one) of a rename. Returns whether it succeeded."""
        before = {name: self.contents.get(name) for name in after}
        began = time.monotonic()
        try:
            action()
        except OSError as error:
            self.failed(what, error)
            for name, content in after.items():
                states = [before[name], *between, content]
                self.allowed[name] = sorted({digest(state) for state in states})
                self.contents.pop(name, None)
            if move:
                self.moves.append((*move, digest(before[move[0]])))
            return False
        finally:
            self.longest = max(self.longest, time.monotonic() - began)
        self.done[what] += 1
        for name, content in after.items():
            self.allowed[name] = [digest(content)]
            if content is None:
                self.contents.pop(name, None)
            else:
                self.contents[name] = content
        return True

    def write(self, name, data, flags, offset=0):
        handle = os.open(self.path(name), os.O_WRONLY | flags, 0o644)
        try:
            view = memoryview(data)
            while view:
                count = os.write(handle, view[:131_072]) if flags & os.O_APPEND or offset == 0 \
                    else os.pwrite(handle, view[:131_072], offset)
                view = view[count:]
                offset += count if offset else 0
        except BaseException:
            try:
                os.close(handle)
            except OSError:
                pass
            raise
        os.close(handle)

    def read(self, name):
        began = time.monotonic()
        try:
            with open(self.path(name), "rb") as file:
                data = file.read()
        except OSError as error:
            if not self.failed("read", error) and error.errno == errno.ENOENT:
                self.wrong.append(f"{name} is not there ({self.moment}, then {self.gate.look()})")
            return
        finally:
            self.longest = max(self.longest, time.monotonic() - began)
        self.done["read"] += 1
        if data != self.contents[name]:
            self.wrong.append(f"{name}: read {digest(data)}, acknowledged {digest(self.contents[name])}")

    def sync(self, name):
        """Writes a new file in two parts with an fsync between them: what is synced is safe before the close."""
        first, second = self.data(), self.random.randbytes(self.random.choice((1, 5_000, 300_000)))
        handle = None

        def write(data):
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view[:131_072]):]

        def begin():
            nonlocal handle
            handle = os.open(self.path(name), os.O_WRONLY | os.O_CREAT, 0o644)
            write(first)
            os.fsync(handle)

        def end():
            nonlocal handle
            write(second)
            closing, handle = handle, None
            os.close(closing)

        try:
            # The fsync may have stored all, and the close behind a failed one does.
            if self.attempt("fsync", begin, {name: first}, between=(b"",)):
                self.attempt("close", end, {name: first + second})
        finally:
            if handle is not None:
                try:
                    os.close(handle)
                except OSError:
                    pass

    def step(self):
        names = list(self.contents)
        what = self.random.choice(("create", "create", "sync", "overwrite", "append", "patch", "rename", "replace", "delete", "read", "read"))
        if len(names) > MOST_FILES:
            what = "delete"
        if what == "create" or len(names) < 2:
            name, data = self.fresh(), self.data()
            # With O_EXCL the empty file is stored before it is opened.
            self.attempt("create", lambda: self.write(name, data, os.O_CREAT | os.O_EXCL), {name: data}, between=(b"",))
            return
        if what == "sync":
            self.sync(self.fresh())
            return
        name = self.random.choice(names)
        old = self.contents[name]
        if what == "read":
            self.read(name)
        elif what == "overwrite":
            data = self.data()
            self.attempt(what, lambda: self.write(name, data, os.O_TRUNC), {name: data})
        elif what == "append":
            data = self.random.randbytes(self.random.choice((1, 3_000, 200_000)))
            self.attempt(what, lambda: self.write(name, data, os.O_APPEND), {name: old + data})
        elif what == "patch" and len(old) > 2:
            offset = self.random.randrange(1, len(old))
            data = self.random.randbytes(min(len(old) - offset, 5_000))
            self.attempt(what, lambda: self.write(name, data, 0, offset),
                         {name: old[:offset] + data + old[offset + len(data):]})
        elif what == "rename":
            target = self.fresh()
            self.attempt(what, lambda: os.rename(self.path(name), self.path(target)), {name: None, target: old},
                         move=(name, target))
        elif what == "replace":
            target = self.random.choice([other for other in names if other != name])
            self.attempt(what, lambda: os.rename(self.path(name), self.path(target)), {name: None, target: old},
                         move=(name, target))
        elif what == "delete":
            self.attempt(what, lambda: os.unlink(self.path(name)), {name: None})


def main():
    directory, report, seed, seconds, *gate = sys.argv[1:]
    load = Load(directory, seed, Gate(gate[0] if gate else None))
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        load.moment = load.gate.wait()
        if load.moment == "end":
            break
        load.step()
    with open(report + ".new", "w") as file:
        json.dump({"allowed": load.allowed, "done": load.done, "errors": load.errors, "wrong": load.wrong, "moves": load.moves,
                   "longest": load.longest}, file)
    os.rename(report + ".new", report)


if __name__ == "__main__":
    main()
