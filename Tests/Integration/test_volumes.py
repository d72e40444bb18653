import json
import os
import signal
import socket
import stat
import threading
import time

from containers import LIMITS, Container, call, podman, program_image, use_settings
from debian_root import needs_root_and_fuse
from harness import ACCESS_KEY, SECRET_KEY, Process, Skip, expect, expect_equal, wait_until
from volume_plugin import Plugin, Refused

# The image, or the package within it, is made once in a run.
LANE = "containers"


def plugin_of(run, **named):
    if not run.is_pail:
        raise Skip("Pail's own plugin")
    if os.geteuid() != 0:
        raise Skip("needs root: volumes let all users in")
    return Plugin(run, **named)


def refusal(call, *arguments, **named):
    """What a call is refused with; fails where it is not."""
    try:
        call(*arguments, **named)
    except Refused as refused:
        return refused.reason
    expect(False, f"{call.__name__}{arguments}{named} is not refused")


def test_volume_calls(run):
    """Every call of the volume plugin protocol does what Docker's documentation says: volumes are made, mounted once for all who ask, told of, unmounted
    with the last user, and removed; a call made twice counts once; a volume in use is not removed."""
    plugin = plugin_of(run)
    server = run.server()
    bucket = server.make_bucket("volumes")
    expect_equal(plugin.call("VolumeDriver.Capabilities")["Capabilities"], {"Scope": "local"}, "the capabilities")
    expect_equal(plugin.call("VolumeDriver.List")["Volumes"], [], "the volumes of a new plugin")
    options = {"source": f"s3://{bucket}/data", "endpoint_url": server.url}
    # The way to the mounts is the run's, which is its own user's.
    os.chmod(run.directory, 0o711)
    plugin.create("data", **options)
    plugin.create("data", **options)
    expect("other options" in refusal(plugin.create, "data", source=f"s3://{bucket}"), "a second volume of one name")
    volume = plugin.get("data")
    expect_equal((volume["Name"], volume["Mountpoint"]), ("data", ""), "a volume that is not mounted")
    expect_equal(volume["Status"], {**options, "users": "0"}, "what inspect shows")
    expect_equal(plugin.call("VolumeDriver.Path", Name="data")["Mountpoint"], "", "the path of what is not mounted")

    place = plugin.mount("data", "one")
    expect_equal(place, os.path.join(plugin.mounts, "data"), "the mount point")
    with open(os.path.join(place, "file"), "w") as file:
        file.write("content")
    expect_equal(server.read(bucket, "data/file"), b"content", "the object")
    # Containers run as any user.
    expect_equal(run.call("setpriv", "--reuid", "1234", "--clear-groups", "cat", os.path.join(place, "file")), "content", "as another user")
    expect_equal(plugin.mount("data", "two"), place, "the second user's path")
    expect_equal(plugin.mount("data", "two"), place, "the second user's path, asked for twice")
    expect_equal((plugin.users("data"), plugin.mounted()), (2, ["data"]), "two users, one mount")
    expect_equal(plugin.call("VolumeDriver.Path", Name="data")["Mountpoint"], place, "the path")
    expect_equal([volume["Name"] for volume in plugin.call("VolumeDriver.List")["Volumes"]], ["data"], "the list")
    expect("in use" in refusal(plugin.remove, "data"), "removal of what is in use")
    plugin.unmount("data", "one")
    plugin.unmount("data", "one")
    plugin.unmount("data", "nobody")
    expect_equal((plugin.users("data"), plugin.mounted()), (1, ["data"]), "one user is left")
    plugin.unmount("data", "two")
    expect_equal((plugin.users("data"), plugin.mounted()), (0, []), "nobody is left")
    wait_until(lambda: not plugin.mount_processes(), 20, "the end of the mount's process")
    plugin.remove("data")
    expect("no volume" in refusal(plugin.get, "data"), "a removed volume is told of")
    expect_equal(os.listdir(plugin.mounts), [], "what a removal leaves")
    expect_equal(server.read(bucket, "data/file"), b"content", "the object after the volume's removal")

    # Records are for their owner's eyes, and hold no key.
    plugin.create("again", bucket=f"{bucket}/data", **{"endpoint-url": server.url, "read_only": "", "attribute_timeout": "2s"})
    folder = os.path.join(plugin.state, "volumes")
    for name in os.listdir(folder):
        expect_equal(stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode), 0o600, f"the mode of {name}")
        with open(os.path.join(folder, name)) as file:
            expect(SECRET_KEY not in file.read(), "a secret in the record")
    place = plugin.mount("again", "x")
    expect_equal(os.listdir(place), ["file"], "the same data in another volume")
    try:
        open(os.path.join(place, "new"), "w")
        expect(False, "read_only counts for nothing")
    except OSError:
        pass
    # Who looks at it on the host does not keep it from going.
    directory = os.open(place, os.O_RDONLY)
    try:
        plugin.unmount("again", "x")
        expect_equal(plugin.mounted(), [], "a mount that is in use on the host")
    finally:
        os.close(directory)
    plugin.remove("again")
    for pid in plugin.mount_processes() + [plugin.process.pid]:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            expect(SECRET_KEY.encode() not in file.read(), "a secret in the arguments")


