"""How work is timed: in a process of its own, so that a mount that never answers cannot hold up the run."""

import concurrent.futures
import json
import os
import select
import signal
import time

from servers import die_with_parent


def timed(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def in_threads(count, function, items):
    """Calls the function for all items, by so many threads at once; one by one, if that is one."""
    if count == 1:
        for item in items:
            function(item)
        return
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(function, items))


class TooLate(Exception):
    pass


def in_child(function, limit, rescue):
    """What the function returns, as JSON can carry it.

    After `limit` seconds `rescue` is called, which must end what the child waits for.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        die_with_parent()
        os.close(reader)
        try:
            answer = {"value": function()}
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with os.fdopen(writer, "w") as file:
            json.dump(answer, file)
        os._exit(0)
    os.close(writer)
    in_time = False
    with os.fdopen(reader) as file:
        try:
            in_time = bool(select.select([file], [], [], limit)[0])
            if not in_time:
                rescue()
            text = file.read() if in_time else ""
        except BaseException:
            rescue()
            raise
        finally:
            # A child that the rescue did not free is in the kernel: it dies with us.
            end = time.monotonic() + (5 if in_time else 0)
            while os.waitpid(child, os.WNOHANG)[0] == 0:
                if time.monotonic() > end:
                    os.kill(child, signal.SIGKILL)
                    end = float("inf")
                time.sleep(0.001)
    if not in_time:
        raise TooLate(f"not done after {limit:.0f} s")
    answer = json.loads(text)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["value"]
