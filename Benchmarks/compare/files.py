"""Work on many small files in one directory: making, reading and removing them."""

import os

import floors
from clock import in_threads, timed
from contents import Contents

SIZE = 4096


def missing_files(prefix, count, size, gone=None):
    """What a plain client does not see of so many files of that size below the prefix, and of none below `gone`."""
    def missing(client):
        sizes = {key: size for key, size in client.sizes(prefix).items() if not key.endswith("/")}
        if len(sizes) != count:
            return f"{len(sizes)} files of {count} below {prefix}"
        if any(found != size for found in sizes.values()):
            return f"files of other sizes below {prefix}"
        left = [key for key in client.keys(gone) if not key.endswith("/")] if gone else []
        return f"{len(left)} files left below {gone}" if left else None
    return missing


def works():
    data = os.urandom(SIZE)

    def making(count, threads):
        def make(mount):
            directory = os.path.join(mount, "new")

            def file(number):
                handle = os.open(os.path.join(directory, f"file-{number:04}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                os.write(handle, data)
                os.close(handle)

            return timed(lambda: in_threads(threads, file, range(count)))
        return make

    def read_file(path):
        with open(path, "rb", buffering=0) as file:
            if len(file.read()) != SIZE:
                raise RuntimeError(f"{path} is short")

    def reading(count, threads):
        def read(mount):
            directory = os.path.join(mount, "small")

            def work():
                paths = [os.path.join(directory, name) for name in os.listdir(directory)]
                if len(paths) != count:
                    raise RuntimeError(f"{len(paths)} names of {count}")
                in_threads(threads, read_file, paths)
            return timed(work)
        return read

    def small(count):
        return Contents(["small"], [(f"small/file-{number:04}.txt", SIZE) for number in range(count)])

    return [
        {"name": "create", "title": "200 new 4 KiB files, one by one", "contents": Contents(["new"]), "run": making(200, 1),
         "missing": missing_files("new/", 200, SIZE), "floor": floors.puts(200, 1, SIZE),
         "goals": {"pail": 4.6, "pail-write-back": 0.3}},
        {"name": "create-16", "title": "800 new 4 KiB files, 16 threads", "contents": Contents(["new"]), "run": making(800, 16),
         "missing": missing_files("new/", 800, SIZE), "floor": floors.puts(800, 16, SIZE), "goals": {"pail": 1.6}},
        {"name": "small", "title": "read 200 small files in listing order", "contents": small(200), "run": reading(200, 1),
         "goals": {"pail": 0.5}},
        {"name": "small-16", "title": "read 800 small files, 16 threads", "contents": small(800), "run": reading(800, 16),
         "goals": {"pail": 0.9}},
    ]
