"""The webhook: one POST of the summary, tried again if that may help."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import unquote

from batchclf.core.text import duration, visible
from batchclf.errors import NotifyError
from batchclf.libraries import VERSION

if TYPE_CHECKING:
    from urllib3 import PoolManager
    from urllib3.exceptions import HTTPError
    from urllib3.util import Url

LONGEST_WAIT = 30.0
"""Seconds between two tries, unless the server asks for more."""

_LEAST_LIMIT, _SHORTEST_LIMIT = 5.0, 0.05
_TOO_MANY, _FAULTS = 429, range(500, 600)


@dataclass(frozen=True, slots=True)
class Pace:
    """The clock that tries are timed by, in seconds; tests bring their own. `chance` gives a share, 0 to 1."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


REAL = Pace()


@dataclass(frozen=True, slots=True)
class _Response:
    """The head of a response: its code, the seconds to wait and the host to go to that it asks for."""

    code: int
    wait: float
    leads_to: str


class _AgainError(Exception):
    """A try that failed in a way that may pass; `wait` is how long the server asks to leave it alone, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


def post(address: str, body: bytes, *, key: str, timeout: float, pace: Pace = REAL) -> str:
    """Post JSON; returns where it went and with which response, in words that hold no secret of the address.

    Connection errors, 429 and 5xx are tried again after 1, 2, 4, ... seconds, each moved at random by up to half, or
    after what `Retry-After` asks for, until `timeout` seconds are over. `key` goes along as Idempotency-Key, the same
    with each try. Redirects are not followed. Proxies come from the environment. Raises NotifyError.
    """
    url = _parsed(address)
    where = f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}"
    end = pace.now() + timeout
    tries = 0
    while True:
        # A server that hangs must not use up all the time: another try may meet another one.
        limit = max(min(end - pace.now(), max(timeout / 3, _LEAST_LIMIT)), _SHORTEST_LIMIT)
        try:
            return f"{where} (response {_try(url, where, body, key, limit)})"
        except _AgainError as error:
            wait = max(min(2.0**tries, LONGEST_WAIT) * (0.5 + pace.chance()), error.wait)
            tries += 1
            if pace.now() + wait >= end:
                raise NotifyError(
                    f"the webhook {where} was not reached within {timeout:g} s"
                    f" ({tries} {'try' if tries == 1 else 'tries'}): {error.reason}"
                    f"{f', and asks to be left alone for {error.wait:g} s' if error.wait else ''}",
                    hint="see whether the server is up; notify.timeout says for how long it is tried",
                ) from None
            pace.sleep(wait)


def _parsed(address: str) -> "Url":
    from urllib3.exceptions import LocationValueError
    from urllib3.util import parse_url

    try:
        url = parse_url(address)
    except LocationValueError:
        url = None
    if url is None or url.scheme not in ("http", "https") or not url.host:
        # The address is not shown: it may be a secret.
        raise NotifyError("notify.webhook is no address of the web", hint="write https://host/path")
    return url


def _try(url: "Url", where: str, body: bytes, key: str, limit: float) -> int:
    """Try once; returns the code of a response that is a success.

    It waits in a thread, since neither the look-up of a name nor a response that trickles in can be given a time limit.
    """
    done: SimpleQueue[_Response | BaseException] = SimpleQueue()

    def send() -> None:
        try:
            done.put(_send(url, where, body, key, limit))
        except BaseException as error:
            done.put(error)

    # Neither a name look-up nor a response that trickles in can be given a time limit (decision 091)
    threading.Thread(target=send, daemon=True).start()
    try:
        response = done.get(timeout=limit)
    except Empty:
        raise _AgainError(f"no response within {duration(limit)}") from None
    if isinstance(response, BaseException):
        raise response
    code = response.code
    if code in range(200, 300):
        return code
    # Its text is not shown: many a server puts the address into it.
    if code in (_TOO_MANY, *_FAULTS):
        raise _AgainError(f"its response is {code}", response.wait)
    if code in range(300, 400):
        raise NotifyError(
            f"the webhook {where} responds {code}, a redirect to {response.leads_to or 'nowhere'}",
            hint="redirects are not followed: write the address that it leads to in notify.webhook",
        )
    raise NotifyError(f"the webhook {where} responds {code}", hint="check the address in notify.webhook")


def _send(url: "Url", where: str, body: bytes, key: str, limit: float) -> _Response:
    """Send the request and read the head of the response."""
    from urllib3.exceptions import HTTPError
    from urllib3.util import Timeout, make_headers

    headers = {"Content-Type": "application/json", "User-Agent": f"batchclf/{VERSION}", "Idempotency-Key": key}
    if url.auth:
        headers |= make_headers(basic_auth=unquote(url.auth))
    try:
        with _pool(url) as pool:
            response = pool.request(
                "POST",
                url._replace(auth=None, fragment=None).url,
                body=body,
                headers=headers,
                timeout=Timeout(total=limit),
                # Its own retries have no limit for the whole, and its messages show the address (decision 091)
                retries=False,
                redirect=False,
                preload_content=False,
            )
            response.close()
    except HTTPError as error:
        raise _trouble(error, where, limit) from None
    except Exception as error:  # whatever it is, its text may hold the address
        raise NotifyError(
            f"the webhook {where} cannot be posted to: {type(error).__name__}", hint="check notify.webhook"
        ) from None
    return _Response(
        response.status, _asked_wait(response.headers.get("Retry-After")), _host(response.headers.get("Location"))
    )


def _pool(url: "Url") -> "PoolManager":
    """Make what connects, through the proxy that the environment names for the address."""
    from urllib.request import getproxies, proxy_bypass

    from urllib3 import PoolManager, ProxyManager
    from urllib3.util import make_headers, parse_url

    proxies = getproxies()
    proxy = proxies.get(url.scheme or "") or proxies.get("all")
    if not proxy or proxy_bypass(url.host or ""):
        return PoolManager()
    auth = parse_url(proxy).auth
    return ProxyManager(proxy, proxy_headers=make_headers(proxy_basic_auth=unquote(auth)) if auth else None)


def _trouble(error: "HTTPError", where: str, limit: float) -> NotifyError | _AgainError:
    """Put an error of the library into words of ours: its own hold the path of the address."""
    from urllib3 import exceptions

    match error:
        case exceptions.ProxySchemeUnknown() | exceptions.ProxySchemeUnsupported():
            return NotifyError(
                "the webhook's proxy, from the environment, is of a kind that is not supported",
                hint="give an http or https proxy in HTTPS_PROXY, or name the host in NO_PROXY",
            )
        case exceptions.SSLError():
            return NotifyError(
                f"the webhook {where} has no TLS connection to be trusted: {_tls_reason(error)}",
                hint="see the server's certificate; SSL_CERT_FILE may name the certificates to trust",
            )
        case exceptions.ProxyError():
            return _AgainError("the proxy that the environment names does not let it through")
        case exceptions.NameResolutionError():
            return _AgainError("its name cannot be resolved")
        case exceptions.NewConnectionError():
            cause = error.__cause__
            return _AgainError((isinstance(cause, OSError) and cause.strerror) or "it cannot be connected to")
        case exceptions.TimeoutError():
            return _AgainError(f"no response within {duration(limit)}")
        case exceptions.ProtocolError():
            return _AgainError("the connection was closed before there was a response")
    return NotifyError(f"the webhook {where} cannot be posted to: {type(error).__name__}", hint="check notify.webhook")


def _tls_reason(error: Exception) -> str:
    cause = error.args[0] if error.args else error
    return getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or type(cause).__name__


def _asked_wait(text: str | None) -> float:
    """Read Retry-After, seconds or a date, as seconds; 0 if it is neither."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    try:
        return Retry().parse_retry_after(text) if text else 0.0
    except InvalidHeader:
        return 0.0


def _host(address: str | None) -> str:
    from urllib3.exceptions import LocationValueError
    from urllib3.util import parse_url

    try:
        return visible(parse_url(address).host or "") if address else ""
    except LocationValueError:
        return ""
