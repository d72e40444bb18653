"""Costs by symbol, out of what perf recorded."""

import re
import shutil
import subprocess
from collections import Counter

LENGTH = 150


class Costs:
    """Shares of the whole, from 0 to 1: of symbols and of the programs and libraries they are in. `inclusive` counts what is called too."""

    def __init__(self):
        self.total = 0
        self.own, self.inclusive, self.places = Counter(), Counter(), Counter()

    def add(self, stack):
        """A sample: (symbol, place) of each frame, the innermost first."""
        self.total += 1
        self.own[stack[0]] += 1
        self.places[stack[0][1]] += 1
        for frame in set(stack):
            self.inclusive[frame] += 1


def of_perf(path):
    """Counts the stacks that `perf script` prints: a head line, then one line a frame, then an empty one."""
    done = subprocess.Popen(["perf", "script", "-i", path, "-F", "comm,ip,sym,dso"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, errors="replace")
    costs, stack = Costs(), []
    # "    7f0012 symbol (/path/of/library)"
    frame = re.compile(r"^\s+[0-9a-f]+ (.*) \((.*)\)$")
    for line in done.stdout:
        found = frame.match(line)
        if found:
            symbol, place = found.groups()
            stack.append((symbol.partition("+0x")[0], short_place(place)))
        elif not line.strip() and stack:
            costs.add(stack)
            stack = []
    if stack:
        costs.add(stack)
    done.wait()
    return costs


def short_place(path):
    if "kernel" in path or path.startswith("[k"):
        return "kernel"
    return re.sub(r"(\.so)[\d.]*$", r"\1", path.rpartition("/")[2])


def demangled(symbols):
    """Readable names of Swift's symbols, by the tool that comes with the compiler."""
    names = list(symbols)
    if not shutil.which("swift") or not names:
        return {name: name for name in names}
    done = subprocess.run(["swift", "demangle", "--compact", "--simplified"], input="\n".join(names) + "\n", capture_output=True, text=True)
    lines = done.stdout.splitlines()
    return dict(zip(names, lines)) if len(lines) == len(names) else {name: name for name in names}


def table(costs, top):
    if not costs.total:
        return "  nothing was recorded"
    own = costs.own.most_common(top)
    # Of what is called: Pail's own functions, where something can be done.
    inside = [item for item in costs.inclusive.most_common() if item[0][1] == "pail"][:top]
    names = demangled(dict.fromkeys(symbol for (symbol, _), _ in own + inside))
    lines = [f"  {costs.total} samples; by place: " + ", ".join(
        f"{place} {100 * cost / costs.total:.0f} %" for place, cost in costs.places.most_common(8))]

    def rows(title, entries):
        lines.append(f"  {title}")
        for (symbol, place), cost in entries:
            lines.append(f"  {100 * cost / costs.total:5.1f} %  {place:18} {names[symbol][:LENGTH]}")

    rows("itself", own)
    rows("with all that it calls", inside)
    return "\n".join(lines)
