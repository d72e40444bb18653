import os
import re
import shutil
import subprocess

from debian_root import Box, needs_root_and_fuse, package
from harness import ACCESS_KEY, SECRET_KEY, Skip, expect, expect_equal

# The image, or the package within it, is made once in a run.
LANE = "containers"


def snapshot(box):
    """All paths of the box's root, save what apt and mount(8) keep themselves and the tests' own."""
    done = box.call("find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/sys", "-o", "-path", "/var/lib/apt", "-o",
                    "-path", "/var/cache", "-o", "-path", "/tmp", "-o", "-path", "/mnt", "-o",
                    "-path", "/run/mount", ")", "-prune", "-o", "-print")
    return set(done.splitlines())


def names_of(dependencies):
    """The first choice of each dependency, without its version."""
    return [re.split(r"[ |(]", part.strip())[0] for part in dependencies.split(",") if part.strip()]


def test_debian_package(run):
    """The Debian package installs on a clean Debian 12, needs no library of Swift's, mounts from fstab, by `mount -t pail`, by `fuse.pail`, by
    a name of /etc/pail/mounts.d and as s3fs, checks by fsck, and purges without a trace but the state directory."""
    if not run.is_pail:
        raise Skip("Pail's own package")
    needs_root_and_fuse()
    file = package(run)
    server = run.server()
    bucket = server.make_bucket("package")
    box = Box(run)
    shutil.copy(file, box.path("/tmp/pail.deb"))
    fields = subprocess.run(["dpkg-deb", "--field", file, "Depends"], capture_output=True, text=True, check=True).stdout
    box.install(*names_of(fields), "mount", "fuse3")
    before = snapshot(box)

    box.call("apt-get", "-qq", "-y", "--no-install-recommends", "install", "/tmp/pail.deb")
    program = box.call("readlink", "-f", "/usr/bin/pail").strip()
    libraries = box.call("ldd", program)
    expect("not found" not in libraries, f"libraries: {libraries}")
    # At the size of every commit it is a package of the program under test, with Swift's libraries beside it.
    for line in libraries.splitlines():
        expect("libswift" not in line or (not run.full and "/usr/lib/pail/" in line), f"a library of Swift's: {line}")
    run.note(f"package {os.path.getsize(file) >> 10} KiB, program {os.path.getsize(box.path(program)) >> 10} KiB, "
             f"{len(libraries.splitlines())} libraries")
    expect(box.call("pail", "--version").startswith("pail "), "the version")
    expect("pail" in box.call("s3fs", "--version"), "s3fs is not Pail")
    for page in ("man1/pail.1", "man1/pail-mount.1", "man1/pail-check.1", "man5/pail-mounts.5", "man8/mount.pail.8"):
        expect(os.path.getsize(box.path(f"/usr/share/man/{page}.gz")) > 0, page)

    keys = f"{ACCESS_KEY}:{SECRET_KEY}\n"
    box.write("/etc/passwd-s3fs", keys, 0o600)
    for name in ("fstab", "pail", "fuse", "named", "s3fs"):
        os.makedirs(box.path(f"/mnt/{name}"))
    common = f"_netdev,nofail,endpoint_url={server.url}"
    box.write("/etc/fstab", f"s3://{bucket}/fstab /mnt/fstab pail {common},allow_other 0 0\n"
                            f"s3://{bucket}/fuse /mnt/fuse fuse.pail {common},noauto 0 0\n"
                            f"{bucket} /mnt/s3fs fuse.s3fs _netdev,noauto,use_path_request_style,url={server.url} 0 0\n")
    server.client().put_object(Bucket=bucket, Key="pail/there", Body=b"already")
    box.write("/etc/pail/mounts.d/named.conf",
              f"source = s3://{bucket}/named\nmount-point = /mnt/named\nendpoint-url = {server.url}\nwrite-back = yes\n")

    steps = {
        "fstab": ["mount", "-a"],
        "fuse": ["mount", "/mnt/fuse"],
        "pail": ["mount", "-t", "pail", "-o", f"endpoint_url={server.url}", f"s3://{bucket}/pail", "/mnt/pail"],
        "named": ["pail", "mount", "named"],
        "s3fs": ["mount", "/mnt/s3fs"],
    }
    for name, arguments in steps.items():
        box.call(*arguments, timeout=60)
        box.call("sh", "-ec", f"echo by {name} > /mnt/{name}/file; cat /mnt/{name}/file")
    table = box.call("cat", "/proc/mounts")
    for name, kind in (("fstab", "fuse.pail"), ("pail", "fuse.pail"), ("s3fs", "fuse.s3fs")):
        expect(re.search(rf" /mnt/{name} {kind} ", table), f"{name} in {table}")
    for name in ("fstab", "fuse", "pail", "s3fs"):
        box.call("umount", f"/mnt/{name}", timeout=60)
    box.call("pail", "umount", "/mnt/named", timeout=60)
    for name in ("fstab", "fuse", "pail", "named"):
        expect_equal(server.read(bucket, f"{name}/file"), f"by {name}\n".encode(), f"the object written by {name}")
    expect_equal(server.read(bucket, "file"), b"by s3fs\n", "the object written by s3fs")
    done = box.try_("fsck", "-t", "pail", f"s3://{bucket}/fstab")
    expect_equal(done.returncode, 0, f"fsck: {done.stdout}{done.stderr}")

    # A second installation over the first changes nothing of a person's.
    box.call("dpkg", "--install", "/tmp/pail.deb")
    expect(os.path.exists(box.path("/etc/pail/mounts.d/named.conf")), "an upgrade took a person's file")
    box.call("dpkg", "--remove", "pail")
    expect(os.path.exists(box.path("/etc/pail/mounts.d/named.conf")), "removal without purge took a person's file")
    expect(not os.path.lexists(box.path("/usr/bin/s3fs")), "the alternative is left")
    box.call("dpkg", "--install", "/tmp/pail.deb")
    box.call("dpkg", "--purge", "pail")
    left = {path for path in snapshot(box) - before if path not in ("/etc/passwd-s3fs", "/etc/fstab")}
    strangers = sorted(path for path in left if not (path == "/var/lib/pail" or path.startswith("/var/lib/pail/")))
    expect_equal(strangers, [], "what a purge leaves")
    expect_equal(sorted(before - snapshot(box)), [], "what a purge takes and was not the package's")
    expect("/var/lib/pail" in left, "the state directory has gone")


test_debian_package.minutes = 60
