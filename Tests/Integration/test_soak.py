"""Half an hour of programs that check what they read back, over connections that die."""

import os
import shutil
import threading
import time

from faulty_relay import FaultyRelay
from harness import MIB, expect, peak_memory, random_bytes
from mending import expect_mended
from test_promises import only_pail


def _resident(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS:"))


class _Program(threading.Thread):
    """One program run over and over until the end; the first failure ends it."""

    def __init__(self, name, work, until):
        super().__init__(daemon=True)
        self.name, self.work, self.until = name, work, until
        self.rounds, self.failure = 0, None

    def run(self):
        try:
            while time.monotonic() < self.until:
                self.work(self.rounds)
                self.rounds += 1
        except Exception as error:  # noqa: BLE001: whatever it is, the test says it
            self.failure = f"{self.name}, round {self.rounds}: {error}"


def _fio(run, place):
    def work(number):
        os.makedirs(place, exist_ok=True)
        run.call("fio", "--name=mixed", f"--directory={place}", "--rw=randwrite", "--bsrange=512-128k", "--size=24m", "--numjobs=2",
                 "--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--ioengine=psync", f"--randseed={number + 1}", "--end_fsync=1",
                 timeout=900, cwd=run.directory)
        shutil.rmtree(place)
    return work


def _rsync(run, place, source, back):
    def work(number):
        # Some files change, some go, some come.
        for index in range(number % 7, 60, 7):
            with open(os.path.join(source, f"{index % 6}", f"file-{index}"), "wb") as file:
                file.write(random_bytes(number * 100 + index, 100 + (index * 7919 + number) % 200_000))
        for index in range(number % 11, 60, 11):
            path = os.path.join(source, f"{index % 6}", f"file-{index}")
            if os.path.exists(path):
                os.unlink(path)
        run.call("rsync", "-a", "--delete", "--checksum", source + "/", place + "/", timeout=900)
        run.call("rsync", "-a", "--delete", "--checksum", place + "/", back + "/", timeout=900)
        run.call("diff", "-r", source, back)
    return work


def _git(run, place):
    def git(*arguments):
        run.call("git", "-C", place, "-c", "user.name=p", "-c", "user.email=p@x", "-c", "gc.auto=0", *arguments, timeout=900)

    def work(number):
        if number % 8 == 0:
            shutil.rmtree(place, ignore_errors=True)
            os.makedirs(place)
            git("init", "-q", "-b", "main")
        for index in range(15):
            with open(os.path.join(place, f"file-{(number + index) % 40}"), "wb") as file:
                file.write(random_bytes(number * 15 + index, 3000))
        git("add", "-A")
        git("commit", "-q", "-m", f"round {number}")
        if number % 4 == 3:
            git("gc", "-q")
        git("fsck", "--full", "--strict")
        git("diff", "--quiet", "HEAD")
    return work


def test_soak(run):
    """fio with verification, rsync both ways with a comparison and git with its fsck run side by side (30 minutes in full, 20 s on
    every commit) while connections are reset, cut, stalled and delayed: no program fails and nothing differs; in full, memory stays where
    it was after the first five minutes."""
    only_pail(run)
    server = run.server()
    bucket = server.make_bucket("soak")
    relay = FaultyRelay(run, server, run.seed)
    mount = run.mount(bucket, "--hedged-reads", "on", url=relay.url)
    source, back = run.path("source"), run.path("back")
    for index in range(6):
        os.makedirs(os.path.join(source, str(index)))
    os.makedirs(back)
    os.mkdir(mount.path("rsync"))
    relay.mean = 8_000_000
    seconds = 1800 if run.full else 20
    until = time.monotonic() + seconds
    programs = [
        _Program("fio", _fio(run, mount.path("fio")), until),
        _Program("rsync", _rsync(run, mount.path("rsync"), source, back), until),
        _Program("git", _git(run, mount.path("git")), until),
    ]
    for program in programs:
        program.start()
    samples = []
    began = time.monotonic()
    while any(program.is_alive() for program in programs):
        samples.append((time.monotonic() - began, _resident(mount.pid)))
        time.sleep(1 if not run.full else 5)
    relay.mean = None
    failures = [program.failure for program in programs if program.failure]
    early = max(size for moment, size in samples if moment <= 300)
    late = max((size for moment, size in samples if moment > 300), default=0)
    run.note(f"rounds: {', '.join(f'{program.name} {program.rounds}' for program in programs)}; connections: {relay.met}")
    run.note(f"resident memory at most {early // MIB} MiB in the first five minutes, {late // MIB} MiB after them; peak {peak_memory(mount.pid)[0] // MIB} MiB")
    expect(not failures, f"{failures}")
    expect(all(program.rounds for program in programs), "a program came to no end")
    expect(sum(relay.met.values()) > 3, f"hardly a connection met its fate: {relay.met}")
    expect(late <= early * 1.1 + 8 * MIB, f"memory grew from {early} to {late} bytes")
    mount.unmount(seconds=120)
    expect_mended(run, mount)
