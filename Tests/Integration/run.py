#!/usr/bin/env python3
"""Runs the integration tests: Pail mounted on real S3 servers.

    python3 Tests/Integration/run.py [--tools DIR] [--pail PATH] [--only NAME …] [--full] [--with-s3fs] [--list]

Each file `test_*.py` beside this one holds functions `test_*(run)`; the docstring says what the test promises. A result
line is printed for each, and at the end `N passed, N failed` alone on a line. The exit status is 0 only if all passed.

`--tools` is the folder of the test programs (weed, moto_server, aws, and a python with boto3); by default the environment's
PAIL_TOOLS, else PATH. `--with-s3fs` mounts Debian's s3fs in Pail's place, to know the tests sound and to compare.
"""

import argparse
import importlib
import inspect
import os
import re
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tools", metavar="DIR", default=os.environ.get("PAIL_TOOLS"),
                        help="the folder of weed, moto_server, aws and a python with boto3")
    parser.add_argument("--pail", metavar="PATH", help="the program to test (default: the newest build in .build)")
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="only tests whose name holds this")
    parser.add_argument("--skip", metavar="NAME", action="append", default=[], help="leave out tests whose name holds this")
    parser.add_argument("--full", action="store_true", help="the sizes of a release, not those of every commit")
    parser.add_argument("--with-s3fs", action="store_true", help="mount Debian's s3fs in Pail's place")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000, help="of all random choices")
    parser.add_argument("--keep", action="store_true", help="leave the temporary directory behind")
    parser.add_argument("--list", action="store_true", help="only name the tests and what they promise")
    return parser.parse_args()


def use_python_with_boto3(arguments):
    """boto3 is one of the test programs: if this Python lacks it, the tools folder's Python takes over."""
    try:
        import boto3  # noqa: F401
        return
    except ImportError:
        pass
    python = os.path.join(arguments.tools, "python") if arguments.tools else None
    if not python or not os.path.exists(python) or os.environ.get("PAIL_TESTS_REEXECUTED"):
        sys.exit("boto3 is missing: give --tools DIR, a folder with a python that has it")
    os.environ["PAIL_TESTS_REEXECUTED"] = "1"
    os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:]])


def find_pail(arguments):
    if arguments.pail:
        path = os.path.abspath(arguments.pail)
        if not os.access(path, os.X_OK):
            sys.exit(f"{path} is no program")
        return path
    built = [os.path.join(ROOT, ".build", kind, "pail") for kind in ("release", "debug")]
    built = [path for path in built if os.access(path, os.X_OK)]
    if not built:
        sys.exit("no build of pail: run `swift build`, or give --pail PATH")
    return max(built, key=os.path.getmtime)


def find_tests(arguments):
    tests = []
    for name in sorted(os.listdir(HERE)):
        match = re.fullmatch(r"(test_\w+)\.py", name)
        if not match:
            continue
        module = importlib.import_module(match[1])
        for label, function in inspect.getmembers(module, inspect.isfunction):
            if label.startswith("test_") and function.__module__ == module.__name__:
                tests.append((label.removeprefix("test_"), function))
    chosen = [test for test in tests if not arguments.only or any(part in test[0] for part in arguments.only)]
    return [test for test in chosen if not any(part in test[0] for part in arguments.skip)]


class Watchdog(Exception):
    """A test took too long."""


def main():
    arguments = parse()
    if not arguments.list:
        use_python_with_boto3(arguments)
    sys.path.insert(0, HERE)
    # No bytecode beside the sources.
    sys.dont_write_bytecode = True
    tests = find_tests(arguments)
    if arguments.list:
        for name, function in tests:
            print(f"{name}: {' '.join(inspect.getdoc(function).split())}")
        return 0
    if not tests:
        sys.exit("no test has such a name")
    import harness

    program = "s3fs" if arguments.with_s3fs else "pail"
    pail = None if arguments.with_s3fs else find_pail(arguments)
    run = harness.Run(arguments.tools, pail, program, arguments.full, arguments.keep, arguments.seed)

    def stop(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    print(f"{pail or 'Debian’s s3fs'}; seed {run.seed}; {'full size' if run.full else 'CI size'}", flush=True)
    passed, failed, skipped = 0, [], 0
    try:
        for name, function in tests:
            began = time.monotonic()
            outcome, detail = run_test(run, harness, function)
            seconds = time.monotonic() - began
            if outcome == "ok":
                passed += 1
            elif outcome == "skip":
                skipped += 1
            else:
                failed.append(name)
            print(f"{outcome:4} {name} ({seconds:.1f} s)" + (f": {detail}" if detail else ""), flush=True)
            for note in run.notes:
                print(f"     {note}", flush=True)
            run.notes.clear()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        failed.append("interrupted")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        run.close()
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


def run_test(run, harness, function):
    """Runs one test under a watchdog that ends the mounts, so that nothing can hang the run."""
    limit = getattr(function, "minutes", 10) * 60 * (6 if run.full else 1)

    def bark(number, frame):
        run.kill_mounts()
        raise Watchdog(f"not done after {limit} s")

    signal.signal(signal.SIGALRM, bark)
    signal.alarm(limit)
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


if __name__ == "__main__":
    sys.exit(main())
