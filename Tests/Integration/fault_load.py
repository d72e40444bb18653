"""Works in a directory of its own while the way to the store is bad: `fault_load.py DIRECTORY REPORT SEED SECONDS`.

Creates, overwrites, appends, patches, renames, replaces, deletes and reads files for so many seconds, and keeps for each name what
the store may hold in the end: what was acknowledged last, and where an operation failed, what it would have led to as well. A
file on which something failed is not touched again. A read must give what was acknowledged, or an error. The
report is JSON.
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


def digest(data):
    return ABSENT if data is None else f"{len(data)}:{hashlib.sha256(data).hexdigest()}"


class Load:
    def __init__(self, directory, seed):
        self.directory = directory
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

    def attempt(self, what, action, after):
        """Runs `action`, which takes the names in `after` to those contents (None: gone)."""
        before = {name: self.contents.get(name) for name in after}
        began = time.monotonic()
        try:
            action()
        except OSError as error:
            self.errors[f"{what} {errno.errorcode.get(error.errno, error.errno)}"] += 1
            for name, content in after.items():
                self.allowed[name] = [digest(before[name]), digest(content)]
                self.contents.pop(name, None)
            return
        finally:
            self.longest = max(self.longest, time.monotonic() - began)
        self.done[what] += 1
        for name, content in after.items():
            self.allowed[name] = [digest(content)]
            if content is None:
                self.contents.pop(name, None)
            else:
                self.contents[name] = content

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
            if error.errno == errno.ENOENT:
                self.wrong.append(f"{name} is not there")
            self.errors[f"read {errno.errorcode.get(error.errno, error.errno)}"] += 1
            return
        finally:
            self.longest = max(self.longest, time.monotonic() - began)
        self.done["read"] += 1
        if data != self.contents[name]:
            self.wrong.append(f"{name}: read {digest(data)}, acknowledged {digest(self.contents[name])}")

    def step(self):
        names = list(self.contents)
        what = self.random.choice(("create", "create", "overwrite", "append", "patch", "rename", "replace", "delete", "read", "read"))
        if what == "create" or len(names) < 2:
            name, data = self.fresh(), self.data()
            self.attempt("create", lambda: self.write(name, data, os.O_CREAT | os.O_EXCL), {name: data})
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
            self.attempt(what, lambda: os.rename(self.path(name), self.path(target)), {name: None, target: old})
        elif what == "replace":
            target = self.random.choice([other for other in names if other != name])
            self.attempt(what, lambda: os.rename(self.path(name), self.path(target)), {name: None, target: old})
        elif what == "delete":
            self.attempt(what, lambda: os.unlink(self.path(name)), {name: None})


def main():
    directory, report, seed, seconds = sys.argv[1:]
    load = Load(directory, seed)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        load.step()
    with open(report + ".new", "w") as file:
        json.dump({"allowed": load.allowed, "done": load.done, "errors": load.errors, "wrong": load.wrong,
                   "longest": load.longest}, file)
    os.rename(report + ".new", report)


if __name__ == "__main__":
    main()
