#!/usr/bin/env python3
"""A store of one directory with as many objects as asked for, which are nowhere: listings and headers are made up when somebody asks.

    python3 synthetic_store.py PORT COUNT

Real servers take minutes to fill with a million objects and as long to list them; this one tells what a mount does with them. Key
number N is `d/entry-of-some-length-NNNNNNN`, N % 1000 bytes long. It speaks what Pail needs to read: ListObjectsV2 and HEAD.
"""

import asyncio
import hashlib
import sys
from urllib.parse import parse_qs, unquote, urlsplit

STEM = "entry-of-some-length-"
PREFIX = "d/"


def name(number):
    return f"{STEM}{number:07}"


def number_after(key, count):
    """The number of the first key behind `key`: keys are in the order of their numbers."""
    full = PREFIX + STEM
    if key < full:
        return 0
    if not key.startswith(full):
        return count
    digits = key[len(full):]
    number = 0
    for place in range(7):
        digit = digits[place] if place < len(digits) else None
        if digit is None or digit < "0":
            return number * 10 ** (7 - place)
        if digit > "9":
            return (number + 1) * 10 ** (7 - place)
        number = number * 10 + int(digit)
    return number + 1


def etag(number):
    return hashlib.md5(str(number).encode()).hexdigest()


class Connection(asyncio.Protocol):
    count = 0

    def connection_made(self, transport):
        self.transport = transport
        self.waiting = b""

    def data_received(self, data):
        self.waiting += data
        while True:
            head, mark, rest = self.waiting.partition(b"\r\n\r\n")
            if not mark:
                return
            self.waiting = rest
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            url = urlsplit(target)
            self.answer(method, unquote(url.path).split("/", 2)[2:], parse_qs(url.query, keep_blank_values=True))

    def answer(self, method, key, query):
        key = key[0] if key else ""
        if method == "GET" and not key:
            return self.send("200 OK", self.listing(query), "Content-Type: application/xml\r\n")
        number = int(key[-7:]) if key.startswith(PREFIX + STEM) and key[-7:].isdigit() else self.count
        if method == "HEAD" and not key:
            return self.send("200 OK", b"")
        if method == "HEAD" and number < self.count and key == PREFIX + name(number):
            return self.send(
                "200 OK", None,
                f"Content-Length: {number % 1000}\r\nETag: \"{etag(number)}\"\r\nContent-Type: text/plain\r\n"
                "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nx-amz-meta-mode: 33188\r\nx-amz-meta-uid: 0\r\n"
                f"x-amz-meta-gid: 0\r\nx-amz-meta-mtime: 17000{number:05}\r\n")
        self.send("404 Not Found", None, "Content-Length: 0\r\n")

    def listing(self, query):
        prefix = query.get("prefix", [""])[0]
        limit = min(int(query.get("max-keys", ["1000"])[0]), 1000)
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        common, contents, end = "", "", True
        if prefix == "" and query.get("delimiter"):
            if after <= PREFIX:
                common = f"<CommonPrefixes><Prefix>{PREFIX}</Prefix></CommonPrefixes>"
        elif PREFIX.startswith(prefix) or (PREFIX + STEM).startswith(prefix) or prefix.startswith(PREFIX + STEM):
            first = number_after(after, self.count)
            last = min(self.count, first + limit)
            numbers = range(first, last)
            if not PREFIX.startswith(prefix):
                numbers = [n for n in numbers if (PREFIX + name(n)).startswith(prefix)]
            else:
                end = last == self.count
            contents = "".join(
                f"<Contents><Key>{PREFIX}{name(n)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{etag(n)}&quot;</ETag><Size>{n % 1000}</Size><StorageClass>STANDARD</StorageClass></Contents>"
                for n in numbers)
        token = "" if end else f"<NextContinuationToken>{PREFIX}{name(last - 1)}</NextContinuationToken>"
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>b</Name><Prefix>{prefix}</Prefix><MaxKeys>{limit}</MaxKeys>"
            f"<IsTruncated>{'false' if end else 'true'}</IsTruncated>{token}{contents}{common}</ListBucketResult>").encode()

    def send(self, status, body, headers=""):
        if body is not None:
            headers += f"Content-Length: {len(body)}\r\n"
        self.transport.write(f"HTTP/1.1 {status}\r\n{headers}\r\n".encode() + (body or b""))


async def main():
    Connection.count = int(sys.argv[2])
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", int(sys.argv[1]), backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
