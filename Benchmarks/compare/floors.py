"""What the line and the server allow: the same work by curl, in as many requests at once as serve it best."""

import os
import subprocess

from workloads import MIB, timed


def floors(client, size_mib, directory, port):
    """Seconds by name of the work; each is one curl process with presigned URLs."""
    blocks = size_mib // 8
    part = os.path.join(directory, "part")
    small = os.path.join(directory, "small-file")
    for path, size in ((part, 8 * MIB), (small, 4096)):
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(os.urandom(size))

    def curl(entries, parallel, *options):
        config = os.path.join(directory, "curl.conf")
        with open(config, "w") as file:
            file.write("\nnext\n".join("\n".join(['silent', 'show-error', 'fail', *entry]) for entry in entries) + "\n")
        arguments = ["curl", "--config", config, *options]
        if parallel:
            arguments[1:1] = ["--parallel", "--parallel-immediate", "--parallel-max", str(parallel)]
        return timed(lambda: subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL))

    def get(key, *more):
        return [f'url = "{client.presigned("GET", key, port)}"', 'output = "/dev/null"', *more]

    result = {}
    whole = client.presigned("GET", "large/read", port)
    result["read"] = curl(
        [[f'url = "{whole}"', 'output = "/dev/null"', f'range = "{n * 8 * MIB}-{(n + 1) * 8 * MIB - 1}"'] for n in range(blocks)],
        16)
    upload = client.begin_upload("large/floor")
    try:
        result["write"] = curl(
            [[f'url = "{client.presigned("PUT", "large/floor", port, partNumber=n + 1, uploadId=upload)}"',
              f'upload-file = "{part}"', 'output = "/dev/null"'] for n in range(blocks)], 8)
    finally:
        client.abort_upload("large/floor", upload)
    result["create"] = curl(
        [[f'url = "{client.presigned("PUT", f"floor/file-{n:04}", port)}"', f'upload-file = "{small}"', 'output = "/dev/null"']
         for n in range(200)], 0)
    client.delete_all("floor/")
    result["list"] = curl(
        [[f'url = "{client.presigned("HEAD", f"many/file-{n:05}.txt", port)}"', 'head', 'output = "/dev/null"']
         for n in range(2000)], 64)
    result["small"] = curl([get(f"small/file-{n:04}.txt") for n in range(200)], 16)
    return result
