"""Work on directories by the usual programs: ls, find, mv, rm, tar."""

import io
import os
import random
import subprocess
import tarfile

import floors
from clock import timed
from contents import Contents
from files import missing_files

SIZE = 4096
# 563 files of 10 MB, as a small source tree has.
TREE_FILES, TREE_DIRECTORIES, TREE_BYTES = 563, 40, 10_000_000


def program(*arguments):
    """Runs it to its end; returns what it printed."""
    done = subprocess.run(arguments, capture_output=True)
    if done.returncode != 0 or done.stderr:
        raise RuntimeError(f"{arguments[0]} {done.returncode}: {done.stderr[:300].decode(errors='replace')}")
    return done.stdout


def tree_sizes():
    """Sizes that add up to TREE_BYTES: most files small, a few large; the same in each run."""
    choice = random.Random(563)
    weights = [choice.lognormvariate(0, 1.3) for _ in range(TREE_FILES)]
    return [max(1, int(weight * TREE_BYTES / sum(weights))) for weight in weights]


def make_tree(path):
    data = os.urandom(max(tree_sizes()))
    with tarfile.open(path, "w") as archive:
        for directory in range(TREE_DIRECTORIES):
            entry = tarfile.TarInfo(f"tree/{directory:02}")
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
            archive.addfile(entry)
            for number in range(directory, TREE_FILES, TREE_DIRECTORIES):
                entry = tarfile.TarInfo(f"tree/{directory:02}/file-{number:03}.c")
                entry.size, entry.mode, entry.mtime = tree_sizes()[number], 0o644, 1_700_000_000
                archive.addfile(entry, io.BytesIO(data))


def works(directory):
    archive = os.path.join(directory, "tree.tar")

    def list_(mount):
        def work():
            lines = program("ls", "-l", os.path.join(mount, "many")).count(b"\n")
            if lines != 2001:
                raise RuntimeError(f"ls -l: {lines} lines")
        return timed(work)

    # Every second file is over 1 KiB.
    forest = Contents(["forest", *(f"forest/{number:02}" for number in range(60))],
                      [(f"forest/{number % 60:02}/file-{number:04}.txt", 2000 if number // 60 % 2 else 500) for number in range(1200)])

    def find(mount):
        def work():
            lines = program("find", os.path.join(mount, "forest"), "-type", "f", "-size", "+1k").count(b"\n")
            if lines != 600:
                raise RuntimeError(f"find: {lines} files of 600")
        return timed(work)

    def rename(mount):
        return timed(lambda: os.rename(os.path.join(mount, "from"), os.path.join(mount, "to")))

    def remove(mount):
        return timed(lambda: program("rm", "-rf", os.path.join(mount, "from")))

    def untar(mount):
        if not os.path.exists(archive):
            make_tree(archive)
        with open(archive, "rb") as file:
            file.read()
        return timed(lambda: program("tar", "-xf", archive, "-C", mount))

    def missing_tree(client):
        found = {key: size for key, size in client.sizes("tree/").items() if not key.endswith("/")}
        wanted = {f"tree/{number % TREE_DIRECTORIES:02}/file-{number:03}.c": size for number, size in enumerate(tree_sizes())}
        return None if found == wanted else f"{len(found)} files of {TREE_FILES}, {sum(found.values())} bytes of {sum(wanted.values())}"

    old = Contents(["from"], [(f"from/file-{number:04}", SIZE) for number in range(200)])
    return [
        {"name": "list", "title": "ls -l of 2,000", "contents": Contents(["many"], [(f"many/file-{n:05}.txt", 100) for n in range(2000)]),
         "run": list_, "floor": floors.list_and_heads, "goals": {"pail": 1.3, "pail-second": 0.7, "pail-listing": 0.7}},
        {"name": "find", "title": "find -type f -size +1k: 60 directories, 1,200 files", "contents": forest, "run": find,
         "goals": {"pail": 1.0, "pail-second": 0.6}},
        {"name": "rename", "title": "rename a directory of 200 files", "contents": old, "run": rename,
         "missing": missing_files("to/", 200, SIZE, gone="from/"), "goals": {"pail": 0.7}},
        {"name": "remove", "title": "rm -rf of 200 files", "contents": old, "run": remove,
         "missing": missing_files("from/", 0, SIZE), "floor": floors.deletes(200), "goals": {"pail": 4.3, "pail-write-back": 0.3}},
        {"name": "untar", "title": "untar 563 files, 10 MB", "contents": Contents(), "run": untar, "missing": missing_tree,
         "floor": floors.puts(TREE_FILES, 1, TREE_BYTES // TREE_FILES), "goals": {"pail": 12.5, "pail-write-back": 1.5}},
    ]
