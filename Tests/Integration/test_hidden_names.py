import os

from harness import Skip, expect, expect_equal


def test_hidden_names(run):
    """Objects that the kernel cannot show (empty, `.` and `..` components, names over 255 bytes) are hidden: listing, reading
    and walking work on all others, and the hidden ones stay in the bucket untouched."""
    if not run.is_pail:
        raise Skip("s3fs promises nothing here")
    # moto keeps such keys as they are; SeaweedFS rewrites them.
    server = run.server("moto")
    bucket = server.make_bucket("hidden")
    shown = ["plain", "dir/inside", "dir/sub/deeper", "a/b"]
    hidden = ["a//b", "a/", "/lead", "./dot", "dir/./x", "dir/../y", "..", ".", "a/..", "trail//", "n" * 256, "dir/" + "m" * 300,
              "dir/" + "é" * 128, "x" * 300 + "/below"]
    client = server.client()
    for key in shown + hidden:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    before = server.keys(bucket)
    mount = run.mount(bucket, server=server)
    found = []
    for path, directories, files in os.walk(mount.directory, onerror=lambda error: expect(False, f"walking: {error}")):
        found += [os.path.relpath(os.path.join(path, name), mount.directory) for name in files]
        expect(len(found) < 100, f"the walk does not end: {found[-5:]}")
    expect_equal(sorted(found), sorted(shown), "files that a walk finds")
    for key in shown:
        with open(mount.path(key), "rb") as file:
            expect_equal(file.read(), key.encode(), f"content of {key}")
    run.call("ls", "-laR", mount.directory)
    with open(mount.path("dir", "new"), "w") as file:
        file.write("new")
    os.remove(mount.path("plain"))
    mount.unmount()
    expect_equal(sorted(server.keys(bucket)), sorted(set(before) - {"plain"} | {"dir/new"}), "keys in the bucket afterwards")
