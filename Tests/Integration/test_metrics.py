"""What an operator sees of a mount: metrics, status, the log of requests; and that the numbers are true."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import harness
from counting_proxy import CountingProxy
from harness import ACCESS_KEY, SECRET_KEY, expect, expect_equal, tool, wait_until

SAMPLE = re.compile(r'^([a-z_]+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def parse(text):
    """{name: [(labels, value)]} of Prometheus' text."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        match = SAMPLE.match(line)
        expect(match, f"no sample: {line}")
        labels = dict(LABEL.findall(match[2] or ""))
        labels.pop("mount", None)
        found.setdefault(match[1], []).append((labels, float(match[3])))
    return found


def metrics_url(mount):
    """Where a mount that chose its port itself serves its metrics."""
    line = wait_until(lambda: re.search(r"metrics are served address=(\S+)", mount.process.output(1_000_000)), 10, "metrics")
    return f"http://{line[1]}/metrics"


def scrape(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        expect_equal(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8", "the content type")
        return answer.read().decode()


def check_by_promtool(run, text):
    done = subprocess.run([tool(run.tools, "promtool"), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    expect(done.returncode == 0 and not done.stderr.strip(), f"promtool: {done.stdout}{done.stderr}")


def work(run, mount, rounds, sizes):
    """Files of these sizes written, read, listed, renamed, removed; returns how many operations failed."""
    chance = run.random("metrics")
    failed = 0
    for number in range(rounds):
        folder = mount.path(f"d{number % 3}")
        path = os.path.join(folder, f"f{number}")
        try:
            os.makedirs(folder, exist_ok=True)
            data = chance.randbytes(chance.choice(sizes))
            with open(path, "wb") as file:
                file.write(data)
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                expect_equal(file.read(), data, "what was written")
            os.chmod(path, 0o600)
            os.listdir(folder)
            with contextlib.suppress(FileNotFoundError):
                os.stat(os.path.join(folder, f"missing-{number}"))
            os.rename(path, path + "x")
            if number % 2:
                os.unlink(path + "x")
        except OSError:
            failed += 1
    return failed


def counted(metrics):
    """The requests of the metrics as the proxy counts them: by method and status."""
    found = {}
    for labels, value in metrics["pail_requests_total"]:
        key = labels["method"], labels["status"]
        found[key] = found.get(key, 0) + int(value)
    return found


def settled(url, proxy):
    """The metrics once no request is under way and none has been for a second."""
    def quiet():
        before = dict(proxy.counts)
        time.sleep(1)
        text = scrape(url)
        return text if proxy.counts == before and parse(text)["pail_requests_in_flight"] == [({}, 0)] else None
    return wait_until(quiet, 60, "an end of the requests", 0)


SMALL = (0, 10, 5000, 70_000)
# What is read ahead of such files may be given up before it is answered.
ALL = SMALL + (6_000_000,)


def expect_same(ours, proxys, what):
    """The counts by method and status are equal. A request that the mount gave up before its answer came has no status here and one at
    the proxy, which cannot know: of each method there may be so many fewer of some status as there are of those."""
    ours = dict(ours)
    for method in {method for method, _ in [*ours, *proxys]}:
        cancelled = ours.pop((method, "cancelled"), 0)
        statuses = {status for found, status in [*ours, *proxys] if found == method}
        less = {status: proxys.get((method, status), 0) - ours.get((method, status), 0) for status in statuses}
        if sum(less.values()) != cancelled or any(number < 0 for number in less.values()):
            raise harness.Failure(f"{what}: {method}: cancelled {cancelled}, ours {ours}, the proxy's {proxys}")


def compare(run, share, rounds, *options, kind="seaweedfs", sizes=SMALL):
    server = run.server(kind)
    bucket = server.make_bucket("counted")
    proxy = CountingProxy(run, server, run.seed, share)
    log = run.path("requests") + ".log"
    # A probe of its own requests is counted too.
    mount = run.mount(bucket, "--metrics", "127.0.0.1:0", "--request-log", log, "--part-size", "5MiB", "--probe", "auto", *options,
                      server=server, url=proxy.url)
    url = metrics_url(mount)
    failed = work(run, mount, rounds, sizes)
    run.call("sync", "-f", mount.directory)
    text = settled(url, proxy)
    check_by_promtool(run, text)
    metrics = parse(text)
    expect(sizes is ALL or not any(status == "cancelled" for _, status in counted(metrics)), "requests were given up")
    expect_same(counted(metrics), proxy.counts, f"requests by method and status (share of faults {share})")
    status = json.loads(run.call(run.pail, "status", "--json", mount.directory))
    expect_equal(status["requests"]["total"], sum(proxy.counts.values()), "the requests of the status")
    with open(log) as file:
        lines = [json.loads(line) for line in file]
    ours = {}
    for line in lines:
        last = str(line["status"] or ("cancelled" if line.get("failure") == "cancelled" else "none"))
        # One that libcurl made again by itself went out more than once, one without a connection never.
        for status in ["none"] * (line["sends"] - 1) + [last] * min(line["sends"], 1):
            ours[line["method"], status] = ours.get((line["method"], status), 0) + 1
    expect_same(ours, proxy.counts, "the log of requests")
    unknown = {line["request_id"] for line in lines if "request_id" in line} - set(proxy.ids)
    expect_equal(unknown, set(), "numbers of requests that the store did not give")
    for line in lines:
        expect(set(line) <= {"time", "operation", "method", "key", "status", "received", "sent", "seconds", "attempt", "sends",
                             "request_id", "failure"}, f"members: {line}")
    durations = {labels["operation"]: value for labels, value in metrics["pail_request_duration_seconds_count"]}
    received = sum(value for _, value in metrics["pail_received_bytes_total"])
    expect(received > 0 and durations.get("PutObject", 0) > 0, "no times, no bytes")
    if share:
        expect(metrics["pail_request_retries_total"][0][1] > 0, "no retries")
        expect(proxy.counts.get(("GET", "503"), 0) + proxy.counts.get(("PUT", "503"), 0) > 0, "no faults")
    run.note(f"{sum(proxy.counts.values())} requests, {metrics['pail_request_retries_total'][0][1]:.0f} retries, {failed} failed "
             f"operations: {proxy.counts}")
    expect(failed == 0, f"{failed} operations failed")
    mount.unmount()
    return text


def test_counters_match_a_proxy(run):
    """The counters of requests are those of a proxy in front of the store, exactly, by method and status; promtool finds nothing to
    complain of; the status and the log of requests say the same. In strict mode and in write-back mode."""
    compare(run, 0, 200 if run.full else 40)
    compare(run, 0, 200 if run.full else 40, "--write-back")
    compare(run, 0, 200 if run.full else 40, sizes=ALL)


def test_counters_match_under_faults(run):
    """The same while every tenth request is refused with 503, stays without an answer, or is answered in part."""
    compare(run, 0.1, 300 if run.full else 60)
    compare(run, 0.1, 300 if run.full else 60, kind="moto")
    compare(run, 0.1, 300 if run.full else 60, sizes=ALL)


def test_operations_are_counted(run):
    """The counters of operations, waits, errors and bytes are those of what a program did."""
    server = run.server()
    bucket = server.make_bucket("operations")
    mount = run.mount(bucket, "--metrics", "0", "--disk-cache", "64MiB")
    url = metrics_url(mount)
    before = parse(scrape(url))
    content = os.urandom(3_000_000)
    with open(mount.path("file"), "wb") as file:
        file.write(content)
    for _ in range(5):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(mount.path("nothing"))
    os.mkdir(mount.path("folder"))
    with contextlib.suppress(FileExistsError):
        os.mkdir(mount.path("folder"))
    descriptor = os.open(mount.path("file"), os.O_RDONLY | os.O_DIRECT)
    buffer = __import__("mmap").mmap(-1, 1 << 20)
    expect_equal(os.preadv(descriptor, [buffer], 0), 1 << 20, "a direct read")
    os.close(descriptor)
    after = parse(scrape(url))

    def grown(name, **labels):
        def value(metrics):
            return sum(value for found, value in metrics.get(name, []) if labels.items() <= found.items())
        return value(after) - value(before)

    expect_equal(grown("pail_written_bytes_total"), len(content), "bytes written")
    expect_equal(grown("pail_read_bytes_total"), 1 << 20, "bytes read")
    expect_equal(grown("pail_operation_duration_seconds_count", operation="mkdir"), 1, "mkdir calls (the kernel knows of the second)")
    # The name that is not there, and two names before they were made; the kernel remembers for a while.
    lookups = grown("pail_operation_errors_total", operation="lookup", error="ENOENT")
    expect(3 <= lookups <= 7, f"{lookups} lookups of what is not there")
    expect(grown("pail_operation_duration_seconds_count", operation="create") == 1, "create calls")
    expect(grown("pail_operation_waits_total", operation="flush") >= 1, "a close that stores waits")
    text = run.call(run.pail, "status", mount.directory)
    for word in ("cost", "programs", "from memory"):
        expect(re.search(rf"^{word}\s", text, re.M), f"{word} is not in: {text}")
    mount.unmount()


def test_where_metrics_are_served(run):
    """On a port of this machine only, on a Unix socket, into a file that is always whole and goes with the mount; an address that
    is taken and nonsense are refused at the start; other paths and methods are answered as HTTP wants."""
    server = run.server()
    bucket = server.make_bucket("served")
    place, path = run.path("sock"), os.path.join(run.directory, "pail.prom")
    mount = run.mount(bucket, "--metrics", place, "--metrics-file", path)
    wait_until(lambda: os.path.exists(path), 10, "the file")
    with open(path) as file:
        text = file.read()
    check_by_promtool(run, text)
    expect(f'mount="{mount.directory}"' in text, "the mount's label")
    expect_equal([name for name in os.listdir(run.directory) if name.startswith("pail.prom")], ["pail.prom"], "files")

    def ask(request):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(place)
            client.sendall(request + b"Host: x\r\nConnection: close\r\n\r\n")
            answer = b""
            while data := client.recv(65536):
                answer += data
        return answer.split(b"\r\n")[0], answer

    expect(b"200" in ask(b"GET /metrics HTTP/1.1\r\n")[0] and b"pail_requests_total" in ask(b"GET /metrics HTTP/1.1\r\n")[1],
           "metrics over a Unix socket")
    expect(b"404" in ask(b"GET /other HTTP/1.1\r\n")[0], "another path")
    expect(b"405" in ask(b"DELETE /metrics HTTP/1.1\r\n")[0], "another method")
    mount.unmount()
    expect(not os.path.exists(path) and not os.path.exists(place), "the file or the socket stays behind")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = run.mount(bucket, "--metrics", str(port), wait=False)
        status = other.process.wait(20)
        expect(status == 3 and str(port) in other.process.output(), f"a taken port: {status} {other.process.output()}")
    other = run.mount(bucket, "--metrics", "nonsense:", wait=False)
    expect_equal(other.process.wait(20), 2, "the status for an address that is none")
    # A port alone is this machine's.
    mount = run.mount(bucket, "--metrics", str(harness.free_ports(1)[0]))
    expect(metrics_url(mount).startswith("http://127.0.0.1:"), "the address of a port")
    mount.unmount()


def test_request_log(run):
    """The log of requests is a line of JSON each, without a secret, and goes to a new file at SIGHUP."""
    server = run.server()
    bucket = server.make_bucket("requests")
    path = run.path("requests") + ".log"
    mount = run.mount(bucket, "--request-log", path, "--log-level", "trace")
    name = "odd \" name\n\u2028.txt"
    with open(mount.path(name), "w") as file:
        file.write("x" * 1000)
    with open(path) as file:
        first = file.read()
    lines = [json.loads(line) for line in first.split("\n") if line]
    put = [line for line in lines if line["operation"] == "PutObject"]
    expect_equal([(line["key"], line["sent"], line["status"], line["attempt"]) for line in put], [(name, 1000, 200, 1)], "the PUT")
    expect(put[0]["request_id"] and 0 < put[0]["seconds"] < 60, f"{put[0]}")
    expect(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", put[0]["time"]), put[0]["time"])
    for text in (first, mount.process.output(1_000_000)):
        for secret in (SECRET_KEY, ACCESS_KEY, "Signature", "x-amz-security-token"):
            expect(secret not in text, f"{secret} is shown")
    os.rename(path, path + ".1")
    mount.process.send(signal.SIGHUP)
    wait_until(lambda: os.path.exists(path), 10, "a new file")
    os.unlink(mount.path(name))
    with open(path) as file:
        expect_equal([json.loads(line)["operation"] for line in file], ["DeleteObject"], "the new file's requests")
    with open(path + ".1") as file:
        expect_equal(file.read(), first, "the old file")
    mount.unmount()


def test_status_again_and_again(run):
    """`pail status --watch` shows what happens, as JSON too, and ends with the mount; prices change the cost."""
    server = run.server()
    bucket = server.make_bucket("watched")
    mount = run.mount(bucket)
    with open(mount.path("a"), "wb") as file:
        file.write(b"x" * 100_000)
    watch = subprocess.Popen([run.pail, "status", "--watch", "--json", mount.directory], stdout=subprocess.PIPE, text=True,
                             env=run.environment())
    page = subprocess.Popen([run.pail, "status", "--watch", mount.directory], stdout=subprocess.PIPE, text=True,
                            env=run.environment())
    first = json.loads(watch.stdout.readline())
    with open(mount.path("b"), "wb") as file:
        file.write(b"x" * 100_000)
    wait_until(lambda: json.loads(watch.stdout.readline())["activity"]["bytesWritten"] == 200_000, 10, "the second file")
    cost = first["requests"]["estimatedCost"]
    dearer = json.loads(run.call(run.pail, "status", "--json", "--price-writes", "5", "--price-reads", "0.4", mount.directory))
    expect(dearer["requests"]["estimatedCost"] > 100 * cost > 0, f"costs: {cost} and {dearer['requests']['estimatedCost']}")
    # Rates are told from the second look on.
    text = ""
    while "requests/s" not in text:
        line = page.stdout.readline()
        expect(line, f"the page: {harness.shorten(text)}")
        text += line
    mount.unmount()
    expect_equal(watch.wait(20), 0, "the status of a watch whose mount has ended")
    expect_equal(page.wait(20), 0, "the status of a watch whose mount has ended")
    text += page.stdout.read()
    expect("calls/s" in text and "\x1b" not in text, f"the page: {harness.shorten(text)}")


def test_dashboard_names_metrics_that_exist(run):
    """Every metric that the Grafana dashboard asks for is one that a mount gives."""
    server = run.server()
    bucket = server.make_bucket("dashboard")
    mount = run.mount(bucket, "--metrics", "0", "--disk-cache", "64MiB")
    with open(mount.path("a"), "w") as file:
        file.write("x")
    with contextlib.suppress(FileNotFoundError):
        os.stat(mount.path("none"))
    text = scrape(metrics_url(mount))
    names = set(re.findall(r"^# TYPE (\S+) \S+$", text, re.M))
    names |= {name + part for name in names for part in ("_bucket", "_sum", "_count")}
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(here))
    with open(os.path.join(root, "packaging", "grafana", "pail.json")) as file:
        dashboard = json.load(file)
    asked = set(re.findall(r"\bpail_[a-z_]+", " ".join(
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", []))))
    expect(len(asked) > 10, f"the dashboard asks for {asked}")
    expect_equal(sorted(asked - names), [], "metrics that are not there")
    rules = run.path("rules") + ".yml"
    with open(rules, "w") as file:
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
        json.dump({"groups": [{"name": "dashboard", "rules": [
            {"record": f"asked:{number}", "expr": text.replace("$__rate_interval", "5m").replace("$instance", ".*").replace(
                "$mount", ".*")} for number, text in enumerate(expressions)]}]}, file)
    run.call(tool(run.tools, "promtool"), "check", "rules", rules)
    # OPERATION.md lists them all.
    with open(os.path.join(root, "Documentation", "OPERATION.md")) as file:
        documented = set(re.findall(r"\bpail_[a-z_]+", file.read()))
    given = set(re.findall(r"^# TYPE (\S+) \S+$", text, re.M))
    expect_equal(sorted(given - documented), [], "metrics that OPERATION.md does not tell of")
    mount.unmount()