def test_volume_bad_requests(run):
    """Every bad request is answered with a reason in `Err`, as the protocol says, and changes nothing: what is no JSON, missing, malformed, unknown, too
    large, or would carry a secret where the engine shows it."""
    plugin = plugin_of(run, credentials=False)
    server = run.server()
    bucket = server.make_bucket("bad-requests")
    good = {"source": f"s3://{bucket}", "endpoint_url": server.url}

    def answer(path, body, status, part, method="POST"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        found, answer = plugin.post(path, body, method)
        expect(found == status and part in answer.get("Err", ""), f"{method} {path} {body[:80]!r}: {found} {answer}, not {status} {part}")

    for call in ("Create", "Remove", "Mount", "Unmount", "Path", "Get"):
        path = f"VolumeDriver.{call}"
        for body in (b"{", b"no json", b"\xff\xfe", b'{"Name": "x"} x'):
            answer(path, body, 500, "JSON")
        answer(path, b"[1]", 500, "object")
        answer(path, b"[" * 5000, 500, "JSON")
        answer(path, {"Name": 7}, 500, "\"Name\"")
        for name in (None, ""):
            answer(path, {"Name": name} if name is not None else {}, 500, "name is missing")
        for name in ("a/b", "../x", "..", ".", "a\0b", "-x", " ", "x" * 201, "ü"):
            answer(path, {"Name": name, "ID": "1", "Opts": good}, 500, "no volume's name")
        if call != "Create":
            answer(path, {"Name": "unknown", "ID": "1"}, 500, "there is no")
    answer("VolumeDriver.Create", {"Name": "x", "Opts": {"source": 1}}, 500, "\"Opts.source\"")
    answer("VolumeDriver.Mount", {"Name": "x"}, 500, "ID")
    answer("VolumeDriver.Mount", {"Name": "x", "ID": "i" * 257}, 500, "ID")
    answer("VolumeDriver.Nothing", {}, 404, "no such call")
    answer("", {}, 404, "no such call")
    answer("VolumeDriver.List", b"", 405, "POST", method="GET")
    answer("VolumeDriver.Create", b'{"Name": "' + b"x" * 70_000 + b'"}', 413, "larger")
    answer("VolumeDriver.Create", b" " * 3_000_000, 413, "larger")

    secret = "s3cr3t-value"
    for options, part in (
            ({}, "no bucket is named"), ({"source": "x"}, "no bucket's name"), ({"source": f"s3://{bucket}/../x"}, "\"..\""),
            ({**good, "bucket": bucket}, "twice"), ({**good, "endpoint-url": server.url}, "twice"),
            ({**good, "nonsense": "1"}, "no such option"), ({**good, "part_size": "1"}, "out of range"),
            ({**good, "read_only": "perhaps"}, "yes or no"), ({**good, "foreground": "yes"}, "not for volumes"),
            ({**good, "passwd_file": "keys"}, "absolute"), ({**good, "anonymous": "", "profile": "p"}, "goes with neither"),
            ({**good, "secret_access_key": secret}, "no secret"), ({**good, "AWS_SECRET_ACCESS_KEY": secret}, "no s"),
            ({**good, "access-key-id": secret}, "no secret"), ({**good, "password": secret}, "no secret"),
            ({"source": f"s3://{bucket}", "endpoint_url": f"http://u:{secret}@host"}, "no user or password")):
        reason = refusal(plugin.create, "bad", **options)
        expect(part in reason, f"{options}: {reason}, not {part}")
        expect(secret not in reason, f"the refusal tells the secret: {reason}")
    expect_equal(plugin.call("VolumeDriver.List")["Volumes"], [], "volumes of refused calls")
    with open(plugin.log) as log:
        expect(secret not in log.read(), "the log tells the secret")

    # What is wrong with the store or the keys is told by the mount, in the command's own words, and the volume stays as it was.
    plugin.create("keyless", **good)
    expect("no credentials" in refusal(plugin.mount, "keyless", "1"), "a mount without keys")
    keys = run.path("keys")
    with open(keys, "w") as file:
        file.write(f"{ACCESS_KEY}:{SECRET_KEY}\n")
    os.chmod(keys, 0o600)
    plugin.create("missing", source="s3://no-such-bucket-anywhere", endpoint_url=server.url, passwd_file=keys)
    expect("no-such-bucket-anywhere" in refusal(plugin.mount, "missing", "1"), "a mount of no bucket")
    expect_equal((plugin.users("missing"), plugin.mounted()), (0, []), "after refused mounts")
    plugin.create("good", **good, passwd_file=keys)
    plugin.mount("good", "1")
    plugin.unmount("good", "1")
    for name in ("keyless", "missing", "good"):
        plugin.remove(name)
    expect_equal(os.listdir(plugin.mounts), [], "what is left")
    expect(plugin.process.is_running, "the plugin has ended")


def test_volume_concurrency(run):
    """Calls on one volume follow one another: many who mount at once get one mount. Calls on different volumes do not wait for each other: while one
    volume's store does not answer, others are mounted, and all volumes are told of."""
    plugin = plugin_of(run)
    server = run.server()
    bucket = server.make_bucket("concurrent")
    plugin.create("many", source=f"s3://{bucket}", endpoint_url=server.url)
    problems = []

    def in_threads(count, body):
        def guarded(number):
            try:
                body(number)
            except Exception as error:
                problems.append(f"{number}: {error!r}")
        threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        expect_equal(problems, [], "calls at once")

    in_threads(16, lambda number: plugin.mount("many", f"id-{number}"))
    expect_equal((plugin.users("many"), plugin.mounted(), len(plugin.mount_processes())), (16, ["many"], 1), "one mount for all")

    def come_and_go(number):
        for turn in range(5):
            plugin.mount("many", f"other-{number}-{turn}")
            plugin.unmount("many", f"id-{number}" if turn == 0 else f"other-{number}-{turn - 1}")
    in_threads(16, come_and_go)
    expect_equal((plugin.users("many"), plugin.mounted(), len(plugin.mount_processes())), (16, ["many"], 1), "one mount for all")
    in_threads(16, lambda number: plugin.unmount("many", f"other-{number}-4"))
    expect_equal((plugin.users("many"), plugin.mounted()), (0, []), "nobody is left")

    # Who gives up before the mount is made, as Podman does after its timeout, has no use of it; who calls again has.
    def give_up(id):
        def begun():
            with open(plugin.log) as log:
                return log.read().count("Mounting the volume many")
        body, before = json.dumps({"Name": "many", "ID": id}).encode(), begun()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(plugin.socket)
            connection.sendall(f"POST /VolumeDriver.Mount HTTP/1.1\r\nHost: p\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            # A client that goes before its request is read is no client.
            wait_until(lambda: begun() > before, 20, "the beginning of the mount", 0.002)
    give_up("gone")
    wait_until(lambda: "taken back" in plugin.process.output(), 15, "the end of a use that nobody waited for")
    wait_until(lambda: (plugin.users("many"), plugin.mounted()) == (0, []), 30, "the end of its mount")
    give_up("again")
    plugin.mount("many", "again")
    expect_equal((plugin.users("many"), plugin.mounted()), (1, ["many"]), "who called again")
    time.sleep(0.5)
    expect_equal((plugin.users("many"), plugin.mounted()), (1, ["many"]), "who called again, later")
    plugin.unmount("many", "again")

    # A store that takes connections and says nothing.
    silent = socket.create_server(("127.0.0.1", 0))
    run.closers.append(silent.close)
    plugin.create("slow", source=f"s3://{bucket}", endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}", request_deadline="8s", probe="never")
    outcome = []

    def mount_slow():
        try:
            outcome.append(plugin.mount("slow", "1"))
        except Refused as refused:
            outcome.append(refused.reason)
    waiting = threading.Thread(target=mount_slow)
    waiting.start()
    wait_until(lambda: plugin.mount_processes("slow"), 20, "the mount that waits for its store")
    plugin.mount("many", "beside")
    expect_equal(sorted(volume["Name"] for volume in plugin.call("VolumeDriver.List")["Volumes"]), ["many", "slow"], "the list meanwhile")
    expect_equal(plugin.users("slow"), 0, "a mount that waits has no user")
    plugin.unmount("many", "beside")
    expect_equal(outcome, [], "the mount without a store is over: the test is void")
    waiting.join(60)
    expect("does not answer in time" in outcome[0], f"a mount without a store: {outcome}")
    expect_equal((plugin.users("slow"), plugin.mounted()), (0, []), "after a mount without a store")


def test_volume_plugin_killed(run):
    """The plugin is killed and started again: its mounts go on under whoever uses them, no user is lost or counted twice, a mount that died meanwhile is mounted
    anew, and one that nobody was promised is taken away; killed at any moment of any call, a repeated call ends well."""
    plugin = plugin_of(run)
    server = run.server()
    bucket = server.make_bucket("killed-plugin")
    random = run.random("volumes")
    options = {"source": f"s3://{bucket}", "endpoint_url": server.url, "probe": "never"}
    plugin.create("data", **options)
    plugin.create("other", **options)
    began = time.monotonic()
    place = plugin.mount("data", "one")
    duration = time.monotonic() - began
    plugin.mount("data", "two")
    plugin.mount("other", "three")
    file = open(os.path.join(place, "open"), "w")
    file.write("before ")
    plugin.kill()
    file.write("while dead ")
    file.flush()
    plugin.start()
    file.write("after")
    file.close()
    expect_equal(server.read(bucket, "open"), b"before while dead after", "a file that was open all the while")
    expect_equal((plugin.users("data"), plugin.users("other")), (2, 1), "the users after a restart")
    plugin.unmount("data", "one")
    plugin.kill()
    # A mount that dies while nobody looks.
    [process] = plugin.mount_processes("data")
    os.kill(process, signal.SIGKILL)
    plugin.start()

    def is_alive():
        try:
            return "open" in os.listdir(place)
        except OSError:
            return False
    wait_until(is_alive, 30, f"the mount that died: {plugin.process.output()}")
    expect_equal((plugin.users("data"), plugin.mounted()), (1, ["data", "other"]), "users and mounts")
    # One that dies under the plugin's eyes.
    [process] = plugin.mount_processes("data")
    os.kill(process, signal.SIGKILL)
    expect_equal(plugin.mount("data", "four"), place, "a mount in a dead one's place")
    expect(is_alive(), "a dead mount is handed out")
    for name, id in (("data", "two"), ("data", "four"), ("other", "three")):
        plugin.unmount(name, id)
    expect_equal(plugin.mounted(), [], "the mounts at the end")

    # A mount without a user is one whose call was never answered.
    plugin.kill()
    run.call(run.pail, "mount", f"s3://{bucket}", place, "--endpoint-url", server.url, "--state-dir", plugin.state)
    plugin.start()
    wait_until(lambda: not plugin.mounted(), 30, "the end of a mount that nobody has")

    # A start of the system makes all users void.
    plugin.mount("data", "of-before")
    plugin.kill()
    record = os.path.join(plugin.state, "volumes", "data.json")
    with open(record) as file:
        content = json.load(file)
    content["bootID"] = "another"
    with open(record, "w") as file:
        json.dump(content, file)
    # What a write that was interrupted leaves, and a record that is none.
    for name, text in (("data.json.new", "half"), ("broken.json", "{")):
        with open(os.path.join(plugin.state, "volumes", name), "w") as file:
            file.write(text)
    plugin.start()
    wait_until(lambda: not plugin.mounted(), 30, "the end of a mount of an earlier start of the system")
    expect_equal(plugin.users("data"), 0, "users of an earlier start")
    expect("broken.json" in refusal(plugin.create, "broken", **options), "a record that cannot be read is overwritten")
    os.unlink(os.path.join(plugin.state, "volumes", "broken.json"))

    # Killed at any moment: the engine makes the call again.
    rounds = 60 if run.full else 12
    users, kills = set(), 0
    for number in range(rounds):
        kind, id = ("unmount", random.choice(sorted(users))) if users and random.random() < 0.5 else ("mount", f"id-{number}")
        (users.discard if kind == "unmount" else users.add)(id)
        moment = random.uniform(0, duration)
        killer = threading.Timer(moment, plugin.kill)
        killer.start()
        while True:
            try:
                (plugin.unmount if kind == "unmount" else plugin.mount)("data", id)
                break
            except OSError:
                killer.join()
                kills += 1
                plugin.start()
        killer.join()
        if not plugin.process.is_running:
            plugin.start()
        expect_equal(plugin.users("data"), len(users), f"round {number}: users after {kind}")
        if users:
            wait_until(lambda: plugin.mounted() == ["data"] and is_alive(), 30, "one mount that lives")
        else:
            wait_until(lambda: not plugin.mounted(), 30, "the last mount's end")
    for id in users:
        plugin.unmount("data", id)
    plugin.remove("data")
    plugin.remove("other")
    expect_equal((plugin.mounted(), os.listdir(plugin.mounts)), ([], []), "what is left")
    run.note(f"{rounds} calls, {kills} of them cut by a kill")

    # One plugin at a time, and SIGTERM ends it in order.
    second = Process([run.pail, "volumes", "--socket", plugin.socket + "2", "--state-dir", plugin.state, "--mounts", plugin.mounts],
                     run.path("second") + ".log", plugin.environment)
    run.closers.append(second.end)
    expect_equal((second.wait(20), "another process serves" in second.output()), (7, True), f"a second plugin: {second.output()}")
    plugin.process.send(signal.SIGTERM)
    expect_equal((plugin.process.wait(20), os.path.exists(plugin.socket)), (0, False), "the end by SIGTERM")


def test_volume_podman(run):
    """`podman volume create -d pail`, two containers that share the volume, the plugin killed and started again while they run: both go on, a third
    container starts, and the volume is removed at the end, what was written being in the bucket."""
    plugin = plugin_of(run)
    needs_root_and_fuse()
    image = program_image(run, ["sh", "cat", "ls", "sleep", "touch", "rm", "sha256sum"])
    server = run.server()
    bucket = server.make_bucket("podman-volume")
    settings = run.path("containers.conf")
    with open(settings, "w") as file:
        file.write(f'[engine]\nvolume_plugin_timeout = 60\n[engine.volume_plugins]\npail = "{plugin.socket}"\n')
    use_settings(run, settings)
    name = f"pail-test-{os.getpid()}"
    run.closers.append(lambda: podman("volume", "rm", "--force", name))
    secret = "s3cr3t-value"
    done = podman("volume", "create", "--driver", "pail", "-o", f"source=s3://{bucket}", "-o", f"secret_access_key={secret}", name)
    expect(done.returncode != 0 and "no secret" in done.stderr and secret not in done.stderr, f"a secret as an option: {done}")
    call("volume", "create", "--driver", "pail", "-o", f"source=s3://{bucket}", "-o", f"endpoint_url={server.url}", name)
    [shown] = json.loads(call("volume", "inspect", name))
    expect_equal(shown["Driver"], "pail", "the driver")
    expect(SECRET_KEY not in json.dumps(shown), "inspect shows a secret")

    script = "n=0; until [ -e /data/stop ]; do n=$((n+1)); echo $n >> /data/$0 || exit 1; sleep 0.1; done"
    one, two = (Container(run, image, which, ["--volume", f"{name}:/data"], ["/bin/sh", "-c", script, which]) for which in ("one", "two"))

    def lines(which):
        try:
            return len(server.read(bucket, which).split())
        except Exception:
            return 0
    wait_until(lambda: lines("one") > 3 and lines("two") > 3, 30, f"what both write: {one.logs()} {two.logs()}")
    expect_equal(plugin.mounted(), [name], "one mount for both")
    expect("one" in one.exec("ls", "/data").stdout.split() and "two" in one.exec("ls", "/data").stdout.split(), "what the other has written")
    for _ in range(3):
        plugin.kill()
        before = lines("one"), lines("two")
        wait_until(lambda: lines("one") > before[0] and lines("two") > before[1], 30, "what both write while the plugin is dead")
        plugin.start()
    one.expect_running()
    two.expect_running()
    done = call("run", "--rm", "--network", "host", *LIMITS, "--volume", f"{name}:/data", image, "cat", "/data/one")
    expect(len(done.split()) > 3, "what a third container reads")
    expect(podman("volume", "rm", name).returncode != 0, "a volume in use is removed")
    expect_equal(plugin.mounted(), [name], "the mount after a third container")
    call("run", "--rm", "--network", "host", *LIMITS, "--volume", f"{name}:/data", image, "touch", "/data/stop")
    for container in (one, two):
        expect_equal(int(call("wait", container.name, timeout=60)), 0, f"the end of {container.name}: {container.logs()}")
        container.remove()
    wait_until(lambda: not plugin.mounted(), 30, f"the mount's end with the last container: {plugin.process.output()}")
    for which in ("one", "two"):
        numbers = server.read(bucket, which).decode().split()
        expect_equal(numbers, [str(number + 1) for number in range(len(numbers))], f"what {which} has written")
    call("volume", "rm", name)
    expect_equal(plugin.call("VolumeDriver.List")["Volumes"], [], "the volumes at the end")
    expect_equal(os.listdir(plugin.mounts), [], "what is left of the mounts")
