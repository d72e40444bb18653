"""All kinds of work, in the order of the table."""

import files
import large
import trees


class Work:
    """One kind of work on a mount.

    `contents` is what lies in the bucket before; `run(path)` does the work below the mount point and returns seconds; a work with a
    `missing(client)` changes something, gets a fresh bucket each time, and says so what is not in the bucket yet (None: nothing).
    `floor(context)` does as much by plain requests and returns seconds. `goals` are the seconds that issue and design ask of Pail
    at full size over the link, by subject.
    """

    def __init__(self, name, title, contents, run, missing=None, floor=None, goals=None):
        self.name, self.title, self.contents, self.run = name, title, contents, run
        self.missing, self.floor, self.goals = missing, floor, goals or {}


def all_works(size_mib, directory):
    """Works by name; large files have `size_mib` MiB. Files that works need outside the mount go to the directory."""
    entries = large.works(size_mib) + files.works() + trees.works(directory)
    works = {entry["name"]: Work(**entry) for entry in entries}
    order = ("read", "write", "create", "create-16", "small", "small-16", "list", "find", "random", "random-16", "patch", "append",
             "copy", "rename", "remove", "untar")
    assert set(order) == set(works)
    return {name: works[name] for name in order}
