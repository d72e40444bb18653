"""What lies in the bucket before a measurement: made by a plain client past the relay, or, for a peer with a format of its own, through that
peer's mount."""

import concurrent.futures
import functools
import os
import subprocess

MIB = 1 << 20
PART = 8 * MIB
_RANDOM = os.urandom(PART)
_TIME = "1700000000"


def attributes(mode):
    """The headers that s3fs writes: what it and Pail look for in a HEAD."""
    return {"x-amz-meta-mode": str(mode), "x-amz-meta-uid": "0", "x-amz-meta-gid": "0", "x-amz-meta-mtime": _TIME,
            "x-amz-meta-ctime": _TIME, "x-amz-meta-atime": _TIME}


FILE = {**attributes(0o100644), "Content-Type": "text/plain"}
DIRECTORY = {**attributes(0o040755), "Content-Type": "application/x-directory"}


def block(number):
    """8 MiB that differ from block to block."""
    return number.to_bytes(8, "little") + _RANDOM[8:]


class Contents:
    """Directories, small files by name and size, and large files by name and number of 8 MiB blocks."""

    def __init__(self, directories=(), small=(), large=()):
        self.directories, self.small, self.large = list(directories), list(small), list(large)

    def fill_bucket(self, client):
        client.put_many(((name + "/", b"") for name in self.directories), DIRECTORY)
        client.put_many(((name, _RANDOM[:size]) for name, size in self.small), FILE)
        for name, blocks in self.large:
            client.put_large(name, (functools.partial(block, number) for number in range(blocks)), FILE)

    def fill_mount(self, path):
        for name in self.directories:
            os.makedirs(os.path.join(path, name), exist_ok=True)

        def put(item):
            with open(os.path.join(path, item[0]), "wb", buffering=0) as file:
                file.write(_RANDOM[:item[1]])

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(put, self.small))
        for name, blocks in self.large:
            with open(os.path.join(path, name), "wb", buffering=0) as file:
                for number in range(blocks):
                    file.write(block(number))


def warm(client, directory):
    """Reads the whole bucket once, past the mounts: the server's disk is not what is compared."""
    keys = [key for key in client.keys("") if not key.endswith("/")]
    if not keys:
        return
    config = os.path.join(directory, "warm.conf")
    with open(config, "w") as file:
        file.writelines(f'url = "{client.presigned("GET", key)}"\noutput = "/dev/null"\n' for key in keys)
    subprocess.run(["curl", "--no-progress-meter", "--parallel", "--parallel-immediate", "--parallel-max", "16", "--config", config],
                   check=True)
