"""Four programs at work on a mount (`fault_load.py`), and the check of what they have left in the bucket."""

import collections
import dataclasses
import json
import os
import sys

from fault_load import ABSENT, digest
from harness import expect, expect_equal

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = 4


@dataclasses.dataclass
class Found:
    """What the bucket holds of what was acknowledged, in names of files."""

    acknowledged: int = 0
    found: int = 0
    lost: list = dataclasses.field(default_factory=list)
    duplicated: list = dataclasses.field(default_factory=list)
    doubtful: int = 0
    wrong: list = dataclasses.field(default_factory=list)

    def __str__(self):
        return (f"acknowledged {self.acknowledged}, found {self.found}, lost {len(self.lost)}, duplicated {len(self.duplicated)}; "
                f"{self.doubtful} names of operations that failed hold what they may")

    def expect_all(self):
        expect(not self.wrong, f"read what was not acknowledged: {self.wrong[:5]}; lost then: {self.lost[:5]}")
        expect(not self.lost, f"lost: {self.lost[:5]}")
        expect(not self.duplicated, f"duplicated: {self.duplicated[:5]}")


class Loads:
    """Four programs that work in directories of their own for so many seconds, or until the gate says `end`.

    With a `gate`, a file that holds `up N` while the N-th mount serves and anything else before and while it is killed, they know
    that an error is the kill's, and go on when the next mount serves."""

    def __init__(self, run, mount, seconds, seed, gate=None):
        self.parts = []
        for number in range(PROGRAMS):
            directory = f"work{number}"
            os.makedirs(mount.path(directory))
            report = run.path("fault-load")
            arguments = [mount.path(directory), report, f"{seed}/{number}", str(seconds)] + ([gate] if gate else [])
            process = run.spawn([sys.executable, "-B", os.path.join(HERE, "fault_load.py"), *arguments], "fault-load")
            self.parts.append((directory, report, process))

    def expect_running(self):
        for directory, _, process in self.parts:
            expect(process.is_running, f"{directory}: {process.output()}")

    def finish(self, seconds):
        """Waits for their ends. Returns (operations, errors, the longest)."""
        done, errors, longest = collections.Counter(), collections.Counter(), 0
        self.reports, self.wrong = [], []
        for directory, report, process in self.parts:
            status = process.wait(seconds)
            expect(status is not None, f"{directory}: a program hangs")
            expect_equal(status, 0, f"{directory}: {process.output()}")
            with open(report) as file:
                found = json.load(file)
            self.wrong += [f"{directory}: {text}" for text in found["wrong"]]
            self.reports.append((directory, found["allowed"], found["moves"]))
            done.update(found["done"])
            errors.update(found["errors"])
            longest = max(longest, found["longest"])
        return done, errors, longest

    def check_bucket(self, server, bucket):
        """Looks at every name of every program, and for names that no program has made; at what the programs have read, too."""
        result = Found(wrong=self.wrong)
        for directory, allowed, moves in self.reports:
            present = {}
            for key in server.keys(bucket, f"{directory}/"):
                name = key.removeprefix(f"{directory}/")
                if name:
                    present[name] = digest(server.read(bucket, key))
            for name, contents in allowed.items():
                is_certain = len(contents) == 1
                found = present.get(name, ABSENT)
                if is_certain and contents[0] != ABSENT:
                    result.acknowledged += 1
                    result.found += found in contents
                if found in contents:
                    result.doubtful += not is_certain
                elif contents == [ABSENT]:
                    result.duplicated.append(f"{directory}/{name}, which was removed or renamed, holds {found}")
                else:
                    result.lost.append(f"{directory}/{name} holds {found}, and not one of {contents}")
            # A rename that failed may have been made, or not, or be half done: its content is under one of the names.
            for old, new, content in moves:
                if content not in (present.get(old), present.get(new)):
                    result.lost.append(f"{directory}: {content} is neither in {old} nor in {new}")
            for name in sorted(present.keys() - allowed.keys()):
                result.duplicated.append(f"{directory}/{name}, which nobody made, holds {present[name]}")
        return result


def summary(done, errors):
    wrong = ", ".join(f"{name} {count}" for name, count in sorted(errors.items())) or "none"
    return f"{sum(done.values())} operations acknowledged; errors: {wrong}"
