"""skipped.csv: the images that could not be scored, and why."""

import csv
import io
from collections.abc import Generator
from pathlib import Path

from batchclf.core.records.run import WrittenFile
from batchclf.core.text import plain_text
from batchclf.core.types import ImageRef, SkippedImage
from batchclf.errors import RunError
from batchclf.storage.csv_files.append_file import ROWS, AppendFile, ClosedAtEnd, Positions
from batchclf.storage.csv_files.cells import safe_cell

COLUMNS = ["path", "split", "label", "reason"]


class SkippedWriter(ClosedAtEnd):
    """Writes skipped.csv row by row; use as a context manager. Counts in `rows`, those before a resume too."""

    def __init__(self, path: Path, resume_at: Positions | None = None) -> None:
        """Open the file; `resume_at` is what `positions` gave in a run that was cut off later."""
        self.rows = 0 if resume_at is None else resume_at[ROWS]
        self._file = AppendFile(path, _line(COLUMNS), resume_at)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write(self, skipped: SkippedImage, split: str) -> None:
        """Append one row."""
        ref = skipped.ref
        self._file.write(_line([safe_cell(ref.path), split, safe_cell(ref.label or ""), safe_cell(skipped.reason)]))
        self.rows += 1

    def positions(self) -> Positions:
        """Hand all rows to the operating system and tell where to resume after a kill."""
        return {ROWS: self.rows, self._file.path.name: self._file.position()}

    def written(self) -> WrittenFile:
        """Describe the file as it is now."""
        return WrittenFile(self.rows, self._file.sha256)


def _line(cells: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def read_skipped(path: Path) -> Generator[SkippedImage, None, None]:
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
