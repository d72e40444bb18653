import os

from harness import expect_equal
from trees import make_tree


def test_rsync(run):
    """A tree of 2,000 files goes in and out by `rsync -a` without a difference under `rsync -anc`: contents, modes, owners,
    times and links, also after a remount."""
    source = run.path("tree")
    make_tree(run.random("rsync"), source, 2000)
    # s3fs sets a directory's times by copying its marker onto itself, which SeaweedFS refuses.
    server = run.server("seaweedfs" if run.is_pail else "moto")
    mount = run.mount(server.make_bucket("rsync"), server=server)

    def same(left, right, what):
        changes = run.call("rsync", "-anc", "--delete", "--itemize-changes", left + "/", right + "/")
        expect_equal(changes.strip(), "", f"differences {what}")

    inside = mount.path("tree")
    run.call("rsync", "-a", source + "/", inside + "/")
    same(source, inside, "after rsync into the mount")
    mount = mount.remount()
    same(source, inside, "after a remount")
    out = run.path("out")
    os.mkdir(out)
    run.call("rsync", "-a", inside + "/", out + "/")
    same(source, out, "after rsync out of the mount")
    # A second run finds nothing to do.
    expect_equal(run.call("rsync", "-a", "--itemize-changes", source + "/", inside + "/").strip(), "", "a second rsync")
