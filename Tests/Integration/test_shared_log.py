import os
import subprocess
import sys
import time

from harness import Skip, expect, expect_equal

PROGRAM = '''
import os, sys, time
directory, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
end = time.monotonic() + seconds
lines = bumps = 0
while time.monotonic() < end:
    handle = os.open(directory + "/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{name} {lines}\\n".encode())
    os.close(handle)
    lines += 1
    try:
        lock = os.open(directory + "/lock", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        time.sleep(0.01)
        continue
    try:
        with open(directory + "/counter") as file:
            value = int(file.read())
        with open(directory + "/counter", "w") as file:
            file.write(str(value + 1))
        bumps += 1
    finally:
        os.close(lock)
        os.unlink(directory + "/lock")
print(lines, bumps)
'''


def test_shared_log_and_counter(run):
    """Eight programs on two mounts, with the default attribute timeout, append numbered lines to one file and bump one counter under an
    `O_EXCL` lock file: every line is there once and each program's in order, and the counter is exact."""
    if not run.is_pail:
        raise Skip("Pail's own promise")
    server = run.server()
    bucket = server.make_bucket("shared-log")
    server.client().put_object(Bucket=bucket, Key="counter", Body=b"0")
    mounts = [run.mount(bucket) for _ in range(2)]
    seconds = 120 if run.full else 8
    programs = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, mounts[number % 2].directory, f"p{number}", str(seconds)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for number in range(8)]
    results = []
    for number, program in enumerate(programs):
        output, errors = program.communicate(timeout=seconds + 120)
        expect_equal((program.returncode, errors), (0, ""), f"the end of program {number}")
        results.append(tuple(map(int, output.split())))
    for mount in mounts:
        mount.unmount()
    lines = server.read(bucket, "log").decode().splitlines()
    for number, (count, _) in enumerate(results):
        own = [int(line.split()[1]) for line in lines if line.startswith(f"p{number} ")]
        missing = sorted(set(range(count)) - set(own))
        repeated = sorted({index for index in own if own.count(index) > 1}) if len(set(own)) < len(own) else []
        expect(not missing and not repeated, f"program {number} of mount {number % 2} wrote {count} lines; missing {missing}, repeated {repeated}")
        expect(own == sorted(own), f"the lines of program {number} are in another order: {own}")
    expect_equal(len(lines), sum(count for count, _ in results), "lines in all")
    expect_equal(int(server.read(bucket, "counter")), sum(bumps for _, bumps in results), "the counter")
    expect(sum(bumps for _, bumps in results) > 0, "nobody ever held the lock")
    run.note(f"{len(lines)} lines, {sum(bumps for _, bumps in results)} bumps in {seconds} s")
