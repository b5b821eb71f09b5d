"""The client of a bucket, and what its errors mean in words."""

import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from batchclf.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Store

_ATTEMPTS, _TIMEOUT, _RETRY_SECONDS = 10, "20s", 40
"""By default; all of it together takes less than IMAGE_TIMEOUT, which would end the process."""

_CREDENTIALS = (
    "ExpiredToken InvalidAccessKeyId InvalidToken RequestTimeTooSkewed SignatureDoesNotMatch TokenRefreshRequired"
)
_OF_CREDENTIALS = frozenset(_CREDENTIALS.split())
_OF_CONNECTION = {
    "kind: Timeout": "it does not answer in time",
    "timed out": "it does not answer in time",
    "kind: Connect": "there is no connection",
    "kind: Interrupted": "the connection was cut",
    "body error": "the connection was cut",
}
_NO_BUCKET = "<Code>NoSuchBucket</Code>"
_THREADS = 32
"""That ask for something at a time."""

_LOOK_UP = 0.5
"""Seconds after which somebody who waits looks whether the run is ending."""

_SET_THEM = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, and AWS_ENDPOINT_URL if it is not Amazon's"
Result = TypeVar("Result")


HINTS = {
    "credentials": _SET_THEM,
    "denied": f"the credentials must allow it (s3:ListBucket, s3:GetObject; s3:PutObject to publish); {_SET_THEM}",
    "passing": "see whether the store is up, and whether AWS_ENDPOINT_URL and AWS_REGION are its own",
    "missing": "check the address for a typo, and whether AWS_ENDPOINT_URL is the store's",
    "replaced": "score again when nobody writes there; --resume, or the next run of a job, keeps what is the same",
    "name": "rename the object, or give a prefix without it: no key may have an empty part, `..` or control characters",
}


