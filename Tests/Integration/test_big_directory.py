import os
import threading
import time

from harness import expect, expect_equal


def test_big_directory(run):
    """A directory of 20,000 entries (100,000 in full) lists whole and without a name twice, while small operations elsewhere
    on the mount go on and none of them waits for the listing's end."""
    count = 100_000 if run.full else 20_000
    server = run.server()
    bucket = server.make_bucket("directory")
    names = [f"entry-{number:06}" for number in range(count)]
    client = server.fast_client(bucket)
    client.put_many((f"many/{name}", b"") for name in names)
    client.put("small/file", b"content")
    mount = run.mount(bucket)
    done = threading.Event()
    slowest = [0.0, 0]
    failure = []

    def others():
        number = 0
        try:
            while not done.is_set():
                began = time.monotonic()
                path = mount.path("small", f"new-{number}")
                with open(path, "w") as file:
                    file.write(str(number))
                with open(mount.path("small", "file")) as file:
                    expect_equal(file.read(), "content", "another file's content")
                os.remove(path)
                slowest[0] = max(slowest[0], time.monotonic() - began)
                slowest[1] += 1
                number += 1
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        began = time.monotonic()
        found = os.listdir(mount.path("many"))
        cold = time.monotonic() - began
    finally:
        done.set()
        thread.join()
    if failure:
        raise failure[0]
    expect_equal(len(found), len(set(found)), "names, each once")
    expect(sorted(found) == names, f"{len(found)} of {count} names")
    expect(slowest[1] > 0, "no other operation ended while the listing went on")
    began = time.monotonic()
    listed = run.call("ls", "-l", mount.path("many")).count("\n") - 1
    expect_equal(listed, count, "lines of ls -l")
    run.note(f"listed {count} names in {cold:.1f} s, ls -l then took {time.monotonic() - began:.1f} s; {slowest[1]} rounds of "
             f"other work meanwhile, the slowest {slowest[0]:.2f} s")
    if run.is_pail and cold > 4:
        expect(slowest[0] < cold / 2, f"an operation elsewhere took {slowest[0]:.1f} s of the listing's {cold:.1f} s")


test_big_directory.minutes = 15
