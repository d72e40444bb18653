#!/usr/bin/env python3
"""Times Pail and s3fs side by side on one SeaweedFS, directly and over a link of 20 ms round trip.

    Benchmarks/compare/compare.py [--pail PATH] [--tools DIR] [--rounds N] [--size MIB] [--only WORK …] [--subjects NAME …]

Each time is that of a fresh mount with the kernel's caches dropped and the server's warmed by a plain client, so that what is
compared is the mount and not the disk. Subjects take turns in every round, in another order each round. Needs root (mounts,
/proc/sys/vm/drop_caches). Prints medians, the ratio to the best s3fs, the floor that curl reaches, CPU seconds and peak memory
of the mount's process; `--json FILE` writes all single values too.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "Tests", "Integration")]

from floors import floors  # noqa: E402
from servers import Link, SeaweedFS  # noqa: E402
from subjects import Mount, all_subjects, is_mounted  # noqa: E402
from workloads import works  # noqa: E402


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tools", metavar="DIR", default=os.environ.get("PAIL_TOOLS"), help="the folder of weed")
    parser.add_argument("--pail", metavar="PATH", default=os.path.join(ROOT, ".build", "release", "pail"),
                        help="the program to measure (default: the release build)")
    parser.add_argument("--pail-option", metavar="OPTION", action="append", default=[], help="one more argument for pail mount")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measurements of each (default 3)")
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="size of the large file in MiB (default 1024)")
    parser.add_argument("--round-trip", type=float, default=20, metavar="MS", help="of the link in ms (default 20)")
    parser.add_argument("--only", metavar="WORK", action="append", default=[],
                        help="read, write, create, exclusive, list, small")
    parser.add_argument("--subjects", metavar="NAME", action="append", default=[], help="pail, s3fs, s3fs-tuned")
    parser.add_argument("--lines", metavar="LINE", action="append", default=[], choices=["direct", "link"],
                        help="direct, link (default: both)")
    parser.add_argument("--no-floors", action="store_true", help="leave curl out")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    arguments = parser.parse_args()
    if arguments.size < 8 or arguments.size % 8:
        parser.error("--size must be a multiple of 8 MiB")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if os.geteuid() != 0:
        parser.error("must run as root: it mounts, and drops the kernel's caches")
    return parser, arguments


def main():
    parser, arguments = parse()
    has_pail = os.access(arguments.pail, os.X_OK)
    subjects = {name: command for name, command in
                all_subjects(arguments.pail if has_pail else None, arguments.pail_option).items()
                if command and (not arguments.subjects or name in arguments.subjects)}
    unknown = set(arguments.subjects) - set(subjects)
    if unknown:
        parser.error(f"no such subject, or not built: {', '.join(sorted(unknown))}")
    if not has_pail and not arguments.subjects:
        print(f"no program {arguments.pail}: measuring the others", file=sys.stderr)
    chosen = [work for work in works(arguments.size) if not arguments.only or work.name in arguments.only]
    if not chosen:
        parser.error("no such work")
    directory = tempfile.mkdtemp(prefix="pail-compare-")
    closing = []
    try:
        server = SeaweedFS(arguments.tools, directory)
        closing.append(server)
        link = Link(directory, server.port, arguments.round_trip)
        closing.append(link)
        results = measure(arguments, subjects, chosen, server, link, directory)
    finally:
        for thing in reversed(closing):
            thing.close()
        left = [name for name in os.listdir(directory) if name.startswith("mnt-") and is_mounted(os.path.join(directory, name))]
        if left:
            print(f"still mounted, so kept: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    report(results, chosen)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=1)
            file.write("\n")
    failed = [entry for entry in results["measurements"] if "error" in entry]
    return 1 if failed else 0


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3\n")


def warm(client, work):
    """Reads what the work will read once, past the mounts, so that the server has it in memory."""
    if work.name == "read":
        subprocess.run(["curl", "-s", "-f", "-o", "/dev/null", client.presigned("GET", "large/read")], check=True)
    elif work.name == "small":
        for key in client.keys("small/"):
            client.request("GET", key)
    elif work.name == "list":
        client.keys("many/")


def measure(arguments, subjects, chosen, server, link, directory):
    client = server.client
    # The directory that writes go to is there before, as in any tree.
    client.put("large/", b"", {"Content-Type": "application/x-directory"})
    for work in works(arguments.size):
        if work in chosen or work.name in {other.name for other in chosen} or not arguments.no_floors:
            work.prepare(client)
    lines = {"direct": server.port, "link": link.port}
    measurements, bottoms = [], []
    for line in arguments.lines or list(lines):
        port = lines[line]
        if not arguments.no_floors:
            for round_number in range(arguments.rounds):
                for name, seconds in floors(client, arguments.size, directory, port).items():
                    bottoms.append({"line": line, "work": name, "round": round_number, "seconds": seconds})
        for work in chosen:
            for round_number in range(arguments.rounds):
                names = list(subjects)
                # Whoever comes first in one round comes later in the next.
                turn = round_number % len(names)
                for name in names[turn:] + names[:turn]:
                    entry = {"line": line, "work": work.name, "subject": name, "round": round_number}
                    entry.update(measure_once(subjects[name], work, client, f"http://127.0.0.1:{port}", directory))
                    measurements.append(entry)
                    text = entry.get("error") or (f"{entry['seconds']:.3f} s, CPU {entry['cpu_seconds']:.2f} s, "
                                                  f"{entry['peak_memory'] >> 20} MiB")
                    print(f"{line:6} {work.name:6} {name:10} round {round_number + 1}: {text}", file=sys.stderr, flush=True)
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "kernel": platform.release(), "cores": os.cpu_count(),
        "size_mib": arguments.size, "round_trip_ms": arguments.round_trip, "rounds": arguments.rounds,
        "subjects": list(subjects), "measurements": measurements, "floors": bottoms,
    }


def measure_once(command, work, client, url, directory):
    if work.clean:
        work.clean(client)
    drop_caches()
    warm(client, work)
    mount = None
    try:
        mount = Mount(command, url, directory)
        seconds = work.run(mount.path)
        return {"seconds": seconds, "cpu_seconds": mount.cpu_seconds, "peak_memory": mount.peak_memory}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        if mount:
            mount.unmount()
        if work.clean:
            work.clean(client)


def median(entries, field, **wanted):
    values = [entry[field] for entry in entries
              if field in entry and all(entry[name] == value for name, value in wanted.items())]
    return statistics.median(values) if values else None


def report(results, chosen):
    entries, subjects = results["measurements"], results["subjects"]
    peers = [name for name in subjects if name.startswith("s3fs")]
    print(f"\nSeaweedFS on this machine ({results['cores']} cores, kernel {results['kernel']}), medians of {results['rounds']}")
    for line in dict.fromkeys(entry["line"] for entry in entries):
        print(f"\n{'directly' if line == 'direct' else 'over a link of %g ms round trip' % results['round_trip_ms']}")
        header = f"  {'':32}" + "".join(f"{name:>12}" for name in subjects) + f"{'curl':>12}"
        print(header + ("   pail / best s3fs" if "pail" in subjects and peers else ""))
        for work in chosen:
            row = f"  {work.title:32}"
            medians = {}
            for name in subjects:
                medians[name] = median(entries, "seconds", line=line, work=work.name, subject=name)
                row += f"{medians[name]:>10.3f} s" if medians[name] is not None else f"{'failed':>12}"
            bottom = median(results["floors"], "seconds", line=line, work=work.name)
            row += f"{bottom:>10.3f} s" if bottom is not None else f"{'-':>12}"
            best = min((medians[name] for name in peers if medians[name] is not None), default=None)
            if medians.get("pail") is not None and best:
                row += f"{medians['pail'] / best:>12.2f}"
            print(row)
            detail = f"  {'  CPU seconds; peak memory':32}"
            for name in subjects:
                cpu = median(entries, "cpu_seconds", line=line, work=work.name, subject=name)
                memory = median(entries, "peak_memory", line=line, work=work.name, subject=name)
                detail += f"{cpu:>6.2f};{memory / (1 << 20):>4.0f}M" if cpu is not None else f"{'-':>12}"
            print(detail)


if __name__ == "__main__":
    sys.exit(main())
