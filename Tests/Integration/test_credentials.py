"""Where keys come from: each of AWS's places against a service of the test's own, with keys that end while they are in use."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import threading
import time

import harness
from credential_services import Authority, Gate, Services, iso
from harness import ACCESS_KEY, SECRET_KEY, Failure, expect, expect_equal, wait_until

# Of the role's keys in the tests of expiry, in seconds.
LIFETIME = 5


class KeyedMount(harness.Mount):
    """A mount whose environment is the test's own."""

    def __init__(self, run, server, bucket, environment, options=(), **named):
        self.changes = environment
        super().__init__(run, server, bucket, options, **named)

    def _environment(self):
        return self.run.environment(**{"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, **self.changes})


class Setting:
    """A store behind a gate, the services, and a home directory."""

    def __init__(self, run, name, lifetime=3600):
        self.run = run
        self.store = run.server()
        self.bucket = self.store.make_bucket(name)
        self.authority = Authority(lifetime)
        self.services = Services(run, self.authority, run.seed)
        self.gate = Gate(run, self.store, self.authority)
        self.home = run.path("home")
        os.makedirs(os.path.join(self.home, ".aws", "sso", "cache"))
        self.environment = {"HOME": self.home, "AWS_ENDPOINT_URL_STS": self.services.url,
                            "AWS_ENDPOINT_URL_SSO": self.services.url,
                            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.services.url}

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
            file.write(text)
        os.rename(path + ".new", path)
        return path

    def config(self, text):
        self.write(".aws/config", text)

    def base_profile(self):
        key = self.authority.lasting()
        return f"[profile base]\naws_access_key_id={key['id']}\naws_secret_access_key={key['secret']}\n"

    def mount(self, options=(), **environment):
        self.request_log = self.run.path("requests") + ".log"
        return KeyedMount(self.run, self.store, self.bucket, {**self.environment, **environment},
                          ("--log-level", "trace", "--metrics", "0", "--request-log", self.request_log, *options), url=self.gate.url)

    def refused(self, options=(), **environment):
        """What a mount says that cannot be."""
        mount = KeyedMount(self.run, self.store, self.bucket, {**self.environment, **environment},
                           ("--log-level", "trace", *options), url=self.gate.url, wait=False)
        status = mount.process.wait(40)
        expect(status is not None, "a mount without credentials neither ends nor says anything")
        return status, mount.process.output()


# Each way to keys: what it needs of files and of the environment. It returns (options, environment).

def by_role(setting):
    setting.config(setting.base_profile() + "[profile r]\nrole_arn=arn:aws:iam::1:role/a\nsource_profile=base\nexternal_id=x\n")
    return ("--profile", "r"), {}


def by_role_in_a_chain(setting):
    setting.config(
        setting.base_profile() + "[profile mid]\nrole_arn=arn:aws:iam::1:role/m\nsource_profile=base\n"
        "[profile r]\nrole_arn=arn:aws:iam::1:role/a\nsource_profile=mid\nduration_seconds=900\n")
    return (), {"AWS_PROFILE": "r"}


def by_web_identity(setting):
    token = setting.write("token", setting.services.web_token + "\n")
    return (), {"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/pod"}


def by_single_sign_on(setting):
    setting.config(
        "[sso-session corp]\nsso_region=us-east-1\nsso_start_url=https://corp.example/start\n"
        "[default]\nsso_session=corp\nsso_account_id=123\nsso_role_name=tester\n")
    log_in(setting, 3600)
    return (), {}


def log_in(setting, seconds):
    """As `aws sso login` does it."""
    name = hashlib.sha1(b"corp").hexdigest()
    setting.write(
        f".aws/sso/cache/{name}.json",
        json.dumps({"startUrl": "https://corp.example/start", "region": "us-east-1",
                    "accessToken": setting.services.sso_token, "expiresAt": iso(time.time() + seconds)[:19] + "Z"}))


def by_program(setting):
    # It asks the test's own container service, so that each run prints other keys.
    script = setting.write("give keys", (
        "#!/usr/bin/env python3\nimport json, sys, urllib.request\n"
        "assert sys.argv[1:] == ['a b'], sys.argv\n"
        f"r = urllib.request.Request('{setting.services.url}/container', headers={{'Authorization': 'container-token-1'}})\n"
        "d = json.load(urllib.request.urlopen(r))\n"
        "d['SessionToken'] = d.pop('Token')\nprint(json.dumps({'Version': 1, **d}))\n"), 0o700)
    setting.config(f"[default]\ncredential_process = \"{script}\" 'a b'\n")
    return (), {}


def by_container(setting):
    token = setting.write("container-token", setting.services.container_token + "\n")
    return (), {"AWS_CONTAINER_CREDENTIALS_FULL_URI": setting.services.url + "/container",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token}


def by_container_of_ecs(setting):
    return (), {"AWS_CONTAINER_CREDENTIALS_FULL_URI": setting.services.url + "/container",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": setting.services.container_token}


def by_instance(setting):
    return (), {}


WAYS = [by_role, by_role_in_a_chain, by_web_identity, by_single_sign_on, by_program, by_container, by_container_of_ecs,
        by_instance]


class Load:
    """Programs that write, read, list and remove; every operation that fails is kept."""

    def __init__(self, mount, seconds, threads=3):
        self.errors = []
        self.operations = 0
        self._end = time.monotonic() + seconds
        self._threads = [threading.Thread(target=self._work, args=(mount, number)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _work(self, mount, number):
        folder = mount.path(f"load-{number}")
        os.makedirs(folder, exist_ok=True)
        turn = 0
        while time.monotonic() < self._end:
            turn += 1
            path = os.path.join(folder, f"f{turn % 7}")
            content = os.urandom(1000 + turn % 50_000)
            try:
                with open(path, "wb") as file:
                    file.write(content)
                fresh = os.open(path, os.O_RDONLY)
                try:
                    os.posix_fadvise(fresh, 0, 0, os.POSIX_FADV_DONTNEED)
                    expect_equal(os.pread(fresh, 100_000, 0), content, "what was written")
                finally:
                    os.close(fresh)
                os.stat(path)
                with contextlib.suppress(FileNotFoundError):
                    os.stat(os.path.join(folder, f"none-{turn}"))
                os.listdir(folder)
                if turn % 3 == 0:
                    os.rename(path, path + ".x")
                    os.unlink(path + ".x")
                self.operations += 7
            except (OSError, Failure) as error:
                self.errors.append(f"{type(error).__name__}: {error}")
            # The end of the keys is what is tested, not the store's speed.
            time.sleep(0.05)

    def finish(self):
        for thread in self._threads:
            thread.join(120)
        return self.errors


def scan_for_secrets(run, setting, mount):
    """No secret is in the log, the command line, the environment of children, the status."""
    texts = {"the log": mount.process.output(50_000_000)}
    with open(f"/proc/{mount.pid}/cmdline", "rb") as file:
        texts["the command line"] = file.read().decode("utf-8", "replace")
    children = subprocess.run(["ps", "--ppid", str(mount.pid), "-o", "pid="], capture_output=True, text=True).stdout.split()
    for child in children:
        for part in ("environ", "cmdline"):
            with contextlib.suppress(OSError), open(f"/proc/{child}/{part}", "rb") as file:
                texts[f"a child's {part}"] = file.read().decode("utf-8", "replace")
    environment = mount._environment()
    texts["the status"] = run.call(run.pail, "status", "--json", mount.directory, environment=environment)
    texts["the table"] = run.call(run.pail, "status", mount.directory, environment=environment)
    with open(setting.request_log) as file:
        texts["the log of requests"] = file.read()
    address = re.search(r"metrics are served address=(\S+)", texts["the log"])[1]
    texts["the metrics"] = harness.get_url(f"http://{address}/metrics")[1].decode()
    expect("pail_credentials_renewals_total" in texts["the metrics"] and texts["the log of requests"], "nothing to look through")
    for place, text in texts.items():
        for secret in setting.authority.secrets:
            expect(secret not in text, f"{place} shows a secret")
        expect("Signature=" not in text, f"{place} shows a signature")
    return len(setting.authority.secrets)


def test_each_place_of_keys(run):
    """A mount with keys from each of AWS's places: roles, a chain of them, web identity, single sign-on, a program, containers, an
    instance. Writes and reads; what it logs at the most verbose level holds no secret."""
    for way in WAYS:
        setting = Setting(run, way.__name__)
        options, environment = way(setting)
        mount = setting.mount(options, **environment)
        with open(mount.path("file"), "w") as file:
            file.write(way.__name__)
        expect_equal(setting.store.read(setting.bucket, "file"), way.__name__.encode(), f"{way.__name__}: what was stored")
        scan_for_secrets(run, setting, mount)
        mount.unmount()
        run.note(f"{way.__name__}: {setting.services.asked}")


def test_keys_that_end_under_load(run):
    """Keys of five seconds, from each place (a mount each, at once), in use all the while; some are revoked before their end, and a
    fifth of the services' answers is 503: no operation fails. 5 minutes with --full, 20 s on every commit."""
    seconds = 300 if run.full else 20
    running = []
    for way in WAYS:
        setting = Setting(run, way.__name__ + "-end", LIFETIME)
        options, environment = way(setting)
        mount = setting.mount(options, **environment)
        setting.services.failing = 0.2
        running.append((way.__name__, setting, mount))
    loads = [Load(mount, seconds, threads=2) for _, _, mount in running]
    random = run.random("revocations")
    end = time.monotonic() + seconds - 2
    while time.monotonic() < end:
        # In the middle of a life, so that nothing but the store's word tells of it.
        time.sleep(random.uniform(0.2, 1))
        random.choice(running)[1].authority.revoke_all()
    for (name, setting, mount), load in zip(running, loads):
        errors = load.finish()
        expect(not errors, f"{name}: {len(errors)} of {load.operations} operations failed, first {errors[:3]}")
        expect(load.operations > 5 * seconds, f"{name}: the load came to nothing")
        expect(setting.authority.given >= seconds // LIFETIME // 2, f"{name}: keys were given out {setting.authority.given} times only")
        count = scan_for_secrets(run, setting, mount)
        run.note(f"{name}: {load.operations} operations, keys given out {setting.authority.given} times, refused "
                 f"{setting.gate.refusals}, {count} secrets looked for")
        setting.services.failing = 0
        mount.unmount()


def test_renewed_before_their_end(run):
    """Keys that are left alone are renewed ahead of their end: the store never has to refuse any."""
    setting = Setting(run, "ahead", LIFETIME)
    options, environment = by_instance(setting)
    mount = setting.mount(options, **environment)
    load = Load(mount, 60 if run.full else 13, threads=2)
    errors = load.finish()
    expect_equal(errors, [], "operations that failed")
    expect_equal(setting.gate.refusals, {}, "what the store refused")
    expect(setting.authority.given >= 3, "the keys were not renewed")
    mount.unmount()


def test_a_service_that_is_away(run):
    """While the service that gives keys is away, those that are good stay in use, and the log says so; beyond their end operations
    wait for it within the request deadline, and go on when it is back."""
    setting = Setting(run, "away", 12)
    mount = setting.mount(("--request-deadline", "30s"))
    with open(mount.path("a"), "w") as file:
        file.write("a")
    given = setting.authority.given
    setting.services.is_broken = True
    load = Load(mount, 20, threads=1)
    time.sleep(11)
    expect_equal(load.errors, [], "operations that failed while the keys were good")
    expect("those known stay in use" in mount.process.output(1_000_000), "the log does not say that keys cannot be renewed")
    time.sleep(4)
    expect_equal(setting.authority.given, given, "keys given out meanwhile")
    setting.services.is_broken = False
    expect_equal(load.finish(), [], "operations that failed")
    mount.unmount()


def test_what_is_told_of_missing_keys(run):
    """Where keys cannot be had, the mount ends with one line that says why and what to do, and with no secret in it."""
    setting = Setting(run, "told")

    def expect_told(what, options=(), status=3, **environment):
        found, text = setting.refused(options, **environment)
        expect(what in text, f"{what!r} is not in: {text}")
        expect_equal(found, status, f"the exit status with {what}")
        for secret in setting.authority.secrets:
            expect(secret not in text, f"a secret is in: {text}")

    by_single_sign_on(setting)
    log_in(setting, -10)
    expect_told("aws sso login --profile default")
    os.unlink(setting.write(".aws/sso/cache/x.json", ""))
    for name in os.listdir(os.path.join(setting.home, ".aws/sso/cache")):
        os.unlink(os.path.join(setting.home, ".aws/sso/cache", name))
    expect_told("nobody is logged in; run: aws sso login")
    setting.config(setting.base_profile() + "[profile r]\nrole_arn=arn:aws:iam::1:role/a\nsource_profile=base\nexternal_id=wrong\n")
    expect_told("403 AccessDenied: not authorized to perform sts:AssumeRole", ("--profile", "r"))
    setting.config("[default]\ncredential_process = /bin/false\n")
    expect_told("credential_process (/bin/false) ended with status 1", status=5)
    setting.config("[default]\ncredential_process = /bin/echo fakesecretword\n")
    setting.authority.secrets.add("fakesecretword")
    expect_told("no JSON with credentials")
    setting.config("")
    expect_told("no credentials found", AWS_EC2_METADATA_DISABLED="true")
    # Nobody listens there: as on a machine that is no instance.
    began = time.monotonic()
    expect_told("nor a role of an EC2 instance", AWS_EC2_METADATA_SERVICE_ENDPOINT=f"http://127.0.0.1:{harness.free_ports(1)[0]}")
    run.note(f"a machine that is no instance says so after {time.monotonic() - began:.1f} s")
    setting.services.has_tokens = False
    expect_told("no credentials found")
    mount = setting.mount(("--instance-metadata", "v1"))
    mount.unmount()
    expect_told("use https", AWS_CONTAINER_CREDENTIALS_FULL_URI="http://10.1.2.3/x")
    expect_told("answered 401", AWS_CONTAINER_CREDENTIALS_FULL_URI=setting.services.url + "/container",
                AWS_CONTAINER_AUTHORIZATION_TOKEN="nonsense")


def test_a_new_login_and_new_files(run):
    """A person logs in again, and a token's file is replaced: the mount goes on with what is there then."""
    setting = Setting(run, "login", 3)
    by_single_sign_on(setting)
    mount = setting.mount()
    with open(mount.path("a"), "w") as file:
        file.write("a")
    log_in(setting, -10)
    time.sleep(4)
    try:
        os.listdir(mount.path("nowhere"))
    except OSError as error:
        expect(not isinstance(error, FileNotFoundError), "keys that are at their end are still good")
    log_in(setting, 3600)

    def works():
        with contextlib.suppress(PermissionError):
            with open(mount.path("b"), "w") as file:
                file.write("b")
            return True

    wait_until(works, 20, "a mount that works after a new login", 0.3)
    expect("aws sso login" in mount.process.output(1_000_000), "the log does not say what to do")
    mount.unmount()


def test_s3fs_options_for_keys(run):
    """s3fs's `iam_role`, `ecs` and `imdsv1only` find the services, and look nowhere else."""
    setting = Setting(run, "s3fs-keys")
    s3fs = run.path("bin")
    os.makedirs(s3fs)
    os.symlink(run.pail, os.path.join(s3fs, "s3fs"))
    container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": setting.services.url + "/container",
                 "AWS_CONTAINER_AUTHORIZATION_TOKEN": setting.services.container_token}
    wrong = {"AWS_ACCESS_KEY_ID": "WRONG", "AWS_SECRET_ACCESS_KEY": "WRONG"}
    for options, environment, path in (
        ("iam_role", {}, "/latest/api/token"), ("iam_role=auto", {}, "/latest/api/token"),
        ("iam_role=test-role", {}, "/latest/meta-data/iam/security-credentials/test-role"), ("ecs", container, "/container"),
        ("iam_role,imdsv1only", {}, "/latest/meta-data/iam/security-credentials/"),
    ):
        setting.services.asked.clear()
        setting.services.has_tokens = "imdsv1only" not in options
        place = run.path("s3fs")
        os.makedirs(place)
        arguments = [os.path.join(s3fs, "s3fs"), setting.bucket, place, "-f", "-o",
                     f"url={setting.gate.url},use_path_request_style,tmpdir={run.directory},{options}"]
        process = harness.Process(arguments, run.path("s3fs") + ".log",
                                  run.environment(**{**setting.environment, **wrong, **environment}))
        run.processes.append(process)
        try:
            wait_until(lambda: not process.is_running or harness.is_mounted(place), 30, "a mount by s3fs's options")
            expect(process.is_running, f"{options}: {process.output()}")
            with open(os.path.join(place, "file"), "w") as file:
                file.write(options)
            expect_equal(setting.store.read(setting.bucket, "file"), options.encode(), f"{options}: what was stored")
            expect(path in setting.services.asked, f"{options}: asked were {setting.services.asked}")
        finally:
            process.end(30)
            harness.lazy_unmount(place)


def test_roles_of_another_implementation(run):
    """moto's Security Token Service gives a role's keys, for other keys and for a web identity token, and its store takes them."""
    moto = run.server("moto")
    bucket = moto.make_bucket("moto-roles")
    home = run.path("home")
    os.makedirs(os.path.join(home, ".aws"))
    with open(os.path.join(home, ".aws", "config"), "w") as file:
        file.write(f"[profile base]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n"
                   "[profile r]\nrole_arn=arn:aws:iam::123456789012:role/a\nsource_profile=base\n")
    token = os.path.join(home, "token")
    with open(token, "w") as file:
        file.write("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")
    for environment, options in (
        ({}, ("--profile", "r")),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pod"}, ()),
    ):
        mount = KeyedMount(run, moto, bucket, {"HOME": home, "AWS_ENDPOINT_URL_STS": moto.url, **environment},
                           ("--log-level", "info", *options), url=moto.url)
        with open(mount.path("file"), "w") as file:
            file.write("x")
        expect_equal(moto.read(bucket, "file"), b"x", "what was stored")
        expect("credentials renewed" in mount.process.output(), "no role was taken")
        mount.unmount()
