import glob
import os
import re
import subprocess

from debian_root import ROOT
from harness import Skip, expect, expect_equal

# The image, or the package within it, is made once in a run.
LANE = "containers"

EXAMPLES = os.path.join(ROOT, "packaging", "container", "examples")
# What a container needs to mount.
COMPOSE_NEEDS = {"devices": "/dev/fuse", "cap_add": "SYS_ADMIN"}


def documents(name):
    """The documents of an example, by a parser that takes no key twice."""
    try:
        import yaml
    except ImportError as error:
        raise Skip("this Python has no yaml") from error

    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader, node, deep=False):
        keys = [loader.construct_object(key, deep) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        expect_equal(len(keys), len(set(keys)), f"{name}: keys {keys} at {node.start_mark}")
        return yaml.SafeLoader.construct_mapping(loader, node, deep)
    Strict.add_constructor("tag:yaml.org,2002:map", mapping)
    with open(os.path.join(EXAMPLES, name)) as file:
        return [document for document in yaml.load_all(file, Strict) if document]


def documented_variables():
    """The variables of the container that HOSTS.md documents."""
    with open(os.path.join(ROOT, "Documentation", "HOSTS.md")) as file:
        rows = [line.split("|")[1] for line in file if line.startswith("| `")]
    return set(re.findall(r"`([A-Z][A-Z0-9_]+)`", " ".join(rows)))


def check_environment(name, environment):
    known = documented_variables()
    expect("AWS_S3_BUCKET" in known, "the table of variables is not found")
    for variable in environment:
        expect(variable in known, f"{name}: {variable} is not in HOSTS.md")
    expect("AWS_S3_BUCKET" in environment and "AWS_S3_URL" in environment, f"{name}: no bucket")


def check_arguments(run, name, environment):
    """Pail takes the example's options: it gets as far as to the keys' files, which are not there."""
    settings = {variable: str(value) for variable, value in environment.items() if not variable.endswith("_FILE")}
    settings |= {"AWS_S3_ROOTDIR": run.path("root"), "AWS_S3_URL": "http://127.0.0.1:1", "UID": "0", "GID": "0"}
    base = {variable: value for variable, value in run.environment().items() if not variable.startswith("AWS_")}
    done = subprocess.run([run.pail, "container"], env={**base, **settings}, capture_output=True, text=True, timeout=60)
    expect(done.returncode == 3 and "no credentials" in done.stderr, f"{name}: {done.returncode} {done.stderr}")


def test_container_examples(run):
    """The examples for compose and Kubernetes are proper YAML, name what they use, ask for what a mount container needs, and their settings are ones that
    HOSTS.md documents and the container takes."""
    if not run.is_pail:
        raise Skip("Pail's own examples")
    names = sorted(os.path.basename(path) for path in glob.glob(os.path.join(EXAMPLES, "*.yaml")))
    expect_equal(names, ["daemonset.yaml", "gateways.yaml", "redis.yaml"], "the examples")
    version = run.call(run.pail, "--version").split()[1]
    for name in ("gateways.yaml", "redis.yaml"):
        [compose] = documents(name)
        mounts = 0
        for service, settings in compose["services"].items():
            place = f"{name}: {service}"
            for volume in settings["volumes"]:
                if isinstance(volume, str):
                    expect(volume.split(":")[0] in compose["volumes"], f"{place}: the volume {volume} is declared nowhere")
                    continue
                propagation = volume["bind"]["propagation"]
                expect_equal(propagation, "rshared" if "devices" in settings else "rslave", f"{place}: propagation")
            for other, condition in settings.get("depends_on", {}).items():
                expect(other in compose["services"], f"{place}: depends on {other}")
                expect_equal(condition, {"condition": "service_healthy"}, f"{place}: waits for {other}")
            if "devices" not in settings:
                continue
            mounts += 1
            expect_equal(settings["image"], f"localhost/pail:{version}", f"{place}: the image")
            for key, value in COMPOSE_NEEDS.items():
                expect_equal(settings[key], [value], f"{place}: {key}")
            for secret in settings["secrets"]:
                expect(secret in compose["secrets"], f"{place}: the secret {secret} is declared nowhere")
            # Longer than --drain-timeout.
            expect(int(settings["stop_grace_period"].rstrip("s")) > 60, f"{place}: stop_grace_period")
            check_environment(place, settings["environment"])
            check_arguments(run, place, settings["environment"])
        expect(mounts > 0, f"{name} mounts nothing")

    secret, daemon = documents("daemonset.yaml")
    expect_equal((secret["kind"], secret["apiVersion"], daemon["kind"], daemon["apiVersion"]), ("Secret", "v1", "DaemonSet", "apps/v1"), "kinds")
    spec = daemon["spec"]["template"]["spec"]
    expect_equal(daemon["spec"]["selector"]["matchLabels"], daemon["spec"]["template"]["metadata"]["labels"], "labels")
    expect(spec["terminationGracePeriodSeconds"] > 60, "the grace period")
    [container] = spec["containers"]
    expect_equal(container["image"], f"localhost/pail:{version}", "the image")
    expect_equal(container["securityContext"], {"privileged": True}, "Bidirectional propagation is for privileged containers")
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    expect_equal(set(volumes), set(mounts), "volumes and their mounts")
    expect_equal(mounts["bucket"]["mountPropagation"], "Bidirectional", "propagation")
    expect_equal(volumes["keys"]["secret"]["secretName"], secret["metadata"]["name"], "the secret")
    expect_equal(volumes["keys"]["secret"]["defaultMode"], 0o400, "the keys' mode")
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    check_environment("daemonset.yaml", environment)
    check_arguments(run, "daemonset.yaml", environment)
    for variable in ("AWS_S3_ACCESS_KEY_ID_FILE", "AWS_S3_SECRET_ACCESS_KEY_FILE"):
        folder, _, key = environment[variable].rpartition("/")
        expect_equal((folder, key in secret["stringData"]), (mounts["keys"]["mountPath"], True), variable)
    for probe in ("readinessProbe", "livenessProbe"):
        expect_equal(container[probe]["exec"]["command"][0], "/usr/bin/pail", probe)
        expect(container[probe]["timeoutSeconds"] > 10, f"{probe}: pail gives up after 10 s itself")
