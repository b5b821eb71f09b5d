"""The webhook against servers on this machine: what it sends, when it tries again, what it never tells."""

import shutil
import socket
import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from notify_cases import response, serving

from batchclf.errors import NotifyError
from batchclf.jobs.notify.webhook import LONGEST_WAIT, Pace, post

OK = response(200)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self):
        self.time, self.waits = 1000.0, []
        self.pace = Pace(lambda: self.time, self.sleep, lambda: 0.5)

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.time += seconds


@pytest.fixture
def clock():
    return Clock()


def send(server, clock, *, timeout=60, **address):
    return post(server.address(**address), b'{"a": 1}', key="run-1", timeout=timeout, pace=clock.pace)


def test_the_summary_is_posted_once(clock):
    with serving(OK) as server:
        told = send(server, clock)
    ((first, headers, body),) = server.requests
    assert first == "POST /hook HTTP/1.1"
    assert body == b'{"a": 1}'
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "run-1"
    assert headers["user-agent"].startswith("batchclf/")
    assert told == f"http://127.0.0.1:{server.port} (response 200)"
    assert clock.waits == []


@pytest.mark.parametrize("code", [429, 500, 502, 503, 599])
def test_what_may_pass_is_tried_again_with_the_same_key(clock, code):
    with serving(response(code), response(code), OK) as server:
        send(server, clock)
    assert [headers["idempotency-key"] for _, headers, _ in server.requests] == ["run-1"] * 3
    assert {body for _, _, body in server.requests} == {b'{"a": 1}'}
    assert clock.waits == [1, 2]


def test_waits_double_up_to_a_limit_and_end_within_the_timeout(clock):
    with serving(response(500)) as server, pytest.raises(NotifyError, match=r"8 tries\): its response is 500"):
        send(server, clock, timeout=100)
    assert clock.waits == [1, 2, 4, 8, 16, LONGEST_WAIT, LONGEST_WAIT]
    assert sum(clock.waits) <= 100


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_waits_differ_by_chance_up_to_half(clock, chance):
    pace = Pace(clock.pace.now, clock.sleep, lambda: chance)
    with serving(response(500), OK) as server:
        post(server.address(), b"", key="k", timeout=60, pace=pace)
    assert clock.waits == [pytest.approx(0.5 + chance)]


def test_retry_after_is_kept_in_seconds_and_as_a_date(clock):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    asked = [response(503, f"Retry-After: {each}") for each in ("7", date, "soon")]
    with serving(*asked, OK) as server:
        send(server, clock)
    assert clock.waits == [7, pytest.approx(20, abs=5), 4]


def test_a_server_that_asks_for_more_time_than_there_is_ends_it_at_once(clock):
    with (
        serving(response(429, "Retry-After: 3600")) as server,
        pytest.raises(NotifyError, match="left alone for 3600 s"),
    ):
        send(server, clock)
    assert clock.waits == []


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 413, 422])
def test_a_refusal_is_not_tried_again(clock, code):
    with (
        serving(response(code, body=b"Cannot POST /hook")) as server,
        pytest.raises(NotifyError, match=f"responds {code}"),
    ):
        send(server, clock)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_told_and_not_followed(clock, code):
    with serving(OK) as other:
        to = f"Location: http://localhost:{other.port}/secret-path?token=t"
        with serving(response(code, to)) as server, pytest.raises(NotifyError) as caught:
            send(server, clock)
    assert other.requests == []
    assert f"responds {code}, a redirect to localhost" in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_server_that_hangs_is_given_up_in_time():
    began = time.monotonic()
    with serving(None) as server, pytest.raises(NotifyError, match=r"within 0.3 s \(1 try\): no response"):
        post(server.address(), b"", key="k", timeout=0.3)
    assert time.monotonic() - began < 30


def test_a_head_that_trickles_in_is_given_up_in_time():
    def trickle(connection):
        for byte in b"HTTP/1.1 200 OK\r\nX: x":
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    with serving(trickle) as server, pytest.raises(NotifyError, match="no response within"):
        post(server.address(), b"", key="k", timeout=0.3)


