"""Plants in a bucket, by raw S3 calls, every kind of damage that `pail check` knows: what other programs, crashes and mistakes
leave behind. Each kind is (name of the check, keys that it has to name)."""

def put(client, bucket, key, body=b"", **more):
    client.put_object(Bucket=bucket, Key=key, Body=body, **more)


def plant(server, bucket, say=lambda text: None):
    """Plants what the store takes; returns {check: {keys}} of what has to be found. Tells by `say` what the store does not take."""
    client = server.client()
    planted = {}

    def holds(key, body):
        """Whether the store keeps what was put there: damage that it cannot hold is none."""
        return client.get_object(Bucket=bucket, Key=key)["Body"].read() == body

    def damage(check, key, body=b"", names=None, **more):
        put(client, bucket, key, body, **more)
        planted.setdefault(check, set()).add(names or key)

    # What is in order: nothing of it may be named.
    put(client, bucket, "good/", ContentType="application/x-directory", Metadata={"mode": "16877", "uid": "0", "gid": "0"})
    put(client, bucket, "good/file", b"good", Metadata={"mode": "33188", "uid": "0", "gid": "0", "mtime": "1577934245.5"})
    put(client, bucket, "good/link", b"file", Metadata={"mode": "41471"})
    put(client, bucket, "good/pipe", Metadata={"mode": "4516"})

    # Keys. SeaweedFS refuses or rewrites those that a file system could not hold; a file beside keys below its name is its own
    # way of being a directory.
    if server.name == "moto":
        for key in ["bad//empty", "/lead", "./dot", "bad/../up", "bad/" + "n" * 256, "o" * 300 + "/below"]:
            damage("unshowable-key", key, key.encode())
    else:
        say(f"{server.name} refuses or rewrites keys that a file system could not hold")
    damage("file-and-directory", "both", b"the file of two names")
    if server.name == "moto":
        put(client, bucket, "both/", ContentType="application/x-directory")
    put(client, bucket, "both/below", b"what lies below it")
    damage("marker-with-body", "full/", body := b"content of a directory", ContentType="application/x-directory")
    if not holds("full/", body):
        del planted["marker-with-body"]
        say(f"{server.name} keeps no content of a key that ends in a slash")
    put(client, bucket, "full/file", b"a file in it")
    if server.name == "moto":
        put(client, bucket, "was", b"a file where a directory was")
        damage("orphan-marker", "was/")
    put(client, bucket, "caf\u00e9", b"composed")
    put(client, bucket, "cafe\u0301", b"decomposed")
    planted["unicode-twins"] = {"caf\u00e9"}
    damage("foreign-marker", "hadoop_$folder$")
    put(client, bucket, "implied/file", b"in a directory without an object")
    planted["missing-marker"] = {"implied/"} if server.name == "moto" else {"implied/", "both/"}

    # Headers.
    damage("bad-mode", "meta/mode", b"1", Metadata={"mode": "rw-r--r--"})
    put(client, bucket, "meta/", ContentType="application/x-directory")
    damage("bad-owner", "meta/uid", b"2", Metadata={"uid": "root", "mode": "33188"})
    damage("bad-owner", "meta/gid", b"3", Metadata={"gid": "99999999999"})
    damage("bad-time", "meta/mtime", b"4", Metadata={"mtime": "2020-01-02T03:04:05Z"})
    damage("bad-xattr", "meta/xattr", b"5", Metadata={"xattr": "%7Bnot json"})
    if server.name == "moto":
        damage("type-contradicts-key", "meta/type/", Metadata={"mode": "33188"})
    damage("bad-link-target", "meta/empty-link", b"", Metadata={"mode": "41471"})
    damage("bad-link-target", "meta/zero-link", b"zero\0byte", Metadata={"mode": "41471"})
    damage("bad-link-target", "meta/long-link", b"x" * 5000, Metadata={"mode": "41471"})
    damage("hidden-body", "meta/pipe", b"content of a pipe", Metadata={"mode": "4516"})
    damage("hidden-body", "meta/dir", b"content of a directory", ContentType="application/x-directory")
    damage("plain-directory", "meta/old", ContentType="application/x-directory")
    damage("foreign-attributes", "meta/google", b"6", Metadata={"goog-reserved-posix-mode": "644"})

    # What was begun and not ended.
    damage("unlinked-leftover", ".pail/unlinked/1f", b"was open when it was unlinked")
    damage("exchange-leftover", ".pail/exchange/2f/meta/google", b"the only copy of this")
    damage("exchange-leftover", ".pail/exchange/3f/good/file", b"good")
    damage("probe-leftover", ".pail/probe/4f/first", b"probe")
    damage("reserved-stranger", ".pail/future/thing", b"of a later version")
    damage("fuse-hidden-file", ".fuse_hidden00000001", b"hidden by s3fs")
    upload = client.create_multipart_upload(Bucket=bucket, Key="big/upload")
    client.upload_part(Bucket=bucket, Key="big/upload", UploadId=upload["UploadId"], PartNumber=1, Body=b"part")
    planted["incomplete-upload"] = {"big/upload"}
    return planted


NOTES = {"unicode-twins", "foreign-marker", "missing-marker", "plain-directory", "foreign-attributes", "reserved-stranger",
         "fuse-hidden-file"}
"""Checks whose findings leave the exit status at 0."""
