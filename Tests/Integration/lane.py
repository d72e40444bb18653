"""One lane of the integration tests: a process that runs one test after another, on servers of its own.

It is told the names of tests on its standard input, a line each, and answers each by a line of JSON on the descriptor that it was given.
At the end of the input it ends its servers. Who tells it (`lanes.py`) also watches over it from outside: a lane's own watchdog is a signal,
which does not reach an interpreter that waits in a mount with its lock held.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import traceback


class Watchdog(Exception):
    """A test took too long."""


def serve(run, tests, answers):
    """Runs the tests that standard input names, until its end. `tests` maps a name to its function; `answers` is a descriptor."""
    def stop(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    # The terminal's ctrl-C is the parent's to pass on; should the parent die, so does this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    try:
        for line in sys.stdin:
            name = line.strip()
            began = time.monotonic()
            outcome, detail = run_test(run, tests[name])
            answer = {"name": name, "outcome": outcome, "detail": detail, "notes": run.notes, "seconds": time.monotonic() - began}
            os.write(answers, json.dumps(answer).encode() + b"\n")
            run.notes.clear()
    except KeyboardInterrupt:
        pass
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        run.close()


def limit(run_is_full, function):
    """The seconds that a test may take."""
    return getattr(function, "minutes", 10) * 60 * (6 if run_is_full else 1)


def run_test(run, function):
    """Runs one test under a watchdog that ends the mounts, so that what hangs in one goes on."""
    import harness

    seconds = limit(run.full, function)

    def bark(number, frame):
        run.kill_mounts()
        raise Watchdog(f"not done after {seconds} s")

    signal.signal(signal.SIGALRM, bark)
    signal.alarm(seconds)
    logs = [mount.log_path for mount in run.mounts]
    try:
        function(run)
        return "ok", ""
    except harness.Skip as reason:
        return "skip", str(reason)
    except harness.Failure as failure:
        where = [frame for frame in traceback.extract_tb(failure.__traceback__) if "/test_" in frame.filename]
        place = f" [{os.path.basename(where[-1].filename)}:{where[-1].lineno}]" if where else ""
        return "FAIL", f"{failure}{place}" + log_tails(run, logs)
    except Exception as error:
        if isinstance(error, subprocess.TimeoutExpired):
            run.kill_mounts()
        return "FAIL", "".join(traceback.format_exception(error)).strip() + log_tails(run, logs)
    finally:
        signal.alarm(0)
        run.end_of_test()


def log_tails(run, before):
    """The last words of the mounts of a failed test."""
    text = ""
    for mount in run.mounts:
        if mount.log_path not in before:
            words = mount.process.output(1500).strip()
            if words:
                text += f"\n     --- last words of {mount.program} on {mount.bucket}:\n     " + "\n     ".join(words.split("\n"))
    return text