def test_a_body_that_does_not_come_is_not_waited_for(clock):
    with serving(lambda connection: connection.sendall(response(200)[:-2] + b"\r\n" + b"x")) as server:
        send(server, clock)
    with serving(lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx")) as server:
        send(server, clock)
    assert clock.waits == []


def test_a_connection_that_is_closed_is_tried_again(clock):
    with serving(b"", b"HTTP/1.1", OK) as server:
        send(server, clock)
    assert len(server.requests) == 3


def test_what_is_no_http_is_told(clock):
    with serving(b"220 mail.example ESMTP\r\n") as server, pytest.raises(NotifyError, match="connection was closed"):
        send(server, clock)


def test_a_refused_connection_is_tried_again(clock):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotifyError, match="Connection refused") as caught:
        post(f"http://127.0.0.1:{port}/", b"", key="k", timeout=10, pace=clock.pace)
    assert len(clock.waits) >= 3
    assert "notify.timeout" in caught.value.hint


def test_a_name_that_is_none_is_tried_again(clock):
    with pytest.raises(NotifyError, match=r"http://no-such-host.invalid .*its name cannot be resolved"):
        post("http://no-such-host.invalid/", b"", key="k", timeout=2, pace=clock.pace)


@pytest.mark.parametrize("code", [200, 302, 404, 500, None])
def test_no_secret_of_the_address_is_told(clock, code):
    at = {"path": "/services/T000/SECRET-PATH?token=SECRET-QUERY#SECRET-PART", "auth": "SECRET-USER:SECRET%40WORD@"}
    with serving(b"" if code is None else response(code, body=b"no /services/T000/SECRET-PATH")) as server:
        if code == 200:
            told = send(server, clock, **at)
        else:
            with pytest.raises(NotifyError) as caught:
                send(server, clock, timeout=2, **at)
            told = f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"
    assert f"http://127.0.0.1:{server.port}" in told
    assert "SECRET" not in told
    first, headers, _ = server.requests[0]
    assert first == "POST /services/T000/SECRET-PATH?token=SECRET-QUERY HTTP/1.1"
    assert headers["authorization"] == "Basic U0VDUkVULVVTRVI6U0VDUkVUQFdPUkQ="


@pytest.mark.parametrize(
    "address",
    ["ftp://host/SECRET", "https://", "http://[SECRET", "SECRET", "http://no host/SECRET", "http://host:99999/SECRET"],
)
def test_an_address_that_is_none_is_told_without_it(clock, address):
    with pytest.raises(NotifyError) as caught:
        post(address, b"", key="k", timeout=1, pace=clock.pace)
    assert "SECRET" not in caught.value.message + caught.value.hint


def test_proxies_come_from_the_environment(clock, monkeypatch):
    with serving(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:SECRET@127.0.0.1:{proxy.port}")
        monkeypatch.delenv("REQUEST_METHOD", raising=False)
        told = post("http://hooks.example/a", b"", key="k", timeout=5, pace=clock.pace)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with serving(OK) as server:
            send(server, clock)
    ((first, headers, _),) = proxy.requests
    assert first == "POST http://hooks.example/a HTTP/1.1"
    assert headers["proxy-authorization"].startswith("Basic ")
    assert told == "http://hooks.example (response 200)"


def test_a_proxy_that_does_not_work_is_told(clock, monkeypatch):
    with serving(response(407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:SECRET@127.0.0.1:{proxy.port}")
        with pytest.raises(
            NotifyError, match=r"https://hooks.example .*the proxy that the environment names"
        ) as caught:
            post("https://hooks.example/a", b"", key="k", timeout=2, pace=clock.pace)
    assert "SECRET" not in caught.value.message
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(NotifyError, match="kind that is not supported"):
        post("https://hooks.example/a", b"", key="k", timeout=2, pace=clock.pace)


def test_a_server_without_tls_is_told(clock):
    with serving(b"plain words\r\n") as server, pytest.raises(NotifyError, match="no TLS connection"):
        send(server, clock, scheme="https", timeout=3)
    assert clock.waits == []


def test_a_certificate_that_is_not_trusted_is_told_and_not_passed_over(clock, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with (
        serving(OK, wrap=lambda connection: context.wrap_socket(connection, server_side=True)) as server,
        pytest.raises(NotifyError, match="self-signed certificate"),
    ):
        send(server, clock, scheme="https")
    assert server.requests == []
    assert clock.waits == []
