"""The results as text, as JSON, as a page's tables and as plots."""

import argparse
import json
import os
import statistics
import sys

BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"
REQUESTS = ("LIST", "HEAD", "GET", "PUT", "PART", "COPY", "POST", "DELETE", "OTHER")


def words(entry):
    """One measurement in a line, for whoever looks on."""
    if "error" in entry:
        return "fails: " + entry["error"][:300]
    text = f"{entry['seconds']:.3f} s"
    if entry.get("owed_seconds"):
        text += f" + {entry['owed_seconds']:.2f} s owed"
    if "cpu_seconds" in entry:
        text += f", CPU {entry['cpu_seconds']:.2f} s, {entry['peak_memory'] >> 20} MiB"
    if entry.get("requests"):
        text += ", " + requests(entry["requests"])
    return text


def requests(counts):
    return " ".join(f"{name} {counts[name]:g}" for name in REQUESTS if counts.get(name)) or "none"


def seconds_text(value):
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


class Cell:
    """All rounds of one subject at one work: medians, and whether it failed."""

    def __init__(self, entries):
        self.good = [entry for entry in entries if "error" not in entry]
        # One round that failed is a failure: nobody wants a mount that works two times of three.
        self.errors = [entry["error"] for entry in entries if "error" in entry]
        self.is_there = bool(entries)
        self.seconds = self._median("seconds")
        self.least = min((entry["seconds"] for entry in self.good), default=None)
        self.most = max((entry["seconds"] for entry in self.good), default=None)
        self.cpu, self.memory, self.owed = self._median("cpu_seconds"), self._median("peak_memory"), self._median("owed_seconds")
        counts = [entry["requests"] for entry in self.good if entry.get("requests")]
        self.requests = {name: statistics.median(count[name] for count in counts) for name in counts[0]} if counts else None

    def _median(self, field):
        values = [entry[field] for entry in self.good if entry.get(field) is not None]
        return statistics.median(values) if values else None

    def short(self, base):
        if self.errors or self.seconds is None:
            return "fails" if self.is_there else "–"
        text = seconds_text(self.seconds)
        if base and base.seconds and not base.errors:
            text += f" ×{self.seconds / base.seconds:.2g}" if self.seconds < 10 * base.seconds else f" ×{self.seconds / base.seconds:.0f}"
        if self.owed and self.owed >= 0.05:
            text += f" (+{seconds_text(self.owed)} late)"
        return text


class Results:
    def __init__(self, data):
        self.data = data
        self.lines = list(dict.fromkeys(entry["line"] for entry in data["measurements"]))
        self.works, self.subjects = data["works"], data["subjects"]

    def cell(self, line, work, subject):
        return Cell([entry for entry in self.data["measurements"]
                     if (entry["line"], entry["work"], entry["subject"]) == (line, work, subject)])

    def heading(self, line):
        return "Without the relay" if line == "direct" else f"Over a line of {self.data['round_trip_ms']:g} ms round trip"

    def machine(self):
        data = self.data
        programs = ", ".join(text if name in text.lower() else f"{name} {text}" for name, text in data["versions"].items())
        return (f"{data['date'][:10]}; {data['cores']} cores ({data['processor']}), kernel {data['kernel']}; SeaweedFS on the same machine; "
                f"medians of {data['rounds']}. {programs}.")

    def overview(self, line):
        """Seconds of all, and each one's ratio to Pail's."""
        has_goals = line == "link" and self.data["size_mib"] == 1024 and self.data["round_trip_ms"] == 20
        rows = [["seconds (× Pail's)", *self.subjects.values(), *(["Pail at most"] if has_goals else [])]]
        for name, work in self.works.items():
            base = self.cell(line, name, "pail")
            row = [work["title"], *(self.cell(line, name, subject).short(base if subject != "pail" else None) for subject in self.subjects)]
            if has_goals:
                row.append("; ".join((subject.removeprefix("pail-") + " " if subject != "pail" else "") + f"{goal:g}"
                                     for subject, goal in work["goals"].items()))
            rows.append(row)
        return rows

    def details(self, line):
        """What it cost: one row for each subject and work."""
        rows = [["work", "subject", "seconds", "least–most", "× Pail's", "CPU s", "peak MiB", "owed s", "requests"]]
        for name, work in self.works.items():
            base = self.cell(line, name, "pail")
            for subject, title in self.subjects.items():
                cell = self.cell(line, name, subject)
                if not cell.is_there:
                    continue
                if cell.seconds is None:
                    rows.append([work["title"], title, "fails", "", "", "", "", "", cell.errors[0].partition("\n")[0][:120]])
                    continue
                rows.append([
                    work["title"], title, seconds_text(cell.seconds) + (f" (fails {len(cell.errors)}×)" if cell.errors else ""),
                    f"{seconds_text(cell.least)}–{seconds_text(cell.most)}",
                    f"{cell.seconds / base.seconds:.2f}" if base.seconds else "",
                    f"{cell.cpu:.2f}" if cell.cpu is not None else "", f"{cell.memory / 2**20:.0f}" if cell.memory is not None else "",
                    f"{cell.owed:.2f}" if cell.owed is not None else "", requests(cell.requests) if cell.requests else "",
                ])
        return rows


