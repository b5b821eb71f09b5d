"""Why Keras could not load a file."""

import re
from pathlib import Path

from batchclf.errors import ModelError

ELSEWHERE = "export the model where it was made, with model.export(FOLDER), and import that SavedModel"

_MISSING = re.compile(
    r"Could not locate class '([^']+)'|Cannot deserialize object of type `([^`]+)`|Unknown layer: '?([^'. ]+)"
)


def first_line(error: BaseException) -> str:
    """Give the first line of an exception's text, or its class."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]


def not_loaded(path: Path, error: BaseException) -> ModelError:
    """Make an exception of Keras one for a person.

    Keras wraps the cause in exceptions that begin with the configuration of a layer, so the cause is looked for behind
    them.
    """
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    text = "\n".join(map(str, chain))
    if "`Lambda` layer" in text:
        return ModelError(
            f"{path} cannot be loaded: it has a Lambda layer, whose Python code would have to be run",
            hint=f"replace it by a layer of Keras, or {ELSEWHERE}",
        )
    missing = _MISSING.search(text)
    if missing is not None:
        return ModelError(
            f"{path} cannot be loaded: it needs the class {next(filter(None, missing.groups()))}, which is no part of "
            "Keras",
            hint=ELSEWHERE,
        )
    return ModelError(
        f"{path} cannot be loaded: {first_line(chain[-1])}",
        hint="check that the file is whole and was saved by this or an older version of Keras",
    )
