"""A TCP relay between a mount and its store that does to connections what networks do, on a seeded schedule.

Each connection draws its fates from the relay's seed and its number: after a number of bytes in one direction it is reset,
closed in the middle (truncated), held still (stalled), slowed down, or all it says vanishes (blackholed); those that
live on draw again. While `is_isolated` is set, connections end and new ones are reset, as by a host that is gone.
"""

import contextlib
import random
import select
import socket
import struct
import threading
import time

from harness import ThreadedServer

# With their weights: what takes long is rarer.
FATES = {"reset": 4, "truncate": 4, "delay": 6, "stall": 3, "blackhole": 1}


class FaultyRelay:
    """The relay; its `url` takes the server's place. `mean` is how many bytes a connection carries between two
    fates, on average; None for no fates."""

    def __init__(self, run, server, seed, mean=None):
        host, port = server.url.removeprefix("http://").split(":")
        self._upstream = (host, int(port))
        self._seed = seed
        self._lock = threading.Lock()
        self._number = 0
        self.mean = mean
        self.is_isolated = False
        self.met = {fate: 0 for fate in FATES}
        self._listener = ThreadedServer(run, self._serve)
        self.url = self._listener.url

    def _serve(self, client):
        with self._lock:
            self._number += 1
            chance = random.Random(f"{self._seed}/{self._number}")
        if self.is_isolated:
            reset(client)
            return
        try:
            upstream = socket.create_connection(self._upstream, timeout=10)
        except OSError:
            reset(client)
            return
        with upstream:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pump(client, upstream, chance)

    def _draw(self, chance):
        """(fate, after so many bytes, whether of answers or of requests)"""
        fate = chance.choices(list(FATES), list(FATES.values()))[0]
        return fate, int(chance.expovariate(1 / (self.mean or 1_000_000))), chance.random() < 0.6

    def _pump(self, client, upstream, chance):
        fate, left, of_answers = self._draw(chance)
        while True:
            readable, _, _ = select.select([client, upstream], [], [], 0.5)
            if self.is_isolated:
                reset(client)
                return
            for source in readable:
                target = upstream if source is client else client
                data = source.recv(65536)
                if not data:
                    return
                if self.mean is None or (source is upstream) != of_answers or len(data) < left:
                    if self.mean is not None and (source is upstream) == of_answers:
                        left -= len(data)
                    target.sendall(data)
                    continue
                with self._lock:
                    self.met[fate] += 1
                keep = max(0, left)
                if fate == "reset":
                    target.sendall(data[:keep])
                    reset(client)
                    reset(upstream)
                    return
                if fate == "truncate":
                    target.sendall(data[:keep])
                    return
                if fate == "delay":
                    time.sleep(chance.uniform(0.05, 0.6))
                    target.sendall(data)
                elif fate == "stall":
                    target.sendall(data[:keep])
                    time.sleep(chance.uniform(1, 8))
                    target.sendall(data[keep:])
                else:
                    self._swallow(client)
                    return
                fate, left, of_answers = self._draw(chance)

    def _swallow(self, client):
        """Takes all and tells nobody, until the client gives up."""
        client.settimeout(0.5)
        while not self.is_isolated:
            try:
                if not client.recv(65536):
                    return
            except TimeoutError:
                continue
        reset(client)


def reset(connection):
    """Ends a connection by RST."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
