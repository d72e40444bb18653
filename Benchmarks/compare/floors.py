"""What the line and the server allow: the same work by plain requests, as many at once as serve it best.

Each function here returns one that takes a `Context` and returns seconds. Mostly that is one curl process with presigned URLs.
"""

import os
import random
import subprocess

from clock import timed
from contents import MIB, PART

# A wait for "100 Continue" would cost a round trip for each upload.
NO_WAIT = 'header = "Expect:"'
NOWHERE = 'output = "/dev/null"'


class Context:
    """A bucket with the work's contents: by the server's own port, and by the port that is measured."""

    def __init__(self, client, line_client, directory):
        self.client, self.line, self.directory = client, line_client, directory

    def url(self, method, key, **query):
        return f'url = "{self.client.presigned(method, key, self.line.port, **query)}"'

    def body(self, size):
        path = os.path.join(self.directory, f"body-{size}")
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(os.urandom(size))
        return f'upload-file = "{path}"'

    def curl(self, entries, parallel):
        """Seconds of one curl with so many requests at once."""
        config = os.path.join(self.directory, "floor.conf")
        with open(config, "w") as file:
            file.write("\nnext\n".join("\n".join(["silent", "show-error", "fail", *entry]) for entry in entries) + "\n")
        arguments = ["curl", "--no-progress-meter", "--config", config]
        if parallel > 1:
            arguments[2:2] = ["--parallel", "--parallel-immediate", "--parallel-max", str(parallel)]
        return timed(lambda: subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL))


def ranges(blocks):
    """The large file in ranges of 8 MiB; the better of 8 and 16 at once."""
    def floor(context):
        url = context.url("GET", "large/file")
        entries = [[url, NOWHERE, f'range = "{n * PART}-{(n + 1) * PART - 1}"'] for n in range(blocks)]
        return min(context.curl(entries, parallel) for parallel in (8, 16))
    return floor


def parts(blocks):
    """A multipart upload, its start and its end with it; the better of 8 and 16 parts at once."""
    def once(context, parallel):
        def etag(number):
            return os.path.join(context.directory, f"etag-{number}")

        upload = None

        def begin():
            nonlocal upload
            upload = context.line.begin_upload("large/floor")

        def complete():
            text = ""
            for number in range(1, blocks + 1):
                with open(etag(number)) as file:
                    tag = next(line.split(":", 1)[1].strip() for line in file if line.lower().startswith("etag:"))
                text += f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
            body = f"<CompleteMultipartUpload>{text}</CompleteMultipartUpload>".encode()
            context.line.request("POST", "large/floor", {"uploadId": upload}, body)

        seconds = timed(begin)
        seconds += context.curl([[context.url("PUT", "large/floor", partNumber=n, uploadId=upload), context.body(PART), NOWHERE, NO_WAIT,
                                  f'dump-header = "{etag(n)}"'] for n in range(1, blocks + 1)], parallel)
        seconds += timed(complete)
        context.client.request("DELETE", "large/floor")
        return seconds

    return lambda context: min(once(context, parallel) for parallel in (8, 16))


def puts(count, parallel, size):
    """So many PUTs: one after the other, or several at once."""
    return lambda context: context.curl(
        [[context.url("PUT", f"floor/file-{n:04}"), context.body(size), NOWHERE, NO_WAIT] for n in range(count)], parallel)


def pages(count, parallel, size):
    """So many ranges of 4 KiB."""
    def floor(context):
        url = context.url("GET", "large/file")
        choice = random.Random(count)
        offsets = [choice.randrange(size // 4096) * 4096 for _ in range(count)]
        return context.curl([[url, NOWHERE, f'range = "{offset}-{offset + 4095}"'] for offset in offsets], parallel)
    return floor


def list_and_heads(context):
    """The pages of the listing one after the other, then 2,000 HEADs, 128 at once."""
    keys = []

    def listing():
        keys.extend(key for key in context.line.keys("many/") if not key.endswith("/"))

    seconds = timed(listing)
    return seconds + context.curl([[context.url("HEAD", key), "head", NOWHERE] for key in keys], 128)


def server_copy(context):
    """One CopyObject of the large file."""
    source = f"/{context.client.bucket}/large/file"
    return timed(lambda: context.line.request("PUT", "large/floor", headers={"x-amz-copy-source": source}))


def deletes(count):
    """So many DELETEs, one after the other."""
    return lambda context: context.curl(
        [[context.url("DELETE", f"from/file-{n:04}"), 'request = "DELETE"', NOWHERE] for n in range(count)], 1)
