"""A store with one bucket of any size whose objects exist only as numbers: it answers ListObjectsV2, HEAD and
ListMultipartUploads, and counts what it is asked."""

import collections
import re
import threading
import urllib.parse

from harness import ThreadedServer

DATE = "2026-01-02T03:04:05.000Z"


class SyntheticBucket:
    """`count` objects `dNNNN/fNNNN`, each directory of 1,000 with its marker."""

    def __init__(self, run, count):
        self.count = count
        self.requests = collections.Counter()
        self._lock = threading.Lock()
        self.server = ThreadedServer(run, self._serve)
        self.url = self.server.url

    def _key(self, number):
        return f"d{number // 1000:06}/" + (f"f{number % 1000:04}" if number % 1000 else "")

    def _note(self, kind):
        with self._lock:
            self.requests[kind] += 1

    def _list(self, query):
        limit = int(query.get("max-keys", ["1000"])[0])
        token = query.get("continuation-token", [None])[0]
        after = query.get("start-after", [None])[0]
        first = 0
        if token:
            first = int(token)
        elif after:
            match = re.fullmatch(r"d(\d+)/(?:f(\d+))?", after)
            first = int(match[1]) * 1000 + int(match[2] or 0) + 1
        last = min(self.count, first + limit)
        entries = "".join(
            f"<Contents><Key>{self._key(n)}</Key><LastModified>{DATE}</LastModified>"
            f"<ETag>&quot;{n:032x}&quot;</ETag><Size>{0 if n % 1000 == 0 else n}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(first, last))
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>" if last < self.count \
            else "<IsTruncated>false</IsTruncated>"
        return (f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
                f"<EncodingType>url</EncodingType>{more}{entries}</ListBucketResult>").encode()

    def _serve(self, connection):
        file = connection.makefile("rb")
        while True:
            line = file.readline()
            if not line:
                return
            method, target, _ = line.decode().split(" ")
            while file.readline() not in (b"\r\n", b""):
                pass
            parts = urllib.parse.urlsplit(target)
            query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
            if method == "HEAD":
                self._note("HEAD")
                number = re.fullmatch(r"/[^/]+/d(\d+)/(?:f(\d+))?", parts.path)
                n = int(number[1]) * 1000 + int(number[2] or 0)
                connection.sendall(
                    f"HTTP/1.1 200 OK\r\nContent-Length: {0 if n % 1000 == 0 else n}\r\nETag: \"{n:032x}\"\r\n"
                    "Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT\r\nx-amz-meta-mode: "
                    f"{16877 if n % 1000 == 0 else 33188}\r\nContent-Type: application/octet-stream\r\n\r\n".encode())
                continue
            if "uploads" in query:
                self._note("ListMultipartUploads")
                body = b'<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>'
            else:
                self._note("LIST")
                body = self._list(query)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
