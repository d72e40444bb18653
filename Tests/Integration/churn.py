"""Works in a directory without pause until it fails or is ended: `churn.py write|read|list DIRECTORY LOG SEED`.

The writer makes files and notes each one in LOG as `name size sha256` as soon as its close() has returned 0, and not before:
that is what must be in the bucket whatever happens next. Errors end the program; the mount going away is one.
"""

import hashlib
import os
import random
import sys


def write(directory, log, generator, seed):
    number = 0
    while True:
        name = f"file-{seed}-{number}"
        size = generator.choice([0, 10, 4096, 40_000, 300_000, generator.randrange(2_000_000), 12_000_000])
        data = generator.randbytes(size)
        handle = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            for offset in range(0, size, 131_072):
                view = memoryview(data)[offset:offset + 131_072]
                while view:
                    view = view[os.write(handle, view):]
        finally:
            os.close(handle)
        log.write(f"{name} {size} {hashlib.sha256(data).hexdigest()}\n")
        log.flush()
        number += 1


def read(directory, log, generator, seed):
    while True:
        names = [name for name in os.listdir(directory)]
        for name in generator.sample(names, min(5, len(names))):
            with open(os.path.join(directory, name), "rb") as file:
                while file.read(1 << 20):
                    pass
        log.write("read\n")
        log.flush()


def list_(directory, log, generator, seed):
    while True:
        with os.scandir(directory) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
        log.write("listed\n")
        log.flush()


def main():
    kind, directory, path, seed = sys.argv[1:]
    with open(path, "a") as log:
        try:
            {"write": write, "read": read, "list": list_}[kind](directory, log, random.Random(int(seed)), int(seed))
        except OSError as error:
            print(f"{kind}: {error}")


if __name__ == "__main__":
    main()
