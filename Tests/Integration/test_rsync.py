import os

from harness import expect_equal
from trees import make_tree


def test_rsync(run):
    """A tree of 2,000 files goes in and out by `rsync -aAXH --delete` without a difference under `rsync -anc`: contents, modes,
    owners, times, links, extended attributes and access lists, also after a remount."""
    source = run.path("tree")
    paths = make_tree(run.random("rsync"), source, 2000)
    if run.is_pail:
        # Where the local file system keeps them.
        for path in paths[20:30]:
            os.chmod(path, 0o640)
            os.setxattr(path, "user.note", os.path.basename(path).encode())
            run.call("setfacl", "-m", "u:1234:r--", path)
    everything = ["-aAXH"] if run.is_pail else ["-a"]
    # s3fs sets a directory's times by copying its marker onto itself, which SeaweedFS refuses.
    server = run.server("seaweedfs" if run.is_pail else "moto")
    mount = run.mount(server.make_bucket("rsync"), server=server)

    def same(left, right, what):
        changes = run.call("rsync", *everything, "-nc", "--delete", "--itemize-changes", left + "/", right + "/")
        expect_equal(changes.strip(), "", f"differences {what}")

    inside = mount.path("tree")
    run.call("rsync", *everything, "--delete", source + "/", inside + "/")
    same(source, inside, "after rsync into the mount")
    mount = mount.remount()
    same(source, inside, "after a remount")
    out = run.path("out")
    os.mkdir(out)
    run.call("rsync", *everything, "--delete", inside + "/", out + "/")
    same(source, out, "after rsync out of the mount")
    # A second run finds nothing to do.
    expect_equal(run.call("rsync", *everything, "--itemize-changes", source + "/", inside + "/").strip(), "", "a second rsync")


test_rsync.minutes = 15