def as_text(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows) + "\n"


def as_markdown(rows):
    def line(row):
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n"
    return line(rows[0]) + "|" + "---|" * len(rows[0]) + "\n" + "".join(line(row) for row in rows[1:])


def text(results):
    parts = [results.machine() + "\n"]
    for line in results.lines:
        parts += [f"\n{results.heading(line)}\n\n", as_text(results.overview(line)), "\n", as_text(results.details(line))]
    return "".join(parts)


def markdown(results):
    parts = [results.machine() + "\n"]
    for line in results.lines:
        parts += [f"\n### {results.heading(line)}\n\n", as_markdown(results.overview(line)),
                  "\n<details><summary>CPU time, memory, requests and what was owed</summary>\n\n", as_markdown(results.details(line)),
                  "\n</details>\n"]
    return "".join(parts)


def insert(page, begin, end, content):
    """Puts the content between the marks of a page, which must both be there."""
    with open(page) as file:
        old = file.read()
    head, found_begin, rest = old.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not found_begin or not found_end:
        sys.exit(f"{page} lacks the marks {begin} and {end}")
    with open(page, "w") as file:
        file.write(f"{head}{begin}\n{content}{end}{tail}")


def write(data, folder, page):
    os.makedirs(folder, exist_ok=True)
    results = Results(data)
    with open(os.path.join(folder, "compare.json"), "w") as file:
        json.dump(data, file, indent=1)
        file.write("\n")
    whole = text(results)
    with open(os.path.join(folder, "compare.txt"), "w") as file:
        file.write(whole)
    print(whole)
    if page:
        insert(page, BEGIN, END, markdown(results))
    # matplotlib is in the folder of the tools: where it is not, all the rest is there already.
    try:
        import plot
    except ImportError as error:
        print(f"no plot: {error}", file=sys.stderr)
    else:
        for line in results.lines:
            plot.draw(results, line, os.path.join(folder, f"compare-{line}.svg"))
    print(f"written to {folder}", file=sys.stderr)


def again(arguments):
    parser = argparse.ArgumentParser(prog="compare report", description="Writes the report of an earlier run again.")
    parser.add_argument("json", metavar="JSON")
    parser.add_argument("--markdown", metavar="FILE", help="put the tables into this page too, between its marks")
    parser.add_argument("--folder", metavar="DIR", help="default: that of the JSON")
    options = parser.parse_args(arguments)
    with open(options.json) as file:
        data = json.load(file)
    write(data, options.folder or os.path.dirname(os.path.abspath(options.json)), options.markdown)
    return 0