class Bucket:
    """The client of a bucket, opened when it is first asked for something; several threads may ask."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._store: S3Store | None = None
        self._pool: ThreadPoolExecutor | None = None
        self.ending = threading.Event()
        """Set once those who wait now shall wait no longer; who comes later waits for another one."""

    def close(self) -> None:
        """Let nobody wait any longer for what the store has not answered yet."""
        self.ending.set()
        self.ending = threading.Event()

    def opened(self) -> "S3Store":
        """Give obstore's own client; raises what `open_store` does."""
        with self._lock:
            if self._store is None:
                self._store = open_store(self.name)
            return self._store

    def submit(self, work: Callable[[], Result]) -> "Future[Result]":
        """Do something in another thread, for `wait`."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS, "ask-store")
        return self._pool.submit(work)

    def wait(self, future: "Future[Result]", ending: threading.Event | None = None) -> Result:
        """Wait for that, also for Ctrl-C; raises RuntimeError once `ending` is set, by default that of now."""
        ending = ending or self.ending
        # obstore hears of no signal while it waits: up to 40 seconds (decision 194)
        while not ending.is_set():
            try:
                return future.result(_LOOK_UP)
            except TimeoutError:
                if future.done():
                    return future.result()
        raise RuntimeError("the run is ending")

    def ask(self, ask: "Callable[[S3Store], Result]", what: str) -> Result:
        """Ask for something. Raises FileNotFoundError if an object is not there, else StoreError: `what`, and why."""
        return self.wait(self.submit(lambda: self.ask_here(ask, what)))

    def ask_here(self, ask: "Callable[[S3Store], Result]", what: str) -> Result:
        """Ask for something in this thread, which hears of no signal meanwhile; raises likewise."""
        try:
            return ask(self.opened())
        except Exception as error:
            if not is_of_store(error) or is_gone(error):
                raise
            words, kind = explained(error)
            raise StoreError(f"{what}: {words}", hint=HINTS.get(kind, HINTS["passing"])) from error


def open_store(bucket: str) -> "S3Store":
    """Open a bucket, with what AWS's environment variables say; asks it for nothing.

    Raises StoreError if obstore is missing, or boto3 for credentials that only it reads.
    """
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise StoreError("addresses s3:// need obstore", hint="pip install 'batchclf[remote]'") from error
    if _has_none():
        raise StoreError("there are no credentials for s3://", hint=_SET_THEM)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or _endpoint_of_profile()
    client: ClientConfig = {
        "allow_http": endpoint.startswith("http://"),
        "timeout": os.environ.get("AWS_TIMEOUT", _TIMEOUT),
    }
    attempts = os.environ.get("AWS_MAX_ATTEMPTS", "")
    retries = int(attempts) if attempts.isdecimal() and int(attempts) else _ATTEMPTS
    retry: RetryConfig = {"max_retries": retries - 1, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
    more: dict[str, Any] = {}
    if (provider := _of_profile()) is not None:
        more["credential_provider"] = provider
    if endpoint:
        more["endpoint"] = endpoint
    return S3Store(bucket, client_options=client, retry_config=retry, **more)


def _has_none() -> bool:
    """Whether there are no credentials in the environment, and the machine must not be asked for its own."""
    names = "AWS_ACCESS_KEY_ID AWS_SKIP_SIGNATURE AWS_PROFILE AWS_WEB_IDENTITY_TOKEN_FILE"
    names += " AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI"
    # obstore does not read this variable, and would ask the machine all the same
    forbidden = os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    return forbidden and not os.environ.keys() & set(names.split()) and not _shared_credentials().is_file()


def _shared_credentials() -> Path:
    return Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()


def _endpoint_of_profile() -> str:
    """Give the endpoint that the profile has, as AWS's own tools take it; "" for Amazon's.

    Raises StoreError if boto3 is missing for that: images and results must not go to another store without a word.
    """
    config = Path(os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser()
    there = filter(Path.is_file, (config, _shared_credentials()))
    files = [file for file in there if b"endpoint_url" in file.read_bytes()]
    if not files or os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return ""
    try:
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
        from botocore.session import Session  # type: ignore[import-untyped]
    except ImportError as error:
        raise StoreError(
            f"{files[0]} has an endpoint_url, which can only be read with boto3, which is not installed",
            hint="pip install boto3, or set AWS_ENDPOINT_URL; AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true leaves it out",
        ) from error
    session = Session()
    try:
        profile = session.get_scoped_config()
        services = session.full_config.get("services", {}).get(profile.get("services"), {})
    except BotoCoreError as error:
        raise StoreError(f"there is no endpoint for s3://: {error}", hint=_SET_THEM) from error
    if profile.get("ignore_configured_endpoint_urls", "").lower() == "true":
        return ""
    return services.get("s3", {}).get("endpoint_url") or profile.get("endpoint_url") or ""


def _of_profile() -> Any:
    """Give what reads the credentials of a profile, which obstore does not: None if the environment names others.

    Raises StoreError if boto3 is missing for that, or the profile has none.
    """
    profile = os.environ.get("AWS_PROFILE", "")
    shared = _shared_credentials()
    others = {"AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE"} & os.environ.keys()
    if not profile and (others or not shared.is_file()):
        return None
    instead = "pip install boto3, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    try:
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        what = f"the profile '{profile}' (AWS_PROFILE)" if profile else f"the credentials in {shared}"
        raise StoreError(f"{what} can only be read with boto3, which is not installed", hint=instead) from error
    try:
        return Boto3CredentialProvider()
    except (BotoCoreError, ValueError) as error:
        why = error if isinstance(error, BotoCoreError) else f"the profile '{profile or 'default'}' has none"
        raise StoreError(f"there are no credentials for s3://: {why}", hint=_SET_THEM) from error


def is_of_store(error: Exception) -> bool:
    """Whether an exception is what obstore raises; of a key that it does not take that is a ValueError."""
    from obstore.exceptions import BaseError

    return isinstance(error, BaseError | FileNotFoundError) or (
        type(error) is ValueError and "parse path" in str(error)
    )


def is_gone(error: Exception) -> bool:
    """Whether an object is not there, though its bucket is."""
    return isinstance(error, FileNotFoundError) and _NO_BUCKET not in str(error)


def explained(error: Exception) -> tuple[str, str]:
    """Say in words why obstore failed, and of which kind that is.

    What a server answers is not shown, since it may hold a part of the credentials; its code is.
    """
    text = str(error)
    status = re.search(r"status code: ([0-9]{3})", text)
    code = re.search(r"<Code>([A-Za-z]+)</Code>", text)
    shown = " ".join(found[1] for found in (status, code) if found)
    name = re.search(r'path: "((?:[^"\\]|\\.)*)"', text) or re.search(r'Path "([^"]*)"', text)
    if type(error).__name__ == "InvalidPathError" or type(error) is ValueError:
        return f"obstore does not take the key {name[1] if name else '?'}", "name"
    if type(error).__name__ == "PreconditionError":
        return "an object was replaced by another one while it was read", "replaced"
    if code and code[1] in _OF_CREDENTIALS:
        return f"the credentials are refused ({shown})", "credentials"
    if "api/token" in text or "169.254." in text or "metadata" in text:
        return "there are no credentials", "credentials"
    if isinstance(error, FileNotFoundError) or _NO_BUCKET in text:
        return "there is no such bucket", "missing"
    if status and status[1] in ("401", "403"):
        return f"access is denied ({shown})", "denied"
    if status:
        return f"the store fails ({shown})", "passing" if status[1][0] == "5" or status[1] in (
            "408",
            "429",
        ) else "other"
    for found_in, words in _OF_CONNECTION.items():
        if found_in in text:
            return words, "passing"
    return text.split("\n", 1)[0][:200], "other"
