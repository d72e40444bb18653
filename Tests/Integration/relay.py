"""A relay between a mount and a server that writes down every request: method, path and query.

Requests are followed by their framing (Content-Length or chunked) so that bodies are not taken for requests; answers pass
through unread, save for their status line where one waits. The Host header stays as the client signed it.
"""

import contextlib
import dataclasses
import socket
import threading
import time
import urllib.parse

from harness import ThreadedServer


@dataclasses.dataclass
class Request:
    """One request as it went by."""

    method: str
    path: str
    query: str
    headers: dict
    time: float
    body_size: int = 0

    @property
    def operation(self):
        """S3's name of the operation."""
        query = urllib.parse.parse_qs(self.query, keep_blank_values=True)
        has_key = self.path.strip("/").count("/") >= 1 or (self.path.count("/") >= 2 and not self.path.endswith("/"))
        if "acl" in query:
            return "PutObjectAcl" if self.method == "PUT" else "GetObjectAcl"
        if "ownershipControls" in query:
            return "GetBucketOwnershipControls"
        if self.method == "PUT":
            if "partNumber" in query:
                return "UploadPartCopy" if "x-amz-copy-source" in self.headers else "UploadPart"
            if not has_key:
                return "CreateBucket"
            return "CopyObject" if "x-amz-copy-source" in self.headers else "PutObject"
        if self.method == "POST":
            if "uploads" in query:
                return "CreateMultipartUpload"
            if "uploadId" in query:
                return "CompleteMultipartUpload"
            return "DeleteObjects" if "delete" in query else "POST"
        if self.method == "DELETE":
            return "AbortMultipartUpload" if "uploadId" in query else "DeleteObject"
        if self.method == "HEAD":
            return "HeadObject" if has_key else "HeadBucket"
        if "uploads" in query:
            return "ListMultipartUploads"
        if has_key and "list-type" not in query and "prefix" not in query:
            return "GetObject"
        return "ListObjects"

    def __str__(self):
        return f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")


class Relay:
    """The relay; its `url` takes the server's place."""

    def __init__(self, run, server):
        host, port = server.url.removeprefix("http://").split(":")
        self._upstream = (host, int(port))
        self._lock = threading.Lock()
        self._requests = []
        self._listener = ThreadedServer(run, self._serve)
        self.url = self._listener.url

    def reset(self):
        """Forgets the requests so far."""
        with self._lock:
            self._requests = []

    @property
    def requests(self):
        """The requests since the last reset."""
        with self._lock:
            return list(self._requests)

    def counts(self):
        """How many requests of each operation."""
        result = {}
        for request in self.requests:
            result[request.operation] = result.get(request.operation, 0) + 1
        return result

    def settle(self, quiet=0.5, limit=20):
        """Waits until no request went by for a while: read-ahead and the like are then over."""
        end = time.monotonic() + limit
        count = -1
        while time.monotonic() < end:
            now = len(self.requests)
            if now == count:
                return
            count = now
            time.sleep(quiet)

    def _serve(self, client):
        with contextlib.closing(socket.create_connection(self._upstream, timeout=30)) as upstream:
            upstream.settimeout(None)
            for s in (client, upstream):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self._pump, args=(upstream, client), daemon=True)
            back.start()
            try:
                self._forward(client, upstream)
            finally:
                with contextlib.suppress(OSError):
                    upstream.shutdown(socket.SHUT_WR)
                back.join(30)

    @staticmethod
    def _pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def _forward(self, client, upstream):
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = client.recv(1 << 16)
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            request = self._note(head)
            upstream.sendall(head + b"\r\n\r\n")
            if "chunked" in request.headers.get("transfer-encoding", "").lower():
                data = self._forward_chunks(request, client, upstream, data)
            else:
                data = self._forward_bytes(
                    request, int(request.headers.get("content-length", "0")), client, upstream, data)

    def _note(self, head):
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        path, _, query = target.partition("?")
        request = Request(method, urllib.parse.unquote(path), query, headers, time.monotonic())
        with self._lock:
            self._requests.append(request)
        return request

    @staticmethod
    def _forward_bytes(request, count, client, upstream, data):
        request.body_size += count
        while count > 0:
            if not data:
                data = client.recv(1 << 18)
                if not data:
                    raise ValueError("the client went away in the middle of a body")
            upstream.sendall(data[:count])
            sent = min(count, len(data))
            data = data[sent:]
            count -= sent
        return data

    def _forward_chunks(self, request, client, upstream, data):
        def line():
            nonlocal data
            while b"\r\n" not in data:
                more = client.recv(1 << 16)
                if not more:
                    raise ValueError("the client went away in the middle of a body")
                data += more
            text, _, rest = data.partition(b"\r\n")
            data = rest
            upstream.sendall(text + b"\r\n")
            return text

        while True:
            size = int(line().split(b";")[0], 16)
            if size == 0:
                while line():
                    pass
                return data
            data = self._forward_bytes(request, size + 2, client, upstream, data)
            request.body_size -= 2
