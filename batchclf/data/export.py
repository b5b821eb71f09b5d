"""Writes a split as class folders of PNG files, to be looked at or scored as a directory."""

import shutil
from contextlib import suppress
from pathlib import Path, PurePosixPath

from batchclf.core.text import counted
from batchclf.core.types import Say, Split
from batchclf.data.class_folders import CLASS_MAP_FILE, folder_names, write_class_map
from batchclf.data.decoding.opencv import encode_png
from batchclf.errors import DataError


def export_split(split: Split, class_names: tuple[str, ...], out: Path, *, say: Say) -> int:
    """Write each image to `out`/FOLDER/NAME.png and the class map to `out`/classes.json; count the images.

    FOLDER is the class's folder name (see `folder_names`), NAME the last part of the image's path. PNG loses
    nothing: 1 channel stays grayscale, 3 channels are RGB. Every class gets its folder, with images or not.
    Raises DataError where `out` is not empty or cannot be written; what was written is then removed.
    """
    is_new = _check_empty(out)
    say(f"writing {counted(len(split.paths), 'image')} of the split {split.name} to {out}")
    try:
        _write(split, class_names, out)
    except OSError as error:
        _clear(out, is_new)
        place = f" ({error.filename})" if error.filename else ""
        raise DataError(
            f"the export to {out} failed: {error.strerror or error}{place}; what was written is removed",
            hint="free space there, or choose another folder, and run it again",
        ) from error
    except BaseException:
        _clear(out, is_new)
        raise
    return len(split.paths)


def _check_empty(out: Path) -> bool:
    """Say whether `out` has yet to be made; raises DataError where it holds something."""
    try:
        held = next(out.iterdir(), None)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise DataError(
            f"{out} cannot be written to: {error.strerror}", hint="name a folder that is new or empty"
        ) from error
    if held is not None:
        raise DataError(
            f"{out} is not empty: it holds {held.name}",
            hint=f"name a folder that is new or empty; one without {CLASS_MAP_FILE} may be left of a killed export",
        )
    return False


def _write(split: Split, class_names: tuple[str, ...], out: Path) -> None:
    folders = folder_names(class_names)
    for folder in folders.values():
        (out / folder).mkdir(parents=True)
    out.mkdir(parents=True, exist_ok=True)
    for image, label, path in zip(split.images, split.labels, split.paths, strict=True):
        target = out / folders[class_names[label]] / f"{PurePosixPath(path).name}.png"
        # Two paths with the same last part must not overwrite each other.
        with target.open("xb") as file:
            file.write(encode_png(image))
    # Last, so that its presence tells a whole export from one that was killed.
    write_class_map(out, folders)


def _clear(out: Path, is_new: bool) -> None:
    """Remove what a failed export left in a folder that was empty before."""
    if is_new:
        shutil.rmtree(out, ignore_errors=True)
        return
    with suppress(OSError):
        for entry in out.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
