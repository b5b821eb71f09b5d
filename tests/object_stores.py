"""An object store on 127.0.0.1 that fails as it is asked to: moto's S3 behind a layer of faults."""

import io
import logging
import threading
import time
from bisect import bisect_right
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from PIL import Image

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAOFTESTS", "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests"}
ENVIRONMENT |= {
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "3",
    "AWS_TIMEOUT": "1s",
}


_CODES = {400: "ExpiredToken", 403: "AccessDenied", 404: "NoSuchKey", 500: "InternalError", 503: "SlowDown"}


class ObjectStore:
    """A server with S3's interface. `faults` maps an object's path, /BUCKET/KEY, to what happens to requests for it.

    `fails` says of a method and a path whether all such requests do. `asked` counts the requests by both;
    `before_answer` is called with both before each answer, `see_headers` with WSGI's environment.
    """

    def __init__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.faults = {}
        self.asked = Counter()
        self.before_answer = lambda method, path: None
        self.see_headers = lambda environ: None
        self.fails = lambda method, path: False
        self._app = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def client(self):
        """Make a client of another library."""
        import boto3

        keys = {"aws_access_key_id": "other", "aws_secret_access_key": "other"}
        return boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", **keys)

    def _answer(self, environ, start_response):
        path, method = unquote(environ["PATH_INFO"].encode("latin-1").decode()), environ["REQUEST_METHOD"]
        with self._lock:
            self.asked[method, path] += 1
            faults = self.faults.get((method, path)) or self.faults.get(path) or []
            fault = faults.pop(0) if faults else 503 if self.fails(method, path) else None
        self.before_answer(method, path)
        self.see_headers(environ)
        if isinstance(fault, int):
            code = _CODES[fault]
            body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as asked</Message></Error>".encode()
            start_response(f"{fault} {code}", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        if fault == "slow":
            time.sleep(1.5)
        answer = self._app(environ, start_response)
        return cut(answer) if fault == "cut" else answer


def cut(answer):
    """Give half of a body, and end the connection."""
    whole = b"".join(answer)
    yield whole[: len(whole) // 2]
    raise ConnectionAbortedError("as asked")


@contextmanager
def object_store():
    """Run a server, with what a client's environment needs set; a bucket `photos` is there."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"):
            patch.delenv(name, raising=False)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        store = ObjectStore()
        patch.setenv("AWS_ENDPOINT_URL", store.url)
        try:
            store.client().create_bucket(Bucket="photos")
            yield store
        finally:
            store.close()


class GeneratedStore(BaseHTTPRequestHandler):
    """A server that lists as many objects as are asked for, with no memory for them, and gives one of a few pictures.

    `down_from` is the number of the first object that it fails to give; `failing` are others.
    """

    count, down_from, pictures, failing = 0, 10**12, (), ()
    protocol_version = "HTTP/1.1"

    @classmethod
    @contextmanager
    def serving(cls, count, monkeypatch):
        """Run the server; gives its class, whose attributes may be changed."""
        kind = type("Generated", (cls,), {"count": count, "pictures": [picture(seed) for seed in range(7)]})
        server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}.items():
            monkeypatch.setenv(name, value)
        try:
            yield kind
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    @staticmethod
    def key(number):
        """Name an object by its number; the names are in order."""
        return f"many/{number // 1000:04}/{number % 1000:03}.png"

    def do_GET(self):
        """Answer a listing, or give an object."""
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if "list-type" in query:
            self._send(200, "application/xml", self._page(query).encode())
            return
        *_, folder, name = parts.path.split("/")
        number = 1000 * int(folder) + int(name[:3]) if folder.isdecimal() else 10**12
        if number >= self.down_from or number in self.failing:
            self._send(503 if number < self.count else 404, "application/xml", b"<Error><Code>SlowDown</Code></Error>")
        else:
            self._send(200, "image/png", self.pictures[number % 7])

    do_HEAD = do_GET  # noqa: N815 (the name that http.server calls)

    def _page(self, query):
        prefix, after = query.get("prefix", ""), query.get("continuation-token") or query.get("start-after") or ""
        begin = self._begin(after)
        numbers = range(begin, min(begin + 1000, self.count))
        found = [self.key(number) for number in numbers if self.key(number).startswith(prefix)]
        more = len(numbers) == 1000 and len(found) == 1000 and numbers[-1] + 1 < self.count
        token = f"<NextContinuationToken>{found[-1]}</NextContinuationToken>" if more else ""
        contents = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>e</ETag>"
            "<Size>100</Size></Contents>"
            for key in found
        )
        return (
            f"<ListBucketResult><Name>b</Name><IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}"
            "</ListBucketResult>"
        )

    def _begin(self, after):
        return bisect_right(range(self.count), after, key=self.key)

    def _send(self, status, kind, body):
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", len(body)), ("ETag", '"e"')):
            self.send_header(name, str(value))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


def picture(seed, size=8):
    """Make a PNG of noise."""
    import numpy as np

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size), np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def upload(client, folder, prefix, bucket="photos"):
    """Put the files of a folder under a prefix."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
