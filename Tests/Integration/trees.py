"""Generated trees of files, the same for the same random generator."""

import os

WORDS = ("amber basin cedar delta ember fjord grove haven inlet jetty knoll ledge marsh north ocean pines quarry ridge slope "
         "tidal upland vale willow yarrow zenith").split()


def make_tree(random, root, files, largest=60_000):
    """A tree of so many files of mixed sizes, some empty, some executable, with links, odd names and old times."""
    directories = [root]
    os.makedirs(root)
    for number in range(max(1, files // 25)):
        parent = random.choice(directories)
        if parent.count("/") - root.count("/") > 5:
            parent = root
        path = os.path.join(parent, f"{random.choice(WORDS)}-{number}")
        os.mkdir(path)
        directories.append(path)
    odd = ["with space", "ünï-côdé", "日本語", "plus+sign", "percent%20", "quote'\"", "#hash?mark&", ".hidden", "trailing. ",
           "back\\slash", "semi;colon", "n" * 200, "star*[x]{y}", "e\u0301 decomposed", "tab\there", "-dash"]
    paths = []
    for number in range(files):
        name = odd[number] if number < len(odd) else f"{random.choice(WORDS)}{number}.{random.choice(['txt', 'c', 'bin', 'md'])}"
        path = os.path.join(random.choice(directories), name)
        size = random.choice([0, 1, 100, 1000, 4096, 5000, random.randrange(largest)])
        with open(path, "wb") as file:
            file.write(random.randbytes(size))
        paths.append(path)
        if number % 7 == 0:
            os.chmod(path, random.choice([0o755, 0o600, 0o444, 0o640]))
        when = 1_500_000_000 + random.randrange(200_000_000)
        os.utime(path, (when, when))
    for number in range(min(10, files)):
        target = os.path.relpath(paths[number], root)
        os.symlink(target, os.path.join(root, f"link-{number}"))
    os.symlink("nowhere/at all", os.path.join(root, "dangling"))
    for path in reversed(directories):
        when = 1_500_000_000 + random.randrange(200_000_000)
        os.utime(path, (when, when))
    return paths


def make_repository(run, random, path, files):
    """A git repository with so many files and a history of a few commits."""
    make_tree(random, path, files, largest=20_000)
    git = ["git", "-C", path, "-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    run.call("git", "init", "-q", "-b", "main", path)
    run.call(*git, "add", "-A")
    run.call(*git, "commit", "-q", "-m", "All files")
    tracked = sorted(name for name in os.listdir(path) if name != ".git")
    for number in range(5):
        for name in random.sample(tracked, min(3, len(tracked))):
            target = os.path.join(path, name)
            if os.path.isfile(target) and not os.path.islink(target):
                os.chmod(target, 0o644)
                with open(target, "ab") as file:
                    file.write(f"change {number}\n".encode())
        with open(os.path.join(path, f"added-{number}.txt"), "w") as file:
            file.write(f"commit {number}\n")
        run.call(*git, "add", "-A")
        run.call(*git, "commit", "-q", "-m", f"Change {number}")
