import os
import signal
import time

from fault_loads import Loads, summary
from harness import expect, lazy_unmount
from mending import expect_mended
from test_promises import only_pail

# More than any run takes: the gate ends the programs.
LONG = 24 * 3600


def killed_under_load(run, rounds, *options):
    """Kills a mount with these options so many times while four programs work on it, mounts it again with the same state each time,
    kills it a last time, has `pail check` mend what is left, and compares the bucket with what was acknowledged. Prints the figures and returns them."""
    server = run.server()
    bucket = server.make_bucket("killed")
    directory, state, gate = (run.path(name) for name in ("mnt-killed", "state-killed", "gate"))

    def say(text):
        with open(gate + ".new", "w") as file:
            file.write(text)
        os.rename(gate + ".new", gate)

    def start():
        return run.mount(bucket, *options, directory=directory, state=state)

    chance = run.random("killed")
    mount = start()
    say("up 0")
    loads = Loads(run, mount, LONG, run.seed, gate)
    slowest = 0
    for number in range(rounds):
        time.sleep(chance.uniform(0.1, 2.5))
        # Said before it is done, so that no program takes the kill's error for another.
        say("down")
        mount.process.send(signal.SIGKILL)
        expect(mount.process.wait(30) is not None, "the mount outlives SIGKILL")
        began = time.monotonic()
        mount = start()
        slowest = max(slowest, time.monotonic() - began)
        loads.expect_running()
        say(f"up {number + 1}")
    time.sleep(2)
    say("end")
    done, errors, longest = loads.finish(180)
    # Killed once more, and mended by the check this time: no mount is there to do it.
    mount.process.send(signal.SIGKILL)
    expect(mount.process.wait(30) is not None, "the mount outlives SIGKILL")
    lazy_unmount(directory)
    expect_mended(run, mount)
    found = loads.check_bucket(server, bucket)
    run.note(f"{' '.join(options) or 'strict'}, killed {rounds} times: {summary(done, errors)}")
    run.note(f"{found}; the longest operation {longest:.1f} s, the longest remount {slowest:.1f} s")
    found.expect_all()
    expect(found.acknowledged > 10 and sum(done.values()) > 10 * rounds, "the programs came to nothing")
    expect(sum(errors.values()) >= rounds // 2, f"the kills met hardly any operation: {errors}")
    expect(all(name.endswith(" killed") for name in errors), f"errors that no kill explains: {errors}")
    return found


def test_killed_under_load(run):
    """The mount killed by SIGKILL 5 times (150 in a full run) under four programs that create, overwrite, append, patch, sync, rename,
    delete and read, and mounted again each time: all that a close, fsync, rename or unlink has acknowledged is in the bucket, once."""
    only_pail(run)
    killed_under_load(run, 150 if run.full else 5)


def test_killed_in_write_back_under_load(run):
    """The same with `--write-back`: what was acknowledged and not uploaded is shown by the next mount, and in the end uploaded by
    `pail check -p`."""
    only_pail(run)
    killed_under_load(run, 150 if run.full else 3, "--write-back")
