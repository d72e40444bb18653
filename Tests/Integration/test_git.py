import os
import subprocess

from harness import expect, expect_equal
from trees import make_repository


def branch(run, git, clone, check):
    """Work on two branches, one merge that git makes alone and one with a conflict that is resolved by hand."""
    def commit(name, text, message):
        path = os.path.join(clone, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        run.call(*git, "add", "-A")
        run.call(*git, "commit", "-q", "-m", message)

    def read(name):
        with open(os.path.join(clone, name)) as file:
            return file.read()

    main = run.call(*git, "rev-parse", "--abbrev-ref", "HEAD").strip()
    lines = "".join(f"line {number}\n" for number in range(20))
    commit("shared.txt", lines, "Base")
    run.call(*git, "checkout", "-q", "-b", "topic")
    commit("topic/new.txt", "topic\n", "A file in a directory of the branch")
    commit("shared.txt", lines.replace("line 2\n", "line two\n"), "The branch's line")
    run.call(*git, "mv", "topic/new.txt", "topic/renamed.txt")
    run.call(*git, "commit", "-q", "-m", "Renamed")
    run.call(*git, "checkout", "-q", main)
    expect(not os.path.exists(os.path.join(clone, "topic")), "the branch's directory is there on the other branch")
    expect_equal(read("shared.txt"), lines, "the file of the other branch")
    commit("shared.txt", lines.replace("line 17\n", "line seventeen\n"), "The other's line")
    run.call(*git, "merge", "-q", "--no-edit", "topic")
    expect_equal(read("shared.txt"), lines.replace("line 2\n", "line two\n").replace("line 17\n", "line seventeen\n"), "the merged file")
    expect_equal(read("topic/renamed.txt"), "topic\n", "the file that the branch has renamed")
    check("after the merge")

    run.call(*git, "checkout", "-q", "-b", "other", "HEAD~1")
    commit("shared.txt", "theirs\n", "Everything anew")
    run.call(*git, "checkout", "-q", main)
    merge = subprocess.run([*git, "merge", "-q", "other"], capture_output=True, text=True, env=run.environment(), timeout=300)
    expect(merge.returncode == 1 and "<<<<<<<" in read("shared.txt"), f"a merge with a conflict: {merge}")
    commit("shared.txt", "resolved\n", "Resolved")
    run.call(*git, "branch", "-q", "-d", "topic", "other")
    expect_equal(run.call(*git, "branch", "--format", "%(refname:short)").split(), [main], "branches at the end")
    check("after the merge with a conflict")


def test_git(run):
    """A clone of a repository of 1,000 files and more into the mount is whole: status clean, fsck and gc without complaint,
    also after a remount; it can be committed to, and branches be made, switched to, changed and merged, with a conflict as well."""
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
    branch(run, git, clone, check)
    run.call(*git, "gc", "-q")
    check("after gc")
    head = run.call(*git, "rev-parse", "HEAD")
    mount.remount()
    expect_equal(run.call(*git, "rev-parse", "HEAD"), head, "HEAD after a remount")
    check("after a remount")


test_git.minutes = 15
