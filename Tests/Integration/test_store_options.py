"""What a bucket and a network may ask for beyond keys: encryption, classes, payers, lists, proxies, certificates, regions, no keys at all."""

import base64
import json
import os
import ssl
import subprocess

import harness
from harness import ACCESS_KEY, Failure, SECRET_KEY, expect, expect_equal, wait_until
from relay import Relay
from test_credentials import KeyedMount


def write_file(run, name, text, mode=0o600):
    path = run.path(name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, mode), "w") as file:
        file.write(text)
    return path


def refusal(run, server, bucket, *options, url=None, environment=None):
    """(status, words) of a mount that must not be."""
    mount = KeyedMount(run, server, bucket, {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                                             **(environment or {})}, options, url=url, wait=False)
    status = mount.process.wait(40)
    expect(status is not None, f"{options}: neither ended nor refused")
    return status, mount.process.output()


def test_headers_of_new_objects(run):
    """`--sse`, `--storage-class`, `--acl` and `--requester-pays` stand in every request that makes an object, in one piece and in
    parts, and in copies; moto's store takes them and tells them again."""
    server = run.server("moto")
    bucket = server.make_bucket("new-objects")
    relay = Relay(run, server)
    for option, headers in (
        (("--sse", "s3"), {"x-amz-server-side-encryption": "AES256"}),
        (("--sse", "kms:key-1"), {"x-amz-server-side-encryption": "aws:kms",
                                  "x-amz-server-side-encryption-aws-kms-key-id": "key-1"}),
        (("--storage-class", "STANDARD_IA"), {"x-amz-storage-class": "STANDARD_IA"}),
        (("--acl", "bucket-owner-full-control"), {"x-amz-acl": "bucket-owner-full-control"}),
    ):
        relay.reset()
        with run.mount(bucket, *option, "--requester-pays", "--part-size", "5MiB", server=server, url=relay.url) as mount:
            name = "".join(option).strip("-").replace(":", "-")
            with open(mount.path(name), "wb") as file:
                file.write(b"small")
            with open(mount.path(name + ".large"), "wb") as file:
                file.write(os.urandom(11 << 20))
            os.rename(mount.path(name), mount.path(name + ".moved"))
        made = [request for request in relay.requests
                if request.operation in ("PutObject", "CopyObject", "CreateMultipartUpload")]
        expect({"PutObject", "CopyObject", "CreateMultipartUpload"} <= {request.operation for request in made},
               f"requests that make objects: {relay.counts()}")
        for request in made:
            for header, value in headers.items():
                expect_equal(request.headers.get(header), value, f"{request}: {header}")
        for request in relay.requests:
            expect_equal(request.headers.get("x-amz-request-payer"), "requester", f"{request}: x-amz-request-payer")
    told = server.client().head_object(Bucket=bucket, Key="ssekms-key-1.moved")
    expect_equal((told["ServerSideEncryption"], told["SSEKMSKeyId"].split("/")[-1]), ("aws:kms", "key-1"), "what the store tells")
    told = server.client().head_object(Bucket=bucket, Key="storage-classSTANDARD_IA.large")
    expect_equal(told.get("StorageClass"), "STANDARD_IA", "the class that the store tells")


def test_keys_of_ones_own(run):
    """SSE-C: written in one piece and in parts, read, renamed, its attributes changed, read after a change of key and beside what was
    stored without a key; boto3 reads it with the key and cannot without. Over http only where that is asked for."""
    server = run.server()
    bucket = server.make_bucket("customer-keys")
    old, new = (base64.b64encode(bytes([letter] * 32)).decode() for letter in b"on")
    first = write_file(run, "key", f"# ours\n{old}\n")
    both = write_file(run, "keys", f"{new}\n{old}\n")
    status, words = refusal(run, server, bucket, "--sse-c-key-file", first)
    expect(status == 3 and "use https" in words and old not in words, f"keys over http: {status} {words}")
    status, words = refusal(run, server, bucket, "--sse-c-over-http", "--sse-c-key-file", write_file(run, "bad", "AAAA\n"))
    expect(status == 3 and ":1: a key of 32 bytes" in words and "AAAA" not in words, f"a bad key: {status} {words}")
    status, words = refusal(run, server, bucket, "--sse-c-over-http", "--sse-c-key-file", write_file(run, "open", old, 0o644))
    expect(status == 3 and "chmod 600" in words, f"an open file: {status} {words}")

    client = server.client()
    client.put_object(Bucket=bucket, Key="plain", Body=b"plain")
    content = {"small": b"s" * 1000, "large": os.urandom(12 << 20)}
    options = ("--sse-c-over-http", "--part-size", "5MiB", "--log-level", "trace")
    with run.mount(bucket, *options, "--sse-c-key-file", first, server=server) as mount:
        for name, data in content.items():
            with open(mount.path(name), "wb") as file:
                file.write(data)
        log = mount.process
        os.chmod(mount.path("small"), 0o600)
    expect(old not in log.output(10_000_000), "the log shows a key")

    def with_key(key, text=new):
        return client.get_object(Bucket=bucket, Key=key, SSECustomerAlgorithm="AES256",
                                 SSECustomerKey=base64.b64decode(text))["Body"].read()

    expect_equal(with_key("small", old), content["small"], "what boto3 reads with the key")
    try:
        client.get_object(Bucket=bucket, Key="small")
        raise Failure("boto3 reads it without a key")
    except client.exceptions.ClientError:
        pass
    # SeaweedFS copies no parts of such objects; the probe, made with the keys, finds that out.
    with run.mount(bucket, *options, "--sse-c-key-file", both, "--probe", "auto", server=server) as mount:
        wait_until(lambda: subprocess.run(["grep", "-rqs", "part-copies", mount.state]).returncode == 0, 60, "the probe's end", 0.3)
        for name, data in {**content, "plain": b"plain"}.items():
            with open(mount.path(name), "rb") as file:
                expect_equal(file.read(), data, f"{name} after the change of key")
        os.rename(mount.path("small"), mount.path("moved"))
        os.chmod(mount.path("plain"), 0o640)
        with open(mount.path("large"), "r+b") as file:
            file.seek(100)
            file.write(b"changed")
        for name in ("moved", "plain", "large"):
            with open(mount.path(name), "rb") as file:
                file.read(1)
    large = content["large"][:100] + b"changed" + content["large"][107:]
    for name, data in (("moved", content["small"]), ("plain", b"plain"), ("large", large)):
        expect_equal(with_key(name), data, f"{name} with the new key")


