import filecmp
import os

from harness import MIB, expect, expect_equal, sha256_file


def test_other_clients(run):
    """What the mount writes, `aws s3 cp` reads equal, and the other way round, for sizes on both sides of the part size."""
    random = run.random("clients")
    server = run.server()
    bucket = server.make_bucket("clients")
    mount = run.mount(bucket)
    sizes = [0, 1, 4096, 4097, MIB, 5 * MIB, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 33 * MIB + 7]
    local = run.path("local")
    os.mkdir(local)
    os.mkdir(mount.path("from mount"))
    for size in sizes:
        with open(os.path.join(local, f"file {size}"), "wb") as file:
            file.write(random.randbytes(size))
        run.call("cp", os.path.join(local, f"file {size}"), mount.path("from mount"))
    back = run.path("back")
    run.aws(server, "s3", "cp", "--quiet", "--recursive", f"s3://{bucket}/from mount", back)
    for size in sizes:
        name = f"file {size}"
        expect_equal(sha256_file(os.path.join(back, name)), sha256_file(os.path.join(local, name)), f"SHA-256 of {name} by aws")
    run.aws(server, "s3", "cp", "--quiet", "--recursive", local, f"s3://{bucket}/from aws")
    mount = mount.remount()
    expect_equal(sorted(os.listdir(mount.path("from aws"))), sorted(os.listdir(local)), "names that aws wrote")
    _, different, errors = filecmp.cmpfiles(mount.path("from aws"), local, os.listdir(local), shallow=False)
    expect(not different and not errors, f"files that aws wrote: {different} differ, {errors} cannot be read")
