"""run.json: decoded by the types that want it, of this format or of an older one."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from batchclf.core.records.run import RUN_FORMAT
from batchclf.errors import RunError

_Decoded = TypeVar("_Decoded")


class _Version(msgspec.Struct):
    format: int | None = None


def decode_run(content: bytes, path: Path, kind: type[_Decoded]) -> _Decoded:
    """Decode a run.json as `kind`, a type of all of its keys or of some of them; `path` is for messages.

    Raises RunError if it has another format, msgspec.MsgspecError if it is damaged.
    """
    version = msgspec.json.decode(content, type=_Version).format
    if version == 1:
        from batchclf.core.renames import RenameError, renew_run

        try:
            return msgspec.convert(renew_run(msgspec.json.decode(content, type=dict[str, Any])), kind)
        except RenameError as error:
            raise msgspec.ValidationError(str(error)) from error
    if version != RUN_FORMAT:
        newer = version is not None and version > RUN_FORMAT
        raise RunError(
            f"{path} has format {version}; this batchclf reads formats 1 and {RUN_FORMAT}",
            hint="update batchclf" if newer else "score again with this batchclf",
        )
    return msgspec.json.decode(content, type=kind)
