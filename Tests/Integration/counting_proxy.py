"""A proxy before a store that counts every request and its answer, and makes some of them go wrong on a seeded schedule.

What it does to a request, it does after it has read it whole: it answers 503 in the store's place, takes the request to the store and
then says nothing, or breaks the answer off in its body. So its count and the client's can be compared to the last one: a request that
was answered is counted by its status, also where the answer broke off; one without an answer as "none".
"""

import contextlib
import random
import socket
import threading

from harness import ThreadedServer

SLOW_DOWN = (b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message>'
             b"</Error>")


class CountingProxy:
    """The proxy; its `url` takes the server's place. `share` is how many of the requests go wrong."""

    def __init__(self, run, server, seed=0, share=0.0):
        host, port = server.url.removeprefix("http://").split(":")
        self._upstream = (host, int(port))
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self.share = share
        self.counts = {}
        self.ids = []
        self.targets = []
        self._listener = ThreadedServer(run, self._serve)
        self.url = self._listener.url

    def _count(self, method, status):
        with self._lock:
            self.counts[method, status] = self.counts.get((method, status), 0) + 1

    def _fate(self):
        with self._lock:
            if self._random.random() >= self.share:
                return "none"
            return self._random.choice(["refuse", "refuse", "silence", "cut"])

    def _serve(self, client):
        upstream = socket.create_connection(self._upstream, timeout=60)
        with contextlib.closing(upstream):
            incoming, outgoing = Stream(client), Stream(upstream)
            for one in (client, upstream):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                head = incoming.head()
                if head is None:
                    return
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ", 2)
                with self._lock:
                    self.targets.append(target)
                body = incoming.take(length(lines) or 0)
                fate = self._fate()
                if fate == "refuse":
                    self._count(method, "503")
                    answer = b"" if method == "HEAD" else SLOW_DOWN
                    client.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: "
                                   + str(len(SLOW_DOWN)).encode() + b"\r\n\r\n" + answer)
                    continue
                upstream.sendall(head + b"\r\n\r\n" + body)
                answer = outgoing.head()
                if fate == "silence":
                    self._count(method, "none")
                    return
                lines = answer.decode("latin-1").split("\r\n")
                status = lines[0].split(" ")[1]
                has_body = method != "HEAD" and status not in ("204", "304")
                chunked = any(line.lower().replace(" ", "") == "transfer-encoding:chunked" for line in lines)
                body = outgoing.chunks() if has_body and chunked else outgoing.take(length(lines) or 0) if has_body else b""
                self._count(method, status)
                with self._lock:
                    self.ids += [line.partition(":")[2].strip() for line in lines if line.lower().startswith("x-amz-request-id:")]
                if fate == "cut" and len(body) > 1:
                    client.sendall(answer + b"\r\n\r\n" + body[:len(body) // 2])
                    return
                client.sendall(answer + b"\r\n\r\n" + body)


class Stream:
    """Reads whole messages from a connection."""

    def __init__(self, connection):
        self._connection = connection
        self._data = b""

    def _more(self):
        more = self._connection.recv(1 << 18)
        self._data += more
        return bool(more)

    def head(self):
        """The lines up to the blank one; None at the end."""
        while b"\r\n\r\n" not in self._data:
            if not self._more():
                return None
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        return head

    def take(self, count):
        while len(self._data) < count:
            if not self._more():
                raise ValueError("the other side went away in the middle of a body")
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def _line(self):
        while b"\r\n" not in self._data:
            if not self._more():
                raise ValueError("the other side went away in the middle of a body")
        line, _, self._data = self._data.partition(b"\r\n")
        return line + b"\r\n"

    def chunks(self):
        """A chunked body as it stands on the wire."""
        whole = b""
        while True:
            line = self._line()
            whole += line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while (line := self._line()) != b"\r\n":
                    whole += line
                return whole + line
            whole += self.take(size + 2)


def length(lines):
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length":
            return int(value)
    return None
