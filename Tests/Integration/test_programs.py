import os
import shutil
import sys
import zipfile

from harness import Skip, expect, expect_equal
from trees import make_tree

# One process of the four that share a database: each of its transactions moves one unit between two random accounts.
TRANSFERS = """
import random, sqlite3, sys
path, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
random.seed(seed)
database = sqlite3.connect(path, timeout=120, isolation_level=None)
for number in range(count):
    database.execute("BEGIN IMMEDIATE")
    one, other = random.sample(range(20), 2)
    database.execute("UPDATE account SET balance = balance - 1 WHERE id = ?", (one,))
    database.execute("UPDATE account SET balance = balance + 1 WHERE id = ?", (other,))
    database.execute("INSERT INTO transfer VALUES (?, ?, ?)", (seed, one, other))
    database.execute("COMMIT")
"""


def _need(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise Skip(f"not installed: {', '.join(missing)}")


def test_sqlite(run):
    """An SQLite database with a rollback journal, under four processes at once, keeps every committed transaction and passes its
    integrity check, also after a remount."""
    import sqlite3

    mount = run.mount(run.server().make_bucket("sqlite"))
    path = mount.path("accounts.db")
    database = sqlite3.connect(path)
    expect_equal(database.execute("PRAGMA journal_mode = DELETE").fetchone()[0], "delete", "journal mode")
    database.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)")
    database.execute("CREATE TABLE transfer (worker TEXT, one INTEGER, other INTEGER)")
    database.executemany("INSERT INTO account VALUES (?, 100)", [(number,) for number in range(20)])
    database.commit()
    database.close()
    count = 100 if run.full else 25
    workers = [run.spawn([sys.executable, "-c", TRANSFERS, path, f"{run.seed}-{number}", str(count)], f"sqlite-{number}")
               for number in range(4)]
    for worker in workers:
        expect_equal(worker.wait(300), 0, f"exit status of a worker: {worker.output()}")

    def check(what):
        database = sqlite3.connect(path)
        expect_equal(database.execute("PRAGMA integrity_check").fetchone()[0], "ok", f"integrity {what}")
        expect_equal(database.execute("SELECT count(*) FROM transfer").fetchone()[0], 4 * count, f"transactions {what}")
        expect_equal(database.execute("SELECT sum(balance) FROM account").fetchone()[0], 2000, f"sum of balances {what}")
        database.close()

    check("after the workers")
    mount.remount()
    check("after a remount")


def test_tar(run):
    """A tree of 5,000 mixed entries goes in and out by `tar`, with `tar --diff` finding no difference."""
    source = run.path("tree")
    make_tree(run.random("tar"), source, 4700 if run.full else 1500, largest=20_000)
    os.mkfifo(os.path.join(source, "a fifo"), 0o620)
    entries = sum(len(directories) + len(files) for _, directories, files in os.walk(source))
    run.note(f"{entries} entries")
    mount = run.mount(run.server().make_bucket("tar"))
    archive, again = run.path("in.tar"), run.path("out.tar")
    run.call("tar", "-C", source, "-cf", archive, ".")
    inside = mount.path("tree")
    os.mkdir(inside)
    run.call("tar", "-C", inside, "-xpf", archive)
    run.call("tar", "-C", inside, "--diff", "-f", archive)
    mount.remount()
    run.call("tar", "-C", inside, "--diff", "-f", archive)
    run.call("tar", "-C", inside, "-cf", again, ".")
    run.call("tar", "-C", source, "--diff", "-f", again)


def test_fio(run):
    """Random writes of mixed sizes by eight jobs at once are read back as written: fio verifies each block's CRC-32C."""
    _need("fio")
    mount = run.mount(run.server().make_bucket("fio"))
    run.call("fio", "--name=mixed", f"--directory={mount.directory}", "--rw=randwrite", "--bsrange=512-128k",
             "--ioengine=psync", "--numjobs=8", f"--size={64 if run.full else 12}m", "--verify=crc32c",
             "--verify_fatal=1", "--fallocate=none", "--end_fsync=1", f"--randseed={run.seed}", "--output-format=terse",
             cwd=run.directory)


