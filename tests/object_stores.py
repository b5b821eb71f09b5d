"""An object store on 127.0.0.1 that fails as it is asked to: moto's S3 behind a layer of faults."""

import io
import logging
import threading
import time
from collections import Counter
from contextlib import contextmanager
from urllib.parse import unquote

import pytest
from PIL import Image

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAOFTESTS", "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests"}
ENVIRONMENT |= {
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "3",
    "AWS_TIMEOUT": "1s",
}


class ObjectStore:
    """A server with S3's interface. `faults` maps an object's path, /BUCKET/KEY, to what happens to requests for it.

    `asked` counts the requests by method and path; `before_answer` is called with both before each answer.
    """

    def __init__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.faults = {}
        self.asked = Counter()
        self.before_answer = lambda method, path: None
        self.see_headers = lambda environ: None
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
            fault = faults.pop(0) if faults else None
        self.before_answer(method, path)
        self.see_headers(environ)
        if isinstance(fault, int):
            code = {503: "SlowDown", 403: "AccessDenied", 400: "ExpiredToken", 500: "InternalError"}[fault]
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
