#!/usr/bin/env python3
"""Runs a command for a limited time.

    Tests/limited.py SECONDS COMMAND [ARGUMENT …]

A test that hangs says nothing: it holds the machine until somebody ends it, and by then nobody can ask it where it stood. So once the time
is up, each process below the command is described (its threads, what each waits for in the kernel, and where a debugger is at hand its
stacks), then all are ended, and the exit status is 124, as timeout(1) has it. Otherwise it is the command's own.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time

_libc = ctypes.CDLL(None)


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def parents():
    """The parent of each process."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        # The program's name stands in parentheses and may hold anything.
        fields = read(f"/proc/{name}/stat").rpartition(")")[2].split()
        if len(fields) > 1 and fields[0] != "Z":
            found[int(name)] = int(fields[1])
    return found


def tree(root):
    """A process and all below it, parents first."""
    table = parents()
    found = [root]
    for process in found:
        found += [child for child, parent in table.items() if parent == process]
    return found


def describe(process):
    """What a process is and where its threads stand, as lines of text."""
    words = read(f"/proc/{process}/cmdline").replace("\0", " ").strip()
    if not words:
        return []
    lines = [f"process {process}: {words[:300]}"]
    for thread in sorted(os.listdir(f"/proc/{process}/task"), key=int):
        folder = f"/proc/{process}/task/{thread}"
        state = read(f"{folder}/stat").rpartition(")")[2].split()[:1]
        call = read(f"{folder}/syscall").split()[:1]
        lines.append(f"  thread {thread} {read(f'{folder}/comm').strip()}: {' '.join(state)} {read(f'{folder}/wchan')} call {' '.join(call)}")
        lines += [f"    {entry.split(' ', 1)[-1]}" for entry in read(f"{folder}/stack").splitlines()[:6]]
    return lines


def stacks(process):
    """The stacks of a process's threads by eu-stack(1), where it is installed: gdb takes minutes to read a debug build's symbols."""
    if not shutil.which("eu-stack"):
        return ["  (no eu-stack here, of elfutils: no stacks)"]
    try:
        done = subprocess.run(["eu-stack", "-n", "24", "-p", str(process)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=60)
    except subprocess.TimeoutExpired:
        return ["  (eu-stack did not end)"]
    return [f"  {line[:240]}" for line in done.stdout.splitlines()[:3000]]


def fuse_mounts():
    """The mount points of Pail's in the kernel's table."""
    lines = (line.partition(" - ") for line in read("/proc/self/mountinfo").splitlines())
    return {left.split(" ")[4].encode().decode("unicode_escape") for left, _, right in lines if right.startswith("fuse.pail")}


def report(root, file=sys.stderr):
    """Says where a process and all below it stand."""
    for process in tree(root):
        with contextlib.suppress(OSError):
            lines = describe(process)
            # Those that came from here and were built with symbols; shells and servers of others have nothing to tell.
            if any(name in read(f"/proc/{process}/comm") for name in ("pail", "xctest", "swift-test")):
                lines += stacks(process)
            print("\n".join(lines), file=file, flush=True)


def end(root, mounts_before=frozenset()):
    """Ends a process and all below it, those in sessions of their own too, and the mounts made since `mounts_before` was read.

    A process that waits in a mount which it serves itself outlives SIGKILL: it waits for its own answer. Forced off, the mount answers.
    """
    for process in reversed(tree(root)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    for point in fuse_mounts() - mounts_before:
        for flags in (1, 2):  # MNT_FORCE gives up what waits, MNT_DETACH takes the mount out of the table
            _libc.umount2(os.fsencode(point), flags)


def main():
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    limit = int(sys.argv[1])
    # What its children leave behind counts as its own.
    _libc.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    before = fuse_mounts()
    command = subprocess.Popen(sys.argv[2:])

    def stop(number, frame):
        command.send_signal(number)

    signal.signal(signal.SIGTERM, stop)
    # From the terminal both get it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    deadline = time.monotonic() + limit
    while command.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            command.wait(max(deadline - time.monotonic(), 0))
    if command.poll() is not None:
        status = command.returncode
        return status if status >= 0 else 128 - status
    print(f"\nnot done after {limit} s: {' '.join(sys.argv[2:])}", file=sys.stderr, flush=True)
    report(os.getpid())
    for child in [process for process, parent in parents().items() if parent == os.getpid()]:
        end(child, before)
    command.wait()
    return 124


if __name__ == "__main__":
    sys.exit(main())