def test_make(run):
    """A C program of many files is built inside the mount by `make -j4`, and runs; a second make has nothing to do."""
    _need("make", "cc")
    mount = run.mount(run.server().make_bucket("make"))
    project = mount.path("project")
    os.mkdir(project)
    names = [f"part{number}" for number in range(24)]
    for number, name in enumerate(names):
        with open(os.path.join(project, name + ".c"), "w") as file:
            file.write(f"int {name}(void) {{ return {number}; }}\n")
    with open(os.path.join(project, "main.c"), "w") as file:
        file.write("#include <stdio.h>\n")
        file.writelines(f"int {name}(void);\n" for name in names)
        file.write("int main(void) { printf(\"%d\\n\", " + " + ".join(f"{name}()" for name in names) + "); return 0; }\n")
    with open(os.path.join(project, "Makefile"), "w") as file:
        objects = " ".join(f"{name}.o" for name in [*names, "main"])
        file.write(f"program: {objects}\n\tcc -o $@ {objects}\n%.o: %.c\n\tcc -c -o $@ $<\n")
    run.call("make", "-j4", "-C", project)
    expect_equal(run.call(os.path.join(project, "program")).strip(), str(sum(range(24))), "what the program prints")
    expect("up to date" in run.call("make", "-C", project), "a second make has nothing to do")
    mount.remount()
    expect("up to date" in run.call("make", "-C", project), "a make after a remount has nothing to do")


def test_editors(run):
    """`sed -i` and vim's ways to save (a copy as backup, a rename as backup, in place) leave the new text, the mode and no litter."""
    mount = run.mount(run.server().make_bucket("editors"))
    path = mount.path("text.txt")

    def write(mode):
        with open(path, "w") as file:
            file.write("one\ntwo\nthree\n")
        os.chmod(path, mode)

    def check(wanted, mode, what):
        with open(path) as file:
            expect_equal(file.read(), wanted, f"the text after {what}")
        expect_equal(oct(os.stat(path).st_mode & 0o7777), oct(mode), f"the mode after {what}")
        expect_equal(os.listdir(mount.directory), ["text.txt"], f"the directory after {what}")

    write(0o640)
    run.call("sed", "-i", "s/two/2/", path)
    check("one\n2\nthree\n", 0o640, "sed -i")
    vim = shutil.which("vim") or shutil.which("vim.tiny")
    if not vim:
        run.note("vim is not installed")
        return
    for setting in ["set backupcopy=yes writebackup", "set backupcopy=no writebackup", "set nowritebackup"]:
        write(0o600)
        run.call(vim, "-u", "NONE", "-i", "NONE", "-es", "-c", setting, "-c", "%s/three/3/", "-c", "wq", path)
        check("one\ntwo\n3\n", 0o600, f"vim with {setting}")


def test_venv(run):
    """A Python virtual environment is made inside the mount, its pip installs a package there, and it runs after a remount."""
    mount = run.mount(run.server().make_bucket("venv"))
    wheel = os.path.join(run.directory, "greeting-1.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("greeting.py", "text = 'from inside the mount'\n")
        archive.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        archive.writestr("greeting-1.0.dist-info/WHEEL",
                         "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("greeting-1.0.dist-info/RECORD",
                         "greeting.py,,\ngreeting-1.0.dist-info/METADATA,,\ngreeting-1.0.dist-info/WHEEL,,\n"
                         "greeting-1.0.dist-info/RECORD,,\n")
    environment = mount.path("environment")
    python = os.path.join(environment, "bin", "python")
    run.call(sys.executable, "-m", "venv", environment)
    run.call(python, "-m", "pip", "install", "--quiet", "--no-index", wheel)
    for when in ["at once", "after a remount"]:
        found = run.call(python, "-c", "import greeting; print(greeting.text)").strip()
        expect_equal(found, "from inside the mount", f"the package {when}")
        if when == "at once":
            mount.remount()


test_venv.minutes = 15
