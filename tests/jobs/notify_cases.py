"""Runs to notify of, and a server that responds as a test says."""

import re
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from doc_pages import read, section
from run_cases import NAMES, drawn, write_run

from batchclf.core.records.run import GateResult
from batchclf.errors import ExitCode
from batchclf.jobs.config.spec import NotifySpec
from batchclf.jobs.notify.send import notify
from batchclf.jobs.notify.summary import failed_outcome, published_outcome

STARTED = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
PASSED = GateResult("min_test_accuracy", 0.9, 0.8, True, "test accuracy 90.00% meets the minimum of 80%")
FAILED = GateResult(
    "recall[test, cat]",
    0.7,
    0.8,
    False,
    "cat is right on 70.00%, below 80.00%",
    subset="test",
    class_name="cat",
)
DOUBTFUL = GateResult("macro_f1[test]", 0.81, 0.8, True, "macro F1 is 0.81, 12 images", certain=False, subset="test")
DOUBTED = GateResult("gap", 0.07, 0.06, False, "the gap is 7 points, 12 images", certain=False)
FIRST = GateResult(
    "accuracy against last-good",
    None,
    None,
    True,
    "there is no good run yet",
    missing=True,
    kind="change",
    against="last-good",
)
NEGATIVE = replace(FIRST, name="accuracy against golden", passed=False, sentence="there is no golden", against="golden")


def published_run(folder, *, n=40, skipped=(), **changes):
    """A published run with both splits."""
    rows = drawn(NAMES, n, seed=1, skill=0.8) + drawn(NAMES, n, seed=2, skill=0.9, split="train")
    changes = {"run_date": "2026-03-01", **changes}
    return published_outcome(write_run(folder, rows, skipped=skipped, **changes), folder)


def unpublished_run(code=1, message="the disk is full", hint="make room"):
    """A run that published nothing."""
    return failed_outcome("nightly", "2026-03-01", ExitCode(code), message, hint, STARTED, 3.25)


class Notifying:
    """Notifies of runs with the same keys of [notify]."""

    def __init__(self, folder, **keys):
        self.folder, self.lines = folder, []
        self.files = {name: keys.pop(name, None) for name in ("prometheus", "junit")}
        self.spec = NotifySpec(**keys)

    def __call__(self, outcome, **more):
        return notify(self.spec, outcome, **self.files, folder=self.folder, say=self.lines.append, **more)


def documented(title):
    """The text of a section of docs/notify.md, and the first column of its first table."""
    text = section(read("docs/notify.md"), title)
    return text, re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return f"./{path.name}"


class Server:
    """Responds to each connection with the next of its `responses`, the last one again and again; keeps what it
    is sent.

    A response is raw bytes, or a function of the connection; None hangs until the server is closed.
    """

    def __init__(self, *responses, wrap=None):
        self.responses, self.requests, self._closing = list(responses), [], threading.Event()
        self._wrap = wrap or (lambda connection: connection)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def address(self, path="/hook", scheme="http", auth=""):
        return f"{scheme}://{auth}127.0.0.1:{self.port}{path}"

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    self._respond(self._wrap(connection))
                except (OSError, ValueError):
                    continue

    def _respond(self, connection):
        connection.settimeout(5)
        self.requests.append(_read(connection))
        response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        with connection:
            if response is None:
                self._closing.wait(30)
            elif callable(response):
                response(connection)
            else:
                connection.sendall(response)

    def close(self):
        self._closing.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


def _read(connection):
    """One request: its first line, its headers by lower-case name, its body."""
    with connection.makefile("rb") as lines:
        first = lines.readline().decode().strip()
        headers = {}
        while line := lines.readline().decode().strip():
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        return first, headers, lines.read(int(headers.get("content-length", 0)))


def response(code, *headers, body=b""):
    lines = [f"HTTP/1.1 {code} Words", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def serving(*responses, **more):
    server = Server(*responses, **more)
    server._thread.start()
    try:
        yield server
    finally:
        server.close()