def test_proxies(run):
    """The store is reached by the proxy of `--proxy`, with user and password from a file, and by that of the environment."""
    server = run.server("moto")
    bucket = server.make_bucket("proxies")
    relay = Relay(run, server)
    password = write_file(run, "proxy", "someone:secretword\n")
    for options, environment in (
        (("--proxy", relay.url, "--proxy-passwd-file", password), {}), ((), {"http_proxy": relay.url, "no_proxy": ""}),
    ):
        relay.reset()
        mount = KeyedMount(run, server, bucket, {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                                                 **environment}, options, url=server.url.replace("127.0.0.1", "localhost"))
        with open(mount.path("file"), "w") as file:
            file.write("x")
        mount.unmount()
        expect(relay.requests, f"{options}: the proxy has seen nothing")
        if options:
            expect(all(request.headers.get("proxy-authorization") for request in relay.requests), "the proxy's password")
        expect("secretword" not in mount.process.output(1_000_000), "the log shows the proxy's password")
    status, words = refusal(run, server, bucket, "--proxy", "http://u:secretword@h")
    expect(status == 2 and "secretword" not in words, f"a password in the URL: {status} {words}")


class TLSStore:
    """A store's certificate authority, a server certificate of it, a client's, and a relay that speaks TLS."""

    def __init__(self, run, server, wants_client=False):
        folder = run.path("tls")
        os.makedirs(folder)

        def openssl(*arguments):
            run.call("openssl", *arguments, cwd=folder)

        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca")
        with open(os.path.join(folder, "ext"), "w") as file:
            file.write("subjectAltName=IP:127.0.0.1\n")
        for name in ("server", "client"):
            openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                    "-out", f"{name}.pem", "-extfile", "ext")
        self.ca, self.client, self.client_key = (os.path.join(folder, name) for name in ("ca.pem", "client.pem", "client.key"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        relay = Relay(run, server)
        self.url = harness.ThreadedServer(run, relay._serve, context).url


def test_certificates(run):
    """A store whose certificate a CA of one's own has signed, and one that asks for the client's: mounted with `--ca-bundle` and
    `--client-cert`, refused with a reason without."""
    server = run.server()
    bucket = server.make_bucket("certificates")
    store = TLSStore(run, server)
    status, words = refusal(run, server, bucket, url=store.url)
    expect(status == 5 and "--ca-bundle" in words, f"an unknown CA: {status} {words}")
    with run.mount(bucket, "--ca-bundle", store.ca, server=server, url=store.url) as mount:
        with open(mount.path("file"), "w") as file:
            file.write("x")
    strict = TLSStore(run, server, wants_client=True)
    status, words = refusal(run, server, bucket, "--ca-bundle", strict.ca, "--request-deadline", "3s", url=strict.url)
    expect(status in (5, 6), f"no certificate of the client's: {status} {words}")
    with run.mount(bucket, "--ca-bundle", strict.ca, "--client-cert", f"{strict.client}:{strict.client_key}", server=server,
                   url=strict.url) as mount:
        expect_equal(os.listdir(mount.directory), ["file"], "names")
    status, words = refusal(run, server, bucket, "--client-cert", "/nonexistent.pem", url=strict.url)
    expect(status == 3 and "/nonexistent.pem" in words, f"no such certificate: {status} {words}")


def test_a_public_bucket(run):
    """`--anonymous` mounts a bucket that anybody may read, without keys, and sends no signature."""
    server = run.server("moto")
    bucket = server.make_bucket("public")
    server.client().put_object(Bucket=bucket, Key="file", Body=b"public")
    server.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}]}))
    relay = Relay(run, server)
    mount = KeyedMount(run, server, bucket, {}, ("--anonymous", "--read-only"), url=relay.url)
    with open(mount.path("file")) as file:
        expect_equal(file.read(), "public", "what is read")
    mount.unmount()
    for request in relay.requests:
        expect("authorization" not in request.headers, f"{request} is signed")
