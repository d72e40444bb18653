import collections
import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time

import damage
from harness import Skip, expect, expect_equal, lazy_unmount, shorten, tool
from synthetic_bucket import SyntheticBucket

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Documentation", "CHECK.md")


def check(run, server, bucket, *options, prefix="", state=None, seconds=120):
    """Runs `pail check`; returns (exit status, standard output, standard error)."""
    state = state or run.path("check-state")
    os.makedirs(state, exist_ok=True)
    done = subprocess.run(
        [run.pail, "check", f"s3://{bucket}{prefix}", "--endpoint-url", server.url, "--state-dir", state, *options],
        env=run.environment(), capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def findings(output):
    """{check: {keys}} of the output of --json."""
    return {kind["name"]: {finding["key"] for finding in kind["findings"]} for kind in json.loads(output)["checks"]}


def contents(server, bucket):
    """How often each content that is not empty is in the bucket, by its SHA-256."""
    client = server.client()
    counts = collections.Counter()
    for key in server.keys(bucket):
        if key.startswith("lost+found/REPORT-"):
            continue
        body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        if body:
            counts[hashlib.sha256(body).hexdigest()] += 1
    return counts


def test_check_of_a_planted_bucket(run):
    """Every kind of damage is found and named with its key, with the right exit status; -y mends it, after which a second run is
    clean and exits 0; every content is there, byte for byte. On moto and on SeaweedFS."""
    if not run.is_pail:
        raise Skip("s3fs has no check")
    for kind in ("moto", "seaweedfs"):
        server = run.server(kind)
        began = time.monotonic()
        bucket = server.make_bucket("planted")
        planted = damage.plant(server, bucket, say=run.note)
        run.note(f"{kind}: {sum(map(len, planted.values()))} keys of {len(planted)} kinds planted in {time.monotonic() - began:.1f} s")
        before = contents(server, bucket)
        keys = server.keys(bucket)

        status, output, error = check(run, server, bucket, "--min-age", "0", "--json")
        expect_equal(status, 4, f"{kind}: exit status of the first check: {error}")
        found = findings(output)
        for name, wanted in planted.items():
            expect_equal(found.get(name), wanted, f"{kind}: keys that {name} names")
        expect_equal(sorted(set(found) - set(planted) - {"no-upload-lifecycle"}), [], f"{kind}: kinds that were not planted: {shorten(output)}")
        expect_equal(server.keys(bucket), keys, f"{kind}: keys after a check that changes nothing")

        # Young, all that is in flight belongs to somebody.
        status, output, _ = check(run, server, bucket, "--fast", "--json")
        expect(not {"unlinked-leftover", "exchange-leftover", "probe-leftover"} & set(findings(output)),
               f"{kind}: young things in flight are findings")

        status, output, error = check(run, server, bucket, "--min-age", "0", "-p", "--json")
        expect_equal(status, 5, f"{kind}: exit status of -p: {error}")
        expect_equal({k["name"] for k in json.loads(output)["checks"] if k["mended"]}, {"probe-leftover"},
                     f"{kind}: what -p mends")

        status, output, error = check(run, server, bucket, "--min-age", "0", "-y", "--json")
        report = json.loads(output)
        left = {k["name"]: k["findings"] for k in report["checks"] if k["severity"] != "note" and k["found"] > k["mended"]}
        expect_equal(status, 1, f"{kind}: exit status of -y: {error} {left}")
        status, output, error = check(run, server, bucket, "--min-age", "0")
        expect_equal(status, 0, f"{kind}: exit status of the second run: {output}")
        after = contents(server, bucket)
        # Two contents are known to have stood elsewhere, or to be Pail's own.
        lost = before - after
        allowed = {hashlib.sha256(b"good").hexdigest(), hashlib.sha256(b"probe").hexdigest()}
        expect_equal({digest for digest in lost if digest not in allowed}, set(), f"{kind}: contents that are gone")
        for digest in lost:
            expect(digest != hashlib.sha256(b"good").hexdigest() or after[digest] > 0, f"{kind}: the content of a copy is gone")
        report_keys = [key for key in server.keys(bucket) if key.startswith("lost+found/REPORT-")]
        expect(len(report_keys) == 1, f"{kind}: lists of what was moved: {report_keys}")
        run.note(f"{kind}: {time.monotonic() - began:.1f} s in all")


def steady(output):
    """An output with what differs from run to run taken out."""
    output = re.sub(r"s3://planted-\d+", "s3://bucket", output)
    output = re.sub(r"\d+ requests, \d+\.\d s", "N requests, N s", output)
    output = re.sub(r"REPORT-\d+", "REPORT-N", output)
    return re.sub(r"\d+ (days|h|min) old", "N min old", output)


def test_check_page(run):
    """Documentation/CHECK.md shows the output for the planted bucket as it is; it fits 80 columns."""
    if not run.is_pail:
        raise Skip("s3fs has no check")
    server = run.server("moto")
    bucket = server.make_bucket("planted")
    damage.plant(server, bucket)
    status, output, error = check(run, server, bucket, "--min-age", "0")
    expect_equal(status, 4, f"exit status: {error}")
    output = steady(output)
    for line in output.split("\n"):
        expect(len(line) <= 80 or "nnnn" in line or "oooo" in line or ".pail" in line, f"a line of {len(line)} columns: {line}")
    with open(PAGE, encoding="utf-8") as page:
        text = page.read()
    begin, end = "<!-- begin: planted -->\n```text\n", "```\n<!-- end: planted -->"
    shown = text.partition(begin)[2].partition(end)[0]
    if os.environ.get("PAIL_RENEW"):
        with open(PAGE, "w", encoding="utf-8") as page:
            page.write(text.replace(begin + shown + end, begin + output + end))
        shown = output
    expect(shown == output, "the output in CHECK.md is not that of the program: run this test with PAIL_RENEW=1")


def test_check_raises_no_false_alarm(run):
    """Buckets written by Pail, by Debian's s3fs, by the AWS command line and by rclone, and one that two mounts are writing to,
    give exit status 0."""
    if not run.is_pail:
        raise Skip("s3fs has no check")
    server = run.server()
    source = run.path("source")
    os.makedirs(os.path.join(source, "deep", "er", "empty"))
    for number in range(50):
        with open(os.path.join(source, "deep", "er" if number % 2 else "", f"file {number}é.txt"), "wb") as file:
            file.write(os.urandom(number * 37))
    os.symlink("file 0é.txt", os.path.join(source, "deep", "link"))
    os.mkfifo(os.path.join(source, "deep", "pipe"))

    def clean(bucket, who, where=server):
        status, output, error = check(run, where, bucket, "--min-age", "0", "--verify-data")
        expect_equal(status, 0, f"a bucket written by {who}: {output}{error}")

    bucket = server.make_bucket("by-pail")
    mount = run.mount(bucket)
    run.call("cp", "-a", source, mount.path("tree"))
    os.setxattr(mount.path("tree", "deep", "file 0é.txt"), "user.note", b"kept")
    os.chmod(mount.path("tree", "deep"), 0o700)
    with open(mount.path("big"), "wb") as file:
        file.write(os.urandom(20 << 20))
    os.rename(mount.path("tree"), mount.path("renamed"))
    mount.unmount()
    clean(bucket, "Pail")

    bucket = server.make_bucket("by-aws")
    run.call("rm", os.path.join(source, "deep", "pipe"))
    run.aws(server, "s3", "sync", source, f"s3://{bucket}/tree", "--no-follow-symlinks")
    clean(bucket, "aws s3 sync")

    bucket = server.make_bucket("by-rclone")
    remote = (f":s3,provider=Other,access_key_id=pail-test-key,secret_access_key=pail-test-secret,endpoint=\"{server.url}\","
              f"force_path_style=true:{bucket}/tree")
    run.call(tool(run.tools, "rclone"), "--config", "/dev/null", "sync", "--links", source, remote)
    clean(bucket, "rclone")

    bucket = server.make_bucket("by-s3fs")
    place = run.path("s3fs")
    os.makedirs(place)
    password = run.path("passwd")
    with open(os.open(password, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write("pail-test-key:pail-test-secret\n")
    process = run.spawn(["s3fs", bucket, place, "-f", "-o", f"passwd_file={password},url={server.url},use_path_request_style,use_xattr"],
                        "s3fs")
    try:
        end = time.monotonic() + 20
        while not os.path.ismount(place) and time.monotonic() < end:
            time.sleep(0.1)
        # Not -a: SeaweedFS does not copy a marker onto itself, which is how s3fs sets a directory's times.
        run.call("cp", "-r", source, os.path.join(place, "tree"))
        os.setxattr(os.path.join(place, "tree", "deep", "file 0é.txt"), "user.note", b"kept")
    finally:
        process.end()
        lazy_unmount(place)
    clean(bucket, "s3fs")


def test_check_beside_live_mounts(run):
    """A check of a bucket that two mounts write to meanwhile gives exit status 0, time after time."""
    if not run.is_pail:
        raise Skip("s3fs has no check")
    for kind in ("seaweedfs", "moto"):
        server = run.server(kind)
        bucket = server.make_bucket("live")
        mounts = [run.mount(bucket, server=server), run.mount(bucket, server=server)]
        stop = threading.Event()
        errors = []

        def work(mount, name):
            number = 0
            try:
                while not stop.is_set():
                    number += 1
                    base = mount.path(f"{name}-{number % 5}")
                    os.makedirs(base + "/d", exist_ok=True)
                    with open(base + "/d/file", "wb") as file:
                        file.write(os.urandom(1000))
                        file.flush()
                        os.fsync(file.fileno())
                        os.unlink(base + "/d/file")
                    with open(base + "/big", "wb") as file:
                        file.write(os.urandom(9 << 20))
                    os.rename(base + "/big", base + "/big2")
                    os.symlink("big2", base + f"/link-{number}")
                    os.chmod(base + "/big2", 0o600)
                    run.call("rm", "-r", base)
                    # A file where a directory was, and the other way round.
                    with open(base, "w") as file:
                        file.write("now a file")
                    os.unlink(base)
            except (OSError, AssertionError) as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(mount, name)) for mount, name in zip(mounts, "ab")]
        for thread in threads:
            thread.start()
        try:
            for number in range(10 if run.full else 4):
                status, output, error = check(run, server, bucket)
                expect_equal(status, 0, f"{kind}: check {number} beside two mounts: {output}{error}")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        expect(not errors, f"{kind}: the writers failed: {errors}")
        for mount in mounts:
            mount.unmount()


def test_check_interrupted(run):
    """SIGINT at any moment ends a check with status 32; nothing is half mended, and --resume goes on to the same result."""
    if not run.is_pail:
        raise Skip("s3fs has no check")
    server = run.server("moto")
    bucket = server.make_bucket("interrupted")
    client = server.client()
    count = 1500 if run.full else 400
    for number in range(count):
        client.put_object(Bucket=bucket, Key=f"f{number:05}", Body=b"%d" % number, Metadata={"mtime": "bad"})
    before = contents(server, bucket)
    state = run.path("check-state")
    os.makedirs(state)
    arguments = [run.pail, "check", f"s3://{bucket}", "--endpoint-url", server.url, "--state-dir", state, "-y", "--json"]
    statuses = []
    options = []
    for delay in [0.3, 0.7, 1.5, 2.5, 4, 6, 9, 14, 20, 30, 60]:
        process = subprocess.Popen(arguments + options, env=run.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.communicate(timeout=delay)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            output, error = process.communicate(timeout=60)
        statuses.append(process.returncode)
        for key in [f"f{number:05}" for number in range(0, count, 31)]:
            metadata = client.head_object(Bucket=bucket, Key=key)["Metadata"]
            whole = metadata.get("mtime") == "bad" and "pail-was-mtime" not in metadata
            mended = metadata.get("mtime", "").isdigit() and metadata.get("pail-was-mtime") == "bad"
            expect(whole or mended, f"{key} is half mended: {metadata}")
        if not process.returncode & 32:
            break
        options = ["--resume"]
    expect(32 in [status & 32 for status in statuses], f"no check was interrupted: {statuses}")
    expect_equal(statuses[-1], 1, f"the last status of {statuses}")
    status, output, _ = check(run, server, bucket)
    expect_equal(status, 0, f"the bucket after interrupted checks: {shorten(output)}")
    expect_equal(contents(server, bucket), before, "contents after interrupted checks")
    run.note(f"statuses {statuses}")


def test_check_as_fsck(run):
    """fsck.pail takes what fsck(8) hands on, finds the store in fstab, is quick, and skips a bucket while the network is down."""
    if not run.is_pail:
        raise Skip("s3fs has no check")
    server = run.server("moto")
    bucket = server.make_bucket("fsck")
    server.client().put_object(Bucket=bucket, Key="bad//key", Body=b"x")
    server.client().put_object(Bucket=bucket, Key="bad-header", Body=b"x", Metadata={"mode": "x"})
    folder = run.path("bin")
    os.makedirs(folder)
    program = os.path.join(folder, "fsck.fuse.pail")
    os.symlink(run.pail, program)
    table = run.path("fstab")

    def fsck(*arguments, url=server.url, network="_netdev,"):
        with open(table, "w") as file:
            file.write(f"s3://{bucket} /mnt fuse.pail {network}endpoint_url={url},state_dir={run.path('state')} 0 2\n")
        done = subprocess.run([program, *arguments, f"s3://{bucket}"], env=run.environment(LIBMOUNT_FSTAB=table),
                              capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    status, output = fsck("-a")
    expect_equal(status, 4, f"fsck -a: {output}")
    expect("unshowable-key" in output and "bad-mode" not in output, f"fsck -a looks at names alone: {output}")
    status, output = fsck("-n", "-f", "-C0")
    expect("bad-mode" in output, f"fsck -f looks at headers: {output}")
    status, output = fsck("-a", url="http://127.0.0.1:9")
    expect_equal(status, 0, f"fsck -a without a network: {output}")
    status, output = fsck("-a", url="http://127.0.0.1:9", network="")
    expect_equal(status, 8, f"fsck -a without a store: {output}")
    status, output = fsck("-q")
    expect_equal(status, 16, f"an unknown letter: {output}")
    reader, writer = os.pipe()
    done = subprocess.run([program, "-n", "-C", str(writer), f"s3://{bucket}"], env=run.environment(LIBMOUNT_FSTAB=table),
                          capture_output=True, timeout=60, pass_fds=[writer])
    os.close(writer)
    with os.fdopen(reader) as progress:
        lines = progress.read().splitlines()
    expect(lines and all(re.fullmatch(r"[123] \d+ \d+ s3://\S+", line) for line in lines), f"progress: {lines}")


def test_check_budget(run):
    """--max-requests ends a check before it makes more; --resume goes on."""
    if not run.is_pail:
        raise Skip("s3fs has no check")
    server = run.server("moto")
    bucket = server.make_bucket("budget")
    client = server.client()
    for number in range(40):
        client.put_object(Bucket=bucket, Key=f"f{number}", Body=b"x")
    status, output, error = check(run, server, bucket, "--max-requests", "20", "--json")
    expect_equal(status, 32, f"exit status at the limit: {output}{error}")
    expect(json.loads(output)["requests"] <= 20, f"requests: {output}")
    status, output, error = check(run, server, bucket, "--json")
    expect_equal(status, 0, f"without the limit: {output}{error}")
    expect_equal(json.loads(output)["headersRead"], 40, "headers read")


def test_check_of_a_large_bucket(run):
    """1,000,000 objects: the checks of the listing make at most 1,010 requests and hold less than 200 MiB; those of the headers
    make one HEAD each and hold no more."""
    if not run.is_pail:
        raise Skip("s3fs has no check")

    def measured(bucket, *options):
        process = subprocess.Popen(
            [run.pail, "check", "s3://synthetic", "--endpoint-url", bucket.url, "--state-dir", run.path("state"), "--json", *options],
            env=run.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        began = time.monotonic()
        output, error = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        expect_equal(process.returncode, 0, f"exit status: {shorten(output)} {shorten(error)}")
        memory = usage.ru_maxrss / 1024
        run.note(f"{bucket.count} objects {' '.join(options)}: {dict(bucket.requests)}, {memory:.0f} MiB, {time.monotonic() - began:.1f} s")
        expect(memory < 200, f"{memory} MiB of memory")
        return json.loads(output)

    bucket = SyntheticBucket(run, 1_000_000)
    report = measured(bucket, "--fast")
    expect_equal(report["objects"], 1_000_000, "objects seen")
    expect(sum(bucket.requests.values()) <= 1010, f"requests: {bucket.requests}")
    count = 200_000 if run.full else 10_000
    bucket = SyntheticBucket(run, count)
    report = measured(bucket)
    expect_equal(report["headersRead"], count, "headers read")
    expect_equal(bucket.requests["HEAD"], count, "HEADs")
