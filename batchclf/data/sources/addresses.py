"""Addresses, such as s3://BUCKET/PREFIX, beside paths."""

import re
from pathlib import Path

from batchclf.errors import UsageError

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
"""What an address begins with; a single letter is a drive of Windows."""

_SUPPORTED = "give a path, file:///PATH or s3://BUCKET/PREFIX"


class Address(str):
    """s3://BUCKET/KEY without `/` at its end; the key may be empty. A part of its key is not empty, `.` or `..`."""

    __slots__ = ()

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return self.split("/", 3)[2]

    @property
    def key(self) -> str:
        """What follows the bucket, without `/` around it."""
        return "/".join(self.split("/")[3:])

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.rpartition("/")[2]

    @property
    def parent(self) -> "Address":
        """The address without its last part."""
        return Address(self.rpartition("/")[0])

    def relative(self, path: str) -> str | None:
        """Give a path below it, written relative to it or as an address, without `.` and empty parts; None if it leads
        elsewhere.
        """
        if path.startswith("s3://"):
            return path[len(self) + 1 :] if path.startswith(f"{self}/") else None
        parts = [part for part in path.split("/") if part not in ("", ".")]
        return None if ".." in parts or path.startswith("/") else "/".join(parts)

    def __truediv__(self, path: str) -> "Address":
        """Go on with a path below it."""
        return Address(f"{self}/{path}")


Location = Path | Address
"""Where something is: on this machine, or in an object store."""

_HERE = Path()


def is_address(text: str) -> bool:
    """Whether a text is an address, of whatever scheme, and no path."""
    return SCHEME.match(text) is not None


def located(text: str, base: Path = _HERE) -> Location:
    """Read a path, relative to `base`, or an address.

    Raises UsageError for one of another scheme than s3 and file, or that names no bucket or no local file.
    """
    scheme = SCHEME.match(text)
    if scheme is None:
        return base / text
    rest = text[scheme.end() :]
    match scheme[1].lower():
        case "file":
            return base / _local(text, rest)
        case "s3":
            return _object(text, rest)
        case other:
            raise UsageError(f"addresses {other}:// are not supported: {_shown(text)}", hint=_SUPPORTED)


def _local(text: str, rest: str) -> str:
    from urllib.parse import unquote

    host, slash, path = rest.partition("/")
    if host not in ("", "localhost") or not path:
        raise UsageError(f"{_shown(text)} names no file of this machine", hint="write file:///PATH, with three slashes")
    return unquote(slash + path)


def _object(text: str, rest: str) -> Address:
    bucket, *parts = rest.rstrip("/").split("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", bucket):
        raise UsageError(f"{_shown(text)} names no bucket", hint="write s3://BUCKET/PREFIX")
    if wrong := {"", ".", ".."}.intersection(parts):
        what = ", ".join(f"'{part}'" for part in sorted(wrong))
        raise UsageError(
            f"{text} has a part {what} between two slashes", hint="keys with such parts cannot be read; rename them"
        )
    return Address("/".join(("s3:/", bucket, *parts)))


def _shown(text: str) -> str:
    """Show an address without what may be a password in it."""
    return re.sub(r"//[^/@]*@", "//…@", text)
