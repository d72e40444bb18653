import os

from harness import expect, expect_equal
from trees import make_repository


def test_git(run):
    """A clone of a repository of 1,000 files and more into the mount is whole: status clean, fsck and gc without complaint,
    also after a remount, and it can be committed to."""
    source = run.path("repository")
    make_repository(run, run.random("git"), source, 3000 if run.full else 1000)
    files = run.call("git", "-C", source, "ls-files", "-z").count("\0")
    expect(files >= 1000, f"the repository has {files} files")
    mount = run.mount(run.server().make_bucket("git"))
    clone = mount.path("clone")
    git = ["git", "-C", clone, "-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "safe.directory=*"]

    def check(what):
        expect_equal(run.call(*git, "status", "--porcelain"), "", f"git status {what}")
        run.call(*git, "fsck", "--full", "--strict")

    # file:// makes git send a pack, as from a remote; a plain path would link or copy objects.
    run.call("git", "clone", "-q", "file://" + source, clone)
    expect_equal(run.call(*git, "ls-files", "-z").count("\0"), files, "files in the clone")
    check("after the clone")
    with open(os.path.join(clone, "added on the mount.txt"), "w") as file:
        file.write("a line\n")
    run.call(*git, "add", "-A")
    run.call(*git, "commit", "-q", "-m", "On the mount")
    run.call(*git, "gc", "-q")
    check("after gc")
    head = run.call(*git, "rev-parse", "HEAD")
    mount.remount()
    expect_equal(run.call(*git, "rev-parse", "HEAD"), head, "HEAD after a remount")
    check("after a remount")
