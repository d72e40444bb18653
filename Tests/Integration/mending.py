"""What a crash has left is mended by `pail check -p`: for the ends of the tests that crash something."""

import json
import subprocess

from harness import expect, shorten


def expect_mended(run, mount):
    """Checks and mends what an ended mount has left in its bucket and its state directory, however young: behind it a second check finds
    nothing. Writes down what was mended.

    One thing may be left: an upload without parts, whose name the store had told nobody when the connection or the process was gone. Only
    -y takes it."""
    mended = []
    for options in (["-p"], []):
        source = f"s3://{mount.bucket}" + (f"/{mount.prefix.strip('/')}" if mount.prefix else "")
        done = subprocess.run(
            [run.pail, "check", source, "--endpoint-url", mount.url, "--state-dir", mount.state, "--min-age", "0", "--json", *options],
            env=run.environment(), capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        what = f"pail check {' '.join(options)}: status {done.returncode}: {shorten(done.stderr, 1000)}"
        expect(done.stdout, what)
        report = json.loads(done.stdout)
        left = []
        for kind in report["checks"]:
            mended += [f"{kind['name']} {finding['key']}" for finding in kind["findings"] if finding["state"] == "mended"]
            if kind["severity"] != "note":
                left += [f"{kind['name']} {finding['key']}: {finding['detail']} {finding.get('remark') or ''}"
                         for finding in kind["findings"] if finding["state"] != "mended"
                         and not (kind["name"] == "incomplete-upload" and finding["detail"].startswith("0 parts"))]
        expect(done.returncode & ~5 == 0, what)
        expect(not left, f"{what}; left: {left[:5]}")
    expect(report["mended"] == 0, "the second check has mended something")
    run.note(f"pail check -p mended {len(mended)}{': ' + shorten(', '.join(mended), 160) if mended else ''}; the second check is clean")
