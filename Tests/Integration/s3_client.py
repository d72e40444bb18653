"""As much of S3 as it takes to fill and clean a bucket fast: signed requests by the standard library alone."""

import concurrent.futures
import datetime
import hashlib
import hmac
import http.client
import threading
import urllib.parse
import xml.etree.ElementTree

REGION = "us-east-1"


class Client:
    """Requests to one bucket of one endpoint; a connection for each thread."""

    def __init__(self, host, port, bucket, access_key, secret_key):
        self.host, self.port, self.bucket = host, port, bucket
        self.access_key, self.secret_key = access_key, secret_key
        self._local = threading.local()

    def request(self, method, key="", query=None, body=b"", headers=None):
        """Makes a request; returns (status, headers, body). Other statuses than 2xx and 404 raise."""
        for attempt in range(3):
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
            path, signed = self._sign(method, key, query or {}, headers or {})
            try:
                connection.request(method, path, body=body, headers=signed)
                answer = connection.getresponse()
                data = answer.read()
                break
            except (http.client.HTTPException, OSError):
                connection.close()
                self._local.connection = None
                if attempt == 2:
                    raise
        if answer.status // 100 != 2 and answer.status != 404:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return answer.status, answer.headers, data

    def _target(self, key, query):
        path = "/" + self.bucket + ("/" + urllib.parse.quote(key, safe="/-._~") if key else "")
        text = "&".join(f"{urllib.parse.quote(k, safe='-._~')}={urllib.parse.quote(str(v), safe='-._~')}"
                        for k, v in sorted(query.items()))
        return path, text

    def _signature(self, date, text):
        key = ("AWS4" + self.secret_key).encode()
        for part in (date, REGION, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def _sign(self, method, key, query, headers):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        path, text = self._target(key, query)
        signed = {"host": f"{self.host}:{self.port}", "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now}
        signed.update({name.lower(): value for name, value in headers.items()})
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        canonical = "\n".join([method, path, text, lines, names, "UNSIGNED-PAYLOAD"])
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = self._signature(now[:8], "\n".join(["AWS4-HMAC-SHA256", now, scope, digest]))
        signed["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}")
        return path + ("?" + text if text else ""), signed

    def presigned(self, method, key, port=None, **query):
        """A URL that anyone may use for an hour: for curl."""
        port = port or self.port
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        query = {**query, "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.access_key}/{scope}",
                 "X-Amz-Date": now, "X-Amz-Expires": 3600, "X-Amz-SignedHeaders": "host"}
        path, text = self._target(key, query)
        canonical = "\n".join([method, path, text, f"host:{self.host}:{port}\n", "host", "UNSIGNED-PAYLOAD"])
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = self._signature(now[:8], "\n".join(["AWS4-HMAC-SHA256", now, scope, digest]))
        return f"http://{self.host}:{port}{path}?{text}&X-Amz-Signature={signature}"

    def put(self, key, body, headers=None):
        self.request("PUT", key, body=body, headers=headers)

    def put_many(self, bodies, headers=None):
        """Puts many objects, 16 at a time."""
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda item: self.put(item[0], item[1], headers), bodies))

    def begin_upload(self, key, headers=None):
        _, _, data = self.request("POST", key, {"uploads": ""}, headers=headers)
        return next(e.text for e in xml.etree.ElementTree.fromstring(data).iter() if e.tag.endswith("UploadId"))

    def abort_upload(self, key, upload):
        self.request("DELETE", key, {"uploadId": upload})

    def put_large(self, key, blocks, headers=None):
        """Puts a large object in parts, one for each block: bytes, or a function that makes them when their turn has come."""
        upload = self.begin_upload(key, headers)

        def part(item):
            number, block = item
            _, headers, _ = self.request("PUT", key, {"partNumber": number, "uploadId": upload}, block() if callable(block) else block)
            return f"<Part><PartNumber>{number}</PartNumber><ETag>{headers['ETag']}</ETag></Part>"

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            parts = "".join(pool.map(part, enumerate(blocks, 1)))
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        self.request("POST", key, {"uploadId": upload}, body)

    def sizes(self, prefix):
        """Key and size of each object, in the order of the listing."""
        sizes, token = {}, None
        while True:
            query = {"list-type": 2, "prefix": prefix, **({"continuation-token": token} if token else {})}
            root = xml.etree.ElementTree.fromstring(self.request("GET", query=query)[2])
            key = token = None
            for element in root.iter():
                name = element.tag.rpartition("}")[2]
                if name == "Key":
                    key = element.text
                elif name == "Size":
                    sizes[key] = int(element.text)
                elif name == "NextContinuationToken":
                    token = element.text
            if not token:
                return sizes

    def keys(self, prefix):
        return list(self.sizes(prefix))

    def delete_all(self, prefix):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda key: self.request("DELETE", key), sorted(self.keys(prefix), reverse=True)))

    def exists(self, key):
        return self.request("HEAD", key)[0] == 200
