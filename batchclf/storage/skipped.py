"""skipped.csv: the images that could not be scored, and why."""

import csv
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from batchclf.core.types import ImageRef, SkippedImage
from batchclf.errors import RunError
from batchclf.storage.predictions import plain_text, safe_cell

COLUMNS = ["path", "split", "label", "reason"]


class SkippedWriter:
    """Writes skipped.csv row by row; use as a context manager. Counts what it wrote in `rows`."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._handle = path.open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._handle)
        self._csv.writerow(COLUMNS)

    def __enter__(self) -> "SkippedWriter":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._handle.close()

    def write(self, skipped: SkippedImage, split: str) -> None:
        """Append one row."""
        ref = skipped.ref
        self._csv.writerow([safe_cell(ref.path), split, safe_cell(ref.label or ""), safe_cell(skipped.reason)])
        self.rows += 1


def read_skipped(path: Path) -> Iterator[SkippedImage]:
    """Read skipped.csv row by row; raises RunError where it is missing or damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            if list(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(f"its first line is not {','.join(COLUMNS)}")
            for row in reader:
                if None in row.values():
                    raise ValueError(f"line {reader.line_num} lacks a cell")
                ref = ImageRef(plain_text(row["path"]), plain_text(row["label"]) or None)
                yield SkippedImage(ref, plain_text(row["reason"]))
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", hint="score again") from error
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}", hint="score again") from error
