import os
import ssl
import subprocess

from harness import ACCESS_KEY, SECRET_KEY, Skip, expect, free_ports, html_server, is_mounted, lazy_unmount

USAGE, CONFIGURATION, MOUNT_POINT, UNREACHABLE, REFUSED = 2, 3, 4, 5, 6


def files_below(directory):
    return sorted(os.path.join(path, name) for path, _, names in os.walk(directory) for name in names)


def test_bad_input(run):
    """Each kind of bad input gives one line on stderr and the documented exit status, in the foreground and in the
    background, and leaves nothing behind: no mount, no process, no file."""
    if not run.is_pail:
        raise Skip("the exit statuses are Pail's own")
    server = run.server()
    bucket = server.make_bucket("bad")
    good = run.mount(bucket)

    def write(name, text, mode=0o600):
        path = run.path(name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    certificate, key = run.path("certificate"), run.path("key")
    run.call("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    html = html_server(run)
    missing_page = html_server(run, "404 Not Found")
    secure = html_server(run, context=context)
    closed = f"http://127.0.0.1:{free_ports(1)[0]}"
    no_keys = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_EC2_METADATA_DISABLED": "true"}
    a_file = write("file", "")
    full = run.path("full")
    os.mkdir(full)
    with open(os.path.join(full, "something"), "w"):
        pass
    readable = write("passwd", f"{ACCESS_KEY}:{SECRET_KEY}\n", 0o644)
    nonsense = write("passwd", "no colon here\n")
    broken_config = write("config", "[default\nregion = us-east-1\n")
    no_value = write("config", "[default]\nthis line is no setting\n")
    password = ["--passwd-file"]

    cases = [
        # name, exit status, words of which one must occur, source, changes: arguments, directory, endpoint, environment
        ("no such bucket", REFUSED, ["bucket"], "s3://no-such-bucket-here", {}),
        ("wrong key", REFUSED, ["key", "access", "credential"], None, {"environment": {"AWS_ACCESS_KEY_ID": "nobody"}}),
        ("wrong secret", REFUSED, ["signature", "secret", "key", "credential"], None,
         {"environment": {"AWS_SECRET_ACCESS_KEY": "wrong"}}),
        ("no credentials", CONFIGURATION, ["credential"], None, {"environment": no_keys}),
        ("endpoint down", UNREACHABLE, ["connect", "refused", "reach"], None, {"endpoint": closed}),
        ("endpoint with an unknown name", UNREACHABLE, ["resolve", "name", "reach"], None,
         {"endpoint": "http://no-such-host.invalid:9000"}),
        ("endpoint that is no S3", UNREACHABLE, ["s3"], None, {"endpoint": html.url}),
        ("endpoint that is no S3 and answers 404", UNREACHABLE, ["s3"], None, {"endpoint": missing_page.url}),
        ("certificate not trusted", UNREACHABLE, ["certificate", "tls", "ssl"], None, {"endpoint": secure.url}),
        ("endpoint that is no address", USAGE, ["endpoint"], None, {"endpoint": "not an address"}),
        ("mount point missing", MOUNT_POINT, ["no such", "exist"], None, {"directory": run.path("missing")}),
        ("mount point a file", MOUNT_POINT, ["director"], None, {"directory": a_file}),
        ("mount point mounted already", MOUNT_POINT, ["mounted"], None, {"directory": good.directory}),
        ("mount point not empty", MOUNT_POINT, ["empty"], None, {"directory": full}),
        ("unknown option", USAGE, ["no-such-option"], None, {"arguments": ["--no-such-option"]}),
        ("unknown -o option", USAGE, ["no_such_option"], None, {"arguments": ["-o", "no_such_option=1"]}),
        ("option out of range", USAGE, ["memory"], None, {"arguments": ["--memory", "1"]}),
        ("option that is no number", USAGE, ["memory"], None, {"arguments": ["--memory", "much"]}),
        ("no mount point", USAGE, ["mount point", "mountpoint"], None, {"directory": ""}),
        ("source that is none", USAGE, ["s3://"], "http://bucket", {}),
        ("bucket name that cannot be", USAGE, ["bucket"], "s3://A_b", {}),
        ("passwd file readable by others", CONFIGURATION, ["permission", "readable", "0600", "600", "others"], None,
         {"arguments": password + [readable], "environment": no_keys}),
        ("passwd file missing", CONFIGURATION, ["no such", "exist"], None,
         {"arguments": password + ["/nonexistent/passwd"], "environment": no_keys}),
        ("passwd file malformed", CONFIGURATION, ["line"], None,
         {"arguments": password + [nonsense], "environment": no_keys}),
        ("config with a broken section", CONFIGURATION, ["line"], None, {"environment": {"AWS_CONFIG_FILE": broken_config}}),
        ("config with a line that is no setting", CONFIGURATION, ["line"], None,
         {"environment": {"AWS_CONFIG_FILE": no_value}}),
        ("profile that is not there", CONFIGURATION, ["profile"], None,
         {"arguments": ["--profile", "nobody"], "environment": no_keys}),
    ]
    problems = []
    for name, status, words, source, changes in cases:
        for background in (False, True):
            label = f"{name}{' (in the background)' if background else ''}"
            directory = changes.get("directory")
            own_directory = directory is None
            if own_directory:
                directory = run.path("mnt")
                os.mkdir(directory)
            state = run.path("state")
            os.mkdir(state)
            arguments = [run.pail, "mount", source or f"s3://{bucket}"] + ([directory] if directory else [])
            arguments += ["--endpoint-url", changes.get("endpoint", server.url), "--state-dir", state]
            arguments += changes.get("arguments", []) + ([] if background else ["--foreground"])
            was_mounted = bool(directory) and is_mounted(directory)
            try:
                done = subprocess.run(arguments, env=run.environment(**changes.get("environment", {})), capture_output=True,
                                      text=True, timeout=90)
            except subprocess.TimeoutExpired:
                problems.append(f"{label}: no end after 90 s")
                lazy_unmount(directory)
                continue
            lines = done.stderr.strip().split("\n")
            if done.returncode != status:
                problems.append(f"{label}: exit status {done.returncode}, not {status}: {done.stderr.strip()[:300]}")
            if len(lines) != 1 or not lines[0]:
                problems.append(f"{label}: {len(lines)} lines on stderr: {done.stderr.strip()[:400]!r}")
            elif not any(word in lines[0].lower() for word in words):
                problems.append(f"{label}: none of {words} in: {lines[0][:300]}")
            if SECRET_KEY in done.stderr + done.stdout:
                problems.append(f"{label}: the secret key is shown")
            if directory and is_mounted(directory) != was_mounted:
                problems.append(f"{label}: a mount is left")
                lazy_unmount(directory)
            if files_below(state):
                problems.append(f"{label}: left in the state directory: {files_below(state)}")
            left = processes_with(state)
            if left:
                problems.append(f"{label}: a process is left: {left}")
    expect(not problems, f"{len(problems)} problems:\n     " + "\n     ".join(problems))
    expect(os.listdir(good.directory) == [], "the good mount still answers")


def processes_with(text):
    """Processes whose command line holds the text."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if text.encode() in file.read():
                        found.append(int(name))
            except OSError:
                pass
    return found


test_bad_input.minutes = 20
