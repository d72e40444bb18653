"""Runs the comparison: see `compare` beside it, which installs what this needs.

Every work of the table on every mount from a cold start: a fresh mount with fresh state, the kernel's caches dropped and the server's
warmed by a plain client, so that what is compared is the mount and not the disk. Subjects take turns in every round, in another order
each round; the floor, which is plain curl, takes its turn as well. A subject that fails is a cell of the table, with its reason in the
JSON; the exit status is then still 0, unless it is Pail that failed.
"""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "Tests", "Integration")]

import report  # noqa: E402
from measure import FLOOR, Measuring  # noqa: E402
from mounts import remove  # noqa: E402
from servers import Link, SeaweedFS  # noqa: E402
from subjects import STANDARD, all_subjects  # noqa: E402
from works import all_works  # noqa: E402


def parse():
    parser = argparse.ArgumentParser(
        prog="compare", description="Measures Pail beside s3fs, rclone, JuiceFS and plain curl.",
        epilog="compare report JSON [--markdown FILE] [--folder DIR] writes the report of an earlier run again.")
    parser.add_argument("--pail", metavar="PATH", help="the program to measure (default: the release build, made if it is not there)")
    parser.add_argument("--pail-option", metavar="OPTION", action="append", default=[], help="one more argument for pail mount")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measurements of each (default 3)")
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="size of the large file in MiB (default 1024)")
    parser.add_argument("--round-trip", type=float, default=20, metavar="MS", help="of the link in ms (default 20)")
    parser.add_argument("--only", metavar="WORK", nargs="+", action="extend", default=[], help="only these works")
    parser.add_argument("--subjects", metavar="NAME", nargs="+", action="extend", default=[],
                        help=f"only these ({', '.join(STANDARD)}; rclone-full; {FLOOR})")
    parser.add_argument("--lines", metavar="LINE", nargs="+", action="extend", default=[], choices=["direct", "link"],
                        help="direct, link (default: link)")
    parser.add_argument("--limit", type=float, default=600, metavar="S", help="the most seconds for one work (default 600)")
    parser.add_argument("--folder", metavar="DIR", default=os.path.join(ROOT, ".build", "benchmarks"),
                        help="for compare.txt, compare.json and compare-*.svg (default .build/benchmarks)")
    parser.add_argument("--markdown", metavar="FILE", help="put the tables into this page too, between its marks")
    parser.add_argument("--tools", metavar="DIR", default=os.environ.get("PAIL_TOOLS"), help=argparse.SUPPRESS)
    parser.add_argument("--list", action="store_true", help="only name works and subjects")
    arguments = parser.parse_args()
    if arguments.size < 8 or arguments.size % 8:
        parser.error("--size must be a multiple of 8 MiB")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if os.geteuid() != 0:
        parser.error("must run as root: it mounts, and drops the kernel's caches")
    return parser, arguments


def find_pail(arguments, wanted):
    """The program to measure; without --pail the release build, made where there is none. None where no subject is Pail."""
    if wanted and not any(name.startswith("pail") for name in wanted):
        return None
    path = os.path.abspath(arguments.pail or os.path.join(ROOT, ".build", "release", "pail"))
    if not arguments.pail and not os.access(path, os.X_OK):
        print("Building Pail for release", file=sys.stderr)
        subprocess.run(["swift", "build", "-c", "release", "--product", "pail"], cwd=ROOT, check=True, stdout=sys.stderr)
    if not os.access(path, os.X_OK):
        sys.exit(f"compare: no program {path}")
    return path


def choose(parser, known, wanted, what):
    unknown = [name for name in wanted if name not in known]
    if unknown:
        parser.error(f"no such {what}, or not in this pail: {', '.join(unknown)}; there are: {', '.join(known)}")
    return {name: known[name] for name in known if name in wanted}


def main():
    if sys.argv[1:2] == ["report"]:
        return report.again(sys.argv[2:])
    parser, arguments = parse()
    arguments.pail = find_pail(arguments, arguments.subjects)
    known = {**all_subjects(arguments), FLOOR: None}
    subjects = choose(parser, known, arguments.subjects or [name for name in known if name in (*STANDARD, FLOOR)], "subject")
    directory = tempfile.mkdtemp(prefix="pail-compare-")
    try:
        every = all_works(arguments.size, directory)
        works = choose(parser, every, arguments.only or every, "work")
        if arguments.list:
            print("works:   ", *works, "\nsubjects:", *known)
            return 0
        free = shutil.disk_usage(directory).free >> 20
        if free < 12 * arguments.size + 4096:
            sys.exit(f"compare: {free} MiB are free below {directory}, and {12 * arguments.size + 4096} are needed")
        # Ended by a signal, it cleans up as well.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        results = run(arguments, subjects, works, directory)
    finally:
        remove(directory)
    report.write(results, arguments.folder, arguments.markdown)
    failed = [entry for entry in results["measurements"] if "error" in entry and entry["subject"].startswith("pail")]
    return 1 if failed else 0


def run(arguments, subjects, works, directory):
    closing = []
    try:
        server = SeaweedFS(arguments.tools, directory)
        closing.append(server)
        link = Link(directory, server.port, arguments.round_trip)
        closing.append(link)
        results = {
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "kernel": platform.release(), "cores": os.cpu_count(),
            "processor": processor(), "size_mib": arguments.size, "round_trip_ms": arguments.round_trip, "rounds": arguments.rounds,
            "versions": versions(arguments),
            "subjects": {name: subject.title if subject else "curl" for name, subject in subjects.items()},
            "works": {name: {"title": work.title, "goals": work.goals} for name, work in works.items()}, "measurements": [],
        }
        for line in arguments.lines or ["link"]:
            for work in works.values():
                measure_row(arguments, Measuring(arguments, server, link, directory, work, line), subjects, results["measurements"])
        return results
    finally:
        for thing in reversed(closing):
            thing.close()


def measure_row(arguments, measuring, subjects, measurements):
    work, line = measuring.work, measuring.line
    names = [name for name, subject in subjects.items()
             if (work.floor if subject is None else subject.works is None or work.name in subject.works)]
    try:
        for number in range(arguments.rounds):
            # Whoever comes first in one round comes later in the next; every other round goes backwards.
            turn = number % len(names) if names else 0
            for name in (names[turn:] + names[:turn])[::-1 if number % 2 else 1]:
                entry = {"line": line, "work": work.name, "subject": name, "round": number}
                entry.update(measuring.once(subjects[name]))
                measurements.append(entry)
                print(f"{line:6} {work.name:9} {name:15} round {number + 1}: {report.words(entry)}", file=sys.stderr, flush=True)
    finally:
        measuring.close()


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())


def versions(arguments):
    """The first line that each program says of its version."""
    commands = {"pail": [arguments.pail, "--version"], "s3fs": ["s3fs", "--version"],
                "rclone": [os.path.join(arguments.tools or "", "rclone"), "version"],
                "juicefs": [os.path.join(arguments.tools or "", "juicefs"), "version"],
                "weed": [os.path.join(arguments.tools or "", "weed"), "version"], "curl": ["curl", "--version"]}
    found = {}
    for name, command in commands.items():
        if command[0]:
            try:
                text = subprocess.run(command, capture_output=True, text=True).stdout
            except OSError:
                continue
            found[name] = text.partition("\n")[0][:100]
    return found


if __name__ == "__main__":
    sys.exit(main())
