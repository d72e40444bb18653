"""Temporary credentials for the tests: the services that give them, and a store that refuses those that have ended.

`Authority` gives keys out and knows how long each is good for. `Services` is one web server that speaks for AWS's Security Token
Service, EC2's metadata service (version 2), the credentials service of a container and the single sign-on portal. `Gate` stands in
front of a store: it checks each request's signature and session token as S3 does, then signs it anew with the store's own keys.
"""

import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import random
import secrets
import threading
import time
import urllib.parse

from harness import ACCESS_KEY, REGION, SECRET_KEY


class Authority:
    """Who gives keys out. Every secret that it ever gave is in `secrets`, for the scan."""

    def __init__(self, lifetime):
        self.lifetime = lifetime
        self._lock = threading.Lock()
        self._keys = {}
        self.secrets = set()
        self.given = 0

    def lasting(self):
        """Keys without an end, for roles to be taken with."""
        return self._give(None)

    def give(self):
        return self._give(self.lifetime)

    def _give(self, lifetime):
        key = {
            "id": ("ASIA" if lifetime else "AKIA") + secrets.token_hex(8).upper(),
            "secret": "fakesecret" + secrets.token_hex(20),
            "token": "faketoken" + secrets.token_hex(60) if lifetime else None,
            "end": time.time() + lifetime if lifetime else float("inf"),
        }
        with self._lock:
            self._keys[key["id"]] = key
            self.secrets.update(filter(None, (key["secret"], key["token"])))
            self.given += 1
        return key

    def find(self, identifier):
        with self._lock:
            return self._keys.get(identifier)

    def revoke_all(self):
        """All temporary keys are unknown from now on."""
        with self._lock:
            self._keys = {name: key for name, key in self._keys.items() if key["token"] is None}


def iso(seconds):
    whole = int(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((seconds - whole) * 1000):03d}Z"


