#!/usr/bin/env python3
"""Runs the integration tests: Pail mounted on real S3 servers.

    python3 Tests/Integration/run.py [--tools DIR] [--pail PATH] [--only NAME …] [--full] [--with-s3fs] [--list]

Each file `test_*.py` beside this one holds functions `test_*(run)`; the docstring says what the test promises. A result
line is printed for each, and at the end `N passed, N failed` alone on a line. The exit status is 0 only if all passed. Two run at once
unless `--lanes 1` is said; what is measured should run alone.

`--tools` is the folder of the test programs (weed, moto_server, aws, and a python with boto3); by default the environment's
PAIL_TOOLS, else PATH. `--with-s3fs` mounts Debian's s3fs in Pail's place, to know the tests sound and to compare.
"""

import argparse
import collections
import importlib
import inspect
import os
import re
import sys
import time

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
    parser.add_argument("--lanes", type=int, default=2, metavar="N", help="programs at once, each on servers of its own (default 2)")
    parser.add_argument("--lane", type=int, help=argparse.SUPPRESS)
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
    return {name: function for name, function in chosen if not any(part in name for part in arguments.skip)}


def main():
    arguments = parse()
    if not arguments.list:
        use_python_with_boto3(arguments)
    sys.path.insert(0, HERE)
    # No bytecode beside the sources.
    sys.dont_write_bytecode = True
    tests = find_tests(arguments)
    if arguments.list:
        for name, function in tests.items():
            print(f"{name}: {' '.join(inspect.getdoc(function).split())}")
        return 0
    if not tests:
        sys.exit("no test has such a name")
    pail = None if arguments.with_s3fs else find_pail(arguments)
    if arguments.lane is not None:
        return run_as_lane(arguments, tests, pail)

    import lanes

    print(f"{pail or 'Debian’s s3fs'}; seed {arguments.seed}; {'full size' if arguments.full else 'CI size'}", flush=True)
    outcomes = collections.Counter()

    def finished(answer):
        outcomes[answer["outcome"]] += 1
        detail = f": {answer['detail']}" if answer["detail"] else ""
        print(f"{answer['outcome']:4} {answer['name']} ({answer['seconds']:.1f} s){detail}", flush=True)
        for note in answer["notes"]:
            print(f"     {note}", flush=True)

    command = [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--seed", str(arguments.seed)]
    if pail:
        command += ["--pail", pail]
    interrupted = False
    try:
        lanes.run(command, tests, arguments.full, arguments.lanes, finished)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        interrupted = True
    if outcomes["skip"]:
        print(f"{outcomes['skip']} skipped")
    failed = outcomes["FAIL"] + interrupted
    print(f"{outcomes['ok']} passed, {failed} failed")
    return 1 if failed or not outcomes["ok"] else 0


def run_as_lane(arguments, tests, pail):
    import harness
    import lane

    program = "s3fs" if arguments.with_s3fs else "pail"
    run = harness.Run(arguments.tools, pail, program, arguments.full, arguments.keep, arguments.seed)
    lane.serve(run, tests, arguments.lane)
    return 0


if __name__ == "__main__":
    sys.exit(main())
