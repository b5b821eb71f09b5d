"""Options that an import needs and that nobody has given: gathered, so that one error names them all."""

from collections.abc import Sequence
from dataclasses import dataclass

from batchclf.core.text import counted
from batchclf.errors import UsageError


@dataclass(frozen=True)
class Missing:
    """An option that is needed: `why` is a sentence on what is left open, `choices` begins with the option."""

    option: str
    why: str
    choices: str


class MissingOptionsError(UsageError):
    """One or more options without which a model cannot be imported."""

    def __init__(self, missing: Sequence[Missing]) -> None:
        self.missing = tuple({each.option: each for each in reversed(missing)}.values())[::-1]
        what = self.missing[0].why
        if len(self.missing) > 1:
            reasons = "; ".join(f"{each.option} ({each.why})" for each in self.missing)
            what = f"the import needs {counted(len(self.missing), 'more option')}: {reasons}"
        super().__init__(what, hint=f"give {'; '.join(each.choices for each in self.missing)}")


class Needed:
    """Gathers the options that are missing in the blocks that it is the context of, which end there."""

    def __init__(self) -> None:
        self.missing: list[Missing] = []

    def __enter__(self) -> None:
        """Begin a block."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Note what is missing; any other error is raised."""
        if not isinstance(error, MissingOptionsError):
            return False
        self.missing.extend(error.missing)
        return True

    def ask(self) -> None:
        """Raise MissingOptionsError if options are missing; one that is missing twice counts once, the first time."""
        if self.missing:
            raise MissingOptionsError(self.missing)