def sign(secret, service, method, path, query, headers, names, payload, timestamp):
    """Signature Version 4; `path` and `query` as they stand in the request."""
    date = timestamp[:8]
    scope = f"{date}/{REGION}/{service}/aws4_request"
    pairs = sorted(tuple(pair.partition("=")[::2]) for pair in query.split("&")) if query else []
    text = "&".join(f"{name}={value}" for name, value in pairs)
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    canonical = "\n".join([method, path, text, lines, ";".join(names), payload])
    key = ("AWS4" + secret).encode()
    for part in (date, REGION, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return hmac.new(key, f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}".encode(), hashlib.sha256).hexdigest()


def check_signature(authority, service, method, target, headers, payload):
    """(status, code, message) of a refusal; None where the signature is good and the key is not at its end."""
    fields = dict(part.strip().partition("=")[::2] for part in
                  headers.get("authorization", "").removeprefix("AWS4-HMAC-SHA256 ").split(","))
    key = authority.find(fields.get("Credential", "").split("/")[0])
    if key is None:
        return 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
    if headers.get("x-amz-security-token") != key["token"]:
        return 400, "InvalidToken", "The provided token is malformed or otherwise invalid."
    if time.time() >= key["end"]:
        return 400, "ExpiredToken", "The provided token has expired."
    path, _, query = target.partition("?")
    names = fields["SignedHeaders"].split(";")
    wanted = sign(key["secret"], service, method, path, query, headers, names, payload, headers["x-amz-date"])
    if wanted != fields["Signature"]:
        return 403, "SignatureDoesNotMatch", "The request signature we calculated does not match."
    if key["token"] and "x-amz-security-token" not in names:
        return 403, "AccessDenied", "The token is not signed."
    return None


class _Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass


def _serve(run, handler):
    server = _Quiet(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()

    def close():
        server.shutdown()
        server.server_close()

    run.closers.append(close)
    return server, f"http://127.0.0.1:{server.server_address[1]}"


class Services:
    """The web server. While `is_broken` it answers 503 to all; `failing` is the share of requests that it answers so."""

    def __init__(self, run, authority, seed=0):
        self.authority = authority
        self.is_broken = False
        self.failing = 0.0
        self.has_tokens = True
        self.container_token = "container-token-1"
        self.sso_token = "fakesso" + secrets.token_hex(20)
        self.web_token = "fakeweb" + secrets.token_hex(20)
        authority.secrets.update((self.sso_token, self.web_token))
        self.asked = []
        self._metadata_tokens = set()
        self._random = random.Random(seed)
        services = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def _answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, kind, text = services._answer(
                    self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = _answer

        self._server, self.url = _serve(run, Handler)

    def _answer(self, method, target, headers, body):
        path, _, query = target.partition("?")
        self.asked.append(path if path != "/" else body.split(b"&")[0].decode().partition("=")[2])
        if self.is_broken or self._random.random() < self.failing:
            return 503, "text/plain", "later"
        if path == "/latest/api/token" and method == "PUT":
            if not self.has_tokens:
                return 404, "text/plain", ""
            token = "fakemetadata" + secrets.token_hex(10)
            self._metadata_tokens.add(token)
            self.authority.secrets.add(token)
            return 200, "text/plain", token
        if path.startswith("/latest/meta-data/iam/security-credentials/"):
            if self.has_tokens and headers.get("x-aws-ec2-metadata-token") not in self._metadata_tokens:
                return 401, "text/plain", ""
            role = path.rsplit("/", 1)[1]
            if not role:
                return 200, "text/plain", "test-role"
            if role != "test-role":
                return 404, "text/plain", ""
            return 200, "application/json", self._document("Token", Code="Success", Type="AWS-HMAC")
        if path == "/container":
            if headers.get("authorization") != self.container_token:
                return 401, "application/json", "{}"
            return 200, "application/json", self._document("Token")
        if path == "/federation/credentials":
            if headers.get("x-amz-sso_bearer_token") != self.sso_token:
                return 401, "application/json", "{}"
            names = urllib.parse.parse_qs(query)
            if names.get("role_name") != ["tester"] or names.get("account_id") != ["123"]:
                return 403, "application/json", "{}"
            key = self.authority.give()
            return 200, "application/json", json.dumps({"roleCredentials": {
                "accessKeyId": key["id"], "secretAccessKey": key["secret"], "sessionToken": key["token"],
                "expiration": int(key["end"] * 1000)}})
        if path == "/" and method == "POST":
            return self._token_service(target, headers, body)
        return 404, "text/plain", "no such service"

    def _document(self, token, **more):
        key = self.authority.give()
        return json.dumps({"AccessKeyId": key["id"], "SecretAccessKey": key["secret"], token: key["token"],
                           "Expiration": iso(key["end"]), **more})

    def _token_service(self, target, headers, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        action = form.get("Action", "")

        def refuse(status, code, message):
            return status, "text/xml", (f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
                                        "</Error><RequestId>1</RequestId></ErrorResponse>")

        if action == "AssumeRole":
            refusal = check_signature(self.authority, "sts", "POST", target, headers, hashlib.sha256(body).hexdigest())
            if refusal:
                return refuse(*refusal)
            if form.get("ExternalId") == "wrong":
                return refuse(403, "AccessDenied", f"not authorized to perform sts:AssumeRole on {form['RoleArn']}")
        elif form.get("WebIdentityToken") != self.web_token:
            return refuse(400, "InvalidIdentityToken", "the token is not ours")
        key = self.authority.give()
        return 200, "text/xml", (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
            f"<AccessKeyId>{key['id']}</AccessKeyId><SecretAccessKey>{key['secret']}</SecretAccessKey>"
            f"<SessionToken>{key['token']}</SessionToken><Expiration>{iso(key['end'])}</Expiration></Credentials>"
            f"<AssumedRoleUser><Arn>{form['RoleArn']}/x</Arn></AssumedRoleUser></{action}Result></{action}Response>")


class Gate:
    """Stands before a store; its `url` takes the store's place."""

    def __init__(self, run, server, authority):
        upstream = server.url.removeprefix("http://")
        self.refusals = {}
        gate = self
        local = threading.local()
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *arguments):
                pass

            def _answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                refusal = check_signature(
                    authority, "s3", self.command, self.path, headers, headers.get("x-amz-content-sha256", ""))
                if refusal:
                    status, code, message = refusal
                    with lock:
                        gate.refusals[code] = gate.refusals.get(code, 0) + 1
                    data = (f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message>'
                            "<RequestId>fake</RequestId></Error>").encode()
                    self.send_response(status)
                    self.send_header("Content-Type", "application/xml")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(data)
                    return
                self._forward(headers, body)

            def _forward(self, headers, body):
                now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
                kept = {name: value for name, value in headers.items()
                        if name not in ("authorization", "x-amz-security-token", "connection", "x-amz-date", "expect")}
                kept.update({"host": upstream, "x-amz-date": now})
                names = sorted(name for name in kept if name.startswith("x-amz-") or name == "host")
                path, _, query = self.path.partition("?")
                signature = sign(SECRET_KEY, "s3", self.command, path, query, kept, names,
                                 kept["x-amz-content-sha256"], now)
                kept["authorization"] = (
                    f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{now[:8]}/{REGION}/s3/aws4_request, "
                    f"SignedHeaders={';'.join(names)}, Signature={signature}")
                for attempt in (0, 1):
                    connection = getattr(local, "connection", None)
                    if connection is None:
                        connection = local.connection = http.client.HTTPConnection(upstream, timeout=60)
                    try:
                        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                        for name, value in kept.items():
                            connection.putheader(name, value)
                        connection.endheaders(body or None)
                        answer = connection.getresponse()
                        data = answer.read()
                        break
                    except (http.client.HTTPException, OSError):
                        connection.close()
                        local.connection = None
                        if attempt:
                            raise
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
                if length is not None and answer.status != 204:
                    self.send_header("Content-Length", length)
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

        self._server, self.url = _serve(run, Handler)
